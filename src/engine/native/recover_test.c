/*
 * recover_test.c - what opening refuses.
 */
#include "engine/native/rig_test.h"

static void zero_from(struct rig *rig, const char *path, uint64_t off)
{
    struct io_file *file;
    uint64_t bytes;
    must(io_open(rig->io, path, IO_READ_WRITE, &file));
    must(file->ops->size(file, &bytes));
    assert_true(bytes > off);
    char *zeros = calloc(1, bytes - off);
    assert_non_null(zeros);
    must(file->ops->write(file, off, zeros, bytes - off));
    must(file->ops->sync(file));
    free(zeros);
    io_close(file);
}

TEST(an_end_that_is_lost_after_a_clean_close_is_damage)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    for (int i = 0; i < 60; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%d", i);
        struct kvs_op set = op_set(key, text_of("value"));
        uint64_t version = 0;
        must(rig_write(&rig, &set, 1, &version));
        must(native_engine_ops.wait_durable(rig.engine, version));
    }
    rig_close(&rig);
    zero_from(&rig, "/db/00000001.seg", 2000);
    assert_int_equal(native_engine_ops.open(&rig.config, &rig.engine), KVS_CORRUPT);
    assert_non_null(strstr(fail_text(), "00000001.seg"));
    rig.engine = NULL;
    rig_done(&rig);
}

TEST(a_file_that_is_only_named_like_a_segment_is_refused_and_stays)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct kvs_op set = op_set("k", text_of("1"));
    must(rig_write(&rig, &set, 1, NULL));
    rig_close(&rig);
    struct io_file *file;
    must(io_open(rig.io, "/db/00000777.seg", IO_CREATE, &file));
    must(file->ops->write(file, 0, "notes", 5));
    io_close(file);
    assert_int_equal(native_engine_ops.open(&rig.config, &rig.engine), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "00000777.seg"));
    must(io_open(rig.io, "/db/00000777.seg", IO_READ, &file)); /* still there */
    io_close(file);
    must(rig.io->ops->unlink(rig.io, "/db/00000777.seg"));
    rig_open(&rig);
    rig_expect(&rig, "k", "1");
    rig_done(&rig);
}

TEST(segments_of_an_impossible_size_are_refused)
{
    struct rig rig;
    rig_init(&rig);
    rig.config.segment_bytes = 1;
    assert_int_equal(native_engine_ops.open(&rig.config, &rig.engine), KVS_INVALID);
    rig.config.segment_bytes = UINT64_C(1) << 30;
    assert_int_equal(native_engine_ops.open(&rig.config, &rig.engine), KVS_INVALID);
    rig.engine = NULL;
    rig_done(&rig);
}
