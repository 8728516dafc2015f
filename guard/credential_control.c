// Credential control: what `reeve credential` asks of the daemon, answered when it is done.

#include "credential_control.h"

#include "credential_keeper.h"
#include "credential_set.h"

#include <stdlib.h>

// Somebody who waits for an answer.
struct asker {
    struct keeper_waiter waiter;
    LIST_ENTRY(asker) link;
    struct credential_control *control;
    struct control_peer *peer;
};

struct credential_control {
    struct credential_keeper *keeper;
    struct credential_set *set;
    LIST_HEAD(askers, asker) askers;
};

struct credential_control *credential_control_new(struct credential_keeper *keeper,
                                                  struct credential_set *set)
{
    struct credential_control *control = calloc(1, sizeof(*control));
    if (control != NULL) {
        control->keeper = keeper;
        control->set = set;
    }
    return control;
}

static void asker_free(struct asker *asker)
{
    LIST_REMOVE(asker, link);
    free(asker);
}

void credential_control_free(struct credential_control *control)
{
    if (control == NULL)
        return;
    for (struct asker *asker; (asker = LIST_FIRST(&control->askers)) != NULL;) {
        credential_keeper_forget(control->keeper, &asker->waiter);
        asker_free(asker);
    }
    free(control);
}

static void answer(struct control_peer *peer, bool good, const char *text)
{
    struct control_message message = {.type = CONTROL_CREDENTIAL_DONE,
                                      .credential_done.good = good};
    snprintf(message.credential_done.text, sizeof(message.credential_done.text), "%s", text);
    control_peer_send(peer, &message);
    control_peer_close(peer);
}

static void on_done(struct keeper_waiter *waiter, bool good, const char *text)
{
    struct asker *asker = (struct asker *)(void *)waiter;
    answer(asker->peer, good, text);
    asker_free(asker);
}

static void ask(struct credential_control *control, struct control_peer *peer,
                enum control_credential_verb verb, struct credential *credential)
{
    struct error err;
    struct asker *asker = calloc(1, sizeof(*asker));
    if (asker == NULL) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "the daemon is out of memory");
        return;
    }
    asker->waiter.done = on_done;
    asker->control = control;
    asker->peer = peer;
    LIST_INSERT_HEAD(&control->askers, asker, link);
    int result = verb == CONTROL_CREDENTIAL_CHECK
                     ? credential_keeper_check(control->keeper, credential, &asker->waiter, &err)
                     : credential_keeper_refresh(control->keeper, credential, &asker->waiter, &err);
    if (result == 0)
        return;
    asker_free(asker);
    answer(peer, false, err.text);
}

void credential_control_receive(struct credential_control *control, struct control_peer *peer,
                                const struct control_credential *asked)
{
    credential_set_reload(control->set);
    if (asked->verb == CONTROL_CREDENTIAL_RELOAD) {
        answer(peer, true, "reloaded");
        return;
    }
    struct credential *credential =
        credential_pool_find(credential_keeper_pool(control->keeper), asked->name);
    if (credential == NULL)
        control_peer_refuse(peer, CONTROL_INVALID, "there is no credential %s", asked->name);
    else
        ask(control, peer, asked->verb, credential);
}

void credential_control_peer_gone(struct credential_control *control, struct control_peer *peer)
{
    struct asker *each;
    LIST_FOREACH(each, &control->askers, link)
    if (each->peer == peer) {
        credential_keeper_forget(control->keeper, &each->waiter);
        asker_free(each);
        return;
    }
}
