// Checks that control messages survive the wire, and that only whole and well-formed ones do.
#include "control_message.h"
#include "control_samples.h"
#include "suite_run.h"

#include <check.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

static size_t frame_length(const uint8_t *frame)
{
    return (size_t)frame[0] | (size_t)frame[1] << 8 | (size_t)frame[2] << 16 |
           (size_t)frame[3] << 24;
}

// Equal if they encode to the same bytes; the tables hold every field, as the next test shows.
static void assert_same(const struct control_message *a, const struct control_message *b)
{
    uint8_t *frames[2];
    size_t lengths[2];
    ck_assert_int_eq(control_message_encode(a, &frames[0], &lengths[0], &err), 0);
    ck_assert_int_eq(control_message_encode(b, &frames[1], &lengths[1], &err), 0);
    ck_assert_uint_eq(lengths[0], lengths[1]);
    ck_assert_mem_eq(frames[0], frames[1], lengths[0]);
    free(frames[0]);
    free(frames[1]);
}

START_TEST(every_type_survives)
{
    struct control_message message, decoded;
    uint8_t *frame;
    size_t length;
    sample_message((enum control_type)_i, &message);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    ck_assert_uint_eq(frame_length(frame), length - 4);
    ck_assert_int_eq(control_message_decode(frame + 4, length - 4, &decoded, &err), 0);
    if (_i < CONTROL_STATUS_REPLY || _i == CONTROL_ALERT_TEST ||
        _i == CONTROL_STATE_ASK) // others have pointers
        ck_assert_mem_eq(&decoded, &message, sizeof(message));
    assert_same(&decoded, &message);
    free(frame);
    control_message_done(&decoded);
    control_message_done(&message);
}
END_TEST

START_TEST(lists_survive)
{
    struct control_message message, decoded;
    uint8_t *frame;
    size_t length;
    sample_message(CONTROL_STATUS_REPLY, &message);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    ck_assert_int_eq(control_message_decode(frame + 4, length - 4, &decoded, &err), 0);
    ck_assert_uint_eq(decoded.status.run_count, 1);
    ck_assert_mem_eq(decoded.status.runs, message.status.runs, sizeof(*message.status.runs));
    ck_assert_mem_eq(decoded.status.waiting, message.status.waiting,
                     sizeof(*message.status.waiting));
    ck_assert_mem_eq(decoded.status.credentials, message.status.credentials,
                     sizeof(*message.status.credentials));
    ck_assert_uint_eq(decoded.status.ceiling_count, 2);
    ck_assert_mem_eq(decoded.status.ceilings, message.status.ceilings,
                     2 * sizeof(*message.status.ceilings));
    free(frame);
    control_message_done(&decoded);
    control_message_done(&message);

    sample_message(CONTROL_ALERTS, &message);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    ck_assert_int_eq(control_message_decode(frame + 4, length - 4, &decoded, &err), 0);
    ck_assert_mem_eq(decoded.alerts.channels, message.alerts.channels,
                     sizeof(*message.alerts.channels));
    ck_assert_mem_eq(decoded.alerts.alerts, message.alerts.alerts, sizeof(*message.alerts.alerts));
    free(frame);
    control_message_done(&decoded);
    control_message_done(&message);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    struct control_message message, decoded;
    uint8_t *frame;
    size_t length;
    sample_message((enum control_type)_i, &message);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    for (size_t cut = 0; cut < length - 4; cut++)
        ck_assert_int_eq(control_message_decode(frame + 4, cut, &decoded, &err), -EBADMSG);
    free(frame);
    control_message_done(&message);
}
END_TEST

static msgpack_sbuffer buffer;
static msgpack_packer packer;

static void text(const char *string)
{
    msgpack_pack_str(&packer, strlen(string));
    msgpack_pack_str_body(&packer, string, strlen(string));
}

static void begin(size_t members)
{
    msgpack_sbuffer_clear(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, members);
}

static void member(const char *key, int64_t number)
{
    text(key);
    msgpack_pack_int64(&packer, number);
}

static int decode(struct control_message *message)
{
    int result = control_message_decode((uint8_t *)buffer.data, buffer.size, message, &err);
    if (result == 0)
        control_message_done(message);
    return result;
}

static void setup(void)
{
    msgpack_sbuffer_init(&buffer);
}

static void teardown(void)
{
    msgpack_sbuffer_destroy(&buffer);
}

START_TEST(order_and_unknown_members_do_not_matter)
{
    struct control_message message;
    begin(4);
    member("position", 7);
    member("of a newer version", 1);
    msgpack_pack_int(&packer, 5); // not even text
    msgpack_pack_map(&packer, 0);
    member("type", CONTROL_QUEUED);
    ck_assert_int_eq(control_message_decode((uint8_t *)buffer.data, buffer.size, &message, &err),
                     0);
    ck_assert_int_eq(message.queued.position, 7);
}
END_TEST

START_TEST(malformed_ones_are_refused)
{
    struct control_message message;
    begin(1);
    member("type", CONTROL_QUEUED);
    ck_assert_int_eq(decode(&message), -EBADMSG);
    ck_assert_str_eq(err.text, "a control message lacks position");
    begin(1);
    member("position", 1);
    ck_assert_int_eq(decode(&message), -EBADMSG);
    begin(2);
    member("type", 99);
    member("position", 1);
    ck_assert_int_eq(decode(&message), -EBADMSG);
    begin(3);
    member("type", CONTROL_QUEUED);
    member("position", 1);
    member("position", 2);
    ck_assert_int_eq(decode(&message), -EBADMSG);
    ck_assert_str_eq(err.text, "a control message has a bad or second position");
    begin(2);
    member("type", CONTROL_QUEUED);
    text("position");
    text("1");
    ck_assert_int_eq(decode(&message), -EBADMSG);
    begin(2);
    member("type", CONTROL_QUEUED);
    text("position");
    msgpack_pack_uint64(&packer, UINT64_MAX); // does not fit
    ck_assert_int_eq(decode(&message), -EBADMSG);
    begin(2);
    member("type", CONTROL_QUEUED);
    member("position", 1);
    msgpack_pack_nil(&packer); // after the map
    ck_assert_int_eq(decode(&message), -EBADMSG);
    msgpack_sbuffer_clear(&buffer);
    msgpack_pack_array(&packer, 0);
    ck_assert_int_eq(decode(&message), -EBADMSG);
}
END_TEST

START_TEST(text_is_bounded)
{
    struct control_message message;
    char id[RUN_ID_MAX + 1] = "";
    for (size_t length = RUN_ID_MAX - 1; length <= RUN_ID_MAX; length++) {
        memset(id, 'x', length);
        begin(2);
        member("type", CONTROL_KILL);
        text("run_id");
        text(id);
        ck_assert_int_eq(decode(&message), length < RUN_ID_MAX ? 0 : -EBADMSG);
    }
    begin(2);
    member("type", CONTROL_KILL);
    text("run_id");
    msgpack_pack_str(&packer, 3);
    msgpack_pack_str_body(&packer, "a\0b", 3);
    ck_assert_int_eq(decode(&message), -EBADMSG);
}
END_TEST

START_TEST(words_are_bounded)
{
    struct control_message message;
    for (int64_t code = -1; code <= CONTROL_REFUSALS; code++) {
        begin(3);
        member("type", CONTROL_REFUSED);
        member("code", code);
        text("text");
        text("");
        ck_assert_int_eq(decode(&message), code >= 0 && code < CONTROL_REFUSALS ? 0 : -EBADMSG);
    }
}
END_TEST

// A length that promises more than there is must not be believed.
START_TEST(huge_counts_are_refused)
{
    static const uint8_t array[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t map[] = {0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0};
    static uint8_t nested[4096];
    struct control_message message;
    memset(nested, 0x91, sizeof(nested));
    ck_assert_int_eq(control_message_decode(array, sizeof(array), &message, &err), -EBADMSG);
    ck_assert_int_eq(control_message_decode(map, sizeof(map), &message, &err), -EBADMSG);
    ck_assert_int_eq(control_message_decode(nested, sizeof(nested), &message, &err), -EBADMSG);
}
END_TEST

START_TEST(lists_are_bounded)
{
    struct control_message message = {.type = CONTROL_STATUS_REPLY};
    for (int i = 0; i < CONTROL_LIST_MAX; i++)
        ck_assert_ptr_nonnull(control_list_add(&message.status.waiting,
                                               &message.status.waiting_count,
                                               sizeof(*message.status.waiting)));
    ck_assert_ptr_null(control_list_add(&message.status.waiting, &message.status.waiting_count,
                                        sizeof(*message.status.waiting)));
    uint8_t *frame;
    size_t length;
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    free(frame);
    struct status_run *run;
    while ((run = control_list_add(&message.status.runs, &message.status.run_count,
                                   sizeof(*message.status.runs))) != NULL)
        memset(run->command, 'x', sizeof(run->command) - 1);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), -EMSGSIZE);
    control_message_done(&message);
}
END_TEST

START_TEST(done_wipes)
{
    struct control_message message;
    static const struct control_message zero;
    sample_message(CONTROL_GRANTED, &message);
    control_message_done(&message);
    ck_assert_mem_eq(&message, &zero, sizeof(message));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control_message");
    TCase *tests = tcase_create("control_message");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, every_type_survives, CONTROL_RUN_OPEN, CONTROL_LAST + 1);
    tcase_add_test(tests, lists_survive);
    tcase_add_loop_test(tests, every_cut_is_refused, CONTROL_RUN_OPEN, CONTROL_LAST + 1);
    tcase_add_test(tests, order_and_unknown_members_do_not_matter);
    tcase_add_test(tests, malformed_ones_are_refused);
    tcase_add_test(tests, text_is_bounded);
    tcase_add_test(tests, words_are_bounded);
    tcase_add_test(tests, huge_counts_are_refused);
    tcase_add_test(tests, lists_are_bounded);
    tcase_add_test(tests, done_wipes);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
