// Serve page: the live page and the metrics, wired into the daemon.

#include "serve_page.h"

#include "budget.h"
#include "cleanup.h"
#include "clock.h"
#include "day_curve.h"
#include "metrics.h"
#include "metrics_text.h"
#include "page.h"
#include "page_json.h"
#include "page_session.h"
#include "status.h"
#include "time_zone.h"
#include "waiting.h"

#include <stdlib.h>
#include <string.h>

struct serve_page {
    struct serve_page_options options;
    const struct config *config;
    struct time_zone *zone;
    struct day_curve curve;
    struct metrics *metrics;
    struct page *page; // NULL before the start and after the stop
};

// ---- start and end

int serve_page_new(struct serve_page **page, const struct config *config, struct error *err)
{
    struct serve_page *made = calloc(1, sizeof(*made));
    if (made == NULL || (made->metrics = metrics_new()) == NULL) {
        free(made);
        return error_set(err, -ENOMEM, "out of memory for the page");
    }
    made->config = config;
    int result = time_zone_load(&made->zone, config->reeve.time_zone, err);
    if (result < 0) {
        serve_page_free(made);
        return result;
    }
    day_curve_begin(&made->curve, made->zone, clock_now_us() / 1000000);
    *page = made;
    return 0;
}

static void on_replay(const struct journal_record *record, void *context)
{
    struct serve_page *page = context;
    day_curve_replay(&page->curve, record);
}

// The curve is made of what others write.
static void on_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    (void)checkpoint;
    (void)context;
}

void serve_page_restore(struct serve_page *page, struct restore_targets *targets)
{
    restore_add_witness(targets, &(struct restore_witness){on_replay, on_checkpoint, page});
}

void serve_page_stop(struct serve_page *page)
{
    if (page != NULL)
        page_free(take_pointer(&page->page));
}

void serve_page_free(struct serve_page *page)
{
    if (page == NULL)
        return;
    serve_page_stop(page);
    metrics_free(page->metrics);
    time_zone_free(page->zone);
    free(page);
}

struct metrics *serve_page_metrics(struct serve_page *page)
{
    return page->metrics;
}

const struct time_zone *serve_page_zone(const struct serve_page *page)
{
    return page->zone;
}

// ---- what is shown

void serve_page_settled(struct serve_page *page)
{
    int64_t now_us = clock_now_us(), settled, held, limit;
    budget_read(page->options.proxy->budget, BUDGET_BOX_DAY, "", now_us, BUDGET_COST, &settled,
                &held, &limit);
    day_curve_note(&page->curve, now_us / 1000000, settled);
}

static void status_free(struct status *status)
{
    struct control_message message = {.type = CONTROL_STATUS_REPLY, .status = *status};
    control_message_done(&message);
}

static char *on_snapshot(void *context)
{
    struct serve_page *page = context;
    struct status status = {.pid = 0};
    serve_page_settled(page); // a new day may have begun
    page->options.fill_status(&status, page->options.context);
    char *text = page_json_make(&status, &page->curve, page->config->reeve.time_zone);
    status_free(&status);
    return text;
}

static char *on_metrics(size_t *length, void *context)
{
    struct serve_page *page = context;
    const struct proxy *proxy = page->options.proxy;
    struct status status = {.pid = 0};
    struct journal_status journal;
    journal_read_status(page->options.journal, &journal);
    page->options.fill_status(&status, page->options.context);
    char *text =
        metrics_text_make(&(struct metrics_facts){.metrics = page->metrics,
                                                  .status = &status,
                                                  .journal = &journal,
                                                  .exchanges_waiting = waiting_total(proxy),
                                                  .body_bytes_held = proxy->body_bytes_held,
                                                  .page_viewers = page_viewers(page->page)},
                          length);
    status_free(&status);
    return text;
}

int serve_page_start(struct serve_page *page, const struct serve_page_options *options,
                     struct error *err)
{
    page->options = *options;
    serve_page_settled(page); // so much before anything is settled
    return page_new(&page->page,
                    &(struct page_options){
                        .base = options->proxy->base,
                        .snapshot = on_snapshot,
                        .metrics = on_metrics,
                        .context = page,
                    },
                    err);
}

void serve_page_answer(struct serve_page *page, struct agent *agent, const struct http_head *head)
{
    page_serve(page->page, agent, head);
}

// ---- control

// An address to go to: that of a listener on all addresses leads here by the loopback one.
static void address_to_open(const char *listen, char address[static CONTROL_TEXT_MAX])
{
    static const struct {
        const char *any, *loopback;
    } all[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};
    snprintf(address, CONTROL_TEXT_MAX, "%s", listen);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strncmp(listen, all[i].any, strlen(all[i].any)) == 0)
            snprintf(address, CONTROL_TEXT_MAX, "%s%s", all[i].loopback,
                     listen + strlen(all[i].any));
}

bool serve_page_receive(struct serve_page *page, struct control_peer *peer,
                        const struct control_message *message)
{
    struct control_message reply = {.type = CONTROL_PAGE_LINK};
    char address[CONTROL_TEXT_MAX];
    struct error err;
    if (message->type != CONTROL_PAGE_OPEN)
        return false;
    address_to_open(page->options.listen, address);
    if (page_link(page->page, address, reply.page_link.url, &err) < 0) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "%s", err.text);
        return true;
    }
    reply.page_link.valid_us = PAGE_LINK_VALID_US;
    control_peer_send(peer, &reply);
    control_peer_close(peer);
    control_message_done(&reply); // wipes the link
    return true;
}
