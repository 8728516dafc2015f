// Handover: the daemon lets a new one take its place, and ends once it has finished the answers
// that it is giving. succession.h is the other side.
//
//     reeve reload    this daemon                                the new one
//     RELOAD ───────▶ starts the program ──────────────────────▶ options, configuration, prices,
//                     goes on serving                            certificates, credentials
//                     ◀──────────────────────────────── PREPARED, or FAILED: all stays as it was
//                     (waits for a refresh that is under way)
//                     gives up: ledger's feed, credentials,
//                     batches, page, alerts, runs, journal
//                     PREDECESSOR…, IN_FLIGHT…, TAKE ──────────▶ replays the journal, holds what is
//                     (blocks: nothing moves meanwhile)          in flight, listens
//                     ◀────────────────────────────────── READY  serves
//     RELOADED ◀───── tells systemd who is the main process
//                     AGENT: idle connections and requests ────▶ goes on with them
//                     that are not upstream yet
//                     RECORD: how each exchange ended ─────────▶ journal, ceilings, runs, alerts
//                     ◀───────────────────────────────── CANCEL  a run is killed
//                     ends with its last answer ───────────────▶ charges what it has not heard of
#pragma once

#include "control.h"
#include "serve_parts.h"

#include <stdbool.h>

struct handover;

// Takes RELOAD. False: the message is another one.
bool handover_receive_control(struct serve *serve, struct control_peer *peer,
                              const struct control_message *message);
void handover_peer_gone(struct serve *serve, const struct control_peer *peer);

// The daemon stops: a new one that has not taken over yet is called off.
void handover_call_off(struct serve *serve);

// At the end, if there was one.
void handover_free(struct handover *handover); // NULL is allowed
