// Handover message: what a daemon and the one that succeeds it say to each other over a socket pair
// (SOCK_SEQPACKET), and its msgpack form.
//
// A packet is a msgpack array [type, fields…]; new fields go to the end: readers take missing ones
// as zero and skip what they do not know, as the two can be of different versions of reeve. File
// descriptors come with it (SCM_RIGHTS, unix(7)).
#pragma once

#include "budget.h"
#include "error.h"
#include "journal_record.h"
#include "slice.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Below the 208 KiB that a socket's buffer has by default (net.core.wmem_default).
#define HANDOVER_BYTES_MAX (200 << 10)
#define HANDOVER_FDS_MAX 2

enum handover_type {
    HANDOVER_PREPARED = 1, // successor → predecessor: nothing but the journal is wanting
    HANDOVER_FAILED,       // successor → predecessor: it ends, and why
    HANDOVER_PREDECESSOR,  // predecessor → successor: an older one, and the socket to it
    HANDOVER_IN_FLIGHT,    // predecessor → successor: a reservation that one of them will settle
    HANDOVER_TAKE,         // predecessor → successor: the journal, and the two listening sockets
    HANDOVER_READY,        // successor → predecessor: it serves
    HANDOVER_RECORD,       // predecessor → successor: a record for the journal
    HANDOVER_AGENT,        // predecessor → successor: a connection, see agent_pass.h
    HANDOVER_COUNTS,       // predecessor → successor: what no journal has of a run
    HANDOVER_CANCEL,       // successor → predecessor: end the exchanges of that run
};

struct handover_prepared {
    int64_t pid;
    char journal_directory[PATH_MAX]; // has to be the predecessor's own
};

struct handover_failed {
    char text[ERROR_TEXT_MAX];
};

struct handover_predecessor {
    int64_t pid;
};

struct handover_in_flight {
    int64_t pid; // of the one that has it
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    struct budget_reservation reservation;
};

struct handover_take {
    int64_t pid;            // of the predecessor
    bool owns_control_file; // it has made the control socket's, and systemd has not
};

// As journal_record_encode() writes it.
struct handover_record {
    struct slice bytes;
};

struct handover_agent {
    struct slice bytes;
};

// To be added to what the successor has counted.
struct handover_counts {
    char run_id[RUN_ID_MAX];
    int64_t free_calls;
    int64_t refused;
};

struct handover_cancel {
    char run_id[RUN_ID_MAX];
};

struct handover_message {
    enum handover_type type;
    union {
        struct handover_prepared prepared;
        struct handover_failed failed;
        struct handover_predecessor predecessor;
        struct handover_in_flight in_flight;
        struct handover_take take;
        struct handover_record record;
        struct handover_agent agent;
        struct handover_counts counts;
        struct handover_cancel cancel;
    };
};

// Returns the length of the packet, or -EMSGSIZE.
int handover_message_encode(const struct handover_message *message,
                            uint8_t packet[static HANDOVER_BYTES_MAX], struct error *err);

// Slices point into `packet`. -EBADMSG: not a message; -ENOTSUP: one of a newer reeve, that is to
// be passed over.
int handover_message_decode(const uint8_t *packet, size_t length, struct handover_message *message,
                            struct error *err);

// A message as it is received: its slices point into its own bytes, and the descriptors are the
// receiver's, to be taken (take_fd()) or closed by handover_packet_done().
struct handover_packet {
    struct handover_message message;
    int fds[HANDOVER_FDS_MAX]; // -1: none
    uint8_t bytes[HANDOVER_BYTES_MAX];
};

// Sends a message with up to HANDOVER_FDS_MAX descriptors. `flags`: 0 to wait while the socket is
// full, or MSG_DONTWAIT.
int handover_send(int fd, int flags, const struct handover_message *message, const int *fds,
                  size_t fd_count, struct error *err);

// Receives one; `flags` as above. -EAGAIN: there is none, or not in time (SO_RCVTIMEO); -EPIPE: the
// other end has gone; the rest as handover_message_decode(). After 0 the caller ends with
// handover_packet_done().
int handover_receive(int fd, int flags, struct handover_packet *packet, struct error *err);

void handover_packet_done(struct handover_packet *packet);
