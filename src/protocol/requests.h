/*
 * requests.h - between the decoder (decode.c) and the protocols it decodes. Private to the room.
 */
#ifndef PROTOCOL_REQUESTS_H
#define PROTOCOL_REQUESTS_H

#include "protocol/decode.h"

/* As decoder_next(), for a connection that is known to speak that protocol. */
enum decode_result resp_request_next(struct decoder *decoder, struct kvs_bytes input,
                                     struct request *ret, size_t *ret_used,
                                     struct decode_stream *ret_stream);
enum decode_result resp_inline_next(struct decoder *decoder, struct kvs_bytes input,
                                    struct request *ret, size_t *ret_used);
enum decode_result json_request_next(struct decoder *decoder, struct kvs_bytes input,
                                     struct request *ret, size_t *ret_used);
enum decode_result json_frame_next(struct decoder *decoder, struct kvs_bytes input,
                                   struct request *ret, size_t *ret_used);

/* Records the text; returns DECODE_ERROR. */
enum decode_result decoder_fail(struct decoder *decoder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Makes room for @count arguments in all. False: no memory. */
bool decoder_reserve(struct decoder *decoder, size_t count);

/* One more argument of @len bytes at @off of the input (or of the text); room must have been made. */
static inline void decoder_add(struct decoder *decoder, size_t off, size_t len)
{
    decoder->arg_offs[decoder->arg_count] = off;
    decoder->args[decoder->arg_count] = (struct kvs_bytes){ NULL, len };
    decoder->arg_count++;
}

/* Ends a request: its arguments get their addresses in @input (the first kept_count: in the text), and the state is ready for
 * the next one. */
enum decode_result decoder_finish(struct decoder *decoder, const char *input, struct request *ret);

#endif
