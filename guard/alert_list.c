// Alert list: the channels and the alerts of late, for `reeve alert list`.
#include "alert_sender_state.h"

#include <string.h>

static void list_channel(const struct alert_queue *queue, struct control_alerts *list)
{
    static const char *const states[] = {"idle", "sending", "resting"};
    const struct alert_channel *channel = queue->channel;
    struct status_channel *entry =
        control_list_add(&list->channels, &list->channel_count, sizeof(*list->channels));
    if (entry == NULL)
        return;
    memcpy(entry->name, channel->name, sizeof(entry->name));
    alert_channel_target(channel, entry->target);
    snprintf(entry->kinds, sizeof(entry->kinds), "%s", channel->config->on);
    snprintf(entry->state, sizeof(entry->state), "%s", states[queue->state]);
    entry->owed = (int64_t)alert_book_owed(queue->sender->options.book, channel->name);
    entry->retry_at_us = queue->state == QUEUE_RESTING ? queue->retry_at_us : -1;
    memcpy(entry->problem, queue->problem, sizeof(entry->problem));
}

static void list_alert(const struct journal_alert *alert, struct control_alerts *list)
{
    struct status_alert *entry =
        control_list_add(&list->alerts, &list->alert_count, sizeof(*list->alerts));
    if (entry == NULL)
        return;
    memcpy(entry->kind, alert->kind, sizeof(entry->kind));
    memcpy(entry->run_id, alert->run_id, sizeof(entry->run_id));
    memcpy(entry->job, alert->job, sizeof(entry->job));
    memcpy(entry->text, alert->text, sizeof(entry->text));
    memcpy(entry->owed_to, alert->channels, sizeof(entry->owed_to));
    entry->raised_at_us = alert->raised_at_us;
    entry->sent = alert->sent;
    entry->given_up = alert->given_up;
}

void alert_sender_list(const struct alert_sender *sender, struct control_alerts *list)
{
    size_t count = 0;
    for (size_t i = 0; i < sender->count; i++)
        list_channel(&sender->queues[i], list);
    while (alert_book_at(sender->options.book, count) != NULL)
        count++;
    while (count > 0)
        list_alert(alert_book_at(sender->options.book, --count), list);
}
