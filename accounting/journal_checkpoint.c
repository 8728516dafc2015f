// Journal checkpoint: encodes record after record into a growing buffer.
#include "journal_checkpoint.h"

#include "clock.h"

#include <stdlib.h>

static void checkpoint_add(struct journal_checkpoint *checkpoint, enum journal_record_type type,
                           const void *fields)
{
    if (checkpoint->result < 0)
        return;
    if (checkpoint->capacity - checkpoint->length < JOURNAL_RECORD_BYTES_MAX) {
        size_t capacity = 2 * checkpoint->capacity + JOURNAL_RECORD_BYTES_MAX;
        uint8_t *bytes = realloc(checkpoint->bytes, capacity);
        if (bytes == NULL) {
            checkpoint->result = -ENOMEM;
            return;
        }
        checkpoint->bytes = bytes;
        checkpoint->capacity = capacity;
    }
    struct journal_record record = {.type = type, .fields = fields};
    checkpoint->length += journal_record_encode(&record, checkpoint->bytes + checkpoint->length);
    if (checkpoint->length > checkpoint->length_max)
        checkpoint->result = -E2BIG;
}

void journal_checkpoint_account(struct journal_checkpoint *checkpoint,
                                const struct journal_account *account)
{
    checkpoint_add(checkpoint, JOURNAL_ACCOUNT, account);
}

void journal_checkpoint_record(struct journal_checkpoint *checkpoint,
                               const struct journal_record *record)
{
    checkpoint_add(checkpoint, record->type, record->fields);
}

int journal_checkpoint_gather(struct journal_checkpoint *checkpoint,
                              const struct journal_options *options,
                              const struct journal_live *live, size_t length_max, struct error *err)
{
    *checkpoint = (struct journal_checkpoint){.length_max = length_max};
    if (options->checkpoint != NULL)
        options->checkpoint(checkpoint, options->context);
    for (size_t i = 0; i < live->run_count; i++) {
        checkpoint_add(checkpoint, JOURNAL_RUN_OPEN, &live->runs[i].open);
        checkpoint_add(checkpoint, JOURNAL_RUN_TOTALS, &live->runs[i].totals);
    }
    for (size_t i = 0; i < live->reservation_count; i++)
        checkpoint_add(checkpoint, JOURNAL_RESERVATION, &live->reservations[i]);
    for (size_t i = 0; i < live->batch_count; i++)
        checkpoint_add(checkpoint, JOURNAL_BATCH, &live->batches[i]);
    struct journal_checkpoint_end end = {.written_at_us = clock_now_us()};
    checkpoint_add(checkpoint, JOURNAL_CHECKPOINT_END, &end);
    if (checkpoint->result < 0)
        return error_set_errno(err, checkpoint->result,
                               "gathering a journal checkpoint of at most %zu bytes", length_max);
    return 0;
}

void journal_checkpoint_done(struct journal_checkpoint *checkpoint)
{
    free(checkpoint->bytes);
}
