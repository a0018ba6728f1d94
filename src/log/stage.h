/*
 * stage.h - the file TAIL: what was acknowledged without a sync and is not in its segment yet survives the end of the process.
 *
 * Thread: as each function says. The argument is in stage.c.
 */
#ifndef LOG_STAGE_H
#define LOG_STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#define STAGE_NAME "TAIL"

enum {
    STAGE_HEADER_BYTES = 4096,
    STAGE_BYTES =
        8 * 1024 * 1024, /* of the ring: what a process may lock in memory without privileges */
    STAGE_BYTES_MIN = 64 * 1024,
    STAGE_BATCH_SHARE =
        4, /* batches over a quarter of the ring are written to their segment instead */
    STAGE_WRITE_SHARE =
        8, /* an eighth of the ring is written to the segments without being asked for */
};

struct log;
struct segment;
struct group_header;
struct stage_image;

struct stage {
    struct io_file
        *file;       /* NULL: there is none; set by the first append, before anything is staged */
    _Atomic bool on; /* the same, for those who may look while it is made */
    uint64_t bytes;  /* of the ring */
    /* GUARDED_BY(append_mu) */
    uint64_t limit;   /* positions below it have room in the ring */
    uint64_t gap;     /* end of the last batch that was not staged; 0: none */
    bool group_begun; /* the header of the group being gathered is in the ring */
};

/* Makes or takes up the file, if the log's mode wants it. Where that cannot be, the log does without. Before the first append. */
void stage_open(struct log *log);
/* The file, closed; @remove: everything is in the segments. */
void stage_close(struct log *log, bool remove);

/* Under the append lock: has the ring room for a batch of @bytes, positions up to @end? (Without a ring, or when the batch is too
 * large for it: yes.) */
bool stage_has_room(struct log *log, size_t bytes, uint64_t end);
/* Under the append lock: stages the batch that is being published, [off, end) of the active segment. */
void stage_batch(struct log *log, uint64_t off, uint64_t end);
/* Under the append lock: stages the header of the group that is being sealed, if its batches are. */
void stage_seal(struct log *log);

/* Opening: the file as it was found, for stage_overlay(). None, or one that a power cut has torn: KVS_OK, and nothing to overlay.
 * KVS_WRONG_FORMAT: of another store, or newer. */
KVS_MUST_CHECK enum kvs_status stage_load(struct log *log);
void stage_unload(struct log *log);
/* Puts what was staged behind the last group of main segment @segment into @data, the first @size bytes of its file. True: there
 * was something. */
bool stage_overlay(const struct log *log, const struct segment *segment, uint8_t *data,
                   uint64_t size);

#endif
