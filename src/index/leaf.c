/*
 * leaf.c - the slots of a leaf.
 *
 * The sorted prefix. `sorted` says below which place live slots are in key order. It grows only while it equals `used`, by a
 * slot whose key follows that of the slot before it, which must be live: so all keys that ever were in the prefix, removed
 * ones too, ascend with their places. It shrinks when a freed place inside is filled with another key, and can never grow
 * again after that, because `used` does not shrink. A reader copies the slots first and reads `sorted` last: if its copy
 * has a slot that shrank the prefix, it sees the shrunken prefix (leaf_add stores it first); if it sees a prefix larger than
 * what it copied, the places it has not seen filled are free in its copy. So in every copy the prefix ascends.
 */
#include "index/leaf.h"

#include "base/check.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#if defined(__SSE2__) && !defined(UNDER_TSAN)
#define VECTORS 1
#include <emmintrin.h>
#endif

uint64_t leaf_match_portable(const struct leaf *leaf, uint16_t tag)
{
    uint64_t matches = 0;
    for (unsigned i = 0; i < LEAF_SLOTS; i++) {
        /* relaxed: a hint, read again by who takes it */
        uint64_t slot = atomic_load_explicit(&leaf->slots[i], memory_order_relaxed);
        matches |= (uint64_t)(slot_tag(slot) == tag) << i;
    }
    return matches;
}

#ifdef VECTORS
/*
 * Two slots, by one instruction that the compiler can neither split nor repeat. The halves may come from different moments,
 * and that is enough: the bytes of a tag that stays are the same at all of them.
 */
static inline __m128i load_pair(const struct leaf *leaf, unsigned i)
{
    __m128i pair;
    const void *at = (const char *)leaf + i * sizeof(uint64_t); /* past the slots at the end */
    __asm__ volatile("movdqa %1, %0" : "=x"(pair) : "m"(*(const __m128i *)at));
    return pair;
}

/* The tags of four slots as 32-bit numbers with their sign, so that packing keeps their bits. */
static inline __m128i load_tags(const struct leaf *leaf, unsigned i)
{
    __m128 first = _mm_castsi128_ps(load_pair(leaf, i));
    __m128 second = _mm_castsi128_ps(load_pair(leaf, i + 2));
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)));
    return _mm_srai_epi32(high, 16);
}

static inline __m128i match_8(const struct leaf *leaf, unsigned i, __m128i tag)
{
    return _mm_cmpeq_epi16(_mm_packs_epi32(load_tags(leaf, i), load_tags(leaf, i + 4)), tag);
}

/* Looks at all 512 bytes as 64 slots and forgets the answers for the last five, which are something else. */
uint64_t leaf_match(const struct leaf *leaf, uint16_t tag)
{
    static_assert(offsetof(struct leaf, slots) == 0, "the slots begin on a cache line");
    const __m128i tags = _mm_set1_epi16((short)tag);
    uint64_t matches = 0;
    for (unsigned i = 0; i < LEAF_BYTES / sizeof(uint64_t); i += 16) {
        __m128i equal = _mm_packs_epi16(match_8(leaf, i, tags), match_8(leaf, i + 8, tags));
        matches |= (uint64_t)(unsigned)_mm_movemask_epi8(equal) << i;
    }
    return matches & ((UINT64_C(1) << LEAF_SLOTS) - 1);
}
#else
uint64_t leaf_match(const struct leaf *leaf, uint16_t tag)
{
    return leaf_match_portable(leaf, tag);
}
#endif

unsigned leaf_copy(const struct leaf *leaf, uint64_t ret_slots[LEAF_SLOTS])
{
    for (unsigned i = 0; i < LEAF_SLOTS; i++)
        ret_slots[i] = leaf_slot(leaf, i);
    /* relaxed: after the slots, because each was read with acquire; see above for why that is enough */
    return atomic_load_explicit(&leaf->sorted, memory_order_relaxed);
}

void leaf_clear(struct leaf *leaf)
{
    for (unsigned i = 0; i < LEAF_SLOTS; i++)
        atomic_store_explicit(&leaf->slots[i], 0, memory_order_relaxed); /* seen by nobody yet */
    atomic_store_explicit(&leaf->sorted, 0, memory_order_relaxed);
    leaf->used = 0;
    leaf->live = 0;
}

int leaf_find(const struct leaf *leaf, uint64_t slot)
{
    for (uint64_t left = leaf_match(leaf, slot_tag(slot)); left != 0; left &= left - 1) {
        int i = __builtin_ctzll(left);
        /* relaxed: the mutator's own stores */
        if (atomic_load_explicit(&leaf->slots[i], memory_order_relaxed) == slot)
            return i;
    }
    return -1;
}

void leaf_store(struct leaf *leaf, unsigned i, uint64_t slot)
{
    uint64_t old = atomic_load_explicit(&leaf->slots[i], memory_order_relaxed); /* our own */
    leaf->live = (uint8_t)(leaf->live + (slot != 0) - (old != 0));
    /* release: the record behind the locator, and `sorted`. pairs with: leaf_slot */
    atomic_store_explicit(&leaf->slots[i], slot, memory_order_release);
}

void leaf_add(struct leaf *leaf, uint64_t slot, bool ascending)
{
    ASSERT(leaf->live < LEAF_SLOTS);
    unsigned sorted = atomic_load_explicit(&leaf->sorted, memory_order_relaxed); /* our own */
    if (leaf->used < LEAF_SLOTS) {
        ASSERT(!ascending || sorted == leaf->used);
        leaf_store(leaf, leaf->used, slot);
        leaf->used++;
        if (ascending) /* relaxed: who sees it too early takes the place for free */
            atomic_store_explicit(&leaf->sorted, leaf->used, memory_order_relaxed);
        return;
    }
    unsigned i = LEAF_SLOTS - 1; /* the last free place spoils the least of the prefix */
    while (atomic_load_explicit(&leaf->slots[i], memory_order_relaxed) != 0)
        i--;
    if (i < sorted) /* relaxed: ordered before the slot by the release of leaf_store */
        atomic_store_explicit(&leaf->sorted, (uint8_t)i, memory_order_relaxed);
    leaf_store(leaf, i, slot);
}

void leaf_fill(struct leaf *leaf, const uint64_t *slots, unsigned count, unsigned sorted)
{
    ASSERT(leaf->used == 0 && count <= LEAF_SLOTS && sorted <= count);
    for (unsigned i = 0; i < count; i++)
        atomic_store_explicit(&leaf->slots[i], slots[i], memory_order_relaxed); /* not yet seen */
    atomic_store_explicit(&leaf->sorted, (uint8_t)sorted, memory_order_relaxed);
    leaf->used = (uint8_t)count;
    leaf->live = (uint8_t)count;
}

uint64_t leaf_sorted_last(const struct leaf *leaf)
{
    if (leaf->used == 0 || leaf->used == LEAF_SLOTS ||
        atomic_load_explicit(&leaf->sorted, memory_order_relaxed) != leaf->used) /* our own */
        return 0;
    return atomic_load_explicit(&leaf->slots[leaf->used - 1], memory_order_relaxed);
}
