#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/trace.h"
#include "tests/harness/test.h"

/* What one call writes; static. */
static const char *line_of(struct trace *trace, enum trace_level level, const char *text)
{
    static char line[8192];
    int fds[2];
    assert_ok(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
    trace->fd = fds[1];
    trace_line(trace, level, "%s", text);
    ssize_t got = read(fds[0], line, sizeof line - 1);
    line[got > 0 ? got : 0] = '\0';
    close(fds[0]);
    close(fds[1]);
    return line;
}

TEST(lines_have_time_level_and_text_and_cannot_be_forged)
{
    struct trace trace;
    struct clock *clock = clock_manual_new(INT64_C(1700000000123456));
    trace_init(&trace, 2, clock);
    assert_string_equal(line_of(&trace, TRACE_WARN, "a\nb \x1b[1m"),
                        "2023-11-14T22:13:20.123Z warn  a\\x0ab \\x1b[1m\n");
    assert_string_equal(line_of(&trace, TRACE_DEBUG, "hidden"), "");
    atomic_store(&trace.level, TRACE_DEBUG);
    assert_string_equal(line_of(&trace, TRACE_DEBUG, "shown"),
                        "2023-11-14T22:13:20.123Z debug shown\n");
    free(clock);
}

TEST(json_lines_are_json)
{
    struct trace trace;
    trace_init(&trace, 2, clock_system());
    atomic_store(&trace.json, true);
    const char *line = line_of(&trace, TRACE_ERROR, "say \"hi\" \\ \n \xff");
    json_error_t error;
    json_t *json = json_loads(line, 0, &error);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "error");
    assert_non_null(
        strstr(json_string_value(json_object_get(json, "message")), "say \"hi\" \\ \n "));
    json_decref(json);
}

TEST(levels_have_redis_names_too)
{
    enum trace_level level;
    assert_true(trace_level_parse("notice", &level));
    assert_int_equal(level, TRACE_INFO);
    assert_true(trace_level_parse("WARNING", &level));
    assert_int_equal(level, TRACE_WARN);
    assert_false(trace_level_parse("loud", &level));
}
