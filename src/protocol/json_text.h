/*
 * json_text.h - byte strings as JSON strings. Pure; thread: any.
 */
#ifndef PROTOCOL_JSON_TEXT_H
#define PROTOCOL_JSON_TEXT_H

#include "base/buf.h"

/* Whether @text is UTF-8 (no surrogates, no overlong forms, nothing over U+10FFFF). */
bool json_text_is_utf8(struct kvs_bytes text);

/* Appends @text, in quotes and escaped, to @out. With bytes that are not UTF-8, nothing is appended and the answer is false. */
bool json_text_put(struct buf *out, struct kvs_bytes text);

/* The same, for texts of ours that quote a client's bytes: what is not UTF-8 becomes U+FFFD. */
void json_text_put_lossy(struct buf *out, struct kvs_bytes text);

#endif
