// Tests of handover_message.c: what two daemons say to each other arrives, descriptors too, and
// what makes no sense is refused.
#include "handover_samples.h"
#include "suite_run.h"

#include <check.h>
#include <msgpack.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t bytes[HANDOVER_BYTES_MAX], again[HANDOVER_BYTES_MAX];
static struct error err;

static size_t encode(const struct handover_message *message)
{
    int length = handover_message_encode(message, bytes, &err);
    ck_assert_msg(length > 0, "%s", err.text);
    return (size_t)length;
}

START_TEST(every_message_comes_back)
{
    struct handover_message message = handover_sample((enum handover_type)_i), read;
    size_t length = encode(&message);
    ck_assert_msg(handover_message_decode(bytes, length, &read, &err) == 0, "%s", err.text);
    ck_assert_int_eq(read.type, message.type);
    ck_assert_int_eq(handover_message_encode(&read, again, &err), (int)length);
    ck_assert_mem_eq(bytes, again, length);
}
END_TEST

START_TEST(nothing_of_what_is_said_is_left_out)
{
    struct handover_message message = handover_sample(HANDOVER_IN_FLIGHT), read;
    const struct handover_in_flight *sent = &message.in_flight, *got = &read.in_flight;
    ck_assert_int_eq(handover_message_decode(bytes, encode(&message), &read, &err), 0);
    ck_assert_int_eq(got->pid, sent->pid);
    ck_assert_mem_eq(got->exchange_id, sent->exchange_id, EXCHANGE_ID_BYTES);
    ck_assert_str_eq(got->reservation.run_id, sent->reservation.run_id);
    ck_assert_str_eq(got->reservation.job, sent->reservation.job);
    ck_assert_int_eq(got->reservation.reserved_at_us, sent->reservation.reserved_at_us);
    for (int kind = 0; kind < BUDGET_KINDS; kind++) {
        ck_assert_int_eq(got->reservation.held.of[kind], sent->reservation.held.of[kind]);
        ck_assert_int_eq(got->reservation.growth.of[kind], sent->reservation.growth.of[kind]);
    }
    message = handover_sample(HANDOVER_TAKE);
    ck_assert_int_eq(handover_message_decode(bytes, encode(&message), &read, &err), 0);
    ck_assert_int_eq(read.take.pid, 4711);
    ck_assert(read.take.owns_control_file);
    message = handover_sample(HANDOVER_PREPARED);
    ck_assert_int_eq(handover_message_decode(bytes, encode(&message), &read, &err), 0);
    ck_assert_int_eq(read.prepared.pid, 4712);
    ck_assert_str_eq(read.prepared.journal_directory, "/var/lib/reeve/journal");
    message = handover_sample(HANDOVER_AGENT);
    ck_assert_int_eq(handover_message_decode(bytes, encode(&message), &read, &err), 0);
    ck_assert(slice_equals(read.agent.bytes, message.agent.bytes));
    message = handover_sample(HANDOVER_COUNTS);
    ck_assert_int_eq(handover_message_decode(bytes, encode(&message), &read, &err), 0);
    ck_assert_int_eq(read.counts.free_calls, 3);
    ck_assert_int_eq(read.counts.refused, -1);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    struct handover_message message = handover_sample((enum handover_type)_i), read;
    size_t length = encode(&message);
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_int_eq(handover_message_decode(bytes, cut, &read, &err), -EBADMSG);
}
END_TEST

// An array of these numbers, and then a text.
static size_t pack(const int *numbers, size_t count, const char *text)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, count + (text != NULL));
    for (size_t i = 0; i < count; i++)
        msgpack_pack_int(&packer, numbers[i]);
    if (text != NULL) {
        msgpack_pack_bin(&packer, strlen(text));
        msgpack_pack_bin_body(&packer, text, strlen(text));
    }
    size_t length = buffer.size;
    memcpy(bytes, buffer.data, length);
    msgpack_sbuffer_destroy(&buffer);
    return length;
}

START_TEST(another_version_may_say_less_or_more)
{
    struct handover_message read;
    const int less[] = {HANDOVER_COUNTS}, more[] = {HANDOVER_PREDECESSOR, 4710, 17, 18};
    ck_assert_int_eq(handover_message_decode(bytes, pack(less, 1, "run"), &read, &err), 0);
    ck_assert_str_eq(read.counts.run_id, "run");
    ck_assert_int_eq(read.counts.free_calls, 0);
    ck_assert_int_eq(handover_message_decode(bytes, pack(more, 4, NULL), &read, &err), 0);
    ck_assert_int_eq(read.predecessor.pid, 4710);
    const int unknown[] = {HANDOVER_LAST + 1, 1};
    ck_assert_int_eq(handover_message_decode(bytes, pack(unknown, 2, NULL), &read, &err), -ENOTSUP);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    char text[RUN_ID_MAX + 1];
    struct handover_message read;
    const int none[] = {0}, cancel[] = {HANDOVER_CANCEL}, number[] = {HANDOVER_CANCEL, 5},
              id[] = {HANDOVER_IN_FLIGHT, 5};
    memset(text, 'x', sizeof(text));
    text[RUN_ID_MAX] = '\0';
    ck_assert_int_eq(handover_message_decode(bytes, pack(none, 1, NULL), &read, &err), -EBADMSG);
    ck_assert_int_eq(handover_message_decode(bytes, pack(none, 0, NULL), &read, &err), -EBADMSG);
    ck_assert_int_eq(handover_message_decode(bytes, pack(number, 2, NULL), &read, &err), -EBADMSG);
    ck_assert_int_eq(handover_message_decode(bytes, pack(cancel, 1, text), &read, &err), -EBADMSG);
    ck_assert_int_eq(handover_message_decode(bytes, pack(id, 2, "short"), &read, &err), -EBADMSG);
    text[RUN_ID_MAX - 1] = '\0';
    ck_assert_int_eq(handover_message_decode(bytes, pack(cancel, 1, text), &read, &err), 0);
    ck_assert_str_eq(read.cancel.run_id, text);
}
END_TEST

START_TEST(the_largest_fits_and_a_larger_one_does_not)
{
    static char much[HANDOVER_BYTES_MAX];
    struct handover_message message = {.type = HANDOVER_AGENT,
                                       .agent.bytes = {much, sizeof(much) - 16}};
    encode(&message);
    message.agent.bytes.length = sizeof(much);
    ck_assert_int_eq(handover_message_encode(&message, bytes, &err), -EMSGSIZE);
}
END_TEST

// ---- the socket

static int ends[2];
static struct handover_packet packet;

static void set_up(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
}

static void tear_down(void)
{
    close(ends[0]);
    close(ends[1]);
}

START_TEST(descriptors_come_with_a_message)
{
    struct handover_message message = handover_sample(HANDOVER_AGENT);
    int pipes[2];
    char byte = 0;
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(handover_send(ends[0], 0, &message, pipes, 2, &err), 0);
    close(pipes[0]);
    close(pipes[1]);
    ck_assert_int_eq(handover_receive(ends[1], 0, &packet, &err), 0);
    ck_assert(slice_equals(packet.message.agent.bytes, message.agent.bytes));
    ck_assert_int_eq(write(packet.fds[1], "y", 1), 1);
    ck_assert_int_eq(read(packet.fds[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    handover_packet_done(&packet);
    ck_assert_int_eq(packet.fds[0], -1);
    ck_assert_int_eq(packet.fds[1], -1);
}
END_TEST

START_TEST(nothing_and_the_end_are_told_apart)
{
    struct handover_message message = handover_sample(HANDOVER_READY);
    ck_assert_int_eq(handover_receive(ends[1], MSG_DONTWAIT, &packet, &err), -EAGAIN);
    ck_assert_int_eq(handover_send(ends[0], 0, &message, NULL, 0, &err), 0);
    shutdown(ends[0], SHUT_RDWR);
    ck_assert_int_eq(handover_receive(ends[1], MSG_DONTWAIT, &packet, &err), 0);
    ck_assert_int_eq(packet.fds[0], -1);
    ck_assert_int_eq(handover_receive(ends[1], MSG_DONTWAIT, &packet, &err), -EPIPE);
    ck_assert_int_eq(handover_send(ends[1], 0, &message, NULL, 0, &err), -EPIPE);
}
END_TEST

START_TEST(descriptors_of_what_is_refused_are_closed)
{
    int pipes[2];
    char byte;
    struct iovec part = {(void *)(uintptr_t) "\xc1", 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr alignment;
    } room = {{0}};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
    ck_assert_int_eq(pipe(pipes), 0);
    *CMSG_FIRSTHDR(&header) = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &pipes[1], sizeof(int));
    ck_assert_int_eq(sendmsg(ends[0], &header, 0), 1);
    close(pipes[1]);
    ck_assert_int_eq(handover_receive(ends[1], 0, &packet, &err), -EBADMSG);
    ck_assert_int_eq(read(pipes[0], &byte, 1), 0); // nobody can write any more
    close(pipes[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("handover_message");
    TCase *messages = tcase_create("messages"), *sockets = tcase_create("sockets");
    tcase_add_loop_test(messages, every_message_comes_back, 1, HANDOVER_LAST + 1);
    tcase_add_test(messages, nothing_of_what_is_said_is_left_out);
    tcase_add_loop_test(messages, every_cut_is_refused, 1, HANDOVER_LAST + 1);
    tcase_add_test(messages, another_version_may_say_less_or_more);
    tcase_add_test(messages, what_makes_no_sense_is_refused);
    tcase_add_test(messages, the_largest_fits_and_a_larger_one_does_not);
    tcase_add_checked_fixture(sockets, set_up, tear_down);
    tcase_add_test(sockets, descriptors_come_with_a_message);
    tcase_add_test(sockets, nothing_and_the_end_are_told_apart);
    tcase_add_test(sockets, descriptors_of_what_is_refused_are_closed);
    suite_add_tcase(suite, messages);
    suite_add_tcase(suite, sockets);
    return suite_run(suite);
}
