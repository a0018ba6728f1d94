/*
 * glob.h - Redis's glob patterns: * ? [abc] [^a] [a-z] and \x. Linear in pattern × text at worst; thread: any.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include <stdbool.h>

#include <kvs/status.h>

bool glob_match(struct kvs_bytes pattern, struct kvs_bytes text, bool ignore_case);

/* The literal prefix every match begins with (may be empty); a slice of @pattern. A pattern with a backslash in its
 * prefix yields the part before it. */
struct kvs_bytes glob_prefix(struct kvs_bytes pattern);

#endif
