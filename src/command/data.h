/*
 * data.h - what the data families share: looking at a key, answering its value, taking a value apart and putting a new one
 * together. Private to the room.
 *
 * All reads go to the transaction in commands that write (so that what was read is a condition of the commit), and past it
 * in commands that only read and stand alone; the COMMAND_WRITE flag of the table decides. Functions that answer a status
 * answer what the command is to return to its runner: KVS_OK, KVS_WOULD_BLOCK, KVS_CONFLICT or a failure. A missing key is
 * KVS_OK and told in the result.
 *
 * A key holds a string or nothing yet. The one place where another type will be refused ("WRONGTYPE …") is entry_string() in
 * data.c: every read of a value passes it.
 */
#ifndef COMMAND_DATA_H
#define COMMAND_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "command/command.h"

/*
 * A reply that grows with the data, or with the number of keys asked for, takes at most this much memory. A streamed value, of
 * whatever length, counts as KVS_INLINE_MAX: what its reader holds is less.
 */
enum {
    DATA_REPLY_BYTES_MAX = 256 * 1024 * 1024,
    DATA_LOOP_BYTES_MAX = 4 * 1024 * 1024, /* more is put together on a thread that may wait */
};

static inline uint64_t data_reply_share(uint64_t value_bytes)
{
    return value_bytes <= KVS_INLINE_MAX ? value_bytes : KVS_INLINE_MAX;
}

/* What is known of a key without its value. */
struct data_info {
    bool found;
    uint64_t value_bytes;
    int64_t expire_ms; /* 0: never */
    uint64_t version;  /* 0: not found, or set by the transaction itself */
    const char *type;  /* "string"; "none" when not found */
};

/* Looks at @key. */
KVS_MUST_CHECK enum kvs_status data_look(struct command_ctx *ctx, struct kvs_bytes key,
                                         struct data_info *ret);

/* How many of the command's arguments from @first on exist; an argument given twice counts twice. */
KVS_MUST_CHECK enum kvs_status data_count_existing(struct command_ctx *ctx, size_t first,
                                                   int64_t *ret_count);

/* A read past the transaction has happened, whose answer depends on @position. */
static inline void data_note_direct(struct command_ctx *ctx, uint64_t position)
{
    ctx->direct = true;
    if (position > ctx->position)
        ctx->position = position;
}

/* Did the transaction itself set this? Versions of the store begin at 1. */
static inline bool data_is_own(const struct kvs_entry *entry)
{
    return entry->version == 0;
}

/* The value over KVS_INLINE_MAX that the transaction itself has set under @key, lent until the run ends. KVS_UNSUPPORTED: it set
 * too many of them to remember all. */
KVS_MUST_CHECK enum kvs_status data_own_large(struct command_ctx *ctx, struct kvs_bytes key,
                                              struct kvs_bytes *ret);

/* The name of an entry's type, as TYPE and SCAN … TYPE say it. */
const char *data_type_name(const struct kvs_entry *entry);

/* ---- Answering values ---- */

/* Answers the value of @key, or null when there is none. @ret may be NULL. */
KVS_MUST_CHECK enum kvs_status data_reply_value(struct command_ctx *ctx, struct kvs_bytes key,
                                                struct data_info *ret);

/* Answers an array with the values of the command's arguments from @first on, all at one version. */
KVS_MUST_CHECK enum kvs_status data_reply_values(struct command_ctx *ctx, size_t first);

/*
 * Answers a part of the value of @key, or an empty string when there is no key. @part is called with the value's length
 * and chooses the part: *ret_off + *ret_bytes <= value_bytes.
 */
typedef void data_part_fn(void *arg, uint64_t value_bytes, uint64_t *ret_off, uint64_t *ret_bytes);
KVS_MUST_CHECK enum kvs_status data_reply_part(struct command_ctx *ctx, struct kvs_bytes key,
                                               data_part_fn *part, void *arg);

/* ---- Values for changing; commands that write only ---- */

enum {
    DATA_SMALL_BYTES = 128
};

/* A value read whole (up to KVS_INLINE_MAX) or opened for reading (above). Zero it, release it with data_value_done(). */
struct data_value {
    struct data_info info;
    const char *bytes;            /* NULL: use the reader, or there is no value */
    struct kvs_reader *reader;    /* of a value over KVS_INLINE_MAX */
    bool lasting;                 /* bytes stay until the run ends, whatever happens to this */
    void *heap;                   /* private */
    char small[DATA_SMALL_BYTES]; /* private */
};

KVS_MUST_CHECK enum kvs_status data_load(struct command_ctx *ctx, struct kvs_bytes key,
                                         struct data_value *ret);
void data_value_done(struct command_ctx *ctx, struct data_value *value);

/*
 * Calls @use with the value of @key as it lies there: its bytes are lent for the call, or it has a reader. Without a key it is
 * called as well, with info.found false. @use answers as a command does, reads by data_read() and data_walk() only, and writes nothing
 * but its reply.
 */
typedef enum kvs_status data_use_fn(struct command_ctx *ctx, const struct data_value *value,
                                    void *arg);
KVS_MUST_CHECK enum kvs_status data_use(struct command_ctx *ctx, struct kvs_bytes key,
                                        data_use_fn *use, void *arg);

/* Copies @len bytes from @off of the value, which has them, to @out. */
KVS_MUST_CHECK enum kvs_status data_read(struct command_ctx *ctx, const struct data_value *value,
                                         uint64_t off, void *out, size_t len);

/* Hands @len bytes from @off of the value to @take, piece by piece, until it answers something else than KVS_OK, which is
 * answered then. A large value takes a thread that may wait. */
typedef enum kvs_status data_take_fn(void *arg, uint64_t off, struct kvs_bytes piece);
KVS_MUST_CHECK enum kvs_status data_walk(struct command_ctx *ctx, const struct data_value *value,
                                         uint64_t off, uint64_t len, data_take_fn *take, void *arg);

/* Copies the value into @text when it is at most @text_bytes long; ret->value_bytes tells. */
KVS_MUST_CHECK enum kvs_status data_load_text(struct command_ctx *ctx, struct kvs_bytes key,
                                              char *text, size_t text_bytes, struct data_info *ret);

/* Whether the value is exactly @expected. */
KVS_MUST_CHECK enum kvs_status data_equals(struct command_ctx *ctx, const struct data_value *value,
                                           struct kvs_bytes expected, bool *ret_equal);

/* ---- Setting ---- */

/* Sets @key to argument @arg, which may have been streamed to a blob. */
KVS_MUST_CHECK enum kvs_status data_set_arg(struct command_ctx *ctx, struct kvs_bytes key,
                                            size_t arg, int64_t expire_ms);

/* The length of argument @arg, streamed or not. */
uint64_t data_arg_bytes(const struct command_ctx *ctx, size_t arg);

/* Makes @len bytes from @off of a piece. Called for one part behind the other, sometimes a second time from the beginning. */
typedef enum kvs_status data_make_fn(struct command_ctx *ctx, void *arg, uint64_t off, char *out,
                                     size_t len);

/* A new value is a row of pieces. */
struct data_piece {
    enum {
        DATA_BYTES, /* @bytes, @len of them */
        DATA_OLD,   /* @len bytes from @off of the old value */
        DATA_ZEROS, /* @len zero bytes */
        DATA_MADE,  /* @len bytes that @make makes */
    } kind;

    const void *bytes;
    uint64_t off;
    uint64_t len;
    data_make_fn *make;
    void *arg;
};

/*
 * Sets @key to the pieces in order; @old (may be NULL) is what DATA_OLD refers to. The sum is at most KVS_VALUE_MAX. Up to
 * KVS_INLINE_MAX the value goes whole; above, through a blob made here, which takes a thread that may wait.
 */
KVS_MUST_CHECK enum kvs_status data_set_pieces(struct command_ctx *ctx, struct kvs_bytes key,
                                               const struct data_value *old,
                                               const struct data_piece *pieces, size_t count,
                                               int64_t expire_ms);

/* Writes the value that was loaded to @key, with another expiry or under another name. */
KVS_MUST_CHECK enum kvs_status data_set_again(struct command_ctx *ctx, struct kvs_bytes key,
                                              const struct data_value *value, int64_t expire_ms);

/* ---- Error replies; each returns KVS_OK, so that a command may return it ---- */

enum kvs_status data_error_syntax(struct command_ctx *ctx);
enum kvs_status data_error_integer(struct command_ctx *ctx);
enum kvs_status data_error_arity(struct command_ctx *ctx);
enum kvs_status data_error_reply_bytes(struct command_ctx *ctx);

/* Argument @arg as an integer; false: the error was replied. */
bool data_arg_i64(struct command_ctx *ctx, size_t arg, int64_t *ret);

#endif
