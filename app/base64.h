/*
 * base64.h - RFC 4648 base64 with padding. Pure.
 */
#ifndef APP_BASE64_H
#define APP_BASE64_H

#include <stdbool.h>

#include "base/buf.h"

void base64_put(struct buf *out, struct kvs_bytes bytes);

/* Appends what @text stands for. False: it is not base64; nothing was appended. */
bool base64_read(struct buf *out, struct kvs_bytes text);

#endif
