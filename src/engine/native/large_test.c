/*
 * large_test.c - who owns which chunk.
 */
#include <stdlib.h>

#include "engine/native/large.h"
#include "tests/harness/test.h"

static struct large *make(struct larges *larges, uint64_t first, size_t count)
{
    struct large *large;
    assert_ok(large_new(&large));
    for (size_t i = 0; i < count; i++)
        assert_ok(
            large_add(larges, large, (struct chunk){ .locator = first + i, .stored_bytes = 64 }));
    return large;
}

TEST(chunks_are_pending_until_owned_and_dead_after_their_record)
{
    struct larges larges;
    larges_init(&larges);
    uint64_t owner = 0;
    struct large *large = make(&larges, 1000, 300);
    assert_int_equal(large_chunk_state(&larges, 1299, &owner), CHUNK_PENDING);
    large_own(&larges, large, 7);
    assert_int_equal(large_chunk_state(&larges, 1299, &owner), CHUNK_LIVE);
    assert_int_equal(owner, 7);
    large_move_owner(&larges, 7, 8);
    large_move_owner(&larges, 7, 9); /* not there any more: nothing */
    assert_int_equal(large_chunk_state(&larges, 1000, &owner), CHUNK_LIVE);
    assert_int_equal(owner, 8);
    assert_null(large_take(&larges, 7));
    struct large *taken = large_take(&larges, 8);
    assert_ptr_equal(taken, large);
    assert_int_equal(large_chunk_state(&larges, 1000, &owner), CHUNK_DEAD);
    large_free(taken);
    larges_done(&larges);
}

TEST(moving_chunks_replaces_the_list_and_the_owner_together)
{
    struct larges larges;
    larges_init(&larges);
    large_own(&larges, make(&larges, 10, 3), 1);
    struct chunk *chunks;
    size_t count;
    assert_ok(large_copy(&larges, 1, &chunks, &count));
    assert_int_equal(count, 3);
    chunks[1].locator = 99;
    assert_ok(large_replace(&larges, 1, 2, chunks, count));
    free(chunks);
    uint64_t owner = 0;
    assert_int_equal(large_chunk_state(&larges, 11, &owner), CHUNK_DEAD);
    assert_int_equal(large_chunk_state(&larges, 99, &owner), CHUNK_LIVE);
    assert_int_equal(owner, 2);
    assert_int_equal(large_chunk_state(&larges, 10, &owner), CHUNK_LIVE);
    assert_int_equal(owner, 2);
    assert_int_equal(large_copy(&larges, 1, &chunks, &count), KVS_NOT_FOUND);
    larges_done(&larges); /* frees what is still owned */
}

TEST(forgetting_an_upload_leaves_others_alone)
{
    struct larges larges;
    larges_init(&larges);
    struct large *gone = make(&larges, 100, 50);
    struct large *kept = make(&larges, 200, 50);
    large_forget(&larges, gone);
    large_free(gone);
    uint64_t owner;
    assert_int_equal(large_chunk_state(&larges, 120, &owner), CHUNK_DEAD);
    assert_int_equal(large_chunk_state(&larges, 220, &owner), CHUNK_PENDING);
    large_own(&larges, kept, 5);
    larges_done(&larges);
}
