// Checks who gets a slot, and when.
#include "run.h"
#include "slots.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define NEVER INT64_MAX

static struct slots slots;
static struct slot_ticket tickets[6];

static void setup(void)
{
    slots_init(&slots, 2, LIMIT_NONE);
    for (size_t i = 0; i < sizeof(tickets) / sizeof(tickets[0]); i++)
        tickets[i] = (struct slot_ticket){.state = SLOT_NONE};
}

static enum slot_state take(int i, int64_t priority, int64_t deadline_us)
{
    return slots_take(&slots, &tickets[i], priority, 100, deadline_us);
}

START_TEST(free_ones_are_taken_at_once)
{
    ck_assert_int_eq(take(0, 0, 0), SLOT_HELD);
    ck_assert_int_eq(take(1, 0, 0), SLOT_HELD);
    ck_assert_int_eq(take(2, 0, 0), SLOT_NONE);
    ck_assert_int_eq(tickets[2].state, SLOT_NONE);
    ck_assert_uint_eq(slots.held, 2);
    slots_leave(&slots, &tickets[0]);
    ck_assert_int_eq(take(2, 0, 0), SLOT_HELD);
}
END_TEST

START_TEST(a_deadline_that_has_come_does_not_wait)
{
    take(0, 0, 0);
    take(1, 0, 0);
    ck_assert_int_eq(take(2, 0, 100), SLOT_NONE);
    ck_assert_int_eq(take(3, 0, 101), SLOT_WAITING);
}
END_TEST

START_TEST(first_come_first_served)
{
    take(0, 0, 0);
    take(1, 0, 0);
    for (int i = 2; i < 6; i++)
        ck_assert_int_eq(take(i, 0, NEVER), SLOT_WAITING);
    ck_assert_uint_eq(slots_waiting(&slots), 4);
    ck_assert_uint_eq(slots_position(&slots, &tickets[2]), 1);
    ck_assert_uint_eq(slots_position(&slots, &tickets[5]), 4);
    ck_assert_uint_eq(slots_position(&slots, &tickets[0]), 0);
    ck_assert_ptr_null(slots_next(&slots)); // none is free
    slots_leave(&slots, &tickets[3]);       // out of the middle of the queue
    slots_leave(&slots, &tickets[0]);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[2]);
    ck_assert_ptr_null(slots_next(&slots));
    slots_leave(&slots, &tickets[1]);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[4]);
    ck_assert_uint_eq(slots.held, 2);
    ck_assert_uint_eq(slots_waiting(&slots), 1);
}
END_TEST

START_TEST(priority_goes_first)
{
    take(0, 0, 0);
    take(1, 0, 0);
    take(2, 0, NEVER);
    take(3, 5, NEVER);
    take(4, 5, NEVER);
    take(5, -1, NEVER);
    const int order[] = {3, 4, 2, 5};
    for (size_t i = 0; i < 4; i++) {
        slots_leave(&slots, &tickets[i < 2 ? (int)i : order[i - 2]]);
        ck_assert_ptr_eq(slots_next(&slots), &tickets[order[i]]);
    }
}
END_TEST

START_TEST(nobody_overtakes_the_queue)
{
    take(0, 0, 0);
    take(1, 0, 0);
    take(2, 0, NEVER);
    slots_leave(&slots, &tickets[0]); // free, but the queue has not been asked yet
    ck_assert_int_eq(take(3, 0, 0), SLOT_NONE);
    ck_assert_int_eq(take(4, 0, NEVER), SLOT_WAITING);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[2]);
}
END_TEST

START_TEST(those_who_have_waited_enough_leave)
{
    take(0, 0, 0);
    take(1, 0, 0);
    ck_assert_int_eq(slots_deadline_us(&slots), NEVER);
    take(2, 0, 300);
    take(3, 0, 200);
    take(4, 0, NEVER);
    ck_assert_int_eq(slots_deadline_us(&slots), 200);
    ck_assert_ptr_null(slots_expire(&slots, 199));
    ck_assert_ptr_eq(slots_expire(&slots, 300), &tickets[2]);
    ck_assert_ptr_eq(slots_expire(&slots, 300), &tickets[3]);
    ck_assert_ptr_null(slots_expire(&slots, 300));
    ck_assert_int_eq(tickets[3].state, SLOT_NONE);
    ck_assert_uint_eq(slots_position(&slots, &tickets[4]), 1);
}
END_TEST

START_TEST(held_since_before_a_restart)
{
    for (int i = 0; i < 3; i++) // the configuration has fewer slots by now
        slots_hold(&slots, &tickets[i]);
    ck_assert_int_eq(take(3, 0, NEVER), SLOT_WAITING);
    slots_leave(&slots, &tickets[0]);
    ck_assert_ptr_null(slots_next(&slots));
    slots_leave(&slots, &tickets[1]);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[3]);
}
END_TEST

START_TEST(memory_counts_as_well)
{
    slots_init(&slots, 2, 100);
    tickets[0].memory_bytes = 60;
    tickets[1].memory_bytes = 41;
    ck_assert_int_eq(take(0, 0, 0), SLOT_HELD);
    ck_assert_int_eq(slots_memory_left(&slots), 40);
    ck_assert_int_eq(slots_obstacle(&slots, &tickets[1]), SLOT_MEMORY_SHORT);
    ck_assert_int_eq(take(1, 0, 0), SLOT_NONE);
    ck_assert_int_eq(take(1, 0, NEVER), SLOT_WAITING);
    ck_assert_ptr_null(slots_next(&slots));
    ck_assert_int_eq(take(2, 0, NEVER), SLOT_WAITING); // needs none, and does not overtake
    ck_assert_int_eq(slots_obstacle(&slots, &tickets[2]), SLOT_BEHIND_OTHERS);
    slots_leave(&slots, &tickets[0]);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[1]);
    ck_assert_ptr_eq(slots_next(&slots), &tickets[2]);
    slots_leave(&slots, &tickets[1]);
    ck_assert_int_eq(slots_memory_left(&slots), 100);
}
END_TEST

START_TEST(held_back_for_now)
{
    slots.held_back = true;
    ck_assert_int_eq(take(0, 0, 0), SLOT_NONE);
    ck_assert_int_eq(take(0, 0, NEVER), SLOT_WAITING);
    ck_assert_int_eq(slots_obstacle(&slots, &tickets[0]), SLOT_HELD_BACK);
    ck_assert_ptr_null(slots_next(&slots));
    slots.held_back = false;
    ck_assert_ptr_eq(slots_next(&slots), &tickets[0]);
}
END_TEST

START_TEST(leaving_twice_changes_nothing)
{
    take(0, 0, 0);
    slots_leave(&slots, &tickets[0]);
    slots_leave(&slots, &tickets[0]);
    ck_assert_uint_eq(slots.held, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slots");
    TCase *tests = tcase_create("slots");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, free_ones_are_taken_at_once);
    tcase_add_test(tests, a_deadline_that_has_come_does_not_wait);
    tcase_add_test(tests, first_come_first_served);
    tcase_add_test(tests, priority_goes_first);
    tcase_add_test(tests, nobody_overtakes_the_queue);
    tcase_add_test(tests, those_who_have_waited_enough_leave);
    tcase_add_test(tests, held_since_before_a_restart);
    tcase_add_test(tests, memory_counts_as_well);
    tcase_add_test(tests, held_back_for_now);
    tcase_add_test(tests, leaving_twice_changes_nothing);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
