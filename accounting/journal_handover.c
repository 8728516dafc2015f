// Journal handover: a daemon that is succeeded gives the journal up and still ends what it has
// begun.

#include "journal_state.h"

void journal_hand_over(struct journal *journal, journal_forward_function *forward, void *context)
{
    journal_stop(journal, &journal->last_loss);
    journal->forward = forward;
    journal->forward_context = context;
    journal_enter(journal, JOURNAL_HANDED_OVER);
}

bool journal_is_handed_over(const struct journal *journal)
{
    return journal->state == JOURNAL_HANDED_OVER;
}

// What is begun by the successor alone: no room would be booked for its end.
static bool is_an_end(enum journal_record_type type)
{
    return type == JOURNAL_SETTLEMENT || type == JOURNAL_BATCH || type == JOURNAL_OWNED;
}

int journal_forward(struct journal *journal, const struct journal_record *record,
                    uint64_t *position, struct error *err)
{
    if (!is_an_end(record->type))
        return error_set(err, -ESHUTDOWN, "the journal has been handed over to a new daemon");
    int result = journal->forward(record, journal->forward_context, err);
    if (result == 0 && position != NULL)
        *position = 0;
    return result;
}
