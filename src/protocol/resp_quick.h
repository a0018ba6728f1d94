/*
 * resp_quick.h - whole RESP requests cut out of the input at once, without a decoder's state.
 *
 * Most requests arrive whole and are plain. For these, the quick way needs no memory per connection and lets the caller look at many
 * requests before the first is run. It knows a part of what the decoder knows and says so by taking nothing: then the decoder is
 * asked. What it does take, the decoder would have taken in the same way.
 *
 * Thread: any; there is no state.
 */
#ifndef PROTOCOL_RESP_QUICK_H
#define PROTOCOL_RESP_QUICK_H

#include <stddef.h>

#include <kvs/status.h>

/*
 * The request at the start of @input: its arguments, borrowed from @input, into @args; how many bytes it takes. 0: not there whole, more
 * than @room arguments, an argument over @bulk_max, or anything unusual.
 */
size_t resp_quick(struct kvs_bytes input, size_t bulk_max, struct kvs_bytes *args, size_t room, size_t *ret_count);

#endif
