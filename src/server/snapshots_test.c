#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "io/env.h"
#include "server/snapshots.h"
#include "tests/harness/test.h"

struct rig {
    struct clock *clock;
    struct kvs_env env;
    struct kvs *db;
    struct snapshots *snapshots;
};

static void rig_open(struct rig *rig)
{
    rig->clock = clock_manual_new(INT64_C(1700000000000000));
    assert_non_null(rig->clock);
    rig->env = (struct kvs_env){ .clock = rig->clock };
    struct kvs_options options = { .engine = "memory", .env = &rig->env };
    assert_ok(kvs_open(test_dir(), &options, &rig->db));
    assert_ok(snapshots_new(rig->clock, &rig->snapshots));
}

static void rig_close(struct rig *rig)
{
    snapshots_free(rig->snapshots, rig->db);
    assert_ok(kvs_close(rig->db));
    free(rig->clock);
}

TEST(a_snapshot_is_found_until_it_is_closed_and_its_number_is_not_given_again)
{
    struct rig rig;
    rig_open(&rig);
    uint64_t a = snapshots_open(rig.snapshots, rig.db, 10);
    uint64_t b = snapshots_open(rig.snapshots, rig.db, 10);
    assert_true(a != 0 && b != 0 && a != b);
    assert_non_null(snapshots_use(rig.snapshots, a));
    snapshots_release(rig.snapshots, rig.db, a);
    assert_true(snapshots_close(rig.snapshots, rig.db, a));
    assert_false(snapshots_close(rig.snapshots, rig.db, a));
    assert_null(snapshots_use(rig.snapshots, a));
    assert_null(snapshots_use(rig.snapshots, 0));
    assert_true(snapshots_open(rig.snapshots, rig.db, 10) > b);
    assert_int_equal(snapshots_count(rig.snapshots), 2);
    rig_close(&rig);
}

TEST(one_in_use_stays_until_its_last_user_is_done)
{
    struct rig rig;
    rig_open(&rig);
    uint64_t id = snapshots_open(rig.snapshots, rig.db, 10);
    const struct kvs_snapshot *snapshot = snapshots_use(rig.snapshots, id);
    assert_non_null(snapshots_use(rig.snapshots, id));
    assert_true(snapshots_close(rig.snapshots, rig.db, id));
    assert_null(snapshots_use(rig.snapshots, id));
    snapshots_release(rig.snapshots, rig.db, id);
    assert_int_equal(snapshots_count(rig.snapshots), 1);
    struct kvs_value value = { 0 };
    struct kvs_read read = { .snapshot = snapshot };
    assert_int_equal(kvs_get_at(rig.db, &read, BYTES("k"), &value), KVS_NOT_FOUND);
    kvs_value_done(&value);
    snapshots_release(rig.snapshots, rig.db, id);
    assert_int_equal(snapshots_count(rig.snapshots), 0);
    rig_close(&rig);
}

TEST(there_are_so_many_and_no_more_and_time_makes_room)
{
    struct rig rig;
    rig_open(&rig);
    uint64_t first = snapshots_open(rig.snapshots, rig.db, 1);
    for (int i = 1; i < SNAPSHOTS_MAX; i++)
        assert_true(snapshots_open(rig.snapshots, rig.db, 100) != 0);
    assert_int_equal(snapshots_open(rig.snapshots, rig.db, 100), 0);
    clock_manual_advance_us(rig.clock, 1000000);
    assert_null(snapshots_use(rig.snapshots, first)); /* although nobody has closed it yet */
    assert_int_equal(snapshots_expire(rig.snapshots, rig.db), SNAPSHOTS_MAX - 1);
    assert_true(snapshots_open(rig.snapshots, rig.db, 1) != 0);
    rig_close(&rig);
}
