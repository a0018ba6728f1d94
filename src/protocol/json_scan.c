/*
 * json_scan.c - finds the end of an object, array or string by counting brackets outside strings.
 *
 * Which bracket closes which is left to the parser: here only the depth matters. What the scan bounds, before the parser
 * allocates anything, is depth and number of parts; the caller bounds the length.
 */
#include "protocol/json_scan.h"

void json_scan_reset(struct decoder *decoder)
{
    decoder->scanned = 0;
    decoder->json_depth = 0;
    decoder->json_parts = 0;
    decoder->json_in_string = false;
    decoder->json_escape = false;
}

/* Inside a string, at @off: returns the offset behind its closing quote, or the input's length. */
static size_t scan_string(struct decoder *decoder, const char *byte, size_t off, size_t len)
{
    while (off < len) {
        char here = byte[off++];
        if (decoder->json_escape) {
            decoder->json_escape = false;
        } else if (here == '\\') {
            decoder->json_escape = true;
        } else if (here == '"') {
            decoder->json_in_string = false;
            break;
        }
    }
    return off;
}

enum json_scan json_scan_value(struct decoder *decoder, struct kvs_bytes input)
{
    const char *byte = input.data;
    size_t off = decoder->scanned;
    if (off == 0 && input.len > 0 && byte[0] != '{' && byte[0] != '[' && byte[0] != '"')
        return SCAN_NOT_VALUE;
    while (off < input.len) {
        if (decoder->json_in_string) {
            off = scan_string(decoder, byte, off, input.len);
        } else {
            char here = byte[off++];
            if (here == '"') {
                decoder->json_in_string = true;
                continue;
            }
            if (here == '{' || here == '[') {
                if (++decoder->json_depth > JSON_DEPTH_MAX)
                    return SCAN_TOO_DEEP;
            } else if (here == '}' || here == ']') {
                decoder->json_depth--; /* not 0: a value at depth 0 is over */
            } else if (here != ',') {
                continue;
            }
            if (++decoder->json_parts > JSON_PARTS_MAX)
                return SCAN_TOO_MANY;
        }
        if (decoder->json_depth == 0 && !decoder->json_in_string) {
            decoder->scanned = off;
            return SCAN_WHOLE;
        }
    }
    decoder->scanned = off;
    return SCAN_MORE;
}
