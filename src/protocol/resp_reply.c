/*
 * resp_reply.c - reads replies as they arrive.
 *
 * While a reply is incomplete, its items are a flat list of nodes in the order they came, with offsets instead of addresses
 * since the input may move; only what has arrived takes memory, whatever was announced. When it is whole, the tree is laid
 * out in one array, each aggregate's items side by side.
 */
#include "protocol/resp_reply.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    LINE_BYTES_MAX = 64 * 1024,
    NODES_KEPT = 4096, /* larger arrays are given back before the next reply */
    HEAD_SHOWN_BYTES = 32,
    VERBATIM_FORMAT_BYTES = 4, /* "txt:" */
};

struct resp_node {
    enum resp_type type;
    size_t off; /* of the text */
    size_t len; /* of the text */
    int64_t integer;
    double real;
    size_t count; /* of items */
};

/* What a line says. */
struct head {
    struct resp_node node;
    bool aggregate;
    bool attribute;
    bool bulk; /* node.len bytes and a CRLF follow */
};

/* ---- Requests ---- */

static void put_number(struct buf *out, char mark, uint64_t number)
{
    char line[NUMBER_I64_CHARS + 3];
    line[0] = mark;
    size_t len = 1 + number_print_u64(number, line + 1);
    line[len++] = '\r';
    line[len++] = '\n';
    buf_append(out, line, len);
}

void resp_put_count(struct buf *out, size_t count)
{
    put_number(out, '*', count);
}

void resp_put_arg_head(struct buf *out, uint64_t bytes)
{
    put_number(out, '$', bytes);
}

void resp_put_arg(struct buf *out, struct kvs_bytes arg)
{
    resp_put_arg_head(out, arg.len);
    buf_append_bytes(out, arg);
    buf_append(out, "\r\n", 2);
}

void resp_put_request(struct buf *out, const struct kvs_bytes *args, size_t count)
{
    resp_put_count(out, count);
    for (size_t i = 0; i < count; i++)
        resp_put_arg(out, args[i]);
}

/* ---- Replies ---- */

void resp_reader_init(struct resp_reader *reader, size_t bytes_max)
{
    *reader = (struct resp_reader){ .bytes_max = bytes_max };
}

void resp_reader_done(struct resp_reader *reader)
{
    free(reader->nodes);
    free(reader->values);
    resp_reader_init(reader, reader->bytes_max);
}

static enum kvs_status bad_line(struct kvs_bytes line)
{
    int shown = line.len < HEAD_SHOWN_BYTES ? (int)line.len : HEAD_SHOWN_BYTES;
    return fail(KVS_PROTOCOL, 0, "not a reply in RESP: \"%.*s\"", shown, (const char *)line.data);
}

/* A length or count; -1, RESP2's null, is the only negative one. */
static bool parse_count(struct kvs_bytes text, struct head *head, size_t *ret)
{
    int64_t count;
    if (!number_parse_i64(text, &count) || count < -1)
        return false;
    if (count == -1) {
        *head = (struct head){ .node = { .type = RESP_NULL } };
        return true;
    }
    *ret = (size_t)count;
    return true;
}

static bool parse_aggregate(struct kvs_bytes text, enum resp_type type, struct head *head)
{
    head->node.type = type;
    head->node.len = 0;
    head->aggregate = true;
    if (!parse_count(text, head, &head->node.count) || head->node.count > SIZE_MAX / 2)
        return false;
    if (type == RESP_MAP && head->aggregate)
        head->node.count *= 2;
    return true;
}

static bool parse_bulk(struct kvs_bytes text, enum resp_type type, struct head *head)
{
    head->node.type = type;
    head->bulk = true;
    return parse_count(text, head, &head->node.len);
}

static bool parse_real(struct kvs_bytes text, struct head *head)
{
    head->node.type = RESP_REAL;
    if (bytes_equal_nocase(text, BYTES("nan")) || bytes_equal_nocase(text, BYTES("-nan"))) {
        head->node.real = NAN;
        return true;
    }
    return number_parse_double(text, &head->node.real);
}

static bool parse_boolean(struct kvs_bytes text, struct head *head)
{
    head->node.type = RESP_BOOLEAN;
    head->node.integer = bytes_equal(text, BYTES("t"));
    return head->node.integer || bytes_equal(text, BYTES("f"));
}

/* @line without its CRLF, at least its mark. */
static bool parse_line(struct kvs_bytes line, struct head *head)
{
    struct kvs_bytes text = bytes_from(line, 1);
    head->node.off = 1; /* from the line's start; the text of all that is one line */
    head->node.len = text.len;
    switch (*(const char *)line.data) {
    case '+':
        head->node.type = RESP_STATUS;
        return true;
    case '-':
        head->node.type = RESP_ERROR;
        return true;
    case '(':
        head->node.type = RESP_BIG_NUMBER;
        return true;
    case ':':
        head->node.type = RESP_INTEGER;
        return number_parse_i64(text, &head->node.integer);
    case '_':
        head->node.type = RESP_NULL;
        return text.len == 0;
    case ',':
        return parse_real(text, head);
    case '#':
        return parse_boolean(text, head);
    case '$':
        return parse_bulk(text, RESP_BULK, head);
    case '!':
        return parse_bulk(text, RESP_ERROR, head);
    case '=':
        return parse_bulk(text, RESP_VERBATIM, head) && head->node.len >= VERBATIM_FORMAT_BYTES;
    case '*':
        return parse_aggregate(text, RESP_ARRAY, head);
    case '%':
        return parse_aggregate(text, RESP_MAP, head);
    case '~':
        return parse_aggregate(text, RESP_SET, head);
    case '>':
        return parse_aggregate(text, RESP_PUSH, head);
    case '|':
        head->attribute = true;
        return parse_aggregate(text, RESP_MAP, head) && head->aggregate;
    default:
        return false;
    }
}

/* The line at @start of @input. KVS_OK: *head is it, *ret_next the offset behind it. @seen: as line_seen. */
static enum kvs_status read_line(struct kvs_bytes input, size_t start, size_t *seen,
                                 struct head *head, size_t *ret_next)
{
    const char *base = input.data;
    size_t from = *seen > start ? *seen : start;
    const char *cr = from < input.len ? memchr(base + from, '\r', input.len - from) : NULL;
    size_t end = cr != NULL ? (size_t)(cr - base) : input.len;
    *seen = end;
    if (end - start > LINE_BYTES_MAX)
        return fail(KVS_PROTOCOL, 0, "a line of a reply is over the limit of %d bytes",
                    LINE_BYTES_MAX);
    if (cr == NULL || end + 1 >= input.len)
        return KVS_WOULD_BLOCK;
    struct kvs_bytes line = bytes_of(base + start, end - start);
    *head = (struct head){ .aggregate = false };
    if (base[end + 1] != '\n' || line.len == 0 || !parse_line(line, head))
        return bad_line(line);
    head->node.off += start;
    *ret_next = end + 2;
    return KVS_OK;
}

static enum kvs_status add_node(struct resp_reader *reader, const struct resp_node *node)
{
    if (reader->node_count == reader->node_capacity) {
        size_t capacity = reader->node_capacity == 0 ? 16 : reader->node_capacity * 2;
        struct resp_node *nodes = reallocarray(reader->nodes, capacity, sizeof *nodes);
        if (nodes == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "a reply of %zu items", reader->node_count);
        reader->nodes = nodes;
        reader->node_capacity = capacity;
    }
    reader->nodes[reader->node_count++] = *node;
    return KVS_OK;
}

/* The node's bytes have come: what was waiting for it may be complete too. True: the reply is. */
static bool item_done(struct resp_reader *reader)
{
    while (reader->depth > 0) {
        struct resp_level *level = &reader->levels[reader->depth - 1];
        if (--level->items_left > 0)
            return false;
        reader->depth--;
        if (level->attribute) {
            /* It tells about the item behind it, and nobody asked. */
            reader->node_count = level->first_node;
            return false;
        }
    }
    return true;
}

static enum kvs_status open_level(struct resp_reader *reader, const struct head *head)
{
    if (reader->depth == RESP_DEPTH_MAX)
        return fail(KVS_PROTOCOL, 0, "a reply is nested deeper than %d", RESP_DEPTH_MAX);
    reader->levels[reader->depth++] = (struct resp_level){
        .items_left = head->node.count,
        .first_node = reader->node_count - 1,
        .attribute = head->attribute,
    };
    return KVS_OK;
}

/* One item, or the head of an aggregate. KVS_OK: *ret_done tells whether the reply is whole now. */
static enum kvs_status read_item(struct resp_reader *reader, struct kvs_bytes input, bool *ret_done)
{
    struct head head = { .aggregate = false };
    size_t next = 0;
    enum kvs_status status = read_line(input, reader->scanned, &reader->line_seen, &head, &next);
    if (status != KVS_OK)
        return status;
    struct resp_node *node = &head.node;
    if (head.bulk) {
        if (node->len > reader->bytes_max || next > reader->bytes_max - node->len)
            return fail(KVS_PROTOCOL, 0, "a reply is over the limit of %zu bytes",
                        reader->bytes_max);
        if (input.len - next < node->len + 2)
            return KVS_WOULD_BLOCK;
        node->off = next;
        next += node->len + 2;
        if (node->type == RESP_VERBATIM) {
            node->off += VERBATIM_FORMAT_BYTES;
            node->len -= VERBATIM_FORMAT_BYTES;
        }
    }
    if (next > reader->bytes_max || (head.aggregate && node->count > reader->bytes_max))
        return fail(KVS_PROTOCOL, 0, "a reply is over the limit of %zu bytes", reader->bytes_max);
    status = add_node(reader, node);
    if (status != KVS_OK)
        return status;
    reader->scanned = next;
    if (head.aggregate && node->count > 0) {
        *ret_done = false;
        return open_level(reader, &head);
    }
    if (head.attribute) {
        reader->node_count--; /* an empty one */
        *ret_done = false;
        return KVS_OK;
    }
    *ret_done = item_done(reader);
    return KVS_OK;
}

/* Makes @value of node @index and what belongs to it; returns the index behind that. *used counts the values in use. */
static size_t lay_out(struct resp_reader *reader, const char *base, size_t index, size_t *used,
                      struct resp_value *value)
{
    const struct resp_node *node = &reader->nodes[index++];
    *value = (struct resp_value){
        .type = node->type,
        .text = { base + node->off, node->len },
        .integer = node->integer,
        .real = node->real,
    };
    if (node->count == 0)
        return index;
    value->text = (struct kvs_bytes){ NULL, 0 };
    value->items = reader->values + *used;
    value->item_count = node->count;
    *used += node->count;
    for (size_t i = 0; i < value->item_count; i++)
        index = lay_out(reader, base, index, used, &value->items[i]);
    return index;
}

static enum kvs_status build(struct resp_reader *reader, struct kvs_bytes input,
                             struct resp_value *ret)
{
    if (reader->value_capacity < reader->node_count) {
        struct resp_value *values = calloc(reader->node_count, sizeof *values);
        if (values == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "a reply of %zu items", reader->node_count);
        free(reader->values);
        reader->values = values;
        reader->value_capacity = reader->node_count;
    }
    size_t used = 0;
    (void)lay_out(reader, input.data, 0, &used, ret);
    return KVS_OK;
}

/* Gives back what an unusually large reply needed. */
static void let_go(struct resp_reader *reader)
{
    if (reader->node_capacity > NODES_KEPT) {
        free(reader->nodes);
        reader->nodes = NULL;
        reader->node_capacity = 0;
    }
    if (reader->value_capacity > NODES_KEPT) {
        free(reader->values);
        reader->values = NULL;
        reader->value_capacity = 0;
    }
}

enum kvs_status resp_read(struct resp_reader *reader, struct kvs_bytes input,
                          struct resp_value *ret, size_t *ret_used)
{
    if (reader->scanned == 0)
        let_go(reader);
    bool done = false;
    while (!done) {
        enum kvs_status status = read_item(reader, input, &done);
        if (status != KVS_OK)
            return status;
    }
    enum kvs_status status = build(reader, input, ret);
    if (status != KVS_OK)
        return status;
    *ret_used = reader->scanned;
    reader->scanned = 0;
    reader->line_seen = 0;
    reader->node_count = 0;
    return KVS_OK;
}

enum kvs_status resp_read_head(struct kvs_bytes input, struct resp_head *ret)
{
    struct head head = { .aggregate = false };
    size_t seen = 0;
    size_t next = 0;
    enum kvs_status status = read_line(input, 0, &seen, &head, &next);
    if (status != KVS_OK)
        return status;
    const struct resp_node *node = &head.node;
    *ret = (struct resp_head){
        .value = { .type = node->type, .integer = node->integer, .real = node->real },
        .is_aggregate = head.aggregate,
        .is_bulk = head.bulk,
        .count = head.bulk ? node->len : node->count,
        .used = next,
    };
    if (!head.bulk)
        ret->value.text = bytes_of((const char *)input.data + node->off, node->len);
    return KVS_OK;
}
