// Checks that records survive encoding, that payloads from other versions are read, and bad ones
// not.
#include "crc32c.h"
#include "journal_record.h"
#include "journal_samples.h"
#include "suite_run.h"

#include <check.h>
#include <endian.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

static const enum journal_record_type types[] = {
    JOURNAL_RUN_OPEN,   JOURNAL_RESERVATION, JOURNAL_SETTLEMENT,     JOURNAL_RUN_CLOSE,
    JOURNAL_ALERT,      JOURNAL_ALERT_SENT,  JOURNAL_RUN_CACHE,      JOURNAL_BATCH,
    JOURNAL_BATCH_END,  JOURNAL_OWNED,       JOURNAL_RUN_PLACED,     JOURNAL_ACCOUNT,
    JOURNAL_RUN_TOTALS, JOURNAL_SEGMENT_END, JOURNAL_CHECKPOINT_END,
};
#define TYPES (sizeof(types) / sizeof(types[0]))

START_TEST(round_trip)
{
    struct samples samples = {.state = (uint64_t)_i + 1};
    static struct sample sample;
    static uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    static union journal_record_fields fields;
    for (int i = 0; i < 2000; i++) {
        struct journal_record decoded;
        struct error err = {0};
        sample_make(&samples, types[_i], &sample);
        size_t length = journal_record_encode(&sample.record, bytes);
        ck_assert_uint_le(length, journal_record_length_max(types[_i]) + JOURNAL_USAGE_JSON_MAX);
        ck_assert_int_eq(journal_record_decode(bytes + JOURNAL_FRAME_BYTES,
                                               length - JOURNAL_FRAME_BYTES, &fields, &decoded,
                                               &err),
                         0);
        ck_assert(sample_equal(&sample.record, &decoded));
    }
}
END_TEST

START_TEST(frame_holds_length_and_checksum)
{
    struct journal_checkpoint_end end = {.written_at_us = 1};
    struct journal_record record = {.type = JOURNAL_CHECKPOINT_END, .checkpoint_end = &end};
    uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    // [17, 1, 1] in msgpack.
    const uint8_t expected[] = {4, 0, 0, 0, 0, 0, 0, 0, 0x93, 17, 1, 1};
    ck_assert_uint_eq(journal_record_encode(&record, bytes), sizeof(expected));
    uint32_t crc = htole32(crc32c(crc32c(0, expected, 4), expected + 8, 4));
    ck_assert_mem_eq(bytes, expected, 4);
    ck_assert_mem_eq(bytes + 4, &crc, 4);
    ck_assert_mem_eq(bytes + 8, expected + 8, 4);
}
END_TEST

START_TEST(longest_record_fits_its_bound)
{
    static struct sample sample;
    static uint8_t bytes[JOURNAL_RECORD_BYTES_MAX];
    struct samples samples = {.state = 3};
    sample_make(&samples, JOURNAL_SETTLEMENT, &sample);
    struct journal_settlement *settlement = &sample.fields.settlement;
    memset(settlement, 0x7f, sizeof(*settlement)); // full texts without NUL, great numbers
    memset(&settlement->streamed, 1, 1);
    memset(&settlement->estimated, 1, 1);
    memset(&settlement->unknown_model, 1, 1);
    settlement->usage_json = sample.usage_json;
    settlement->usage_json_length = JOURNAL_USAGE_JSON_MAX;
    size_t length = journal_record_encode(&sample.record, bytes);
    ck_assert_uint_gt(length, JOURNAL_USAGE_JSON_MAX);
    ck_assert_uint_le(length,
                      journal_record_length_max(JOURNAL_SETTLEMENT) + JOURNAL_USAGE_JSON_MAX);

    settlement->usage_json_length++; // too long: left out
    ck_assert_uint_lt(journal_record_encode(&sample.record, bytes), JOURNAL_USAGE_JSON_MAX);
}
END_TEST

// Payloads written by hand. Returns what journal_record_decode() says.
static int decode(const msgpack_sbuffer *buffer, union journal_record_fields *fields,
                  struct journal_record *record, struct error *err)
{
    return journal_record_decode((const uint8_t *)buffer->data, buffer->size, fields, record, err);
}

START_TEST(other_versions_are_read)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    union journal_record_fields fields;
    struct journal_record record;
    struct error err = {0};
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);

    // An older alert: kind alone.
    msgpack_pack_array(&packer, 3);
    msgpack_pack_int(&packer, JOURNAL_ALERT);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_str_with_body(&packer, "oom", 3);
    ck_assert_int_eq(decode(&buffer, &fields, &record, &err), 0);
    ck_assert_str_eq(record.alert->kind, "oom");
    ck_assert_str_eq(record.alert->text, "");
    ck_assert_int_eq(record.alert->raised_at_us, 0);

    // A newer one: more fields, of any shape, and a longer text.
    msgpack_sbuffer_clear(&buffer);
    msgpack_pack_array(&packer, 10);
    msgpack_pack_int(&packer, JOURNAL_ALERT_SENT);
    msgpack_pack_int(&packer, 7);
    msgpack_pack_int(&packer, 12);
    static const char channel[] = "a name that is longer than the field for it is, by some twenty "
                                  "characters and so has to be cut";
    msgpack_pack_str_with_body(&packer, channel, sizeof(channel) - 1);
    msgpack_pack_int(&packer, 13);
    msgpack_pack_true(&packer);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_nil(&packer);
    msgpack_pack_double(&packer, 0.5);
    msgpack_pack_true(&packer);
    ck_assert_int_eq(decode(&buffer, &fields, &record, &err), 0);
    ck_assert_int_eq(record.alert_sent->raised_at_us, 12);
    ck_assert_uint_eq(strlen(record.alert_sent->channel), ALERT_CHANNEL_MAX - 1);
    ck_assert_int_eq(strncmp(record.alert_sent->channel, channel, ALERT_CHANNEL_MAX - 1), 0);
    ck_assert(record.alert_sent->given_up);

    // A type that is not known.
    msgpack_sbuffer_clear(&buffer);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_int(&packer, 99);
    msgpack_pack_int(&packer, 1);
    ck_assert_int_eq(decode(&buffer, &fields, &record, &err), -ENOTSUP);
    msgpack_sbuffer_destroy(&buffer);
}
END_TEST

START_TEST(bad_payloads_are_refused)
{
    // Written out, as msgpack-c would not make some of them.
    static const struct {
        const char *bytes;
        size_t length;
        const char *names; // that the error has to name
    } payloads[] = {
        {"", 0, "array"},
        {"\xc0", 1, "array"},
        {"\x90", 1, "type"},
        {"\x91\x01", 2, "type"},
        {"\x92\x01\x00", 3, "type"},               // version 0
        {"\x92\xff\x01", 3, "type"},               // type -1
        {"\x92\xa1x\x01", 4, "type"},              // a string
        {"\xdc\x00", 2, "array"},                  // the array's length is cut
        {"\xdd\xff\xff\xff\xff\x01\x01", 7, ""},   // an array of 4 G items
        {"\x93\x11\x01", 3, "written_at_us"},      // an item is missing
        {"\x93\x11\x01\xa1x", 5, "written_at_us"}, // text for a number
        {"\x93\x11\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 12, "written_at_us"}, // > INT64_MAX
        {"\x93\x11\x01\xdf\xff\xff\xff\xff", 8, "written_at_us"}, // a map of 4 G pairs
        {"\x93\x11\x01\x91\x01", 5, "written_at_us"},             // a nested array
        {"\x93\x05\x01\x07", 4, "kind"},                          // a number for text
        {"\x93\x05\x01\xdb\xff\xff\xff\xffx", 9, "kind"},         // a text of 4 GB
        {"\x93\x10\x01\x05", 4, "scope"},                         // past the last scope
        {"\x93\x10\x01\xff", 4, "scope"},                         // below the first
        {"\x93\x02\x01\xc4\x03"
         "abc",
         8, "exchange_id"}, // not of its length
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        union journal_record_fields fields;
        struct journal_record record;
        struct error err = {0};
        ck_assert_int_eq(journal_record_decode((const uint8_t *)payloads[i].bytes,
                                               payloads[i].length, &fields, &record, &err),
                         -EBADMSG);
        ck_assert_msg(strstr(err.text, payloads[i].names) != NULL, "payload %zu: %s", i, err.text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal_record");
    TCase *cases = tcase_create("journal_record");
    tcase_add_loop_test(cases, round_trip, 0, TYPES);
    tcase_add_test(cases, frame_holds_length_and_checksum);
    tcase_add_test(cases, longest_record_fits_its_bound);
    tcase_add_test(cases, other_versions_are_read);
    tcase_add_test(cases, bad_payloads_are_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
