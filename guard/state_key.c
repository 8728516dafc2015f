// State key: see state_key.h.

#include "state_key.h"

#include "clock.h"

#include <stdlib.h>

#define ANSWER_MAX_MS 30000 // longer than the daemon's own patience with the ledger

const char *state_key_format_holder(const struct source_state_row *row,
                                    char text[static STATE_KEY_WHO_MAX])
{
    char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
    snprintf(text, STATE_KEY_WHO_MAX, "held by %s%s on %s since %s, until %s%s",
             strncmp(row->holder, "operator-", 9) == 0 ? "" : "run ", row->holder, row->host,
             clock_format_utc(row->claimed_at_us, since),
             clock_format_utc(row->expires_at_us, until), row->whole_run ? " unless renewed" : "");
    return text;
}

// Asks, and waits for the answer; what else comes in the meantime can wait no longer, a kill that
// crosses the question included: the run has ended by then, or not begun. After success the caller
// ends with control_message_done().
static int ask(struct control_client *client, const struct control_state_ask *question,
               struct control_message *answer, struct error *err)
{
    struct control_message message = {.type = CONTROL_STATE_ASK, .state_ask = *question};
    int result = control_client_send(client, &message, err);
    while (result == 0) {
        result = control_client_receive(client, ANSWER_MAX_MS, answer, err);
        if (result < 0 || answer->type == CONTROL_STATE_TOLD)
            return result;
        if (answer->type == CONTROL_REFUSED)
            result = error_set(err, -EINVAL, "%s", answer->refused.text);
        control_message_done(answer);
    }
    return result;
}

static void take_key(struct state_key *key, const struct source_state_row *row)
{
    char number[24];
    key->is_held = true;
    key->fence = row->fence;
    memcpy(key->job, row->job, sizeof(key->job));
    memcpy(key->key, row->key, sizeof(key->key));
    snprintf(number, sizeof(number), "%lld", (long long)row->fence);
    setenv("REEVE_KEY", row->key, 1);
    setenv("REEVE_FENCE", number, 1);
}

static int judge_claim(struct state_key *key, const struct control_state_told *told,
                       struct error *err)
{
    char who[STATE_KEY_WHO_MAX], when[CLOCK_TEXT_MAX];
    const struct source_state_row *row = told->row_count > 0 ? &told->rows[0] : NULL;
    switch (told->outcome) {
    case SOURCE_STATE_OK:
        if (row == NULL)
            break;
        take_key(key, row);
        return 0;
    case SOURCE_STATE_FREE:
        return 0;
    case SOURCE_STATE_DONE:
        return error_set(err, -EALREADY, "already done: %s, by run %s at %s",
                         row != NULL ? row->key : "", row != NULL ? row->holder : "",
                         clock_format_utc(row != NULL ? row->done_at_us : 0, when));
    case SOURCE_STATE_HELD:
        return error_set(err, -EBUSY, "%s is %s", row != NULL ? row->key : "",
                         row != NULL ? state_key_format_holder(row, who) : "");
    case SOURCE_STATE_UNREACHABLE:
        return error_set(err, -EAGAIN, "the key was not claimed: %s", told->text);
    case SOURCE_STATE_INVALID:
    case SOURCE_STATE_OUTCOMES:
        break;
    }
    return error_set(err, -EINVAL, "%s", told->text);
}

int state_key_claim(struct state_key *key, struct control_client *client, const char *job,
                    const char *template, struct error *err)
{
    struct control_state_ask question = {.action = SOURCE_STATE_CLAIM, .whole_run = true};
    struct control_message answer;
    *key = (struct state_key){.is_held = false};
    unsetenv("REEVE_KEY"); // of a run around this one
    unsetenv("REEVE_FENCE");
    snprintf(question.job, sizeof(question.job), "%s", job);
    if (template != NULL && strlen(template) >= sizeof(question.key))
        return error_set(err, -EINVAL, "--key: a key has less than %d bytes", SOURCE_STATE_KEY_MAX);
    snprintf(question.key, sizeof(question.key), "%s", template != NULL ? template : "");
    int result = ask(client, &question, &answer, err);
    if (result < 0)
        return result;
    result = judge_claim(key, &answer.state_told, err);
    control_message_done(&answer);
    return result;
}

int state_key_finish(struct state_key *key, struct control_client *client, struct error *err)
{
    struct control_state_ask question = {.action = SOURCE_STATE_FINISH, .whole_run = true};
    struct control_message answer;
    if (!key->is_held)
        return 0;
    memcpy(question.job, key->job, sizeof(question.job));
    memcpy(question.key, key->key, sizeof(question.key));
    int result = ask(client, &question, &answer, err);
    if (result < 0)
        return result;
    key->is_held = false; // whatever came of it
    const struct control_state_told *told = &answer.state_told;
    if (told->outcome == SOURCE_STATE_UNREACHABLE)
        result =
            error_set(err, -EAGAIN, "%s is not marked as done yet, the daemon goes on trying: %s",
                      key->key, told->text);
    else if (told->outcome != SOURCE_STATE_OK)
        result = error_set(err, -ESTALE, "%s is not marked as done: %s", key->key,
                           *told->text != '\0' ? told->text : "it is another run's by now");
    control_message_done(&answer);
    return result;
}
