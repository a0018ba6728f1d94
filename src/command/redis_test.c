/*
 * redis_test.c - the data families answer what redis-server 7.0.15 answers, byte for byte (RESP2).
 *
 * Relative times in the recorded commands are whole seconds, absolute ones lie far away, so it does not matter when they were
 * recorded.
 */
#include "command/stand_test.h"

static const struct {
    const char *command;
    struct kvs_bytes answer;
} answers[] = {

#define ANSWER(command, text) { command, BYTES_INIT(text) },
#include "command/redis_answers_test.h"
#undef ANSWER
};

TEST(every_answer_is_redis_s)
{
    struct stand *stand = stand_new();
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        stand_expect(stand, answers[i].command, answers[i].answer);
    stand_free(stand);
}

/* Encoded keys carry the space they are in; nothing of another one may show. */
TEST(every_answer_is_redis_s_in_another_space)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET k first m second", "+OK\r\n");
    EXPECT(stand, "SELECT 15", "+OK\r\n");
    EXPECT(stand, "SET zz last", "+OK\r\n");
    EXPECT(stand, "SELECT 7", "+OK\r\n");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const char *flush = strcmp(answers[i].command, "FLUSHALL") == 0 ? "FLUSHDB" : NULL;
        stand_expect(stand, flush != NULL ? flush : answers[i].command, answers[i].answer);
    }
    EXPECT(stand, "SELECT 0", "+OK\r\n");
    EXPECT(stand, "MGET k m zz", "*3\r\n$5\r\nfirst\r\n$6\r\nsecond\r\n$-1\r\n");
    stand_free(stand);
}
