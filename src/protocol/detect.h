/*
 * detect.h - which protocol a connection speaks, from its first bytes. Pure.
 */
#ifndef PROTOCOL_DETECT_H
#define PROTOCOL_DETECT_H

#include <kvs/status.h>

enum protocol_kind {
    PROTOCOL_UNKNOWN,     /* only white space so far: skip it and ask again */
    PROTOCOL_RESP,        /* multibulk or inline */
    PROTOCOL_JSON,        /* '{': JSON values back to back */
    PROTOCOL_JSON_FRAMES, /* byte 0: length-framed JSON */
};

/* *ret_skip: white space bytes in front, to be dropped. */
enum protocol_kind protocol_detect(struct kvs_bytes input, size_t *ret_skip);

#endif
