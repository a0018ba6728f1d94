/*
 * backup.h - what backing up, restoring and checking a backup share. Thread: any.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <kvs/kvs.h>

#include "store/backup_list.h"

/* Progress over several files. */
struct backup_amount {
    kvs_amount_fn *fn; /* NULL: nobody wants to know */
    void *ctx;
    const char *what;
    uint64_t done;
    uint64_t total;
};

/* An io_copy_fn for it. */
bool backup_note(void *amount, uint64_t bytes);

/* KVS_CLOSED when @amount says at so many bytes that it is to stop. */
KVS_MUST_CHECK enum kvs_status backup_note_at(struct backup_amount *amount, uint64_t done);

/* Looks at what is under every record of @dir/RECORDS. */
KVS_MUST_CHECK enum kvs_status backup_check_records(struct io *io, const char *dir,
                                                    struct backup_amount *amount);

/* Verifies a backup; findings to @report. KVS_CORRUPT: there was damage. */
KVS_MUST_CHECK enum kvs_status backup_check(const char *dir, struct kvs_engine_config *config,
                                            kvs_report_fn *report, void *ctx);

#endif
