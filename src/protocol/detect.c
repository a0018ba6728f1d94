/*
 * detect.c - the first byte that is not white space decides.
 */
#include "protocol/detect.h"

enum protocol_kind protocol_detect(struct kvs_bytes input, size_t *ret_skip)
{
    const char *byte = input.data;
    size_t skip = 0;
    while (skip < input.len && (byte[skip] == ' ' || (byte[skip] >= '\t' && byte[skip] <= '\r')))
        skip++;
    *ret_skip = skip;
    if (skip == input.len)
        return PROTOCOL_UNKNOWN;
    if (byte[skip] == '{')
        return PROTOCOL_JSON;
    if (byte[skip] == '\0')
        return PROTOCOL_JSON_FRAMES;
    return PROTOCOL_RESP;
}
