// Serve state: see serve_state.h.

#include "serve_state.h"

static int ask_feed(const struct source_state_question *question, void *context, struct error *err)
{
    return feed_child_ask(context, question, err);
}

static void on_answer(const struct source_state_answer *answer, void *context)
{
    state_desk_answered(context, answer);
}

int serve_state_open(struct state_desk **desk, struct event_base *base, const struct config *config,
                     struct run_table *runs, struct run_registry *registry, struct feed_child *feed,
                     struct error *err)
{
    struct state_desk_options options = {
        .base = base,
        .config = config,
        .runs = runs,
        .registry = registry,
        .ask = ask_feed,
        .context = feed,
    };
    int result = state_desk_new(desk, &options, err);
    if (result == 0)
        feed_child_hear_answers(feed, on_answer, *desk);
    return result;
}
