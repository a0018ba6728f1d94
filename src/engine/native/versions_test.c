/*
 * versions_test.c - the version table and its snapshots.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "engine/native/state.h"
#include "tests/harness/test.h"

static unsigned dead_count;
static uint64_t last_dead;

static void count_dead(void *ctx, const struct slot_info *slot)
{
    (void)ctx;
    dead_count++;
    last_dead = slot->locator;
}

static struct slot_info slot(uint64_t locator, uint64_t version)
{
    return (struct slot_info){ .locator = locator, .version = version, .kind = LOG_SET };
}

static void add(struct versions *versions, const char *key, uint64_t locator, uint64_t version,
                uint64_t superseded)
{
    struct slot_info info = slot(locator, version);
    assert_ok(versions_add(versions, bytes_str(key), &info, superseded, NULL));
}

static struct kvs_snapshot *open_at(struct versions *versions, uint64_t version)
{
    struct kvs_snapshot *snapshot;
    assert_ok(versions_snapshot_open(versions, "test", version, 1, &snapshot));
    return snapshot;
}

TEST(a_snapshot_finds_the_version_it_sees_and_no_other)
{
    struct versions versions;
    versions_init(&versions, NULL);
    struct kvs_snapshot *at_10 = open_at(&versions, 10);
    struct kvs_snapshot *at_25 = open_at(&versions, 25);
    assert_true(versions_needed(&versions, 5, 100));
    add(&versions, "a", 1, 5, 20);
    add(&versions, "a", 2, 20, 30);
    struct slot_info found;
    assert_ok(versions_find(&versions, BYTES("a"), 10, &found));
    assert_int_equal(found.locator, 1);
    assert_ok(versions_find(&versions, BYTES("a"), 25, &found));
    assert_int_equal(found.locator, 2);
    assert_int_equal(versions_find(&versions, BYTES("a"), 4, &found), KVS_NOT_FOUND);
    assert_int_equal(versions_find(&versions, BYTES("a"), 30, &found), KVS_NOT_FOUND);
    assert_int_equal(versions_find(&versions, BYTES("b"), 10, &found), KVS_NOT_FOUND);
    assert_false(versions_needed(&versions, 26, 100));
    versions_snapshot_close(&versions, at_10, count_dead, NULL);
    versions_snapshot_close(&versions, at_25, count_dead, NULL);
    versions_done(&versions);
}

TEST(an_entry_passes_to_the_next_older_snapshot_and_then_goes)
{
    struct versions versions;
    versions_init(&versions, NULL);
    dead_count = 0;
    struct kvs_snapshot *old = open_at(&versions, 10);
    struct kvs_snapshot *new = open_at(&versions, 20);
    add(&versions, "seen by both", 1, 5, 30);
    add(&versions, "seen by the newer only", 2, 15, 30);
    versions_snapshot_close(&versions, new, count_dead, NULL);
    assert_int_equal(dead_count, 1);
    assert_int_equal(last_dead, 2);
    struct slot_info found;
    assert_ok(versions_find(&versions, BYTES("seen by both"), 10, &found));
    versions_snapshot_close(&versions, old, count_dead, NULL);
    assert_int_equal(dead_count, 2);
    assert_int_equal(versions.count, 0);
    assert_int_equal(versions.bytes, 0);
    versions_done(&versions);
}

TEST(a_batch_keeps_its_own_entries_until_it_drops_them)
{
    struct versions versions;
    versions_init(&versions, NULL);
    dead_count = 0;
    struct slot_info info = slot(7, 5);
    struct version_entry *entry;
    assert_ok(versions_add(&versions, BYTES("k"), &info, 9, &entry));
    assert_true(versions_keeps(&versions, BYTES("k"), 7));
    versions_drop(&versions, entry, count_dead, NULL);
    assert_int_equal(dead_count, 1);
    assert_false(versions_keeps(&versions, BYTES("k"), 7));

    struct kvs_snapshot *snapshot = open_at(&versions, 6);
    assert_ok(versions_add(&versions, BYTES("k"), &info, 9, &entry));
    versions_drop(&versions, entry, count_dead, NULL);
    assert_true(versions_keeps(&versions, BYTES("k"), 7)); /* the snapshot keeps it */
    versions_undo(&versions, entry);
    assert_false(versions_keeps(&versions, BYTES("k"), 7));
    assert_int_equal(dead_count, 1);
    versions_snapshot_close(&versions, snapshot, count_dead, NULL);
    assert_int_equal(dead_count, 1);
    versions_done(&versions);
}

TEST(a_moved_record_is_found_at_its_new_place)
{
    struct versions versions;
    versions_init(&versions, NULL);
    struct kvs_snapshot *snapshot = open_at(&versions, 10);
    for (unsigned i = 0; i < 1000; i++) { /* past several growths of the table */
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        add(&versions, key, 100 + i, 5, 20);
    }
    struct slot_info moved = { .locator = 9999, .version = 1, .stored_bytes = 64, .kind = LOG_SET };
    assert_true(versions_move(&versions, BYTES("key500"), 600, &moved));
    assert_false(versions_move(&versions, BYTES("key500"), 600, &moved));
    struct slot_info found;
    assert_ok(versions_find(&versions, BYTES("key500"), 10, &found));
    assert_int_equal(found.locator, 9999);
    dead_count = 0;
    versions_snapshot_close(&versions, snapshot, count_dead, NULL);
    assert_int_equal(dead_count, 1000);
    versions_done(&versions);
}
