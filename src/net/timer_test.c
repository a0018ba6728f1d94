#include <stdlib.h>

#include "io/random.h"
#include "net/timer.h"
#include "tests/harness/test.h"

static void nothing(struct timer *timer)
{
    (void)timer;
}

TEST(timers_come_out_in_order_of_due_time)
{
    enum {
        COUNT = 2000
    };
    static struct timer timers[COUNT];
    struct timer_heap heap = { 0 };
    struct random random;
    random_seed(&random, test_seed());
    for (int i = 0; i < COUNT; i++) {
        timers[i] = (struct timer){ .fire = nothing };
        timer_set(&heap, &timers[i], random_below(&random, 1000));
    }
    uint64_t last = 0;
    int seen = 0;
    struct timer *timer;
    while ((timer = timer_take_due(&heap, 5000)) != NULL) {
        assert_true(timer->due_ns >= last);
        assert_false(timer->is_set);
        last = timer->due_ns;
        seen++;
    }
    assert_int_equal(seen, COUNT);
}

TEST(random_setting_moving_and_cancelling_matches_a_plain_array)
{
    enum {
        COUNT = 200
    };
    static struct timer timers[COUNT];
    struct timer_heap heap = { 0 };
    struct random random;
    random_seed(&random, test_seed());
    for (int i = 0; i < COUNT; i++)
        timers[i] = (struct timer){ .fire = nothing };
    uint64_t now = 0;
    for (int step = 0; step < 50000; step++) {
        struct timer *timer = &timers[random_below(&random, COUNT)];
        uint64_t choice = random_below(&random, 10);
        if (choice < 6)
            timer_set(&heap, timer, now + random_below(&random, 100));
        else if (choice < 9)
            timer_cancel(&heap, timer);
        else
            now += random_below(&random, 10);
        uint64_t due = 0;
        uint64_t least = UINT64_MAX;
        for (int i = 0; i < COUNT; i++) {
            if (timers[i].is_set && timers[i].due_ns < least)
                least = timers[i].due_ns;
        }
        assert_int_equal(timer_next_due(&heap, &due), least != UINT64_MAX);
        if (least != UINT64_MAX)
            assert_int_equal(due, least);
        while ((timer = timer_take_due(&heap, now)) != NULL)
            assert_true(timer->due_ns <= now);
    }
}

TEST(a_timer_that_is_not_due_stays)
{
    struct timer_heap heap = { 0 };
    struct timer timer = { .fire = nothing };
    timer_set(&heap, &timer, 10);
    assert_null(timer_take_due(&heap, 9));
    assert_ptr_equal(timer_take_due(&heap, 10), &timer);
    assert_null(timer_take_due(&heap, UINT64_MAX));
}
