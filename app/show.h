/*
 * show.h - replies for people and for pipes, as redis-cli prints them.
 */
#ifndef APP_SHOW_H
#define APP_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include <kvs/client.h>

/* @readable: quoted, numbered, with types; else the bare bytes, each item on a line. */
void show_reply(FILE *file, const struct kvs_reply *reply, bool readable);

/* In double quotes, with what is not printable ASCII escaped. */
void show_quoted(FILE *file, struct kvs_bytes bytes);

#endif
