// Alert: what is told once, whom it is owed to, and when it is tried again. Pure.
#include "alert.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_US INT64_C(3600000000)

struct alert_book {
    size_t count;
    struct journal_alert alerts[ALERTS_KEPT_MAX];
};

const char *alert_kind_name(enum alert_kind kind)
{
    static const char *const names[ALERT_KINDS] = {
        "ceiling",    "soft",   "oom",   "timeout",   "escape", "caller",
        "credential", "ledger", "price", "duplicate", "cache",  "test",
    };
    return names[kind];
}

// ---- lists of words

const char *alert_list_next(const char *list, char *word, size_t size)
{
    list += strspn(list, " \t");
    size_t length = strcspn(list, " \t");
    if (length == 0)
        return NULL;
    size_t copied = length < size ? length : size - 1;
    memcpy(word, list, copied);
    word[copied] = '\0';
    return list + length;
}

// Where the word begins in the list, NULL if it is not there.
static char *list_find(const char *list, const char *word)
{
    size_t length = strlen(word);
    while (*(list += strspn(list, " \t")) != '\0') {
        size_t here = strcspn(list, " \t");
        if (here == length && memcmp(list, word, length) == 0)
            return (char *)list;
        list += here;
    }
    return NULL;
}

bool alert_list_has(const char *list, const char *word)
{
    return list_find(list, word) != NULL;
}

// False: it is not there.
static bool list_remove(char *list, const char *word)
{
    char *place = list_find(list, word);
    if (place == NULL)
        return false;
    const char *rest = place + strlen(word);
    rest += strspn(rest, " \t");
    memmove(place, rest, strlen(rest) + 1);
    for (size_t end = strlen(list); end > 0 && list[end - 1] == ' '; end--)
        list[end - 1] = '\0';
    return true;
}

// ---- the book

struct alert_book *alert_book_new(void)
{
    return calloc(1, sizeof(struct alert_book));
}

void alert_book_free(struct alert_book *book)
{
    free(book);
}

static bool is_owed(const struct journal_alert *alert)
{
    return alert->channels[0] != '\0';
}

enum alert_verdict alert_book_judge(const struct alert_book *book,
                                    const struct journal_alert *alert, int64_t now_us)
{
    size_t of_hour = 0, owed = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct journal_alert *told = &book->alerts[i];
        owed += is_owed(told);
        if (strcmp(told->kind, alert->kind) != 0)
            continue;
        if (strcmp(told->subject, alert->subject) == 0 &&
            told->period_start_us == alert->period_start_us)
            return ALERT_IS_TOLD;
        of_hour += told->raised_at_us > now_us - HOUR_US;
    }
    if (of_hour >= ALERTS_PER_HOUR_MAX || owed >= ALERTS_OWED_MAX)
        return ALERT_IS_ONE_TOO_MANY;
    return of_hour + 1 == ALERTS_PER_HOUR_MAX ? ALERT_IS_LAST_OF_HOUR : ALERT_IS_NEW;
}

int64_t alert_book_time(const struct alert_book *book, int64_t now_us)
{
    int64_t last = book->count > 0 ? book->alerts[book->count - 1].raised_at_us : 0;
    return now_us > last ? now_us : last + 1;
}

static struct journal_alert *book_find(struct alert_book *book, int64_t raised_at_us)
{
    for (size_t i = 0; i < book->count; i++)
        if (book->alerts[i].raised_at_us == raised_at_us)
            return &book->alerts[i];
    return NULL;
}

// Drops the oldest one that is owed to nobody. False: all are owed.
static bool book_make_room(struct alert_book *book)
{
    size_t index = 0;
    while (index < book->count && is_owed(&book->alerts[index]))
        index++;
    if (index == book->count)
        return false;
    book->count--;
    memmove(&book->alerts[index], &book->alerts[index + 1],
            (book->count - index) * sizeof(book->alerts[0]));
    return true;
}

void alert_book_add(struct alert_book *book, const struct journal_alert *alert)
{
    if (book_find(book, alert->raised_at_us) != NULL ||
        (book->count == ALERTS_KEPT_MAX && !book_make_room(book)))
        return;
    size_t place = book->count;
    while (place > 0 && book->alerts[place - 1].raised_at_us > alert->raised_at_us)
        place--;
    memmove(&book->alerts[place + 1], &book->alerts[place],
            (book->count - place) * sizeof(book->alerts[0]));
    book->alerts[place] = *alert;
    book->count++;
}

void alert_book_settle(struct alert_book *book, const struct journal_alert_sent *sent)
{
    struct journal_alert *alert = book_find(book, sent->raised_at_us);
    if (alert == NULL || !list_remove(alert->channels, sent->channel))
        return;
    alert->sent += !sent->given_up;
    alert->given_up += sent->given_up;
}

void alert_book_replay(struct alert_book *book, const struct journal_record *record)
{
    if (record->type == JOURNAL_ALERT)
        alert_book_add(book, record->alert);
    else if (record->type == JOURNAL_ALERT_SENT)
        alert_book_settle(book, record->alert_sent);
}

const struct journal_alert *alert_book_next(const struct alert_book *book, const char *channel)
{
    for (size_t i = 0; i < book->count; i++)
        if (alert_list_has(book->alerts[i].channels, channel))
            return &book->alerts[i];
    return NULL;
}

size_t alert_book_owed(const struct alert_book *book, const char *channel)
{
    size_t owed = 0;
    for (size_t i = 0; i < book->count; i++)
        owed += alert_list_has(book->alerts[i].channels, channel);
    return owed;
}

const struct journal_alert *alert_book_at(const struct alert_book *book, size_t index)
{
    return index < book->count ? &book->alerts[index] : NULL;
}

// ---- time

bool alert_is_stale(const struct journal_alert *alert, int64_t now_us)
{
    return now_us - alert->raised_at_us > ALERT_AGE_MAX_US;
}

int64_t alert_retry_us(int failures, uint32_t random)
{
    int64_t delay_us = ALERT_RETRY_FIRST_US;
    for (int i = 1; i < failures && delay_us < ALERT_RETRY_MAX_US; i++)
        delay_us *= 2;
    if (delay_us > ALERT_RETRY_MAX_US)
        delay_us = ALERT_RETRY_MAX_US;
    return delay_us / 2 + (int64_t)((uint64_t)delay_us * (random >> 12) >> 20);
}
