/*
 * inner.c - searching and building inner nodes.
 */
#include "index/inner.h"

#include "base/bytes.h"
#include "base/check.h"

static const struct separator_place *places(const struct inner *inner)
{
    const void *at = inner->words + (inner->count - 1) + inner->count;
    return at;
}

struct separator inner_separator(const struct inner *inner, unsigned i)
{
    struct separator_place place = places(inner)[i];
    const char *at = (const char *)inner + place.off;
    if (place.len <= SEPARATOR_NEAR_MAX)
        return (struct separator){ { at, place.len }, NULL };
    struct far *far;
    memcpy(&far, at, sizeof far);
    return (struct separator){ { far->data, place.len }, far };
}

/*
 * How many separators have a head below @head. Four ways at a time, and by arithmetic: the three loads do not wait for each
 * other, and there is no jump that would be guessed wrongly half of the time.
 */
static unsigned heads_below(const struct inner *inner, uint64_t head)
{
    const uint64_t *base = inner->words;
    unsigned left = inner->count - 1u;
    while (left > 4) {
        unsigned quarter = left / 4;
        unsigned steps = (unsigned)(base[quarter - 1] < head) +
                         (unsigned)(base[2 * quarter - 1] < head) +
                         (unsigned)(base[3 * quarter - 1] < head);
        base += steps * quarter;
        left -= 3 * quarter;
    }
    unsigned below = (unsigned)(base - inner->words);
    for (unsigned i = 0; i < left; i++)
        below += base[i] < head;
    return below;
}

/* Among the separators from @low on, whose first has this head: how many in all come before @key. */
static unsigned search_equal_heads(const struct inner *inner, struct kvs_bytes key, bool below,
                                   uint64_t head, unsigned low)
{
    unsigned high = inner->count - 1u;
    struct kvs_bytes rest = bytes_from(key, inner->prefix_bytes);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        bool before = false;
        if (inner->words[middle] == head) {
            struct kvs_bytes separator = inner_separator(inner, middle).bytes;
            int order = bytes_compare(bytes_from(separator, inner->prefix_bytes), rest);
            before = order < 0 || (order == 0 && !below);
        }
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

unsigned inner_search(const struct inner *inner, struct kvs_bytes key, bool below)
{
    size_t prefix_bytes = inner->prefix_bytes;
    if (prefix_bytes > 0) {
        size_t common = key.len < prefix_bytes ? key.len : prefix_bytes;
        int order = common == 0 ? 0 : memcmp(key.data, inner->prefix, common);
        if (order < 0 || (order == 0 && key.len < prefix_bytes))
            return 0;
        if (order > 0)
            return inner->count - 1u;
    }
    uint64_t head = head_of((const char *)key.data + prefix_bytes, key.len - prefix_bytes);
    unsigned low = heads_below(inner, head);
    if (low < inner->count - 1u && unlikely(inner->words[low] == head))
        return search_equal_heads(inner, key, below, head, low);
    return low;
}

void inner_list_append(struct inner_list *list, struct inner *inner, struct separator between)
{
    ASSERT(list->count + inner->count <= sizeof list->children / sizeof *list->children);
    for (unsigned i = 0; i < inner->count; i++) {
        list->children[list->count] = inner_child(inner, i);
        list->separators[list->count] = i == 0 ? between : inner_separator(inner, i - 1);
        list->count++;
    }
}

void inner_list_extend(struct inner_list *list, const struct inner_list *more,
                       struct separator between)
{
    ASSERT(list->count + more->count <= sizeof list->children / sizeof *list->children);
    for (unsigned i = 0; i < more->count; i++) {
        list->children[list->count] = more->children[i];
        list->separators[list->count] = i == 0 ? between : more->separators[i];
        list->count++;
    }
}

void inner_list_replace(struct inner_list *list, unsigned at, unsigned removed, void *const *added,
                        unsigned added_count, struct separator between)
{
    unsigned behind = list->count - at - removed;
    memmove(&list->children[at + added_count], &list->children[at + removed],
            behind * sizeof *list->children);
    memmove(&list->separators[at + added_count], &list->separators[at + removed],
            behind * sizeof *list->separators);
    for (unsigned i = 0; i < added_count; i++) {
        list->children[at + i] = added[i];
        if (i > 0) /* what lies before the first stays */
            list->separators[at + i] = between;
    }
    list->count = list->count - removed + added_count;
}

struct inner *inner_build(struct memory *memory, const struct inner_list *list, unsigned first,
                          unsigned count, unsigned level)
{
    ASSERT(count > 0 && count <= INNER_CHILDREN_MAX && first + count <= list->count);
    /* Separator i of the node is separators[i]. */
    const struct separator *separators = &list->separators[first + 1];
    unsigned separator_count = count - 1;
    size_t off = sizeof(struct inner) + separator_count * (8 + sizeof(struct separator_place)) +
                 count * sizeof(void *);
    size_t bytes = off;
    for (unsigned i = 0; i < separator_count; i++)
        bytes += separators[i].far != NULL ? sizeof(struct far *) : separators[i].bytes.len;

    struct inner *inner = memory_alloc(memory, bytes);
    if (inner == NULL)
        return NULL;
    *inner = (struct inner){
        .count = (uint16_t)count, .level = (uint16_t)level, .memory = memory, .bytes = bytes
    };
    if (separator_count > 0) /* they ascend, so what the first and the last share, all share */
        inner->prefix_bytes =
            (uint32_t)common_bytes(separators[0].bytes, separators[separator_count - 1].bytes);

    struct separator_place *place = (void *)(inner->words + separator_count + count);
    for (unsigned i = 0; i < separator_count; i++) {
        struct kvs_bytes whole = separators[i].bytes;
        struct kvs_bytes rest = bytes_from(whole, inner->prefix_bytes);
        inner->words[i] = head_of(rest.data, rest.len);
        place[i] = (struct separator_place){ (uint32_t)off, (uint32_t)whole.len };
        char *at = (char *)inner + off;
        if (separators[i].far != NULL) {
            memcpy(at, &separators[i].far, sizeof separators[i].far);
            off += sizeof separators[i].far;
        } else if (whole.len > 0) {
            memcpy(at, whole.data, whole.len);
            off += whole.len;
        }
    }
    if (separator_count > 0)
        inner->prefix = inner_separator(inner, 0).bytes.data;
    for (unsigned i = 0; i < count; i++) /* relaxed: nobody sees the node yet */
        atomic_init(inner_child_at(inner, i), list->children[first + i]);
    return inner;
}

void inner_free(struct inner *inner)
{
    if (inner != NULL)
        memory_free(inner->memory, inner, inner->bytes);
}

struct far *far_new(struct memory *memory, struct kvs_bytes bytes)
{
    struct far *far = memory_alloc(memory, sizeof *far + bytes.len);
    if (far == NULL)
        return NULL;
    far->memory = memory;
    far->len = bytes.len;
    memcpy(far->data, bytes.data, bytes.len);
    return far;
}

void far_free(struct far *far)
{
    if (far != NULL)
        memory_free(far->memory, far, sizeof *far + far->len);
}
