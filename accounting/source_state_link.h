// Source state link: questions of the daemon to the ledger's feed, and answers, as packets of a
// SOCK_SEQPACKET pair that is theirs alone.
//
// A packet is the struct without what its tail leaves empty: both ends are one executable (the feed
// is started from /proc/self/exe). What is read is checked all the same.
#pragma once

#include "error.h"
#include "source_state.h"

// Never block. -EAGAIN: too many are waiting at the other end, or (receive) none is there;
// -EPIPE: the other end has gone; -EPROTO: not what was expected.
int source_state_send_question(int fd, const struct source_state_question *question,
                               struct error *err);
int source_state_receive_question(int fd, struct source_state_question *question,
                                  struct error *err);
int source_state_send_answer(int fd, const struct source_state_answer *answer, struct error *err);
int source_state_receive_answer(int fd, struct source_state_answer *answer, struct error *err);
