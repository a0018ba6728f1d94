/*
 * memory_inode.h - one file of the simulated disk: what was written, what is durable, and the steps between the two.
 *
 * Reads see `written`. Each write and each growth since the last sync is kept as a change, so that a power cut can keep,
 * drop or tear every one of them by itself. Threads: under the disk's lock.
 */
#ifndef IO_MEMORY_INODE_H
#define IO_MEMORY_INODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#include "io/random.h"

struct image {
    unsigned char *data;
    size_t len;
    size_t capacity; /* bytes from len to capacity are zero */
};

struct change {
    uint64_t off;
    size_t len;
    unsigned char *data; /* owned; NULL: the file grew to off + len, and nothing was written */
};

struct inode {
    unsigned refs;       /* names, durable names, unsynced changes of names, open files */
    unsigned name_count; /* names and open files: while there are any, it takes room on the disk */
    unsigned open_count;
    uint64_t crashes; /* the disk's count of power cuts that this inode has been through */
    bool locked;
    struct image written;
    struct image durable;
    uint64_t mapped_bytes; /* so much from the start is stored to without a change being noted */
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
};

struct inode *inode_new(void); /* with one ref; NULL without memory */
struct inode *inode_ref(struct inode *inode);
void inode_unref(struct inode *inode); /* NULL is allowed */

/* The caller has checked capacity. On KVS_NO_MEMORY nothing has changed. */
KVS_MUST_CHECK enum kvs_status inode_write(struct inode *inode, uint64_t off, const void *data,
                                           size_t len);
KVS_MUST_CHECK enum kvs_status inode_grow(struct inode *inode, uint64_t bytes);

/* [0, bytes), which is written, is stored to from now on. */
KVS_MUST_CHECK enum kvs_status inode_map(struct inode *inode, uint64_t bytes);
void inode_store(struct inode *inode, uint64_t off, const void *data, size_t len);

static inline bool inode_is_used(const struct inode *inode)
{
    return inode->name_count + inode->open_count > 0;
}

/* Makes every change durable. */
KVS_MUST_CHECK enum kvs_status inode_sync(struct inode *inode);

/* Power cut: of the unsynced changes nothing survives (@random NULL), or what the dice say. What is left is durable. */
void inode_crash(struct inode *inode, struct random *random);

#endif
