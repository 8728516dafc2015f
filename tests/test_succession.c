// Tests of succession.c: what a daemon is told by those that it takes over from, and what it makes
// of that, on the real books.
#include "succession.h"

#include "ceiling_fixture.h"
#include "handover_message.h"
#include "suite_run.h"

#include <event2/event.h>
#include <sys/socket.h>

#define BODY                                                                                       \
    "{\"model\":\"claude-opus-5-5\",\"inference_geo\":\"global\",\"max_tokens\":2000,"             \
    "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define DIRECTORY "/var/lib/reeve/journal"

static struct ceiling_fixture fixture;
static struct event_base *base;
static struct succession *succession;
static struct live_run *run; // of the fixture's id
static int direct;           // the end of the daemon that is taken over from
static int older;            // and of one before that
static int ended;            // exchanges of the run
static struct handover_packet packet;
static struct error err;

static void on_exchange_ended(struct live_run *of, void *context)
{
    ck_assert_ptr_eq(of, run);
    ck_assert_ptr_eq(context, &fixture);
    ended++;
}

// Returns our end; the other one goes to *theirs.
static int make_pair(int *theirs)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    *theirs = ends[1];
    return ends[0];
}

static void set_up(void)
{
    static const struct run_limits no_limits;
    static const unsigned char digest[RUN_KEY_DIGEST_BYTES] = {1};
    int theirs;
    fixture_init(&fixture);
    ck_assert_int_eq(fixture_admit(&fixture, BODY), ADMIT_FITS);
    base = event_base_new();
    fixture.proxy.base = base;
    fixture.proxy.runs = run_table_new();
    fixture.proxy.run_exchange_ended = on_exchange_ended;
    fixture.proxy.soft_limit_reached = NULL; // its run is another one
    TAILQ_INIT(&fixture.proxy.waiting);
    ck_assert_int_eq(
        run_table_restore(fixture.proxy.runs, "r1", "j", &no_limits, digest, &run, &err), 0);
    direct = make_pair(&theirs);
    ck_assert_int_eq(succession_new(&succession, theirs, &fixture.proxy, &err), 0);
}

static void tear_down(void)
{
    succession_free(succession);
    event_base_free(base);
    run_table_free(fixture.proxy.runs);
    fixture_done(&fixture);
    close(direct);
    if (older > 0)
        close(older);
}

static void say(int fd, const struct handover_message *message, const int *fds, size_t count)
{
    ck_assert_msg(handover_send(fd, 0, message, fds, count, &err) == 0, "%s", err.text);
}

static const struct handover_message *hear(int fd, enum handover_type type)
{
    ck_assert_msg(handover_receive(fd, MSG_DONTWAIT, &packet, &err) == 0, "%s", err.text);
    ck_assert_int_eq(packet.message.type, type);
    return &packet.message;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

// The exchange that the fixture has admitted is in flight at process `pid`.
static void say_in_flight(int64_t pid)
{
    struct handover_message message = {
        .type = HANDOVER_IN_FLIGHT,
        .in_flight = {.pid = pid, .reservation = fixture.admission.reservation}};
    memcpy(message.in_flight.exchange_id, fixture.admission.exchange_id, EXCHANGE_ID_BYTES);
    say(direct, &message, NULL, 0);
}

static void say_older(int64_t pid)
{
    int theirs;
    older = make_pair(&theirs);
    struct handover_message message = {.type = HANDOVER_PREDECESSOR, .predecessor.pid = pid};
    say(direct, &message, &theirs, 1);
    close(theirs);
}

static void say_take(struct passed_sockets *sockets)
{
    bool owns = false;
    const int fds[] = {STDIN_FILENO, STDOUT_FILENO};
    say(direct,
        &(struct handover_message){.type = HANDOVER_TAKE,
                                   .take = {.pid = 42, .owns_control_file = true}},
        fds, 2);
    alarm(600); // as successor_find_predecessor() sets it
    ck_assert_msg(succession_take(succession, DIRECTORY, sockets, &owns, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(alarm(0), 0);
    ck_assert(owns);
    ck_assert_str_eq(hear(direct, HANDOVER_PREPARED)->prepared.journal_directory, DIRECTORY);
}

// Takes over, so far as to hear the predecessors.
static void begin(void)
{
    struct passed_sockets sockets = {-1, -1};
    say_take(&sockets);
    close(sockets.agents_fd);
    close(sockets.control_fd);
    succession_run_opened(succession, run);
    ck_assert_int_eq(succession_start(succession, base, NULL, &err), 0);
    hear(direct, HANDOVER_READY);
}

static void say_settled(int fd)
{
    uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    struct journal_settlement settlement = {
        .run_id = "r1",
        .job = "j",
        .reserved_at_us = fixture.admission.reservation.reserved_at_us,
        .cost_pico_usd = CENT,
        .counted_pico_usd = CENT,
        .counted_tokens = 7,
        .end = EXCHANGE_COMPLETE,
    };
    memcpy(settlement.exchange_id, fixture.admission.exchange_id, EXCHANGE_ID_BYTES);
    struct handover_message message = {.type = HANDOVER_RECORD};
    message.record.bytes = (struct slice){
        (const char *)bytes,
        journal_record_encode(&(struct journal_record){JOURNAL_SETTLEMENT, {&settlement}}, bytes)};
    say(fd, &message, NULL, 0);
    turn();
}

START_TEST(what_is_passed_is_taken)
{
    struct passed_sockets sockets = {-1, -1};
    struct restore_targets targets = {.budget = NULL};
    say_in_flight(42);
    say_take(&sockets);
    ck_assert_int_ge(sockets.agents_fd, 0);
    ck_assert_int_ge(sockets.control_fd, 0);
    close(sockets.agents_fd);
    close(sockets.control_fd);
    succession_read_in_flight(succession, &targets);
    ck_assert_uint_eq(targets.in_flight_count, 1);
    ck_assert_mem_eq(targets.in_flight[0].exchange_id, fixture.admission.exchange_id,
                     EXCHANGE_ID_BYTES);
    ck_assert_int_eq(targets.in_flight[0].reservation.held.of[BUDGET_COST],
                     fixture.admission.reservation.held.of[BUDGET_COST]);
    succession_run_opened(succession, run); // and that it ends here is no loss
    ck_assert_int_eq(run->exchanges_in_flight, 1);
}
END_TEST

START_TEST(a_predecessor_that_goes_on_by_itself_is_left_alone)
{
    struct passed_sockets sockets = {-1, -1};
    bool owns = false;
    shutdown(direct, SHUT_RDWR);
    ck_assert_int_lt(succession_take(succession, DIRECTORY, &sockets, &owns, &err), 0);
    ck_assert_int_eq(sockets.agents_fd, -1);
}
END_TEST

START_TEST(why_it_cannot_serve_is_said)
{
    error_set(&err, -EINVAL, "Slotz=3");
    succession_fail(succession, &err);
    ck_assert_str_eq(hear(direct, HANDOVER_FAILED)->failed.text, "Slotz=3");
}
END_TEST

START_TEST(settlement_is_booked_once)
{
    say_in_flight(42);
    begin();
    ck_assert_int_eq(run->exchanges_in_flight, 1);
    ck_assert_uint_eq(succession_count_in_flight(succession), 1);
    say_settled(direct);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), CENT);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(run->exchanges, 1);
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    ck_assert_int_eq(ended, 1);
    ck_assert_uint_eq(journal_live(fixture.journal)->reservation_count, 0);

    say_settled(direct);
    close(direct);
    direct = -1;
    turn();
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), CENT);
    ck_assert_int_eq(ended, 1);
    ck_assert(!succession_has_predecessor(succession));
}
END_TEST

START_TEST(what_a_predecessor_does_not_tell_of_is_charged_in_full)
{
    int64_t held = fixture_held(&fixture, BUDGET_COST);
    say_older(41);
    say_in_flight(41);
    begin();
    close(direct); // it is not this one's
    direct = -1;
    turn();
    ck_assert(succession_has_predecessor(succession));
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), held);
    close(older);
    older = 0;
    turn();
    ck_assert(!succession_has_predecessor(succession));
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), held);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    ck_assert_int_eq(ended, 1);
}
END_TEST

START_TEST(killed_run_is_cancelled_there)
{
    say_older(41);
    begin();
    succession_cancel_run(succession, run);
    ck_assert_str_eq(hear(direct, HANDOVER_CANCEL)->cancel.run_id, "r1");
    ck_assert_str_eq(hear(older, HANDOVER_CANCEL)->cancel.run_id, "r1");
}
END_TEST

START_TEST(counts_are_added)
{
    struct handover_message message = {.type = HANDOVER_COUNTS,
                                       .counts = {"r1", .free_calls = 2, .refused = 3}};
    begin();
    run->free_calls = 1;
    say(direct, &message, NULL, 0);
    turn();
    ck_assert_int_eq(run->free_calls, 3);
    ck_assert_int_eq(run->refused, 3);
}
END_TEST

START_TEST(predecessors_are_passed_on_with_what_they_have)
{
    int theirs;
    int next = make_pair(&theirs);
    say_in_flight(42);
    begin();
    ck_assert_int_eq(succession_hand_over(succession, theirs, &err), 0);
    ck_assert(!succession_has_predecessor(succession));
    ck_assert_int_eq(run->exchanges_in_flight, 0); // of what this process will hear of
    ck_assert_int_eq(hear(next, HANDOVER_PREDECESSOR)->predecessor.pid, 42);
    int passed = packet.fds[0];
    ck_assert_int_ge(passed, 0);
    const struct handover_in_flight *in_flight = &hear(next, HANDOVER_IN_FLIGHT)->in_flight;
    ck_assert_int_eq(in_flight->pid, 42);
    ck_assert_mem_eq(in_flight->exchange_id, fixture.admission.exchange_id, EXCHANGE_ID_BYTES);

    say_settled(direct); // who has been passed on speaks to the next one
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), 0);
    hear(passed, HANDOVER_RECORD);
    close(passed);
    close(next);
    close(theirs);
}
END_TEST

START_TEST(there_is_a_most_of_them)
{
    for (int i = 1; i < SUCCESSION_MAX; i++) {
        ck_assert(!succession_is_full(succession));
        if (older > 0)
            close(older);
        say_older(i);
    }
    begin();
    ck_assert(succession_is_full(succession));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("succession");
    TCase *cases = tcase_create("succession");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, what_is_passed_is_taken);
    tcase_add_test(cases, a_predecessor_that_goes_on_by_itself_is_left_alone);
    tcase_add_test(cases, why_it_cannot_serve_is_said);
    tcase_add_test(cases, settlement_is_booked_once);
    tcase_add_test(cases, what_a_predecessor_does_not_tell_of_is_charged_in_full);
    tcase_add_test(cases, killed_run_is_cancelled_there);
    tcase_add_test(cases, counts_are_added);
    tcase_add_test(cases, predecessors_are_passed_on_with_what_they_have);
    tcase_add_test(cases, there_is_a_most_of_them);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
