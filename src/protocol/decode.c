/*
 * decode.c - the decoder's life, its arguments, and which protocol is asked.
 *
 * Invariant: between requests arg_count, scanned and line_seen are 0. While a request is incomplete, its arguments are known by
 * offset only; they get addresses when it is whole, because the caller's buffer may move in between.
 */
#include "protocol/decode.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/fail.h"
#include "protocol/requests.h"

enum {
    ARGS_FIRST = 8,
    ARGS_KEPT = 1024, /* larger arrays are given back after the request that needed them */
    TEXT_KEPT_BYTES = 16 * 1024, /* likewise */
    TEXT_MAX =
        1024 * 1024 * 1024, /* never reached: texts are bounded by the input they come from */
};

void decoder_init(struct decoder *decoder, enum protocol_kind kind)
{
    *decoder = (struct decoder){
        .kind = kind,
        .bulk_max = 512 * 1024 * 1024,
        .stream_min = UINT64_MAX,
        .inline_max = 64 * 1024,
        .args_max = 2 * 1024 * 1024 + 1,
        .bulk_len = -1,
    };
    buf_init(&decoder->text, TEXT_MAX);
}

void decoder_done(struct decoder *decoder)
{
    free(decoder->args);
    free(decoder->arg_offs);
    buf_done(&decoder->text);
    json_decref(decoder->json);
    *decoder = (struct decoder){ .failed = true };
}

enum decode_result decoder_fail(struct decoder *decoder, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* Longer texts are cut, which is fine: they are for people. */
    if (vsnprintf(decoder->error, sizeof decoder->error, format, args) < 0)
        decoder->error[0] = '\0';
    va_end(args);
    return DECODE_ERROR;
}

bool decoder_reserve(struct decoder *decoder, size_t count)
{
    if (likely(count <= decoder->arg_capacity))
        return true;
    size_t capacity = decoder->arg_capacity < ARGS_FIRST ? ARGS_FIRST : decoder->arg_capacity * 2;
    if (capacity < count)
        capacity = count;
    struct kvs_bytes *args = reallocarray(decoder->args, capacity, sizeof *args);
    if (args == NULL)
        return false;
    decoder->args = args;
    size_t *offs = reallocarray(decoder->arg_offs, capacity, sizeof *offs);
    if (offs == NULL)
        return false; /* args is larger than arg_capacity says, which harms nobody */
    decoder->arg_offs = offs;
    decoder->arg_capacity = capacity;
    return true;
}

enum decode_result decoder_finish(struct decoder *decoder, const char *input, struct request *ret)
{
    for (size_t i = 0; i < decoder->kept_count; i++)
        decoder->args[i].data = decoder->text.data + decoder->arg_offs[i];
    for (size_t i = decoder->kept_count; i < decoder->arg_count; i++)
        decoder->args[i].data = input + decoder->arg_offs[i];
    /* What follows the kept ones is the streamed argument itself. */
    if (decoder->stream_taken)
        decoder->args[decoder->kept_count] = (struct kvs_bytes){ NULL, 0 };
    *ret = (struct request){ .args = decoder->args, .count = decoder->arg_count };
    decoder->arg_count = 0;
    decoder->kept_count = 0;
    decoder->scanned = 0;
    decoder->line_seen = 0;
    decoder->stream_taken = false;
    return DECODE_REQUEST;
}

/* Gives back what an unusually large request needed; its arguments are no longer in use. */
static void let_go(struct decoder *decoder)
{
    if (decoder->arg_capacity > ARGS_KEPT) {
        free(decoder->args);
        free(decoder->arg_offs);
        decoder->args = NULL;
        decoder->arg_offs = NULL;
        decoder->arg_capacity = 0;
    }
    decoder->text.len = 0;
    if (decoder->text.capacity > TEXT_KEPT_BYTES)
        buf_shrink(&decoder->text, 0);
    if (decoder->json != NULL) {
        json_decref(decoder->json);
        decoder->json = NULL;
    }
}

enum decode_result decoder_next(struct decoder *decoder, struct kvs_bytes input,
                                struct request *ret, size_t *ret_used,
                                struct decode_stream *ret_stream)
{
    if (unlikely(decoder->failed))
        return decoder->error[0] != '\0' ? DECODE_ERROR : DECODE_CLOSE;
    if (decoder->arg_count == 0)
        let_go(decoder);
    if (input.len == 0)
        return DECODE_MORE;

    enum decode_result result = DECODE_CLOSE;
    switch (decoder->kind) {
    case PROTOCOL_RESP:
        if (decoder->args_left == 0 && *(const char *)input.data != '*')
            result = resp_inline_next(decoder, input, ret, ret_used);
        else
            result = resp_request_next(decoder, input, ret, ret_used, ret_stream);
        break;
    case PROTOCOL_JSON:
        result = json_request_next(decoder, input, ret, ret_used);
        break;
    case PROTOCOL_JSON_FRAMES:
        result = json_frame_next(decoder, input, ret, ret_used);
        break;
    case PROTOCOL_UNKNOWN:
        result = decoder_fail(decoder, "ERR Protocol error: unknown protocol");
        break;
    }
    decoder->failed = result == DECODE_ERROR || result == DECODE_CLOSE;
    return result;
}

void decoder_decline_stream(struct decoder *decoder)
{
    decoder->stream_declined = true;
}

enum kvs_status decoder_take_stream(struct decoder *decoder, struct kvs_bytes input)
{
    const char *base = input.data;
    for (size_t i = 0; i < decoder->arg_count; i++) {
        size_t off = decoder->text.len;
        buf_append(&decoder->text, base + decoder->arg_offs[i], decoder->args[i].len);
        decoder->arg_offs[i] = off;
    }
    if (decoder->text.failed != KVS_OK)
        return decoder->text.failed;
    decoder->kept_count = decoder->arg_count;
    decoder->stream_taken = true;
    decoder->bulk_len = 0;
    decoder->scanned = 0;
    decoder->line_seen = 0;
    return KVS_OK;
}

const char *decode_error(const struct decoder *decoder)
{
    return decoder->error;
}
