// Journal records to msgpack and back, driven by one table of fields for each type of record.
#include "journal_record.h"

#include "crc32c.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <msgpack.h>
#include <stddef.h>
#include <string.h>

enum field_kind {
    FIELD_TEXT,       // char array, always terminated
    FIELD_BYTES,      // uint8_t array
    FIELD_INT64,      // int64_t
    FIELD_INT,        // int
    FIELD_ENUM,       // enum without negative values
    FIELD_BOOL,       // bool
    FIELD_USAGE_JSON, // settlement: usage_json and its length
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
    size_t size;
    uint64_t last; // FIELD_ENUM: the greatest value
};

// The fields of a type, in the order of the file.
struct record_layout {
    enum journal_record_type type;
    uint32_t version;
    size_t size;
    size_t field_count;
    const struct field *fields;
};

#define MEMBER(record, member)                                                                     \
    offsetof(struct journal_##record, member), sizeof(((struct journal_##record *)NULL)->member)
#define TEXT(record, member)                                                                       \
    {                                                                                              \
#member, FIELD_TEXT, MEMBER(record, member), 0                                             \
    }
#define BYTES(record, member)                                                                      \
    {                                                                                              \
#member, FIELD_BYTES, MEMBER(record, member), 0                                            \
    }
#define INT64(record, member)                                                                      \
    {                                                                                              \
#member, FIELD_INT64, MEMBER(record, member), 0                                            \
    }
#define INT(record, member)                                                                        \
    {                                                                                              \
#member, FIELD_INT, MEMBER(record, member), 0                                              \
    }
#define BOOL(record, member)                                                                       \
    {                                                                                              \
#member, FIELD_BOOL, MEMBER(record, member), 0                                             \
    }
#define ENUM(record, member, last)                                                                 \
    {                                                                                              \
#member, FIELD_ENUM, MEMBER(record, member), last                                          \
    }
#define TOKENS(record, member)                                                                     \
    INT64(record, member.input), INT64(record, member.output),                                     \
        INT64(record, member.cache_write_5m), INT64(record, member.cache_write_1h),                \
        INT64(record, member.cache_read)

static const struct field run_open_fields[] = {
    TEXT(run_open, run_id),
    TEXT(run_open, job),
    TEXT(run_open, command),
    TEXT(run_open, host),
    INT64(run_open, opened_at_us),
    INT64(run_open, limits.cost_max_pico_usd),
    INT64(run_open, limits.tokens_max),
    INT64(run_open, limits.output_tokens_max),
    INT64(run_open, limits.requests_max),
    INT64(run_open, limits.memory_max_bytes),
    INT64(run_open, limits.memory_high_bytes),
    INT64(run_open, limits.memory_swap_max_bytes),
    INT64(run_open, limits.tasks_max),
    INT64(run_open, limits.cpu_quota_percent),
    INT64(run_open, limits.runtime_max_us),
    BYTES(run_open, key_digest),
    INT64(run_open, supervisor_pid),
    INT64(run_open, supervisor_uid),
    TEXT(run_open, boot_id),
    TEXT(run_open, directory),
    BOOL(run_open, is_placed),
};

static const struct field run_placed_fields[] = {
    TEXT(run_placed, run_id),
    TEXT(run_placed, directory),
};

static const struct field reservation_fields[] = {
    BYTES(reservation, exchange_id),
    TEXT(reservation, run_id),
    TEXT(reservation, job),
    TEXT(reservation, model),
    INT64(reservation, reserved_at_us),
    INT64(reservation, cost_pico_usd),
    INT64(reservation, tokens),
    INT64(reservation, output_tokens),
};

static const struct field settlement_fields[] = {
    BYTES(settlement, exchange_id),
    TEXT(settlement, run_id),
    TEXT(settlement, job),
    TEXT(settlement, credential),
    TEXT(settlement, path),
    TEXT(settlement, session_id),
    TEXT(settlement, model_asked),
    TEXT(settlement, model),
    TEXT(settlement, price_row),
    TEXT(settlement, request_id),
    TEXT(settlement, message_id),
    TEXT(settlement, stop_reason),
    INT64(settlement, reserved_at_us),
    INT64(settlement, settled_at_us),
    INT64(settlement, first_byte_us),
    INT64(settlement, reserved_pico_usd),
    INT64(settlement, cost_pico_usd),
    INT64(settlement, counted_pico_usd),
    INT64(settlement, counted_tokens),
    INT64(settlement, counted_output_tokens),
    TOKENS(settlement, tokens),
    INT64(settlement, thinking_tokens),
    INT64(settlement, web_search_requests),
    INT64(settlement, web_fetch_requests),
    INT(settlement, attempt),
    INT(settlement, http_status),
    ENUM(settlement, end, EXCHANGE_RETRIED),
    ENUM(settlement, speed, USAGE_SPEED_FAST),
    ENUM(settlement, tier, USAGE_TIER_BATCH),
    ENUM(settlement, geo, USAGE_GEO_US),
    BOOL(settlement, streamed),
    BOOL(settlement, estimated),
    BOOL(settlement, unknown_model),
    {"usage_json", FIELD_USAGE_JSON, 0, 0, 0},
    TEXT(settlement, batch_id),
    TEXT(settlement, custom_id),
};

static const struct field batch_fields[] = {
    BYTES(batch, exchange_id),    TEXT(batch, batch_id),
    TEXT(batch, run_id),          TEXT(batch, job),
    TEXT(batch, credential),      TEXT(batch, model),
    INT64(batch, reserved_at_us), INT64(batch, requests),
    INT64(batch, cost_pico_usd),  INT64(batch, tokens),
    INT64(batch, output_tokens),
};

static const struct field batch_end_fields[] = {
    TEXT(batch_end, batch_id),
    TEXT(batch_end, run_id),
    TEXT(batch_end, job),
    INT64(batch_end, reserved_at_us),
    INT64(batch_end, settled_at_us),
    INT64(batch_end, counted_requests),
    INT64(batch_end, counted_pico_usd),
    INT64(batch_end, counted_tokens),
    INT64(batch_end, counted_output_tokens),
};

static const struct field owned_fields[] = {
    TEXT(owned, id),
    TEXT(owned, job),
};

static const struct field run_close_fields[] = {
    TEXT(run_close, run_id),        TEXT(run_close, job),
    INT64(run_close, closed_at_us), ENUM(run_close, end, RUN_LOST),
    INT(run_close, exit_code),      INT64(run_close, memory_peak_bytes),
    INT64(run_close, cpu_us),       INT64(run_close, exchanges),
    INT64(run_close, free_calls),   INT64(run_close, cost_pico_usd),
    TOKENS(run_close, tokens),
};

static const struct field alert_fields[] = {
    TEXT(alert, kind),
    TEXT(alert, run_id),
    TEXT(alert, job),
    TEXT(alert, text),
    INT64(alert, raised_at_us),
    TEXT(alert, subject),
    INT64(alert, period_start_us),
    ENUM(alert, unit, ALERT_UNIT_US),
    INT64(alert, amount),
    INT64(alert, limit),
    TEXT(alert, channels),
    INT64(alert, sent),
    INT64(alert, given_up),
};

static const struct field alert_sent_fields[] = {
    INT64(alert_sent, raised_at_us),
    TEXT(alert_sent, channel),
    INT64(alert_sent, sent_at_us),
    BOOL(alert_sent, given_up),
};

static const struct field run_cache_fields[] = {
    TEXT(run_cache, job),
    INT64(run_cache, closed_at_us),
    INT64(run_cache, savable_pico_usd),
    INT64(run_cache, saved_pico_usd),
};

static const struct field account_fields[] = {
    ENUM(account, scope, BUDGET_SCOPES - 1),
    TEXT(account, name),
    INT64(account, period_start_us),
    INT64(account, settled.of[BUDGET_COST]),
    INT64(account, settled.of[BUDGET_TOKENS]),
    INT64(account, settled.of[BUDGET_OUTPUT_TOKENS]),
    INT64(account, settled.of[BUDGET_REQUESTS]),
};

static const struct field checkpoint_end_fields[] = {
    INT64(checkpoint_end, written_at_us),
};

static const struct field segment_end_fields[] = {
    INT64(segment_end, next_segment),
    INT64(segment_end, written_at_us),
};

static const struct field run_totals_fields[] = {
    TEXT(run_totals, run_id),
    INT64(run_totals, cost_pico_usd),
    INT64(run_totals, exchanges),
    TOKENS(run_totals, tokens),
};

#define LAYOUT(type, version, record)                                                              \
    {                                                                                              \
        type, version, sizeof(struct journal_##record),                                            \
            sizeof(record##_fields) / sizeof(record##_fields[0]), record##_fields                  \
    }

static const struct record_layout layouts[] = {
    LAYOUT(JOURNAL_RUN_OPEN, 2, run_open),
    LAYOUT(JOURNAL_RESERVATION, 1, reservation),
    LAYOUT(JOURNAL_SETTLEMENT, 2, settlement),
    LAYOUT(JOURNAL_RUN_CLOSE, 1, run_close),
    LAYOUT(JOURNAL_ALERT, 2, alert),
    LAYOUT(JOURNAL_ALERT_SENT, 1, alert_sent),
    LAYOUT(JOURNAL_RUN_CACHE, 1, run_cache),
    LAYOUT(JOURNAL_BATCH, 1, batch),
    LAYOUT(JOURNAL_BATCH_END, 1, batch_end),
    LAYOUT(JOURNAL_OWNED, 1, owned),
    LAYOUT(JOURNAL_RUN_PLACED, 1, run_placed),
    LAYOUT(JOURNAL_ACCOUNT, 1, account),
    LAYOUT(JOURNAL_CHECKPOINT_END, 1, checkpoint_end),
    LAYOUT(JOURNAL_SEGMENT_END, 1, segment_end),
    LAYOUT(JOURNAL_RUN_TOTALS, 1, run_totals),
};

// The layout of `type`, or NULL.
static const struct record_layout *layout_find(uint64_t type)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}

const char *exchange_end_name(enum exchange_end end)
{
    static const char *const names[] = {
        "complete",  "upstream_error", "stream_error", "cut",          "client_gone",
        "cancelled", "not_sent",       "orphaned",     "results_gone", "retried",
    };
    return names[end];
}

bool exchange_end_is_request(enum exchange_end end)
{
    return end != EXCHANGE_NOT_SENT && end != EXCHANGE_RETRIED;
}

// Encoding.

struct payload_writer {
    uint8_t *bytes;
    size_t used;
};

static int payload_write(void *data, const char *bytes, size_t length)
{
    struct payload_writer *writer = data;
    assert(length <= JOURNAL_PAYLOAD_MAX - writer->used);
    memcpy(writer->bytes + writer->used, bytes, length);
    writer->used += length;
    return 0;
}

static void encode_usage_json(const struct journal_settlement *settlement, msgpack_packer *packer)
{
    if (settlement->usage_json == NULL || settlement->usage_json_length > JOURNAL_USAGE_JSON_MAX)
        msgpack_pack_nil(packer);
    else
        msgpack_pack_bin_with_body(packer, settlement->usage_json, settlement->usage_json_length);
}

static void encode_field(const struct field *field, const void *fields, msgpack_packer *packer)
{
    const void *member = (const char *)fields + field->offset;
    int64_t wide;
    int narrow;
    bool flag;
    switch (field->kind) {
    case FIELD_TEXT:
        msgpack_pack_str_with_body(packer, member, strnlen(member, field->size - 1));
        break;
    case FIELD_BYTES:
        msgpack_pack_bin_with_body(packer, member, field->size);
        break;
    case FIELD_INT64:
        memcpy(&wide, member, sizeof(wide));
        msgpack_pack_int64(packer, wide);
        break;
    case FIELD_INT:
    case FIELD_ENUM:
        memcpy(&narrow, member, sizeof(narrow));
        msgpack_pack_int(packer, narrow);
        break;
    case FIELD_BOOL:
        memcpy(&flag, member, sizeof(flag));
        flag ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case FIELD_USAGE_JSON:
        encode_usage_json(fields, packer);
        break;
    }
}

size_t journal_record_encode(const struct journal_record *record, uint8_t *bytes)
{
    const struct record_layout *layout = layout_find(record->type);
    assert(layout != NULL);
    struct payload_writer writer = {.bytes = bytes + JOURNAL_FRAME_BYTES};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &writer, payload_write);
    msgpack_pack_array(&packer, 2 + layout->field_count);
    msgpack_pack_int(&packer, (int)layout->type);
    msgpack_pack_uint32(&packer, layout->version);
    for (size_t i = 0; i < layout->field_count; i++)
        encode_field(&layout->fields[i], record->fields, &packer);

    uint32_t length = htole32((uint32_t)writer.used);
    memcpy(bytes, &length, sizeof(length));
    uint32_t crc = crc32c(0, bytes, sizeof(length));
    crc = htole32(crc32c(crc, writer.bytes, writer.used));
    memcpy(bytes + sizeof(length), &crc, sizeof(crc));
    return JOURNAL_FRAME_BYTES + writer.used;
}

size_t journal_record_length_max(enum journal_record_type type)
{
    const struct record_layout *layout = layout_find(type);
    assert(layout != NULL);
    size_t length = JOURNAL_FRAME_BYTES + 3 + 9 + 9; // array header, type, version
    for (size_t i = 0; i < layout->field_count; i++) {
        enum field_kind kind = layout->fields[i].kind;
        // The longest headers: a string of up to 64 KB, an integer of 8 bytes.
        length += kind == FIELD_TEXT || kind == FIELD_BYTES ? 3 + layout->fields[i].size : 9;
    }
    return length;
}

// Decoding.

// The array's items, taken one by one, so that no claimed length is believed before it is there.
struct payload_reader {
    const char *bytes;
    size_t length;
    size_t offset;
    uint32_t items_left;
    msgpack_unpacked item;
};

static void payload_reader_done(struct payload_reader *reader)
{
    msgpack_unpacked_destroy(&reader->item);
}

// Reads the header of the array. Its forms are in the MessagePack specification, "Array format
// family".
static bool payload_begin(struct payload_reader *reader)
{
    const uint8_t *bytes = (const uint8_t *)reader->bytes;
    if (reader->length >= 1 && (bytes[0] & 0xf0) == 0x90) {
        reader->items_left = bytes[0] & 0x0f;
        reader->offset = 1;
        return true;
    }
    if (reader->length >= 3 && bytes[0] == 0xdc) {
        reader->items_left = (uint32_t)(bytes[1] << 8 | bytes[2]);
        reader->offset = 3;
        return true;
    }
    return false;
}

// The next item if it is not a container, else NULL.
static const msgpack_object *payload_next(struct payload_reader *reader)
{
    if (reader->items_left == 0 || reader->offset >= reader->length)
        return NULL;
    uint8_t head = (uint8_t)reader->bytes[reader->offset];
    if ((head >= 0x80 && head <= 0x9f) || (head >= 0xdc && head <= 0xdf)) // map, array
        return NULL;
    msgpack_unpack_return result =
        msgpack_unpack_next(&reader->item, reader->bytes, reader->length, &reader->offset);
    if (result != MSGPACK_UNPACK_SUCCESS && result != MSGPACK_UNPACK_EXTRA_BYTES)
        return NULL;
    reader->items_left--;
    return &reader->item.data;
}

static bool decode_int64(const msgpack_object *item, int64_t *value)
{
    if (item->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *value = item->via.i64;
    else if (item->type == MSGPACK_OBJECT_POSITIVE_INTEGER && item->via.u64 <= INT64_MAX)
        *value = (int64_t)item->via.u64;
    else
        return false;
    return true;
}

static bool decode_usage_json(const msgpack_object *item, struct journal_settlement *settlement)
{
    if (item->type == MSGPACK_OBJECT_NIL)
        return true;
    if (item->type != MSGPACK_OBJECT_BIN || item->via.bin.size > JOURNAL_USAGE_JSON_MAX)
        return false;
    settlement->usage_json = item->via.bin.ptr;
    settlement->usage_json_length = item->via.bin.size;
    return true;
}

static bool decode_field(const struct field *field, const msgpack_object *item, void *fields)
{
    char *member = (char *)fields + field->offset;
    int64_t wide;
    switch (field->kind) {
    case FIELD_TEXT:
        if (item->type != MSGPACK_OBJECT_STR)
            return false;
        if (item->via.str.size > 0) // an empty one may have no address
            memcpy(member, item->via.str.ptr,
                   item->via.str.size < field->size ? item->via.str.size : field->size - 1);
        return true;
    case FIELD_BYTES:
        if (item->type != MSGPACK_OBJECT_BIN || item->via.bin.size != field->size)
            return false;
        memcpy(member, item->via.bin.ptr, field->size);
        return true;
    case FIELD_INT64:
        if (!decode_int64(item, &wide))
            return false;
        memcpy(member, &wide, sizeof(wide));
        return true;
    case FIELD_INT:
    case FIELD_ENUM:
        if (!decode_int64(item, &wide) || wide < INT_MIN || wide > INT_MAX)
            return false;
        if (field->kind == FIELD_ENUM && (wide < 0 || (uint64_t)wide > field->last))
            return false;
        memcpy(member, &(int){(int)wide}, sizeof(int));
        return true;
    case FIELD_BOOL:
        if (item->type != MSGPACK_OBJECT_BOOLEAN)
            return false;
        memcpy(member, &item->via.boolean, sizeof(bool));
        return true;
    case FIELD_USAGE_JSON:
        return decode_usage_json(item, fields);
    }
    return false;
}

int journal_record_decode(const uint8_t *payload, size_t length,
                          union journal_record_fields *fields, struct journal_record *record,
                          struct error *err)
{
    __attribute__((cleanup(payload_reader_done))) struct payload_reader reader = {
        .bytes = (const char *)payload, .length = length};
    int64_t type;
    int64_t version;
    const msgpack_object *item;
    if (!payload_begin(&reader) || (item = payload_next(&reader)) == NULL ||
        !decode_int64(item, &type) || (item = payload_next(&reader)) == NULL ||
        !decode_int64(item, &version) || type < 0 || version < 1)
        return error_set(err, -EBADMSG, "not an array that begins with type and version");
    const struct record_layout *layout = layout_find((uint64_t)type);
    if (layout == NULL)
        return error_set(err, -ENOTSUP, "a record of the unknown type %lld", (long long)type);

    memset(fields, 0, sizeof(*fields));
    for (size_t i = 0; i < layout->field_count && reader.items_left > 0; i++) {
        const struct field *field = &layout->fields[i];
        item = payload_next(&reader);
        if (item == NULL || !decode_field(field, item, fields))
            return error_set(err, -EBADMSG, "a record of type %lld with a bad field %s",
                             (long long)type, field->name);
    }
    record->type = layout->type;
    record->fields = fields;
    return 0;
}
