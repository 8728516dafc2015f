// Journal records to msgpack and back, as the table of fields of each type says (journal_layout.c).
#include "journal_record.h"

#include "crc32c.h"
#include "journal_layout.h"
#include "msgpack_integer.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <msgpack.h>
#include <stddef.h>
#include <string.h>

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

static void encode_field(const struct journal_field *field, const void *fields,
                         msgpack_packer *packer)
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
    const struct journal_layout *layout = journal_layout_find(record->type);
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
    const struct journal_layout *layout = journal_layout_find(type);
    assert(layout != NULL);
    size_t length = JOURNAL_FRAME_BYTES + 3 + 9 + 9; // array header, type, version
    for (size_t i = 0; i < layout->field_count; i++) {
        enum journal_field_kind kind = layout->fields[i].kind;
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

static bool decode_field(const struct journal_field *field, const msgpack_object *item,
                         void *fields)
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
        if (!msgpack_integer_read(item, &wide))
            return false;
        memcpy(member, &wide, sizeof(wide));
        return true;
    case FIELD_INT:
    case FIELD_ENUM:
        if (!msgpack_integer_read(item, &wide) || wide < INT_MIN || wide > INT_MAX)
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
        !msgpack_integer_read(item, &type) || (item = payload_next(&reader)) == NULL ||
        !msgpack_integer_read(item, &version) || type < 0 || version < 1)
        return error_set(err, -EBADMSG, "not an array that begins with type and version");
    const struct journal_layout *layout = journal_layout_find((uint64_t)type);
    if (layout == NULL)
        return error_set(err, -ENOTSUP, "a record of the unknown type %lld", (long long)type);

    memset(fields, 0, sizeof(*fields));
    for (size_t i = 0; i < layout->field_count && reader.items_left > 0; i++) {
        const struct journal_field *field = &layout->fields[i];
        item = payload_next(&reader);
        if (item == NULL || !decode_field(field, item, fields))
            return error_set(err, -EBADMSG, "a record of type %lld with a bad field %s",
                             (long long)type, field->name);
    }
    record->type = layout->type;
    record->fields = fields;
    return 0;
}
