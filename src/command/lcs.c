/*
 * lcs.c - LCS: the longest common subsequence of two strings.
 *
 * The usual table of lengths, line by line along the shorter string, of which two lines are kept; to walk back through it afterwards, one bit for each place is
 * enough: where the bytes differ, whether the longer one lies above. So memory is a bit where a table of numbers would take 32.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

enum {
    LOOP_PLACES_MAX = 64 * 1024 /* compared on a thread that must not wait */
};

struct lcs_options {
    bool len;
    bool idx;
    bool with_len;
    int64_t least; /* length of a match that is told of */
};

struct lcs {
    const unsigned char *a;
    const unsigned char *b;
    size_t a_len;
    size_t b_len;
    unsigned char *up; /* a_len × b_len bits */
    size_t length;     /* of the result */
};

/* ---- The table ---- */

static bool goes_up(const struct lcs *lcs, size_t i, size_t j)
{
    size_t bit = (i - 1) * lcs->b_len + (j - 1);
    return (lcs->up[bit / 8] >> (bit % 8) & 1) != 0;
}

/*
 * One line of the table, along the shorter string: @line is filled, @before is the line before it. @across: lines are columns, one for each
 * byte of b.
 */
static void fill_line(struct lcs *lcs, size_t number, bool across, const uint32_t *before,
                      uint32_t *line)
{
    size_t len = across ? lcs->a_len : lcs->b_len;
    line[0] = 0;
    for (size_t k = 1; k <= len; k++) {
        size_t i = across ? k : number;
        size_t j = across ? number : k;
        uint32_t above = across ? line[k - 1] : before[k];
        uint32_t left = across ? before[k] : line[k - 1];
        if (lcs->a[i - 1] == lcs->b[j - 1]) {
            line[k] = before[k - 1] + 1;
        } else if (above > left) {
            size_t bit = (i - 1) * lcs->b_len + (j - 1);
            line[k] = above;
            lcs->up[bit / 8] |= (unsigned char)(1u << (bit % 8));
        } else {
            line[k] = left;
        }
    }
}

static enum kvs_status fill(struct lcs *lcs)
{
    bool across = lcs->b_len > lcs->a_len;
    size_t line_len = (across ? lcs->a_len : lcs->b_len) + 1;
    size_t lines = line_len == 1 ? 0 : across ? lcs->b_len : lcs->a_len;
    uint32_t *two = calloc(line_len * 2, sizeof *two);
    lcs->up = calloc(lcs->a_len * lcs->b_len / 8 + 1, 1);
    if (lcs->up == NULL || two == NULL) {
        free(two);
        return fail(KVS_NO_MEMORY, ENOMEM, "LCS of %zu and %zu bytes", lcs->a_len, lcs->b_len);
    }
    for (size_t n = 1; n <= lines; n++)
        fill_line(lcs, n, across, two + (n + 1) % 2 * line_len, two + n % 2 * line_len);
    lcs->length = two[lines % 2 * line_len + line_len - 1];
    free(two);
    return KVS_OK;
}

/* ---- Answers ---- */

/* A run of bytes that are equal in both: from the end of the strings to the beginning, as the walk finds them. */
struct match {
    size_t a_end; /* behind it */
    size_t b_end;
    size_t len;
};

/* The next run before *i, *j; false when there is none. */
static bool next_match(const struct lcs *lcs, size_t *i, size_t *j, struct match *ret)
{
    while (*i > 0 && *j > 0 && lcs->a[*i - 1] != lcs->b[*j - 1]) {
        if (goes_up(lcs, *i, *j))
            (*i)--;
        else
            (*j)--;
    }
    *ret = (struct match){ .a_end = *i, .b_end = *j };
    while (*i > 0 && *j > 0 && lcs->a[*i - 1] == lcs->b[*j - 1]) {
        (*i)--;
        (*j)--;
        ret->len++;
    }
    return ret->len != 0;
}

static enum kvs_status reply_text(struct command_ctx *ctx, const struct lcs *lcs)
{
    unsigned char *text = malloc(lcs->length + 1);
    if (text == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "LCS of %zu bytes", lcs->length);
    size_t i = lcs->a_len;
    size_t j = lcs->b_len;
    size_t at = lcs->length;
    struct match match;
    while (next_match(lcs, &i, &j, &match))
        for (size_t k = 0; k < match.len; k++)
            text[--at] = lcs->a[match.a_end - 1 - k];
    reply_bulk(ctx->reply, (struct kvs_bytes){ text, lcs->length });
    free(text);
    return KVS_OK;
}

static void reply_run(struct reply *reply, size_t end, size_t len)
{
    reply_array(reply, 2);
    reply_integer(reply, (int64_t)(end - len));
    reply_integer(reply, (int64_t)end - 1);
}

static void reply_matches(struct command_ctx *ctx, const struct lcs *lcs,
                          const struct lcs_options *options)
{
    struct match match;
    size_t count = 0;
    for (size_t i = lcs->a_len, j = lcs->b_len; next_match(lcs, &i, &j, &match);)
        count += (int64_t)match.len >= options->least;
    reply_map(ctx->reply, 2);
    reply_bulk_str(ctx->reply, "matches");
    reply_array(ctx->reply, count);
    for (size_t i = lcs->a_len, j = lcs->b_len; next_match(lcs, &i, &j, &match);) {
        if ((int64_t)match.len < options->least)
            continue;
        reply_array(ctx->reply, options->with_len ? 3 : 2);
        reply_run(ctx->reply, match.a_end, match.len);
        reply_run(ctx->reply, match.b_end, match.len);
        if (options->with_len)
            reply_integer(ctx->reply, (int64_t)match.len);
    }
    reply_bulk_str(ctx->reply, "len");
    reply_integer(ctx->reply, (int64_t)lcs->length);
}

/* ---- The command ---- */

/* False: the error was replied. */
static bool lcs_options(struct command_ctx *ctx, struct lcs_options *ret)
{
    *ret = (struct lcs_options){ .least = 0 };
    for (size_t i = 3; i < ctx->request->count; i++) {
        if (command_arg_is(ctx, i, "IDX")) {
            ret->idx = true;
        } else if (command_arg_is(ctx, i, "LEN")) {
            ret->len = true;
        } else if (command_arg_is(ctx, i, "WITHMATCHLEN")) {
            ret->with_len = true;
        } else if (command_arg_is(ctx, i, "MINMATCHLEN") && i + 1 < ctx->request->count) {
            if (!data_arg_i64(ctx, ++i, &ret->least))
                return false;
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    if (ret->len && ret->idx) {
        reply_error(ctx->reply,
                    "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static enum kvs_status reply_lcs(struct command_ctx *ctx, struct lcs *lcs,
                                 const struct lcs_options *options)
{
    uint64_t places = (uint64_t)lcs->a_len * lcs->b_len;
    if ((lcs->a_len + (uint64_t)1) * (lcs->b_len + (uint64_t)1) >
        KVS_VALUE_MAX / sizeof(uint32_t)) {
        reply_error(ctx->reply, "ERR Insufficient memory, transient memory for LCS exceeds "
                                "proto-max-bulk-len");
        return KVS_OK;
    }
    if (places > LOOP_PLACES_MAX && !ctx->may_wait)
        return KVS_WOULD_BLOCK;
    enum kvs_status status = fill(lcs);
    if (status == KVS_OK && options->idx)
        reply_matches(ctx, lcs, options);
    else if (status == KVS_OK && options->len)
        reply_integer(ctx->reply, (int64_t)lcs->length);
    else if (status == KVS_OK)
        status = reply_text(ctx, lcs);
    free(lcs->up);
    return status;
}

/* Values over KVS_INLINE_MAX are longer than the table's limit allows, except beside an empty or tiny one: they are read whole only then. */
static enum kvs_status load_whole(struct command_ctx *ctx, size_t arg, uint64_t other_bytes,
                                  struct data_value *ret, void **ret_heap)
{
    enum kvs_status status = data_load(ctx, command_arg(ctx, arg), ret);
    uint64_t bytes = ret->info.value_bytes;
    if (status != KVS_OK || ret->reader == NULL || other_bytes == 0)
        return status;
    if ((bytes + 1) * (other_bytes + 1) > KVS_VALUE_MAX / sizeof(uint32_t))
        return KVS_OK; /* is refused by its length */
    *ret_heap = malloc(bytes);
    if (*ret_heap == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "LCS of %llu bytes", (unsigned long long)bytes);
    status = data_read(ctx, ret, 0, *ret_heap, bytes);
    ret->bytes = *ret_heap;
    return status;
}

enum kvs_status cmd_lcs(struct command_ctx *ctx)
{
    struct lcs_options options;
    if (!lcs_options(ctx, &options))
        return KVS_OK;
    struct data_value values[2] = { { .bytes = NULL }, { .bytes = NULL } };
    void *heaps[2] = { NULL, NULL };
    struct data_info infos[2];
    enum kvs_status status = KVS_OK; /* the transaction reads both at one version */
    for (size_t i = 0; i < 2 && status == KVS_OK; i++)
        status = data_look(ctx, command_arg(ctx, i + 1), &infos[i]);
    for (size_t i = 0; i < 2 && status == KVS_OK; i++)
        status = load_whole(ctx, i + 1, infos[1 - i].value_bytes, &values[i], &heaps[i]);
    struct lcs lcs = {
        .a = (const unsigned char *)values[0].bytes,
        .b = (const unsigned char *)values[1].bytes,
        .a_len = values[0].info.value_bytes,
        .b_len = values[1].info.value_bytes,
    };
    if (status == KVS_OK)
        status = reply_lcs(ctx, &lcs, &options);
    for (size_t i = 0; i < 2; i++) {
        data_value_done(ctx, &values[i]);
        free(heaps[i]);
    }
    return status;
}
