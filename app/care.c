/*
 * care.c - see care.h. A bar on a terminal shows how far each is; the first SIGINT or SIGTERM stops it in good order.
 */
#include "app/care.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/interrupt.h"
#include "app/progress.h"

struct care {
    struct progress progress;
    const char *good; /* in front of a finding */
    const char *bad;
};

static bool note_amount(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct care *care = ctx;
    progress_amount(&care->progress, what, done, total);
    return !interrupt_asked();
}

static void print_finding(void *ctx, bool ok, const char *text)
{
    struct care *care = ctx;
    progress_clear(&care->progress);
    if (ok && care->good == NULL)
        return;
    (void)printf("%s%s\n", ok ? care->good : care->bad, text);
}

static void begin(struct care *care, const char *good, const char *bad)
{
    *care = (struct care){ .good = good, .bad = bad };
    interrupt_catch();
    progress_begin(&care->progress, "", 0);
}

/* Ends the bar, and sees to it that what was printed has reached its reader. */
static int end(const struct args_program *program, struct care *care, enum kvs_status status)
{
    progress_clear(&care->progress);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fprintf(stderr, "%s: cannot write to standard output\n", program->name);
        return EXIT_FAILURE;
    }
    return status == KVS_OK ? EXIT_SUCCESS : args_failure(program);
}

static struct kvs_options with_amount(const struct kvs_options *options, struct care *care)
{
    struct kvs_options all = *options;
    all.amount = note_amount;
    all.amount_ctx = care;
    return all;
}

int care_check(const struct args_program *program, const char *dir,
               const struct kvs_options *options)
{
    struct care care;
    begin(&care, "ok: ", "damage: ");
    struct kvs_options all = with_amount(options, &care);
    return end(program, &care, kvs_check(dir, &all, print_finding, &care));
}

int care_repair(const struct args_program *program, const char *dir, const char *new_dir,
                const struct kvs_options *options)
{
    struct care care;
    begin(&care, NULL, "lost: ");
    struct kvs_options all = with_amount(options, &care);
    struct kvs_repaired repaired = { .keys = 0 };
    int code = end(program, &care, kvs_repair(dir, new_dir, &all, print_finding, &care, &repaired));
    if (code != EXIT_SUCCESS)
        return code;
    (void)fprintf(stderr, "repaired: %" PRIu64 " keys are in %s; %" PRIu64 " losses\n",
                  repaired.keys, new_dir, repaired.losses);
    return repaired.losses == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int care_dump(const struct args_program *program, const char *dir,
              const struct kvs_options *options)
{
    struct care care;
    begin(&care, "", "damage: ");
    struct kvs_options all = with_amount(options, &care);
    all.amount = NULL; /* its lines are what moves */
    return end(program, &care, kvs_dump(dir, &all, print_finding, &care));
}

int care_backup(const struct args_program *program, struct kvs *db, const char *to,
                const struct kvs_backup_options *how)
{
    struct care care;
    begin(&care, NULL, "");
    struct kvs_backup_options all = *how;
    all.amount = note_amount;
    all.amount_ctx = &care;
    uint64_t position = 0;
    int code = end(program, &care, kvs_backup(db, to, &all, &position));
    if (code == EXIT_SUCCESS)
        (void)fprintf(stderr, "backed up to %s, position %" PRIu64 "\n", to, position);
    return code;
}

int care_restore(const struct args_program *program, const char *from, const char *dir,
                 const struct kvs_options *options)
{
    struct care care;
    begin(&care, NULL, "");
    struct kvs_options all = with_amount(options, &care);
    int code = end(program, &care, kvs_restore(from, dir, &all));
    if (code == EXIT_SUCCESS)
        (void)fprintf(stderr, "restored %s to %s\n", from, dir);
    return code;
}
