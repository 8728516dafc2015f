// Exchange state: what an exchange is made of, its states, and how it begins and ends.
//
// For exchange.c, the spine, alone; its leaves take plain values.
#pragma once

#include "admit.h"
#include "agent.h"
#include "answer_edit.h"
#include "batch_admit.h"
#include "body_hash.h"
#include "count.h"
#include "exchange.h"
#include "exchange_attempt.h"
#include "held_answer.h"
#include "journal.h"
#include "meter.h"
#include "relay.h"
#include "reply.h"
#include "request_body.h"
#include "route.h"
#include "upload.h"
#include "upstream.h"

#include <event2/event_struct.h>

#define EXCHANGE_TEXT_MAX 128 // paths and ids that go into the ledger

enum exchange_state {
    EXCHANGE_READING,  // the body is coming in
    EXCHANGE_SCANNING, // a batch, a part of it in each turn of the loop
    EXCHANGE_COUNTING, // the upstream is asked how long the prompt is
    EXCHANGE_WAITING,  // for money that other exchanges have reserved
    EXCHANGE_PARKED,   // until a credential can serve it, or the upstream may be asked again
    EXCHANGE_SENDING,  // the upstream has not answered yet, or not well, and may be asked again
    EXCHANGE_RELAYING, // the response is on its way to the agent
    EXCHANGE_HELD,     // all of it has come before its reservation is on the disk
    EXCHANGE_DRAINING, // the agent has left; the upstream is read for its usage
    EXCHANGE_ENDED,
};

struct exchange {
    TAILQ_ENTRY(exchange) link;         // of all, oldest first
    TAILQ_ENTRY(exchange) waiting_link; // of those that wait, see waiting.h
    struct proxy *proxy;
    struct agent *agent; // NULL once it has left or is answered
    struct live_run *run;
    enum exchange_state state;
    struct route route;
    struct http_head *head; // until an answer is relayed
    char *head_bytes;
    struct request_body body;
    struct body_hash body_hash;
    struct upload upload;
    struct request_scan *scan;   // of a Messages body, as long
    struct batch_request *batch; // the same of a batch
    struct admission admission;
    enum budget_scope waits_for; // the ceiling's; BUDGET_SCOPES: it is not in the queue
    struct count *count;
    int64_t counted_tokens;        // of the prompt, or one of admit.h's constants
    struct credential *credential; // of the attempt at hand, held; NULL before the first
    struct attempts attempts;
    struct upstream_transfer *transfer;
    struct meter *meter;
    struct relay relay;
    struct held_answer held;
    struct journal_waiter durable;
    struct event timer; // waiting, parked and draining
    struct event soon;  // reads on in a batch, asks again for money or a credential, or sends a
                        // response's head that comes alone
    bool reserved;      // and not settled
    bool streamed;
    bool in_thread;
    bool on_disk; // the reservation is, or there is none
    enum upstream_end upstream_end;
    int attempt;
    int http_status;
    int64_t waits_until_us, whole_us, sent_us, first_byte_us, drained_bytes;
    char origin[ANSWER_ORIGIN_MAX]; // where the agent has found reeve
    char path[EXCHANGE_TEXT_MAX], session_id[EXCHANGE_TEXT_MAX], request_id[EXCHANGE_TEXT_MAX];
};

// What calls an exchange besides the server and the upstream.
struct exchange_callbacks {
    void (*timer)(evutil_socket_t fd, short what, void *exchange);
    void (*soon)(evutil_socket_t fd, short what, void *exchange);
    void (*durable)(struct journal_waiter *waiter, int result);
};

// Copies `head`, which goes on pointing into the bytes that the caller keeps for it. NULL: there
// are PROXY_EXCHANGES_MAX, or memory is out.
struct exchange *exchange_new(struct proxy *proxy, struct agent *agent, struct live_run *run,
                              struct route route, const struct http_head *head,
                              const struct exchange_callbacks *callbacks);

void exchange_enter(struct exchange *exchange, enum exchange_state state);

// The request has gone to the upstream: an attempt begins.
void exchange_mark_sent(struct exchange *exchange);

// Copies a header's value, if it is there.
void exchange_text_keep(char text[static EXCHANGE_TEXT_MAX], const struct http_head *head,
                        const char *name);

// Wipes and frees what is needed only until an answer is relayed.
void exchange_head_forget(struct exchange *exchange);

// Replaces the reservation, if there is one left, by what the meter has seen.
void exchange_settle(struct exchange *exchange, enum exchange_end end);

// The exchange is over: its reservation settled, its agent answered or gone. Frees it.
void exchange_end(struct exchange *exchange);

// Breaks the exchange off on both sides.
void exchange_cancel(struct exchange *exchange);

// Answers with an error of our own, and ends.
void exchange_refuse(struct exchange *exchange, const struct reply *reply, const char *message);
