/*
 * memory_inode.c - a file of the simulated disk.
 *
 * Invariant: applying all changes in order to `durable` gives `written`, but for the pages that are mapped: these may differ in any
 * way, and each of them reaches the disk when it likes.
 */
#include "io/memory_inode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    MEMORY_PAGE_BYTES = 4096
};

struct inode *inode_new(void)
{
    struct inode *inode = calloc(1, sizeof *inode);
    if (inode != NULL)
        inode->refs = 1;
    return inode;
}

struct inode *inode_ref(struct inode *inode)
{
    inode->refs++;
    return inode;
}

static void forget_changes(struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++)
        free(inode->changes[i].data);
    inode->change_count = 0;
}

void inode_unref(struct inode *inode)
{
    if (inode == NULL || --inode->refs > 0)
        return;
    forget_changes(inode);
    free(inode->changes);
    free(inode->written.data);
    free(inode->durable.data);
    free(inode);
}

static enum kvs_status image_reserve(struct image *image, uint64_t bytes)
{
    if (bytes <= image->capacity)
        return KVS_OK;
    uint64_t capacity = image->capacity < 4096 ? 4096 : image->capacity;
    while (capacity < bytes && capacity <= SIZE_MAX / 4)
        capacity *= 2;
    if (capacity < bytes)
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated file of %" PRIu64 " bytes", bytes);
    unsigned char *data = realloc(image->data, (size_t)capacity);
    if (data == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated file of %" PRIu64 " bytes", bytes);
    memset(data + image->capacity, 0, (size_t)capacity - image->capacity);
    image->data = data;
    image->capacity = (size_t)capacity;
    return KVS_OK;
}

/* Room has been reserved. @data NULL: only the size. */
static void image_apply(struct image *image, uint64_t off, const void *data, size_t len)
{
    if (data != NULL)
        memcpy(image->data + off, data, len);
    if (off + len > image->len)
        image->len = (size_t)off + len;
}

static enum kvs_status reserve_change(struct inode *inode)
{
    if (inode->change_count < inode->change_capacity)
        return KVS_OK;
    size_t capacity = inode->change_capacity == 0 ? 16 : inode->change_capacity * 2;
    struct change *changes = realloc(inode->changes, capacity * sizeof *changes);
    if (changes == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated write");
    inode->changes = changes;
    inode->change_capacity = capacity;
    return KVS_OK;
}

enum kvs_status inode_write(struct inode *inode, uint64_t off, const void *data, size_t len)
{
    if (len == 0)
        return KVS_OK;
    enum kvs_status status = reserve_change(inode);
    if (status == KVS_OK)
        status = image_reserve(&inode->written, off + len);
    if (status != KVS_OK)
        return status;
    unsigned char *copy = malloc(len);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated write of %zu bytes", len);
    memcpy(copy, data, len);
    inode->changes[inode->change_count++] = (struct change){ off, len, copy };
    image_apply(&inode->written, off, data, len);
    return KVS_OK;
}

enum kvs_status inode_grow(struct inode *inode, uint64_t bytes)
{
    if (bytes <= inode->written.len)
        return KVS_OK;
    enum kvs_status status = reserve_change(inode);
    if (status == KVS_OK)
        status = image_reserve(&inode->written, bytes);
    if (status != KVS_OK)
        return status;
    inode->changes[inode->change_count++] = (struct change){ 0, (size_t)bytes, NULL };
    image_apply(&inode->written, 0, NULL, (size_t)bytes);
    return KVS_OK;
}

enum kvs_status inode_map(struct inode *inode, uint64_t bytes)
{
    enum kvs_status status = image_reserve(&inode->durable, bytes);
    if (status == KVS_OK && inode->mapped_bytes < bytes)
        inode->mapped_bytes = bytes;
    return status;
}

void inode_store(struct inode *inode, uint64_t off, const void *data, size_t len)
{
    CHECK(off <= inode->mapped_bytes && len <= inode->mapped_bytes - off);
    image_apply(&inode->written, off, data, len);
}

enum kvs_status inode_sync(struct inode *inode)
{
    enum kvs_status status = image_reserve(&inode->durable, inode->written.len);
    if (status != KVS_OK)
        return status;
    for (size_t i = 0; i < inode->change_count; i++) {
        const struct change *change = &inode->changes[i];
        image_apply(&inode->durable, change->off, change->data, change->len);
    }
    forget_changes(inode);
    if (inode->mapped_bytes > 0)
        image_apply(&inode->durable, 0, inode->written.data, (size_t)inode->mapped_bytes);
    return KVS_OK;
}

/* A prefix of the write, cut at any byte: the processor or the bus stopped. */
static void keep_prefix(struct image *image, const struct change *change, struct random *random)
{
    size_t kept = (size_t)random_below(random, change->len + 1);
    if (kept > 0)
        image_apply(image, change->off, change->data, kept);
}

/* Each piece between multiples of @unit by itself: the disk wrote its sectors in an order of its own. */
static void keep_pieces(struct image *image, const struct change *change, size_t unit,
                        struct random *random)
{
    size_t done = 0;
    while (done < change->len) {
        size_t piece = unit - (size_t)((change->off + done) % unit);
        if (piece > change->len - done)
            piece = change->len - done;
        if (random_below(random, 2) == 0)
            image_apply(image, change->off + done, change->data + done, piece);
        done += piece;
    }
}

static void survive(struct image *image, const struct change *change, struct random *random)
{
    uint64_t fate = random_below(random, 8);
    if (change->data == NULL) {
        if (fate < 4)
            image_apply(image, change->off, NULL, change->len);
    } else if (fate < 2) {
        image_apply(image, change->off, change->data, change->len);
    } else if (fate == 2) {
        image_apply(image, change->off, NULL, change->len); /* the size, without the data */
    } else if (fate == 3) {
        keep_prefix(image, change, random);
    } else if (fate == 4) {
        keep_pieces(image, change, 512, random);
    } else if (fate == 5) {
        keep_pieces(image, change, 4096, random);
    } /* else it is lost */
}

/* Each mapped page as it was at some time: the beginning of what was stored into it, or its pieces in any order. */
static void survive_pages(struct inode *inode, struct random *random)
{
    size_t end =
        inode->written.len < inode->mapped_bytes ? inode->written.len : (size_t)inode->mapped_bytes;
    uint64_t fate = random_below(random, 4); /* of most pages */
    for (size_t off = 0; off < end; off += MEMORY_PAGE_BYTES) {
        size_t len = end - off < MEMORY_PAGE_BYTES ? end - off : MEMORY_PAGE_BYTES;
        if (inode->durable.len >= off + len &&
            memcmp(inode->durable.data + off, inode->written.data + off, len) == 0)
            continue;
        struct change page = { off, len, inode->written.data + off };
        switch (random_below(random, 4) == 0 ? random_below(random, 4) : fate) {
        case 0:
            break;
        case 1:
            keep_prefix(&inode->durable, &page, random);
            break;
        case 2:
            keep_pieces(&inode->durable, &page, 512, random);
            break;
        default:
            image_apply(&inode->durable, off, page.data, len);
            break;
        }
    }
}

/* What is left is what a machine that starts again reads from its disk: written and durable are the same. */
void inode_crash(struct inode *inode, struct random *random)
{
    if (random != NULL) {
        CHECK(image_reserve(&inode->durable, inode->written.len) == KVS_OK);
        for (size_t i = 0; i < inode->change_count; i++)
            survive(&inode->durable, &inode->changes[i], random);
        survive_pages(inode, random);
    }
    inode->mapped_bytes = 0;
    forget_changes(inode);
    inode->locked = false;
    inode->open_count = 0; /* files opened before are dead */
    CHECK(image_reserve(&inode->written, inode->durable.len) == KVS_OK);
    if (inode->durable.len > 0)
        memcpy(inode->written.data, inode->durable.data, inode->durable.len);
    if (inode->written.len > inode->durable.len)
        memset(inode->written.data + inode->durable.len, 0,
               inode->written.len - inode->durable.len);
    inode->written.len = inode->durable.len;
}
