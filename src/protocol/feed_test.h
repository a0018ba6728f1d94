/*
 * feed_test.h - for tests: what a decoder makes of an input, as text, however the input is cut. Private to the room's tests.
 */
#ifndef PROTOCOL_FEED_TEST_H
#define PROTOCOL_FEED_TEST_H

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/decode.h"
#include "tests/harness/test.h"

struct feed {
    struct decoder decoder;
    struct buf input;
    struct buf
        transcript; /* "[GET|k]" requests, "~" empty, "R(text)" refused, "E(text)" error, "X" closed */
    bool over;
    bool take_streams;  /* else they are declined */
    size_t declines;    /* of the first so many, although they are taken */
    uint64_t cut_left; /* of a stream being cut out of the input */
    size_t calls;
};

static inline void feed_init(struct feed *feed, enum protocol_kind kind)
{
    *feed = (struct feed){ .over = false };
    decoder_init(&feed->decoder, kind);
    buf_init(&feed->input, 64 * 1024 * 1024);
    buf_init(&feed->transcript, 64 * 1024 * 1024);
}

static inline void feed_done(struct feed *feed)
{
    decoder_done(&feed->decoder);
    buf_done(&feed->input);
    buf_done(&feed->transcript);
}

static inline void feed_note_request(struct feed *feed, const struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        buf_append_char(&feed->transcript, i == 0 ? '[' : '|');
        if (request->args[i].data == NULL && request->args[i].len == 0)
            buf_append_str(&feed->transcript, "NULL");
        buf_append_bytes(&feed->transcript, request->args[i]);
    }
    buf_append_char(&feed->transcript, ']');
}

static inline void feed_stream(struct feed *feed, struct kvs_bytes copy,
                               const struct request *request, struct decode_stream stream)
{
    if (!feed->take_streams || feed->declines > 0) {
        feed->declines -= feed->declines > 0;
        decoder_decline_stream(&feed->decoder);
        return;
    }
    assert_int_equal(request->count, stream.arg);
    buf_printf(&feed->transcript, "S(%zu,%" PRIu64 ")", stream.arg, stream.bytes);
    assert_ok(decoder_take_stream(&feed->decoder, copy));
    buf_consume(&feed->input, stream.head_len);
    feed->cut_left = stream.bytes;
}

/* False: nothing more can be made of the input. */
static inline bool feed_step(struct feed *feed)
{
    if (feed->cut_left > 0) {
        size_t cut = feed->input.len < feed->cut_left ? feed->input.len : (size_t)feed->cut_left;
        buf_consume(&feed->input, cut);
        feed->cut_left -= cut;
        if (feed->cut_left > 0)
            return false;
    }
    /* A copy of exactly the input, elsewhere each time: stale addresses and reads beyond the end are seen by ASan. */
    char *copy = malloc(feed->input.len + (feed->input.len == 0));
    assert_non_null(copy);
    if (feed->input.len > 0)
        memcpy(copy, feed->input.data, feed->input.len);
    struct kvs_bytes bytes = { copy, feed->input.len };
    struct request request = { .count = 0 };
    struct decode_stream stream = { .arg = 0 };
    size_t used = 0;
    bool more = true;
    feed->calls++;
    switch (decoder_next(&feed->decoder, bytes, &request, &used, &stream)) {
    case DECODE_MORE:
        more = false;
        break;
    case DECODE_REQUEST:
        feed_note_request(feed, &request);
        break;
    case DECODE_STREAM:
        feed_stream(feed, bytes, &request, stream);
        break;
    case DECODE_EMPTY:
        break; /* how much white space is one depends on the cut */
    case DECODE_REFUSED:
        buf_printf(&feed->transcript, "R(%s)", decode_error(&feed->decoder));
        break;
    case DECODE_ERROR:
        buf_printf(&feed->transcript, "E(%s)", decode_error(&feed->decoder));
        feed->over = true;
        break;
    case DECODE_CLOSE:
        buf_append_str(&feed->transcript, "X");
        feed->over = true;
        break;
    }
    assert_true(used <= feed->input.len);
    buf_consume(&feed->input, used);
    free(copy);
    return more && !feed->over;
}

static inline void feed_bytes(struct feed *feed, const void *data, size_t len)
{
    buf_append(&feed->input, data, len);
    assert_ok(feed->input.failed);
    while (!feed->over && feed_step(feed))
        continue;
}

static inline const char *feed_text(struct feed *feed)
{
    buf_append_char(&feed->transcript, '\0');
    assert_ok(feed->transcript.failed);
    feed->transcript.len--;
    return feed->transcript.data;
}

/* The transcript is @expected for the input whole, cut in two at every byte, and byte by byte. */
static inline void feed_check_with(enum protocol_kind kind, const void *input, size_t len,
                                   const char *expected, void (*prepare)(struct feed *feed))
{
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct feed feed;
        feed_init(&feed, kind);
        if (prepare != NULL)
            prepare(&feed);
        if (cut <= len) {
            feed_bytes(&feed, input, cut);
            feed_bytes(&feed, (const char *)input + cut, len - cut);
        } else {
            for (size_t i = 0; i < len; i++)
                feed_bytes(&feed, (const char *)input + i, 1);
        }
        assert_string_equal(feed_text(&feed), expected);
        feed_done(&feed);
    }
}

#endif
