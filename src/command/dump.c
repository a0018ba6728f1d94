/*
 * dump.c - DUMP and RESTORE: a value as Redis writes it to its files, so that it can go from one to the other.
 *
 * A payload is a type byte (0: string), the string, the version of the format in two bytes, and a CRC-64 of all that; numbers of the frame
 * are little-endian. A string is its length and its bytes, or, when the length's upper bits are 11, one of
 *     0xc0 0xc1 0xc2     an integer of 1, 2 or 4 bytes
 *     0xc3               packed by LZF: packed length, length, packed bytes
 * and a length is 6 bits (00), 14 bits (01), 32 bits (0x80) or 64 bits (0x81), big-endian. We write integers where Redis
 * does, and never pack. Large values are streamed out as they are, and unpacked into a blob piece by piece.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc64.h"
#include "base/fail.h"
#include "base/lzf.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

enum {
    FORMAT_VERSION = 10, /* of Redis 7.0 */
    TYPE_STRING = 0,
    HEAD_BYTES_MAX = 16,
    FOOT_BYTES = 10,
    INTEGER_CHARS_MAX = 11 /* of a string that is written as an integer */
};

/* ---- DUMP ---- */

static size_t put_number(unsigned char *out, uint64_t number, size_t bytes, bool big_endian)
{
    for (size_t i = 0; i < bytes; i++) {
        size_t shift = 8 * (big_endian ? bytes - 1 - i : i);
        out[i] = (unsigned char)(number >> shift);
    }
    return bytes;
}

static size_t put_length(unsigned char *out, uint64_t length)
{
    if (length < 64)
        return put_number(out, length, 1, true);
    if (length < 16384)
        return put_number(out, 0x4000 | length, 2, true);
    out[0] = length <= UINT32_MAX ? 0x80 : 0x81;
    return 1 + put_number(out + 1, length, length <= UINT32_MAX ? 4 : 8, true);
}

/* The string as an integer of 32 bits, if it is one and written the one way. */
static bool as_integer(const struct data_value *value, int64_t *ret)
{
    return value->reader == NULL && value->info.value_bytes <= INTEGER_CHARS_MAX &&
           number_parse_i64(bytes_of(value->bytes, value->info.value_bytes), ret) &&
           *ret >= INT32_MIN && *ret <= INT32_MAX;
}

/* Everything before the bytes of the string. *ret_bare: nothing is to follow. */
static size_t put_head(unsigned char *out, const struct data_value *value, bool *ret_bare)
{
    int64_t number;
    out[0] = TYPE_STRING;
    *ret_bare = as_integer(value, &number);
    if (!*ret_bare)
        return 1 + put_length(out + 1, value->info.value_bytes);
    size_t size = number >= INT8_MIN && number <= INT8_MAX     ? 0
                  : number >= INT16_MIN && number <= INT16_MAX ? 1
                                                               : 2;
    out[1] = (unsigned char)(0xc0 | size);
    return 2 + put_number(out + 2, (uint64_t)number, (size_t)1 << size, false);
}

static enum kvs_status sum_piece(void *arg, __attribute__((unused)) uint64_t off,
                                 struct kvs_bytes piece)
{
    uint64_t *crc = arg;
    *crc = crc64(*crc, piece.data, piece.len);
    return KVS_OK;
}

static enum kvs_status reply_whole(struct command_ctx *ctx, struct kvs_bytes head,
                                   struct kvs_bytes bytes, struct kvs_bytes foot)
{
    size_t total = head.len + bytes.len + foot.len;
    char *payload = malloc(total);
    if (payload == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "payload of %zu bytes", total);
    memcpy(payload, head.data, head.len);
    if (bytes.len > 0)
        memcpy(payload + head.len, bytes.data, bytes.len);
    memcpy(payload + head.len + bytes.len, foot.data, foot.len);
    reply_bulk(ctx->reply, bytes_of(payload, total));
    free(payload);
    return KVS_OK;
}

static enum kvs_status reply_payload(struct command_ctx *ctx, struct data_value *value)
{
    unsigned char head[HEAD_BYTES_MAX];
    unsigned char foot[FOOT_BYTES];
    bool bare;
    size_t head_len = put_head(head, value, &bare);
    uint64_t bytes = bare ? 0 : value->info.value_bytes;
    uint64_t crc = crc64(0, head, head_len);
    enum kvs_status status = data_walk(ctx, value, 0, bytes, sum_piece, &crc);
    if (status != KVS_OK)
        return status;
    put_number(foot, FORMAT_VERSION, 2, false);
    put_number(foot + 2, crc64(crc, foot, 2), 8, false);
    if (value->reader == NULL)
        return reply_whole(ctx, bytes_of(head, head_len), bytes_of(value->bytes, bytes),
                           bytes_of(foot, sizeof foot));
    struct kvs_reader *reader = value->reader;
    value->reader = NULL; /* the reply takes it over, also when it fails */
    return reply_reader_between(ctx->reply, reader, bytes, bytes_of(head, head_len),
                                bytes_of(foot, sizeof foot))
               ? KVS_OK
               : fail(KVS_NO_MEMORY, ENOMEM, "reply with a large value");
}

enum kvs_status cmd_dump(struct command_ctx *ctx)
{
    struct data_value value = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, 1), &value);
    if (status == KVS_OK && value.info.found)
        status = reply_payload(ctx, &value);
    else if (status == KVS_OK)
        reply_null(ctx->reply);
    data_value_done(ctx, &value);
    return status;
}

/* ---- Reading a payload ---- */

/* A string as the payload has it. */
struct parcel {
    struct kvs_bytes bytes; /* of the string, or packed */
    uint64_t length;        /* of the string */
    bool packed;
    char digits[NUMBER_I64_CHARS]; /* where bytes lie when the payload has a number */
    struct lzf lzf;
};

static uint64_t get_number(const unsigned char *from, size_t bytes, bool big_endian)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | from[big_endian ? i : bytes - 1 - i];
    return number;
}

static bool checksum_fits(struct kvs_bytes payload)
{
    if (payload.len < FOOT_BYTES)
        return false;
    const unsigned char *foot = (const unsigned char *)payload.data + payload.len - FOOT_BYTES;
    return get_number(foot, 2, false) <= FORMAT_VERSION &&
           crc64(0, payload.data, payload.len - 8) == get_number(foot + 2, 8, false);
}

/* Takes @count bytes off the front of *@text; NULL: there are not so many. */
static const unsigned char *take(struct kvs_bytes *text, uint64_t count)
{
    if (count > text->len)
        return NULL;
    const unsigned char *taken = text->data;
    *text = bytes_of(taken + count, text->len - (size_t)count);
    return taken;
}

/* A length; one whose upper bits are 11 stands for an encoding: *ret_code is 0 otherwise. */
static bool take_length(struct kvs_bytes *text, uint64_t *ret, unsigned *ret_code)
{
    const unsigned char *head = take(text, 1);
    if (head == NULL)
        return false;
    unsigned form = head[0] >> 6;
    *ret_code = form == 3 ? head[0] : 0;
    *ret = head[0] & 63;
    if (form == 0 || form == 3)
        return true;
    size_t bytes = 1;
    if (form == 2) {
        if (head[0] != 0x80 && head[0] != 0x81)
            return false;
        bytes = head[0] == 0x80 ? 4 : 8;
    }
    const unsigned char *rest = take(text, bytes);
    if (rest == NULL)
        return false;
    *ret = (form == 1 ? *ret << 8 : 0) | get_number(rest, bytes, true);
    return true;
}

static bool take_integer(struct kvs_bytes *text, size_t bytes, struct parcel *ret)
{
    const unsigned char *from = take(text, bytes);
    if (from == NULL)
        return false;
    unsigned unused = 64 - 8 * (unsigned)bytes;
    int64_t number = (int64_t)(get_number(from, bytes, false) << unused) >> unused;
    ret->length = number_print_i64(number, ret->digits);
    ret->bytes = bytes_of(ret->digits, ret->length);
    return true;
}

static bool take_packed(struct kvs_bytes *text, struct parcel *ret)
{
    uint64_t packed_len;
    uint64_t unpacked;
    unsigned codes[2];
    if (!take_length(text, &packed_len, &codes[0]) || !take_length(text, &ret->length, &codes[1]) ||
        codes[0] != 0 || codes[1] != 0)
        return false;
    const unsigned char *packed = take(text, packed_len);
    if (packed == NULL)
        return false;
    ret->packed = true;
    ret->bytes = bytes_of(packed, packed_len);
    return lzf_length(ret->bytes, &unpacked) && unpacked == ret->length;
}

/* The string in @payload, whose checksum fits. False: it is none. */
static bool open_payload(struct kvs_bytes payload, struct parcel *ret)
{
    struct kvs_bytes text = bytes_of(payload.data, payload.len - FOOT_BYTES);
    unsigned code;
    const unsigned char *type = take(&text, 1);
    ret->packed = false;
    if (type == NULL || type[0] != TYPE_STRING || !take_length(&text, &ret->length, &code))
        return false;
    if (code == 0xc3)
        return take_packed(&text, ret);
    if (code != 0)
        return code <= 0xc2 && take_integer(&text, (size_t)1 << (code & 3), ret);
    const unsigned char *bytes = take(&text, ret->length);
    if (bytes == NULL)
        return false;
    ret->bytes = bytes_of(bytes, ret->length);
    return true;
}

/* ---- RESTORE ---- */

struct restore_options {
    bool replace;
    bool absolute;
    bool idle;
    bool freq;
};

static bool restore_number(struct command_ctx *ctx, size_t arg, const char *name, int64_t max)
{
    int64_t number;
    if (!data_arg_i64(ctx, arg, &number))
        return false;
    if (number >= 0 && number <= max)
        return true;
    reply_error(ctx->reply, "ERR Invalid %s value, must be >= 0%s", name,
                max == INT64_MAX ? "" : " and <= 255");
    return false;
}

/* False: the error was replied. */
static bool restore_options(struct command_ctx *ctx, struct restore_options *ret)
{
    *ret = (struct restore_options){ .replace = false };
    for (size_t i = 4; i < ctx->request->count; i++) {
        bool has_value = i + 1 < ctx->request->count;
        if (command_arg_is(ctx, i, "REPLACE")) {
            ret->replace = true;
        } else if (command_arg_is(ctx, i, "ABSTTL")) {
            ret->absolute = true;
        } else if (command_arg_is(ctx, i, "IDLETIME") && has_value && !ret->freq) {
            if (!restore_number(ctx, ++i, "IDLETIME", INT64_MAX))
                return false;
            ret->idle = true;
        } else if (command_arg_is(ctx, i, "FREQ") && has_value && !ret->idle) {
            if (!restore_number(ctx, ++i, "FREQ", 255))
                return false;
            ret->freq = true;
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    return true;
}

static enum kvs_status unpack(__attribute__((unused)) struct command_ctx *ctx, void *arg,
                              uint64_t off, char *out, size_t len)
{
    struct parcel *parcel = arg;
    if (off == 0)
        lzf_start(&parcel->lzf, parcel->bytes);
    return lzf_read(&parcel->lzf, out, len) ? KVS_OK
                                            : fail(KVS_INVALID, 0, "a payload that changes");
}

static enum kvs_status set_parcel(struct command_ctx *ctx, struct parcel *parcel, int64_t expire_ms)
{
    struct data_piece piece = {
        .kind = parcel->packed ? DATA_MADE : DATA_BYTES,
        .bytes = parcel->bytes.data,
        .len = parcel->length,
        .make = unpack,
        .arg = parcel,
    };
    reply_ok(ctx->reply);
    if (expire_ms == 0 || expire_ms > ctx->now_ms)
        return data_set_pieces(ctx, command_arg(ctx, 1), NULL, &piece, 1, expire_ms);
    kvs_txn_remove(ctx->txn, ctx->db, command_arg(ctx, 1));
    return KVS_OK;
}

static enum kvs_status restore(struct command_ctx *ctx, const struct restore_options *options,
                               struct parcel *parcel)
{
    struct kvs_bytes payload = command_arg(ctx, 3);
    struct data_info old = { .found = false };
    int64_t ttl_ms;
    enum kvs_status status = KVS_OK;
    if (!options->replace)
        status = data_look(ctx, command_arg(ctx, 1), &old);
    if (status != KVS_OK)
        return status;
    if (old.found) {
        reply_error(ctx->reply, "BUSYKEY Target key name already exists.");
    } else if (!data_arg_i64(ctx, 2, &ttl_ms)) {
        return KVS_OK;
    } else if (ttl_ms < 0) {
        reply_error(ctx->reply, "ERR Invalid TTL value, must be >= 0");
    } else if (!checksum_fits(payload)) {
        reply_error(ctx->reply, "ERR DUMP payload version or checksum are wrong");
    } else if (!open_payload(payload, parcel) || parcel->length > KVS_VALUE_MAX) {
        reply_error(ctx->reply, "ERR Bad data format");
    } else {
        if (ttl_ms != 0 && !options->absolute &&
            __builtin_add_overflow(ttl_ms, ctx->now_ms, &ttl_ms))
            ttl_ms = 1; /* as there: it has passed */
        return set_parcel(ctx, parcel, ttl_ms);
    }
    return KVS_OK;
}

enum kvs_status cmd_restore(struct command_ctx *ctx)
{
    struct restore_options options;
    if (!restore_options(ctx, &options))
        return KVS_OK;
    struct parcel *parcel = malloc(sizeof *parcel);
    if (parcel == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "restoring a value");
    enum kvs_status status = restore(ctx, &options, parcel);
    free(parcel);
    return status;
}
