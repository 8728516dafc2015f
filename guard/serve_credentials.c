// Serve credentials: the daemon's credentials as one part.

#include "serve_credentials.h"

#include "cleanup.h"
#include "credential_control.h"
#include "credential_keeper.h"
#include "credential_set.h"
#include "exchange.h"
#include "random.h"
#include "serve_alerts.h"
#include "sticky.h"

#include <stdlib.h>

struct serve_credentials {
    struct serve_alerts *alerts;
    struct proxy *proxy;
    struct sticky *sticky;
    struct credential_keeper *keeper;
    struct credential_set *set;
    struct credential_control *control;
};

static void on_changed(void *context)
{
    const struct serve_credentials *credentials = context;
    exchange_wake_parked(credentials->proxy);
}

static void on_alert(const char *name, const char *state, const char *text, void *context)
{
    const struct serve_credentials *credentials = context;
    serve_alerts_credential(credentials->alerts, name, state, text);
}

static int keeper_open(struct serve_credentials *credentials,
                       const struct serve_credentials_options *options, struct error *err)
{
    const struct config_reeve *box = &options->config->reeve;
    return credential_keeper_new(&credentials->keeper,
                                 &(struct credential_keeper_options){
                                     .base = options->base,
                                     .curl = options->curl,
                                     .upstream = options->upstream,
                                     .endpoint = {.url = box->token_endpoint,
                                                  .ca_file = box->upstream_ca_file,
                                                  .client_id = box->token_client_id,
                                                  .scope = box->token_scope},
                                     .changed = on_changed,
                                     .alert = on_alert,
                                     .context = credentials,
                                 },
                                 err);
}

static int set_open(struct serve_credentials *credentials,
                    const struct serve_credentials_options *options, struct error *err)
{
    return credential_set_new(&credentials->set,
                              &(struct credential_set_options){
                                  .base = options->base,
                                  .keeper = credentials->keeper,
                                  .sticky = credentials->sticky,
                                  .paths = options->paths,
                                  .config = options->config,
                                  .config_path = options->config_path,
                                  .credential_file = options->credential_file,
                              },
                              err);
}

int serve_credentials_new(struct serve_credentials **credentials,
                          const struct serve_credentials_options *options, struct error *err)
{
    struct serve_credentials *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for the credentials");
    made->alerts = options->alerts;
    made->proxy = options->proxy;
    made->sticky = sticky_new((uint64_t)random_number() << 32 | random_number());
    int result = made->sticky != NULL
                     ? keeper_open(made, options, err)
                     : error_set(err, -ENOMEM, "out of memory for the credentials");
    if (result == 0) {
        credential_keeper_rest(made->keeper);
        result = set_open(made, options, err);
    }
    if (result == 0 && (made->control = credential_control_new(made->keeper, made->set)) == NULL)
        result = error_set(err, -ENOMEM, "out of memory for the credentials");
    if (result < 0) {
        serve_credentials_free(made);
        return result;
    }
    *credentials = made;
    return 0;
}

void serve_credentials_free(struct serve_credentials *credentials)
{
    if (credentials == NULL)
        return;
    credential_control_free(credentials->control);
    credential_set_free(credentials->set);
    credential_keeper_free(credentials->keeper);
    sticky_free(credentials->sticky);
    free(credentials);
}

void serve_credentials_wake(struct serve_credentials *credentials)
{
    credential_set_reload(credentials->set); // a predecessor may have renewed one meanwhile
    credential_keeper_wake(credentials->keeper);
}

void serve_credentials_hand_over(struct serve_credentials *credentials)
{
    credential_control_free(take_pointer(&credentials->control));
    credential_set_free(take_pointer(&credentials->set));
    credential_keeper_rest(credentials->keeper);
}

struct credential_keeper *serve_credentials_keeper(struct serve_credentials *credentials)
{
    return credentials->keeper;
}

struct sticky *serve_credentials_sticky(struct serve_credentials *credentials)
{
    return credentials->sticky;
}

const struct credential_pool *serve_credentials_pool(const struct serve_credentials *credentials)
{
    return credential_keeper_pool(credentials->keeper);
}

bool serve_credentials_are_refreshing(const struct serve_credentials *credentials)
{
    return credential_keeper_is_refreshing(credentials->keeper);
}

bool serve_credentials_receive(struct serve_credentials *credentials, struct control_peer *peer,
                               const struct control_message *message)
{
    if (message->type != CONTROL_CREDENTIAL)
        return false;
    credential_control_receive(credentials->control, peer, &message->credential);
    return true;
}

void serve_credentials_peer_gone(struct serve_credentials *credentials, struct control_peer *peer)
{
    credential_control_peer_gone(credentials->control, peer);
}
