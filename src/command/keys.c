/*
 * keys.c - the positions of keys: from the table, and of SORT, whose STORE may stand anywhere.
 */
#include "command/keys.h"

#include <string.h>

#include "base/bytes.h"

bool keys_each(const struct command *command, const struct kvs_bytes *args, size_t count,
               keys_fn *fn, void *arg)
{
    if (command->first_key <= 0 || (size_t)command->first_key >= count)
        return true;
    size_t last = (size_t)command->last_key;
    if (command->last_key < 0)
        last = (size_t)-command->last_key <= count ? count - (size_t)-command->last_key : 0;
    if (last >= count)
        last = count - 1;
    size_t step = command->key_step > 0 ? (size_t)command->key_step : 1;
    for (size_t i = (size_t)command->first_key; i <= last; i += step)
        if (!fn(arg, i))
            return false;
    if ((command->flags & COMMAND_MOVABLE_KEYS) == 0)
        return true;
    /* the last STORE counts, as when it is run */
    size_t store = 0;
    for (size_t i = 2; i + 1 < count; i++)
        if (bytes_equal_nocase(args[i], BYTES("STORE")))
            store = ++i;
    return store == 0 || fn(arg, store);
}
