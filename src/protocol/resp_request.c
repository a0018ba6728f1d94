/*
 * resp_request.c - multibulk requests, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", by Redis's rules and with its error texts.
 *
 * As in Redis, a length line ends at its CR and the byte behind that is not looked at; nor are the two bytes that follow a bulk.
 * Unlike Redis, a line over the limit is refused whether or not its end has arrived, so answers do not depend on how
 * the bytes were cut into packets.
 */
#include <limits.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "protocol/requests.h"

enum line_result {
    LINE_OK,
    LINE_MORE,
    LINE_TOO_LONG,
    LINE_BAD
};

/* The common case: a length of few digits that is there whole. Its bytes with the CRLF, or 0. */
static inline size_t short_length(const char *digit, const char *end, int64_t *ret)
{
    enum {
        DIGITS_MAX = 9
    };

    if (end - digit < DIGITS_MAX + 2)
        return 0;
    int64_t value = digit[0] - '0';
    if (value < 1 || value > 9)
        return 0;
    size_t len = 1;
    while (len < DIGITS_MAX && digit[len] >= '0' && digit[len] <= '9')
        value = value * 10 + (digit[len++] - '0');
    if (digit[len] != '\r')
        return 0;
    *ret = value;
    return len + 2;
}

/* Reads the line at decoder->scanned, a mark and a length, to behind its end. LINE_BAD: not a number; the mark is not looked at. */
static enum line_result read_length(struct decoder *decoder, struct kvs_bytes input, int64_t *ret)
{
    const char *base = input.data;
    size_t start = decoder->scanned;
    if (start < input.len) {
        size_t used = short_length(base + start + 1, base + input.len, ret);
        if (likely(used != 0)) {
            decoder->scanned = start + 1 + used;
            return LINE_OK;
        }
    }
    size_t from = decoder->line_seen > start ? decoder->line_seen : start;
    const char *cr = from < input.len ? memchr(base + from, '\r', input.len - from) : NULL;
    size_t line_end = cr != NULL ? (size_t)(cr - base) : input.len;
    decoder->line_seen = line_end;
    if (line_end - start > decoder->inline_max)
        return LINE_TOO_LONG;
    if (cr == NULL || line_end + 2 > input.len)
        return LINE_MORE;
    decoder->scanned = line_end + 2;
    struct kvs_bytes digits = { base + start + 1, line_end == start ? 0 : line_end - start - 1 };
    return number_parse_i64(digits, ret) ? LINE_OK : LINE_BAD;
}

static enum decode_result read_count(struct decoder *decoder, struct kvs_bytes input,
                                     size_t *ret_used)
{
    int64_t count = 0;
    switch (read_length(decoder, input, &count)) {
    case LINE_MORE:
        return DECODE_MORE;
    case LINE_TOO_LONG:
        return decoder_fail(decoder, "ERR Protocol error: too big mbulk count string");
    case LINE_BAD:
        return decoder_fail(decoder, "ERR Protocol error: invalid multibulk length");
    case LINE_OK:
        break;
    }
    if (count > INT_MAX)
        return decoder_fail(decoder, "ERR Protocol error: invalid multibulk length");
    if (count > 0 && (uint64_t)count > decoder->args_max)
        return decoder_fail(decoder, decoder->unauth_bulk_max != 0
                                         ? "ERR Protocol error: unauthenticated multibulk length"
                                         : "ERR Protocol error: invalid multibulk length");
    if (count <= 0) {
        *ret_used = decoder->scanned;
        decoder->scanned = 0;
        decoder->line_seen = 0;
        return DECODE_EMPTY;
    }
    decoder->args_left = count;
    return DECODE_REQUEST;
}

static enum decode_result read_bulk_length(struct decoder *decoder, struct kvs_bytes input)
{
    size_t start = decoder->scanned;
    int64_t len = 0;
    enum line_result line = read_length(decoder, input, &len);
    if (line == LINE_MORE)
        return DECODE_MORE;
    if (line == LINE_TOO_LONG)
        return decoder_fail(decoder, "ERR Protocol error: too big bulk count string");
    char mark = ((const char *)input.data)[start];
    if (mark != '$') {
        if (mark == '\r' || mark == '\n')
            mark = ' ';
        return decoder_fail(decoder, "ERR Protocol error: expected '$', got '%c'", mark);
    }
    if (line == LINE_BAD || len < 0 || (uint64_t)len > decoder->bulk_max)
        return decoder_fail(decoder, "ERR Protocol error: invalid bulk length");
    if (decoder->unauth_bulk_max != 0 && (uint64_t)len > decoder->unauth_bulk_max)
        return decoder_fail(decoder, "ERR Protocol error: unauthenticated bulk length");
    decoder->bulk_len = len;
    return DECODE_REQUEST;
}

static enum decode_result offer_stream(struct decoder *decoder, struct kvs_bytes input,
                                       struct request *ret, struct decode_stream *ret_stream)
{
    for (size_t i = 0; i < decoder->arg_count; i++)
        decoder->args[i].data = (const char *)input.data + decoder->arg_offs[i];
    *ret = (struct request){ .args = decoder->args, .count = decoder->arg_count };
    *ret_stream = (struct decode_stream){
        .arg = decoder->arg_count,
        .bytes = (uint64_t)decoder->bulk_len,
        .head_len = decoder->scanned,
    };
    return DECODE_STREAM;
}

enum decode_result resp_request_next(struct decoder *decoder, struct kvs_bytes input,
                                     struct request *ret, size_t *ret_used,
                                     struct decode_stream *ret_stream)
{
    if (decoder->args_left == 0) {
        enum decode_result result = read_count(decoder, input, ret_used);
        if (result != DECODE_REQUEST)
            return result;
    }
    do {
        if (decoder->bulk_len < 0) {
            enum decode_result result = read_bulk_length(decoder, input);
            if (result != DECODE_REQUEST)
                return result;
        }
        size_t len = (size_t)decoder->bulk_len;
        if (len > decoder->stream_min && !decoder->stream_declined && !decoder->stream_taken)
            return offer_stream(decoder, input, ret, ret_stream);
        if (input.len - decoder->scanned < len + 2)
            return DECODE_MORE;
        /* Grown one by one: an announced count costs nothing until its arguments arrive. */
        if (!decoder_reserve(decoder, decoder->arg_count + 1))
            return decoder_fail(decoder, "ERR out of memory for the arguments of a request");
        decoder_add(decoder, decoder->scanned, len);
        decoder->scanned += len + 2;
        decoder->bulk_len = -1;
        decoder->stream_declined = false;
    } while (--decoder->args_left > 0);
    *ret_used = decoder->scanned;
    return decoder_finish(decoder, input.data, ret);
}
