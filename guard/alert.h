// Alert: what is told once, whom it is owed to, and when it is tried again. Pure.
//
//     noticed ▶ judged ──▶ journaled ▶ owed to channels ▶ sent, or given up
//                  ├─ told already: nothing
//                  └─ too many: into the books alone
//
// The book holds the alerts of late, owed ones first of all. The journal repeats it in each of its
// checkpoints, so a start finds what was owed and what has been told.
#pragma once

#include "journal_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALERTS_KEPT_MAX 256                    // in the book
#define ALERTS_OWED_MAX 192                    // of them: the longest queue there can be
#define ALERTS_PER_HOUR_MAX 20                 // of one kind that are sent
#define ALERT_AGE_MAX_US INT64_C(259200000000) // 3 days; then it is not tried any more
#define ALERT_RETRY_FIRST_US 1000000
#define ALERT_RETRY_MAX_US INT64_C(900000000) // 15 min

enum alert_kind {
    ALERT_CEILING,    // a run came to a hard ceiling
    ALERT_SOFT,       // a ceiling is used to its SoftLimit=
    ALERT_OOM,        // a run had no memory left
    ALERT_TIMEOUT,    // a run was over its time
    ALERT_ESCAPE,     // a process got out of its run's cgroup
    ALERT_CALLER,     // a run's key was used outside of the run
    ALERT_CREDENTIAL, // a credential needs a person
    ALERT_LEDGER,     // the books do not get into the ledger, or do again
    ALERT_PRICE,      // a model without a price was used
    ALERT_DUPLICATE,  // the same request was billed twice within a second
    ALERT_CACHE,      // a job's prompt cache saves less than half of what it did
    ALERT_TEST,       // reeve alert test
    ALERT_KINDS,
};

// The word for it in the configuration, the journal and --json.
const char *alert_kind_name(enum alert_kind kind);

enum alert_verdict {
    ALERT_IS_NEW,
    ALERT_IS_LAST_OF_HOUR, // new, and those of its kind that follow within the hour are too many
    ALERT_IS_TOLD,         // the same kind, subject and period: nothing is to be done
    ALERT_IS_ONE_TOO_MANY, // of its kind within the hour, or ALERTS_OWED_MAX are owed
};

struct alert_book; // by time, oldest first

struct alert_book *alert_book_new(void); // NULL when out of memory
void alert_book_free(struct alert_book *book);

// Whether an alert of that kind, subject and period is to be told at `now_us`.
enum alert_verdict alert_book_judge(const struct alert_book *book,
                                    const struct journal_alert *alert, int64_t now_us);

// The time for an alert that is raised at `now_us`, as no two may share it: later than all before.
int64_t alert_book_time(const struct alert_book *book, int64_t now_us);

// Keeps an alert, if need be in place of the oldest one that is owed to nobody. One that is kept
// already stays as it is.
void alert_book_add(struct alert_book *book, const struct journal_alert *alert);

// The alert is not owed to that channel any more: it is sent, or given up.
void alert_book_settle(struct alert_book *book, const struct journal_alert_sent *sent);

// Takes part in a replay: keeps and settles what the record says.
void alert_book_replay(struct alert_book *book, const struct journal_record *record);

// The oldest alert that is owed to the channel, and how many are. NULL: none. Pointers hold until
// the book changes.
const struct journal_alert *alert_book_next(const struct alert_book *book, const char *channel);
size_t alert_book_owed(const struct alert_book *book, const char *channel);

// The alert at `index`, oldest first; NULL after the last.
const struct journal_alert *alert_book_at(const struct alert_book *book, size_t index);

// Whether a list of words with spaces between has that word.
bool alert_list_has(const char *list, const char *word);

// Copies the first word of the list, cut at `size`. Returns what is behind it, NULL if there was
// none.
const char *alert_list_next(const char *list, char *word, size_t size);

// Whether trying to send it is to end.
bool alert_is_stale(const struct journal_alert *alert, int64_t now_us);

// How long to wait after `failures` failures in a row (1 is the first): from ALERT_RETRY_FIRST_US,
// doubled each time up to ALERT_RETRY_MAX_US, and of that half to one and a half times as `random`
// falls, so that channels do not go on in step.
int64_t alert_retry_us(int failures, uint32_t random);
