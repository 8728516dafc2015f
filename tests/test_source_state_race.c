// Race test of source_state.c: 64 claimers on as many connections work through the same keys, and
// are killed at random: in the middle of a question, while they hold a key, while they finish it.
//
// Each claimer is a process, which writes what it is granted into shared memory. What it sees there
// before it asks has happened before, so it can judge the answer: a number that is not greater, a
// grant within the time of the one before, a second finish, a grant of what is done. Claims last
// for so short a time that a killed claimer's keys are taken over soon, and those of slow ones too.
//
// REEVE_STATE_KEYS gives the full count (make check-state).
#include "ledger_fixture.h"

#include "clock.h"
#include "source_state.h"
#include "suite_run.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#define CLAIMERS 64
#define GRANTS_MAX 256 // of one key
#define TTL_US 40000
#define WORK_US_MAX 2000 // what the work on a key takes
#define SLOW_ONE_IN 50   // is so slow that its claim is over before it has finished
#define RELEASED_ONE_IN 8
#define LIFE_US_MAX 2000000 // then a claimer is killed

// What the claimers have noted of a key.
struct witness {
    atomic_llong newest;   // the greatest number that was granted
    atomic_int done_count; // how many have been told that they have finished it
    atomic_bool is_over;
    atomic_llong expires_at_us[GRANTS_MAX]; // by number; 0: not noted
    atomic_bool is_released[GRANTS_MAX];
};

struct board {
    atomic_int failures;
    atomic_llong grants, takeovers, refused, done_count;
    struct witness keys[];
};

static struct ledger_fixture fixture;
static struct board *board;
static int key_count;
static uint64_t random_state;

static uint32_t draw(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u; // Knuth's MMIX
    return (uint32_t)(random_state >> 33) % limit;
}

static void require(bool condition, const char *what, int key, const struct source_state_row *row)
{
    if (condition)
        return;
    atomic_fetch_add(&board->failures, 1);
    fprintf(stderr, "key %d, number %lld of %s: %s\n", key, (long long)row->fence, row->holder,
            what);
}

static void give_up(const struct error *err)
{
    atomic_fetch_add(&board->failures, 1);
    fprintf(stderr, "%s\n", err->text);
    _exit(1);
}

static enum source_state_outcome ask(struct ledger *ledger, enum source_state_action action,
                                     int key, const char *holder, int64_t fence,
                                     struct source_state_answer *answer)
{
    struct error err = {0};
    struct source_state_question question = {
        .action = action, .ttl_us = TTL_US, .fence = fence, .job = "race"};
    snprintf(question.key, sizeof(question.key), "key-%d", key);
    snprintf(question.holder, sizeof(question.holder), "%s", holder);
    if (source_state_ask(ledger, "box", &question, answer, &err) != 0)
        give_up(&err);
    return answer->outcome;
}

// A grant that was asked for when the key was as `newest` and `done_count` say.
static void judge_grant(int key, const struct source_state_row *row, int64_t newest, int done_count)
{
    struct witness *witness = &board->keys[key];
    ck_assert_int_lt(row->fence, GRANTS_MAX);
    require(done_count == 0, "was granted after it was done", key, row);
    require(row->fence > newest, "was granted after a later number", key, row);
    int64_t before_us = atomic_load(&witness->expires_at_us[row->fence - 1]);
    require(row->claimed_at_us >= before_us || atomic_load(&witness->is_released[row->fence - 1]),
            "was granted while another one had it", key, row);
    require(atomic_exchange(&witness->expires_at_us[row->fence], row->expires_at_us) == 0,
            "was granted twice", key, row);
    long long known = atomic_load(&witness->newest);
    while (known < row->fence &&
           !atomic_compare_exchange_weak(&witness->newest, &known, row->fence))
        continue;
    atomic_fetch_add(&board->grants, 1);
    atomic_fetch_add(&board->takeovers, row->fence > 1);
}

static void finish(struct ledger *ledger, int key, const struct source_state_row *row)
{
    struct witness *witness = &board->keys[key];
    struct source_state_answer answer;
    int64_t newest = atomic_load(&witness->newest);
    if (ask(ledger, SOURCE_STATE_FINISH, key, row->holder, row->fence, &answer) !=
        SOURCE_STATE_OK) {
        atomic_fetch_add(&board->refused, 1);
        return;
    }
    require(row->fence >= newest, "was finished by an older number", key, row);
    require(atomic_fetch_add(&witness->done_count, 1) == 0, "was finished twice", key, row);
    atomic_store(&witness->is_over, true);
    atomic_fetch_add(&board->done_count, 1);
}

static void work_on(struct ledger *ledger, int key, const char *holder)
{
    struct witness *witness = &board->keys[key];
    struct source_state_answer answer;
    int64_t newest = atomic_load(&witness->newest);
    int done_count = atomic_load(&witness->done_count);
    enum source_state_outcome outcome = ask(ledger, SOURCE_STATE_CLAIM, key, holder, 0, &answer);
    if (outcome == SOURCE_STATE_DONE) // by one that was killed before it could note it
        atomic_store(&witness->is_over, true);
    if (outcome != SOURCE_STATE_OK)
        return;
    struct source_state_row row = answer.rows[0];
    judge_grant(key, &row, newest, done_count);
    usleep(draw(SLOW_ONE_IN) == 0 ? 2 * TTL_US : draw(WORK_US_MAX));
    if (draw(RELEASED_ONE_IN) != 0) {
        finish(ledger, key, &row);
        return;
    }
    atomic_store(&witness->is_released[row.fence], true);
    ask(ledger, SOURCE_STATE_RELEASE, key, holder, row.fence, &answer);
}

// Goes through the keys, from a place of its own, until all of them are over.
static void be_claimer(int number)
{
    struct ledger *ledger;
    struct error err = {0};
    char holder[SOURCE_STATE_HOLDER_MAX];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    random_state = (uint64_t)number * 1000003;
    draw(1);
    uint32_t life_us = 1 + draw(LIFE_US_MAX);
    struct timeval life = {life_us / 1000000, life_us % 1000000};
    signal(SIGALRM, SIG_DFL); // which check has taken: it ends the claimer, wherever it is
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = life}, NULL);
    snprintf(holder, sizeof(holder), "claimer-%d", number);
    if (ledger_open(&ledger, fixture.local.dsn, &err) != 0)
        give_up(&err);
    int key = (int)draw((uint32_t)key_count);
    for (int left = 1; left > 0;) {
        left = 0;
        for (int i = 0; i < key_count; i++, key = (key + 1) % key_count) {
            if (atomic_load(&board->keys[key].is_over))
                continue;
            left++;
            work_on(ledger, key, holder);
        }
    }
    ledger_close(ledger);
    _exit(0);
}

static void start_claimer(int number)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        be_claimer(number);
}

// Waits for all claimers; one that was killed has a successor. Returns the number of kills.
static int wait_for_all(void)
{
    int kills = 0;
    for (int running = CLAIMERS, status; running > 0;) {
        ck_assert_int_gt(waitpid(-1, &status, 0), 0);
        if (WIFSIGNALED(status))
            start_claimer(CLAIMERS + ++kills);
        else
            running--;
    }
    return kills;
}

// The private Postgres, but for more connections; what is on the disk is not what is tried here.
static void start_postgres(void)
{
    const struct ledger_cluster *cluster = &fixture.local.cluster;
    char sockets[PATH_MAX];
    int lock_fd;
    ledger_fixture_init(&fixture);
    snprintf(sockets, sizeof(sockets), "unix_socket_directories=%s", cluster->socket_directory);
    const char *const arguments[] = {
        "postgres",          "-D", cluster->data,         "-c", sockets,     "-c",
        "listen_addresses=", "-c", "max_connections=100", "-c", "fsync=off", NULL};
    ck_assert_success(ledger_cluster_lock(cluster, &lock_fd, err));
    ck_assert_success(ledger_cluster_make(cluster, err));
    ck_assert_success(ledger_cluster_run(cluster, arguments, &fixture.local.pid, err));
    for (int i = 0; !ledger_local_is_running(&fixture.local); i++) {
        ck_assert_int_lt(i, 3000);
        usleep(10000);
    }
    close(lock_fd);
}

START_TEST(never_two_holders_and_never_a_second_done)
{
    struct ledger *ledger;
    char expected[32];
    const char *keys = getenv("REEVE_STATE_KEYS");
    key_count = keys != NULL ? (int)strtol(keys, NULL, 10) : 400;
    board = mmap(NULL, sizeof(*board) + (size_t)key_count * sizeof(board->keys[0]),
                 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(board, MAP_FAILED);
    start_postgres();
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    ck_assert_success(ledger_schema_migrate(ledger, NULL, err));
    int64_t began_us = clock_monotonic_us();
    for (int i = 0; i < CLAIMERS; i++)
        start_claimer(i);
    int kills = wait_for_all();
    printf("%d claimers, %d keys, %d kills: %lld grants, %lld of them takeovers, %lld finishes "
           "refused, %lld noted, %.1f s\n",
           CLAIMERS, key_count, kills, atomic_load(&board->grants), atomic_load(&board->takeovers),
           atomic_load(&board->refused), atomic_load(&board->done_count),
           (double)(clock_monotonic_us() - began_us) / 1e6);
    int failures = atomic_load(&board->failures);
    long long takeovers = atomic_load(&board->takeovers);
    long long done_count = atomic_load(&board->done_count);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_gt(takeovers, 0);
    // One that was killed between its finish and its note has left a key that nobody has noted.
    ck_assert_int_ge(done_count, key_count - kills);
    snprintf(expected, sizeof(expected), "%d %d", key_count, key_count);
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) || ' ' || count(done_at)"
                                          " FROM reeve.source_state WHERE state = 'done'"),
                     expected);
    ledger_close(ledger);
    ledger_fixture_done(&fixture);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_state_race");
    TCase *cases = tcase_create("source_state_race");
    tcase_set_timeout(cases, 0);
    tcase_add_test(cases, never_two_holders_and_never_a_second_done);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
