// State: see state.h. What is asked, by whom, and what they are told.

#include "state_desk.h"

#include "clock.h"
#include "log.h"
#include "run_id.h"
#include "state_asker.h"
#include "state_key_template.h"

#include <event2/event.h>
#include <stdlib.h>

#define JOB_DEFAULT "default" // of runs that name none

static void on_tick(evutil_socket_t fd, short what, void *context);

int state_desk_new(struct state_desk **desk, const struct state_desk_options *options,
                   struct error *err)
{
    struct state_desk *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making the desk for state");
    made->options = *options;
    made->tick = event_new(options->base, -1, EV_PERSIST, on_tick, made);
    int result = made->tick == NULL
                     ? error_set_errno(err, -ENOMEM, "making the desk for state")
                     : time_zone_load(&made->zone, options->config->reeve.time_zone, err);
    if (result < 0) {
        state_desk_free(made);
        return result;
    }
    run_table_each(options->runs, holder_adopt, made);
    *desk = made;
    return 0;
}

void state_desk_free(struct state_desk *desk)
{
    if (desk == NULL)
        return;
    holders_leave(desk);
    for (struct state_question *question; (question = desk->questions) != NULL;) {
        desk->questions = question->next;
        free(question);
    }
    if (desk->tick != NULL)
        event_free(desk->tick);
    time_zone_free(desk->zone);
    free(desk);
}

// ---- questions to the feed, and what becomes of them

void desk_tell(struct control_peer *peer, const struct source_state_answer *answer)
{
    struct control_message message = {.type = CONTROL_STATE_TOLD};
    struct control_state_told *told = &message.state_told;
    told->outcome = answer->outcome;
    memcpy(told->text, answer->text, sizeof(told->text));
    memcpy(told->result, answer->result, sizeof(told->result));
    for (size_t i = 0; i < answer->row_count; i++) {
        struct source_state_row *row =
            control_list_add(&told->rows, &told->row_count, sizeof(*told->rows));
        if (row != NULL)
            *row = answer->rows[i];
    }
    control_peer_send(peer, &message);
    control_message_done(&message);
}

__attribute__((format(printf, 3, 4))) static void
tell_outcome(struct control_peer *peer, enum source_state_outcome outcome, const char *format, ...)
{
    struct source_state_answer answer = {.outcome = outcome};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(answer.text, sizeof(answer.text), format, arguments);
    va_end(arguments);
    desk_tell(peer, &answer);
}

// Takes what was answered to `question`, tells whom it concerns and frees the question.
static void question_end(struct state_desk *desk, struct state_question *question,
                         const struct source_state_answer *answer)
{
    struct state_holder *holder = holder_find(desk, question->holder);
    if (question->peer != NULL)
        desk_tell(question->peer, answer);
    switch (question->action) {
    case SOURCE_STATE_CLAIM:
        if (holder != NULL && question->whole_run)
            holder_own_claimed(desk, holder, answer);
        else if (holder != NULL && answer->outcome == SOURCE_STATE_OK)
            holder_renew_in_time(desk, holder, question->ttl_us);
        break;
    case SOURCE_STATE_FINISH:
        if (holder != NULL && question->whole_run)
            holder_own_finished(desk, holder, answer);
        break;
    case SOURCE_STATE_RELEASE: // by force, perhaps: the run that had it is to hear of it soon
        holder = answer->row_count == 1 ? holder_find(desk, answer->rows[0].holder) : NULL;
        if (holder != NULL && answer->outcome == SOURCE_STATE_OK)
            holder_renew_in_time(desk, holder, 0);
        break;
    case SOURCE_STATE_RENEW:
        holders_renewed(desk, answer);
        break;
    default:
        break;
    }
    free(question);
}

static struct state_question *question_take(struct state_desk *desk, uint64_t id)
{
    for (struct state_question **link = &desk->questions; *link != NULL; link = &(*link)->next) {
        struct state_question *question = *link;
        if (question->id != id)
            continue;
        *link = question->next;
        desk->question_count--;
        return question;
    }
    return NULL;
}

// A claim that was granted after its asker had been told that it was not. Nothing is to be left of
// it; if it has been asked for once more since, its number is greater and it stays.
static void release_late(struct state_desk *desk, const struct source_state_answer *answer)
{
    struct source_state_question question = {.action = SOURCE_STATE_RELEASE};
    const struct source_state_row *row = &answer->rows[0];
    if (answer->action != SOURCE_STATE_CLAIM || answer->outcome != SOURCE_STATE_OK ||
        answer->row_count == 0)
        return;
    question.fence = row->fence;
    question.whole_run = row->whole_run;
    memcpy(question.job, row->job, sizeof(question.job));
    memcpy(question.key, row->key, sizeof(question.key));
    memcpy(question.holder, row->holder, sizeof(question.holder));
    desk_ask(desk, &question, NULL);
}

void state_desk_answered(struct state_desk *desk, const struct source_state_answer *answer)
{
    struct state_question *question = question_take(desk, answer->id);
    if (question != NULL)
        question_end(desk, question, answer);
    else
        release_late(desk, answer);
}

void desk_ask(struct state_desk *desk, struct source_state_question *asked,
              struct control_peer *peer)
{
    struct error err = {0};
    int result = 0;
    struct state_question *question = calloc(1, sizeof(*question));
    if (question == NULL)
        return; // out of memory: the asker's own time-out tells
    asked->id = ++desk->last_id;
    asked->deadline_us = clock_monotonic_us() + STATE_ANSWER_MAX_US;
    question->id = asked->id;
    question->action = asked->action;
    question->whole_run = asked->whole_run;
    question->deadline_us = asked->deadline_us;
    question->ttl_us = asked->ttl_us;
    question->peer = peer;
    memcpy(question->holder, asked->holder, sizeof(question->holder));
    if (desk->question_count >= STATE_QUESTIONS_MAX)
        result = error_set(&err, -EAGAIN, "too many questions are waiting for the ledger");
    if (result == 0)
        result = desk->options.ask(asked, desk->options.context, &err);
    if (result == 0) {
        question->next = desk->questions;
        desk->questions = question;
        desk->question_count++;
        desk_wake(desk);
        return;
    }
    struct source_state_answer answer = {
        .id = asked->id, .action = asked->action, .outcome = SOURCE_STATE_UNREACHABLE};
    snprintf(answer.text, sizeof(answer.text), "%.*s", (int)sizeof(answer.text) - 1, err.text);
    question_end(desk, question, &answer);
}

static void expire_questions(struct state_desk *desk, int64_t now_us)
{
    struct source_state_answer answer = {.outcome = SOURCE_STATE_UNREACHABLE,
                                         .text = "the ledger did not answer in time"};
    for (struct state_question *question = desk->questions; question != NULL;) {
        uint64_t id = question->id;
        bool is_overdue = question->deadline_us <= now_us;
        question = question->next;
        if (!is_overdue)
            continue;
        struct state_question *overdue = question_take(desk, id);
        answer.id = id;
        answer.action = overdue->action;
        question_end(desk, overdue, &answer);
        question = desk->questions; // whoever was told may have asked
    }
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct state_desk *desk = context;
    int64_t now_us = clock_monotonic_us();
    expire_questions(desk, now_us);
    holders_tick(desk, now_us);
    if (desk->questions == NULL && desk->holders == NULL)
        event_del(desk->tick);
}

void desk_wake(struct state_desk *desk)
{
    static const struct timeval second = {.tv_sec = 1};
    if (!event_pending(desk->tick, EV_TIMEOUT, NULL))
        event_add(desk->tick, &second);
}

// ---- what peers ask

static void claim_own(struct state_desk *desk, struct control_peer *peer,
                      const struct control_state_ask *ask)
{
    struct source_state_question question = {
        .action = SOURCE_STATE_CLAIM, .whole_run = true, .ttl_us = SOURCE_STATE_TTL_US};
    struct error err;
    struct live_run *around;
    const char *job = *ask->job != '\0' ? ask->job : JOB_DEFAULT;
    const struct config_job *configured = config_find_job(desk->options.config, job);
    const char *template = *ask->key != '\0'    ? ask->key
                           : configured != NULL ? configured->key
                                                : NULL;
    if (template == NULL || *template == '\0') {
        tell_outcome(peer, SOURCE_STATE_FREE, "job %s has no Key=", job);
        return;
    }
    int result =
        state_asker_find(desk->options.registry, desk->options.runs, peer, "", job, &around, &err);
    if (result == 0)
        result = state_key_template_expand(template, job, desk->zone, clock_now_us(), question.key,
                                           &err);
    if (result == 0 && holder_of_supervisor(desk, peer) != NULL)
        result = error_set(&err, -EINVAL, "a supervisor has one key only");
    if (result < 0) {
        tell_outcome(peer, SOURCE_STATE_INVALID, "%s", err.text);
        return;
    }
    run_id_make(clock_now_us(), question.holder);
    struct state_holder *holder = holder_add(desk, question.holder, job, HOLDER_WAITING);
    if (holder == NULL) {
        tell_outcome(peer, SOURCE_STATE_UNREACHABLE, "too many runs hold keys");
        return;
    }
    holder->own = OWN_KEY_CLAIMING;
    holder->supervisor = peer;
    memcpy(holder->key, question.key, sizeof(holder->key));
    memcpy(question.job, holder->job, sizeof(question.job));
    desk_ask(desk, &question, peer);
}

// The supervisor says that the run has ended well, and that nothing of it lives.
static void finish_own(struct state_desk *desk, struct control_peer *peer,
                       const struct control_state_ask *ask)
{
    const struct live_run *live =
        run_registry_find_supervised(desk->options.registry, control_peer_pid(peer));
    struct state_holder *holder = live != NULL ? holder_find(desk, live->id) : NULL;
    if (holder == NULL || live->closing) {
        tell_outcome(peer, SOURCE_STATE_INVALID, "%s",
                     live != NULL && live->closing ? "the run is being ended" : "it holds no key");
        return;
    }
    memcpy(holder->key, ask->key, sizeof(holder->key));
    holder_finish(desk, holder, peer);
}

static int check_ask(const struct control_state_ask *ask, const struct live_run *live,
                     struct error *err)
{
    bool may_be_empty = ask->action == SOURCE_STATE_LIST && *ask->key == '\0';
    if (live == NULL && *ask->job == '\0')
        return error_set(err, -EINVAL, "outside of a run, --job says whose keys are meant");
    if (*ask->job != '\0' && !config_name_is_valid(ask->job))
        return error_set(err, -EINVAL, "%s is no name of a job: write A-Z a-z 0-9 . _ -", ask->job);
    if (!may_be_empty && !source_state_key_is_valid(ask->key))
        return error_set(err, -EINVAL,
                         "a key is 1 to %d bytes of UTF-8, without control characters",
                         SOURCE_STATE_KEY_MAX - 1);
    if (ask->action == SOURCE_STATE_CLAIM &&
        (ask->ttl_us < SOURCE_STATE_TTL_MIN_US || ask->ttl_us > SOURCE_STATE_TTL_MAX_US))
        return error_set(err, -EINVAL, "a claim lasts 5s to 30d");
    if (ask->fence < 0)
        return error_set(err, -EINVAL, "a claim's number is not negative");
    if (ask->force && live != NULL)
        return error_set(err, -EPERM, "a run cannot take keys from others");
    return 0;
}

static void receive_ask(struct state_desk *desk, struct control_peer *peer,
                        const struct control_state_ask *ask)
{
    struct error err;
    struct live_run *live = NULL;
    struct source_state_question question = {
        .action = ask->action, .force = ask->force, .fence = ask->fence, .ttl_us = ask->ttl_us};
    int result = state_asker_find(desk->options.registry, desk->options.runs, peer, ask->run_key,
                                  ask->job, &live, &err);
    if (result == 0)
        result = check_ask(ask, live, &err);
    if (result < 0) {
        log_event(LOG_NOTICE, "state_refused", "pid", log_int(control_peer_pid(peer)), "error",
                  err.text, NULL);
        tell_outcome(peer, SOURCE_STATE_INVALID, "%s", err.text);
        return;
    }
    memcpy(question.job, live != NULL ? live->job : ask->job, sizeof(question.job));
    memcpy(question.key, ask->key, sizeof(question.key));
    memcpy(question.text, ask->result, sizeof(question.text));
    if (live != NULL)
        memcpy(question.holder, live->id, sizeof(question.holder));
    else
        snprintf(question.holder, sizeof(question.holder), "operator-%u",
                 (unsigned)control_peer_uid(peer));
    if (live != NULL && ask->action == SOURCE_STATE_CLAIM && holder_find(desk, live->id) == NULL &&
        holder_add(desk, live->id, live->job, HOLDER_RUNNING) == NULL) {
        tell_outcome(peer, SOURCE_STATE_UNREACHABLE, "too many runs hold keys");
        return;
    }
    desk_ask(desk, &question, peer);
}

bool state_desk_receive(struct state_desk *desk, struct control_peer *peer,
                        const struct control_message *message)
{
    if (desk == NULL || message->type != CONTROL_STATE_ASK)
        return false;
    const struct control_state_ask *ask = &message->state_ask;
    if (!ask->whole_run)
        receive_ask(desk, peer, ask);
    else if (ask->action == SOURCE_STATE_CLAIM)
        claim_own(desk, peer, ask);
    else if (ask->action == SOURCE_STATE_FINISH)
        finish_own(desk, peer, ask);
    else
        tell_outcome(peer, SOURCE_STATE_INVALID, "a supervisor claims a key, or it is done");
    return true;
}

void state_desk_peer_gone(struct state_desk *desk, struct control_peer *peer)
{
    if (desk == NULL)
        return;
    for (struct state_question *each = desk->questions; each != NULL; each = each->next)
        if (each->peer == peer)
            each->peer = NULL;
    struct state_holder *holder = holder_of_supervisor(desk, peer);
    if (holder != NULL)
        holder_end(desk, holder);
}
