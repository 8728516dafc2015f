// Alert ledger: notices when the books do not get into the ledger, and when they do again. Pure.
#include "alert_ledger.h"

#include "alert_text.h"
#include "clock.h"

#include <inttypes.h>

enum trouble_change { TROUBLE_AS_BEFORE, TROUBLE_IS_DUE, TROUBLE_IS_OVER };

static enum trouble_change trouble_look(struct trouble *trouble, bool is_there, int64_t now_us,
                                        int64_t patience_us)
{
    if (!is_there) {
        enum trouble_change change = trouble->is_told ? TROUBLE_IS_OVER : TROUBLE_AS_BEFORE;
        *trouble = (struct trouble){0};
        return change;
    }
    if (trouble->since_us == 0)
        trouble->since_us = now_us;
    if (trouble->is_told || now_us - trouble->since_us < patience_us)
        return TROUBLE_AS_BEFORE;
    trouble->is_told = true;
    return TROUBLE_IS_DUE;
}

static size_t look_behind(struct ledger_watch *watch, const struct ledger_look *look,
                          struct journal_alert *alert)
{
    bool is_behind = look->state == LEDGER_FEED_STARTING || look->state == LEDGER_FEED_RETRYING;
    int64_t since_us = watch->behind.since_us;
    char text[JOURNAL_TEXT_MAX], lasted[CLOCK_TEXT_MAX];
    switch (trouble_look(&watch->behind, is_behind, look->now_us, look->behind_max_us)) {
    case TROUBLE_AS_BEFORE:
        return 0;
    case TROUBLE_IS_DUE:
        since_us = watch->behind.since_us;
        snprintf(text, sizeof(text), "the books have not got into the ledger for %s%s%s",
                 clock_format_duration(look->now_us - since_us, lasted),
                 look->last_error[0] != '\0' ? ": " : "", look->last_error);
        alert_of_ledger(alert, "behind", since_us, text);
        return 1;
    case TROUBLE_IS_OVER:
        snprintf(text, sizeof(text), "the books get into the ledger again, after %s",
                 clock_format_duration(look->now_us - since_us, lasted));
        alert_of_ledger(alert, "behind no more", since_us, text);
        return 1;
    }
    return 0;
}

static size_t look_full(struct ledger_watch *watch, const struct ledger_look *look,
                        struct journal_alert *alert)
{
    int64_t since_us = watch->full.since_us;
    switch (trouble_look(&watch->full, look->journal_is_full, look->now_us, 0)) {
    case TROUBLE_AS_BEFORE:
        return 0;
    case TROUBLE_IS_DUE:
        alert_of_ledger(alert, "journal full", look->now_us,
                        "the journal has no room on its disk: new requests are refused");
        return 1;
    case TROUBLE_IS_OVER:
        alert_of_ledger(alert, "journal full no more", since_us,
                        "the journal has room again: requests are taken");
        return 1;
    }
    return 0;
}

static size_t look_quarantine(struct ledger_watch *watch, const struct ledger_look *look,
                              struct journal_alert *alert)
{
    char text[JOURNAL_TEXT_MAX];
    bool is_more = look->quarantined > watch->quarantined;
    watch->quarantined = look->quarantined; // less: the feed has started anew
    if (!is_more)
        return 0;
    snprintf(text, sizeof(text),
             "%" PRIu64 " records cannot be written into the ledger and are in quarantine; see "
             "reeve ledger export quarantine",
             look->quarantined);
    alert_of_ledger(alert, "quarantine", look->day_start_us, text);
    return 1;
}

size_t ledger_watch_look(struct ledger_watch *watch, const struct ledger_look *look,
                         struct journal_alert alerts[static LEDGER_ALERTS_MAX])
{
    size_t count = look_behind(watch, look, &alerts[0]);
    count += look_full(watch, look, &alerts[count]);
    count += look_quarantine(watch, look, &alerts[count]);
    return count;
}
