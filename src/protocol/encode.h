/*
 * encode.h - replies to bytes: the encoders behind struct reply. Pure.
 */
#ifndef PROTOCOL_ENCODE_H
#define PROTOCOL_ENCODE_H

#include "command/reply.h"
#include "protocol/decode.h"
#include "protocol/detect.h"

extern const struct reply_ops reply_resp2;
extern const struct reply_ops reply_resp3;
/* For these reply->protocol points to the struct decoder whose json_request is being answered. */
extern const struct reply_ops reply_json;
extern const struct reply_ops reply_json_frames;

/* The encoder for a connection's protocol; @resp_version 2 or 3. */
const struct reply_ops *protocol_encoder(enum protocol_kind kind, int resp_version);

#endif
