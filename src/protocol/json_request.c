/*
 * json_request.c - {"Get":{"key":"k"}}, {"Set":{"key":"k","value":"v"}}, {"Remove":{"key":"k"}}, back to back or each behind a
 * 4-byte big-endian length.
 *
 * What is not JSON, or over a limit, ends the connection, since nobody can tell where the next request begins; JSON that is not
 * a request of ours is refused by name, and the next value is read. The strings of a request are borrowed from
 * jansson's tree, which the decoder keeps until its next call.
 */
#include <jansson.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/json_scan.h"
#include "protocol/requests.h"

enum {
    FRAME_HEAD_BYTES = 4,
    SHOWN_NAME_BYTES = 40, /* of a name of the client's, in an error */
};

struct shape {
    const char *name;
    const char *command;
    enum json_request request;
    bool has_value;
};

static const struct shape shapes[] = {
    { "Get", "GET", JSON_GET, false },
    { "Set", "SET", JSON_SET, true },
    { "Remove", "DEL", JSON_REMOVE, false },
};

static enum decode_result refuse(struct decoder *decoder)
{
    decoder->json_request = JSON_BAD;
    return DECODE_REFUSED;
}

/* The field's text. False: it is missing or no string, and the error says so. */
static bool take_string(struct decoder *decoder, const struct shape *shape, json_t *fields,
                        const char *field, struct kvs_bytes *ret)
{
    json_t *value = json_object_get(fields, field);
    if (value == NULL) {
        (void)decoder_fail(decoder, "%s: missing field \"%s\"", shape->name, field);
        return false;
    }
    if (!json_is_string(value)) {
        (void)decoder_fail(decoder, "%s: field \"%s\": expected a string", shape->name, field);
        return false;
    }
    *ret = bytes_of(json_string_value(value), json_string_length(value));
    return true;
}

/* The first field that @shape does not have; NULL: none. */
static const char *unknown_field(const struct shape *shape, json_t *fields)
{
    const char *name;
    json_t *value;
    json_object_foreach(fields, name, value)
    {
        if (strcmp(name, "key") != 0 && !(shape->has_value && strcmp(name, "value") == 0))
            return name;
    }
    return NULL;
}

static enum decode_result take_request(struct decoder *decoder, const struct shape *shape,
                                       json_t *fields, struct request *ret)
{
    if (!json_is_object(fields)) {
        (void)decoder_fail(decoder, "%s: expected an object with \"key\"%s", shape->name,
                           shape->has_value ? " and \"value\"" : "");
        return refuse(decoder);
    }
    const char *unknown = unknown_field(shape, fields);
    if (unknown != NULL) {
        (void)decoder_fail(decoder, "%s: unknown field \"%.*s\"", shape->name, SHOWN_NAME_BYTES,
                           unknown);
        return refuse(decoder);
    }
    struct kvs_bytes key;
    struct kvs_bytes value = { NULL, 0 };
    if (!take_string(decoder, shape, fields, "key", &key) ||
        (shape->has_value && !take_string(decoder, shape, fields, "value", &value)))
        return refuse(decoder);
    if (!decoder_reserve(decoder, 3))
        return decoder_fail(decoder, "out of memory for the arguments of a request");
    decoder->args[0] = bytes_str(shape->command);
    decoder->args[1] = key;
    decoder->args[2] = value;
    *ret = (struct request){ .args = decoder->args, .count = shape->has_value ? 3 : 2 };
    decoder->json_request = (int)shape->request;
    return DECODE_REQUEST;
}

static enum decode_result find_request(struct decoder *decoder, json_t *root, struct request *ret)
{
    if (!json_is_object(root) || json_object_size(root) != 1) {
        (void)decoder_fail(decoder,
                           "unknown request: expected an object with one of Get, Set, Remove");
        return refuse(decoder);
    }
    const char *name = json_object_iter_key(json_object_iter(root));
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(name, shapes[i].name) == 0)
            return take_request(decoder, &shapes[i], json_object_get(root, name), ret);
    }
    (void)decoder_fail(decoder, "unknown request \"%.*s\": expected Get, Set or Remove",
                       SHOWN_NAME_BYTES, name);
    return refuse(decoder);
}

/* @text is one whole value as far as the scan can tell. */
static enum decode_result parse(struct decoder *decoder, struct kvs_bytes text, struct request *ret)
{
    json_error_t error;
    decoder->json = json_loadb(text.data, text.len,
                               JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (decoder->json == NULL) {
        (void)decoder_fail(decoder, "bad JSON: %s", error.text);
        /* Well-formed all the same, so the next request is where we think it is. */
        return json_error_code(&error) == json_error_duplicate_key ? refuse(decoder) : DECODE_ERROR;
    }
    return find_request(decoder, decoder->json, ret);
}

/* What the scan found wrong, in words. */
static enum decode_result scan_error(struct decoder *decoder, enum json_scan scan)
{
    if (scan == SCAN_TOO_DEEP)
        return decoder_fail(decoder, "bad JSON: nested deeper than %d", JSON_DEPTH_MAX);
    if (scan == SCAN_TOO_MANY)
        return decoder_fail(decoder, "bad JSON: more parts than a request has (%d)",
                            JSON_PARTS_MAX);
    return decoder_fail(decoder, "bad JSON: a request is an object, {\"Get\":{\"key\":\"k\"}}");
}

enum decode_result json_request_next(struct decoder *decoder, struct kvs_bytes input,
                                     struct request *ret, size_t *ret_used)
{
    const char *byte = input.data;
    if (decoder->scanned == 0 && json_is_space(byte[0])) {
        size_t spaces = 1;
        while (spaces < input.len && json_is_space(byte[spaces]))
            spaces++;
        *ret_used = spaces;
        return DECODE_EMPTY;
    }
    enum json_scan scan = json_scan_value(decoder, input);
    if (decoder->scanned > JSON_VALUE_MAX)
        return decoder_fail(decoder, "a JSON value is over the limit of %d bytes", JSON_VALUE_MAX);
    if (scan == SCAN_MORE)
        return DECODE_MORE;
    if (scan != SCAN_WHOLE)
        return scan_error(decoder, scan);
    size_t len = decoder->scanned;
    json_scan_reset(decoder);
    *ret_used = len;
    return parse(decoder, bytes_of(byte, len), ret);
}

enum decode_result json_frame_next(struct decoder *decoder, struct kvs_bytes input,
                                   struct request *ret, size_t *ret_used)
{
    if (input.len < FRAME_HEAD_BYTES)
        return DECODE_MORE;
    const unsigned char *head = input.data;
    size_t len =
        (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | (size_t)head[3];
    if (len > JSON_VALUE_MAX)
        return decoder_fail(decoder, "a frame of %zu bytes is over the limit of %d", len,
                            JSON_VALUE_MAX);
    if (input.len - FRAME_HEAD_BYTES < len)
        return DECODE_MORE;
    struct kvs_bytes text = { head + FRAME_HEAD_BYTES, len };
    const char *byte = text.data;
    while (text.len > 0 && json_is_space(*byte))
        text = bytes_of(++byte, text.len - 1);
    enum json_scan scan = json_scan_value(decoder, text);
    json_scan_reset(decoder);
    if (scan == SCAN_MORE)
        return decoder_fail(decoder, "bad JSON: a frame of %zu bytes holds no whole value", len);
    if (scan != SCAN_WHOLE)
        return scan_error(decoder, scan);
    *ret_used = FRAME_HEAD_BYTES + len;
    return parse(decoder, text, ret);
}
