// Control messages: one table of fields per type, from which both directions are derived.

#include "control_message.h"

#include "msgpack_integer.h"
#include "msgpack_scan.h"

#include <assert.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum field_kind {
    FIELD_INTEGER, // int64_t
    FIELD_WORD,    // an enum, from 0 to size - 1
    FIELD_FLAG,    // bool
    FIELD_TEXT,    // char[size]
    FIELD_LIST,    // a pointer to elements of `size` bytes, and a size_t at `count_offset`
};

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset; // from the start of the message or element
    size_t size;
    size_t count_offset;
    const struct field_table *element;
};

struct field_table {
    size_t count;
    const struct field *fields;
};

#define TABLE(...)                                                                                 \
    {                                                                                              \
        .count = sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field),               \
        .fields = (const struct field[]){__VA_ARGS__},                                             \
    }
#define INTEGER(type, path)                                                                        \
    {                                                                                              \
#path, FIELD_INTEGER, offsetof(struct type, path), 0, 0, NULL                              \
    }
#define WORD(type, path, limit)                                                                    \
    {                                                                                              \
#path, FIELD_WORD, offsetof(struct type, path), limit, 0, NULL                             \
    }
#define FLAG(type, path)                                                                           \
    {                                                                                              \
#path, FIELD_FLAG, offsetof(struct type, path), 0, 0, NULL                                 \
    }
#define TEXT(type, path)                                                                           \
    {                                                                                              \
#path, FIELD_TEXT, offsetof(struct type, path), sizeof(((struct type *)NULL)->path), 0,    \
            NULL                                                                                   \
    }
#define LIST(type, path, count, element)                                                           \
    {                                                                                              \
#path, FIELD_LIST, offsetof(struct type, path), sizeof(*((struct type *)NULL)->path),      \
            offsetof(struct type, count), &element                                                 \
    }
#define LIMITS(type)                                                                               \
    INTEGER(type, limits.cost_max_pico_usd), INTEGER(type, limits.tokens_max),                     \
        INTEGER(type, limits.output_tokens_max), INTEGER(type, limits.requests_max),               \
        INTEGER(type, limits.memory_max_bytes), INTEGER(type, limits.memory_high_bytes),           \
        INTEGER(type, limits.memory_swap_max_bytes), INTEGER(type, limits.tasks_max),              \
        INTEGER(type, limits.cpu_quota_percent), INTEGER(type, limits.runtime_max_us)
#define TOKENS(type)                                                                               \
    INTEGER(type, tokens.input), INTEGER(type, tokens.output),                                     \
        INTEGER(type, tokens.cache_write_5m), INTEGER(type, tokens.cache_write_1h),                \
        INTEGER(type, tokens.cache_read)

static const struct field_table run_fields = TABLE(
    TEXT(status_run, id), TEXT(status_run, job), TEXT(status_run, command), TEXT(status_run, state),
    INTEGER(status_run, pid), INTEGER(status_run, opened_at_us), INTEGER(status_run, cost_pico_usd),
    INTEGER(status_run, cost_max_pico_usd), INTEGER(status_run, counted_tokens),
    INTEGER(status_run, tokens_max), INTEGER(status_run, exchanges),
    INTEGER(status_run, exchanges_in_flight), TOKENS(status_run));
static const struct field_table waiting_fields = TABLE(
    TEXT(status_waiting, job), INTEGER(status_waiting, pid), INTEGER(status_waiting, priority),
    INTEGER(status_waiting, since_us), TEXT(status_waiting, why));
static const struct field_table credential_fields = TABLE(
    TEXT(status_credential, name), TEXT(status_credential, type), TEXT(status_credential, state),
    TEXT(status_credential, serves), TEXT(status_credential, fingerprint),
    INTEGER(status_credential, priority), INTEGER(status_credential, expires_at_us),
    INTEGER(status_credential, until_us), INTEGER(status_credential, served_at_us),
    INTEGER(status_credential, exchanges), INTEGER(status_credential, refreshes),
    INTEGER(status_credential, used_percent), TEXT(status_credential, text));
static const struct field_table ceiling_fields =
    TABLE(TEXT(status_ceiling, scope), TEXT(status_ceiling, period), TEXT(status_ceiling, kind),
          INTEGER(status_ceiling, limit), INTEGER(status_ceiling, settled),
          INTEGER(status_ceiling, held), INTEGER(status_ceiling, resets_at_us));

// By type; the offsets count from the message's body.
static const struct field_table channel_fields =
    TABLE(TEXT(status_channel, name), TEXT(status_channel, target), TEXT(status_channel, kinds),
          TEXT(status_channel, state), INTEGER(status_channel, owed),
          INTEGER(status_channel, retry_at_us), TEXT(status_channel, problem));
static const struct field_table alert_fields = TABLE(
    TEXT(status_alert, kind), TEXT(status_alert, run_id), TEXT(status_alert, job),
    TEXT(status_alert, text), INTEGER(status_alert, raised_at_us), TEXT(status_alert, owed_to),
    INTEGER(status_alert, sent), INTEGER(status_alert, given_up));
static const struct field_table trial_fields =
    TABLE(TEXT(status_trial, channel), TEXT(status_trial, target), TEXT(status_trial, problem),
          INTEGER(status_trial, lasted_us));
static const struct field_table state_row_fields = TABLE(
    WORD(source_state_row, state, SOURCE_STATES), FLAG(source_state_row, whole_run),
    FLAG(source_state_row, is_expired), INTEGER(source_state_row, fence),
    INTEGER(source_state_row, claimed_at_us), INTEGER(source_state_row, expires_at_us),
    INTEGER(source_state_row, done_at_us), TEXT(source_state_row, job), TEXT(source_state_row, key),
    TEXT(source_state_row, holder), TEXT(source_state_row, host));
static const struct field_table message_fields[] = {
    [CONTROL_RUN_OPEN] = TABLE(TEXT(control_run_open, job), TEXT(control_run_open, command),
                               INTEGER(control_run_open, pid), INTEGER(control_run_open, priority),
                               INTEGER(control_run_open, wait_us), LIMITS(control_run_open)),
    [CONTROL_QUEUED] = TABLE(INTEGER(control_queued, position)),
    [CONTROL_GRANTED] =
        TABLE(TEXT(control_granted, run_id), TEXT(control_granted, run_key),
              TEXT(control_granted, base_url), TEXT(control_granted, job),
              INTEGER(control_granted, kill_grace_us),
              WORD(control_granted, cache_ttl, CONFIG_CACHE_TTL_1H + 1), LIMITS(control_granted)),
    [CONTROL_REFUSED] =
        TABLE(WORD(control_refused, code, CONTROL_REFUSALS), TEXT(control_refused, text)),
    [CONTROL_RUN_STARTED] =
        TABLE(TEXT(control_run_started, cgroup), INTEGER(control_run_started, pid)),
    [CONTROL_RUN_KILL] =
        TABLE(WORD(control_run_kill, reason, RUN_LOST + 1), TEXT(control_run_kill, text)),
    [CONTROL_RUN_ENDED] = TABLE(
        WORD(control_run_ended, end, RUN_LOST + 1), INTEGER(control_run_ended, exit_code),
        INTEGER(control_run_ended, memory_peak_bytes), INTEGER(control_run_ended, cpu_us),
        INTEGER(control_run_ended, io_read_bytes), INTEGER(control_run_ended, io_written_bytes),
        INTEGER(control_run_ended, memory_stall_us)),
    [CONTROL_SETTLED] =
        TABLE(WORD(control_settled, end, RUN_LOST + 1), INTEGER(control_settled, exchanges),
              INTEGER(control_settled, free_calls), INTEGER(control_settled, refused),
              INTEGER(control_settled, cost_pico_usd), TOKENS(control_settled)),
    [CONTROL_KILL] = TABLE(TEXT(control_kill, run_id)),
    [CONTROL_DONE] = {0, NULL},
    [CONTROL_STATUS] = {0, NULL},
    [CONTROL_STATUS_REPLY] = TABLE(
        TEXT(status, version), TEXT(status, listen), TEXT(status, upstream), INTEGER(status, pid),
        INTEGER(status, started_at_us), INTEGER(status, now_us), INTEGER(status, slots),
        INTEGER(status, memory_for_runs_bytes), INTEGER(status, memory_taken_bytes),
        INTEGER(status, exchanges_in_flight), INTEGER(status, ledger_lag_bytes),
        TEXT(status, ledger), LIST(status, runs, run_count, run_fields),
        LIST(status, waiting, waiting_count, waiting_fields),
        LIST(status, credentials, credential_count, credential_fields),
        LIST(status, ceilings, ceiling_count, ceiling_fields)),
    [CONTROL_ALERT_LIST] = {0, NULL},
    [CONTROL_ALERTS] = TABLE(LIST(control_alerts, channels, channel_count, channel_fields),
                             LIST(control_alerts, alerts, alert_count, alert_fields)),
    [CONTROL_ALERT_TEST] = TABLE(TEXT(control_alert_test, section)),
    [CONTROL_ALERT_TESTED] = TABLE(LIST(control_alert_tested, trials, trial_count, trial_fields)),
    [CONTROL_CREDENTIAL] = TABLE(WORD(control_credential, verb, CONTROL_CREDENTIAL_VERBS),
                                 TEXT(control_credential, name)),
    [CONTROL_CREDENTIAL_DONE] =
        TABLE(INTEGER(control_credential_done, good), TEXT(control_credential_done, text)),
    [CONTROL_RUN_PLACED] = TABLE(TEXT(control_run_placed, directory)),
    [CONTROL_RUN_ADOPT] = TABLE(TEXT(control_run_adopt, run_id), TEXT(control_run_adopt, run_key),
                                TEXT(control_run_adopt, directory)),
    [CONTROL_RUN_ADOPTED] = {0, NULL},
    [CONTROL_RUN_ESCAPED] = TABLE(TEXT(control_run_escaped, text)),
    [CONTROL_PAGE_OPEN] = {0, NULL},
    [CONTROL_PAGE_LINK] = TABLE(TEXT(control_page_link, url), INTEGER(control_page_link, valid_us)),
    [CONTROL_STATE_ASK] =
        TABLE(WORD(control_state_ask, action, SOURCE_STATE_LIST + 1), TEXT(control_state_ask, job),
              TEXT(control_state_ask, key), TEXT(control_state_ask, run_key),
              TEXT(control_state_ask, result), INTEGER(control_state_ask, ttl_us),
              INTEGER(control_state_ask, fence), FLAG(control_state_ask, force),
              FLAG(control_state_ask, whole_run)),
    [CONTROL_STATE_TOLD] = TABLE(WORD(control_state_told, outcome, SOURCE_STATE_OUTCOMES),
                                 TEXT(control_state_told, text), TEXT(control_state_told, result),
                                 LIST(control_state_told, rows, row_count, state_row_fields)),
    [CONTROL_RELOAD] = {0, NULL},
    [CONTROL_RELOADED] =
        TABLE(INTEGER(control_reloaded, pid_before), INTEGER(control_reloaded, pid),
              INTEGER(control_reloaded, exchanges_in_flight)),
};

static const struct field_table *table_of_type(uint64_t type)
{
    if (type < CONTROL_RUN_OPEN || type >= sizeof(message_fields) / sizeof(message_fields[0]))
        return NULL;
    return &message_fields[type];
}

static void *list_of(const struct field *field, const void *object)
{
    void *list;
    memcpy(&list, (const char *)object + field->offset, sizeof(list));
    return list;
}

static size_t *count_of(const struct field *field, void *object)
{
    return (size_t *)(void *)((char *)object + field->count_offset);
}

void *control_list_add(void *list, size_t *count, size_t element_size)
{
    void *elements;
    memcpy(&elements, list, sizeof(elements));
    if (*count >= CONTROL_LIST_MAX)
        return NULL;
    char *grown = elements;
    if ((*count & (*count - 1)) == 0) { // 0, or full at a power of two
        grown = realloc(elements, (*count == 0 ? 1 : 2 * *count) * element_size);
        if (grown == NULL)
            return NULL;
        memcpy(list, &grown, sizeof(grown));
    }
    return memset(grown + (*count)++ * element_size, 0, element_size);
}

// What the tables' offsets count from: all bodies start at the same address.
static void *body_of(const struct control_message *message)
{
    return (void *)&message->run_open;
}

static void free_lists(const struct field_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->fields[i].kind == FIELD_LIST)
            free(list_of(&table->fields[i], object));
}

void control_message_done(struct control_message *message)
{
    const struct field_table *table = table_of_type(message->type);
    if (table != NULL)
        free_lists(table, body_of(message));
    explicit_bzero(message, sizeof(*message));
}

// The frame under construction. Grows without leaving a copy of a secret behind.
struct frame {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    int result;
};

static int frame_write(void *context, const char *bytes, size_t length)
{
    struct frame *frame = context;
    if (frame->result == 0 && frame->length + length > CONTROL_FRAME_MAX + 4)
        frame->result = -EMSGSIZE;
    if (frame->result == 0 && frame->length + length > frame->capacity) {
        size_t capacity = (frame->length + length) * 2;
        uint8_t *grown = malloc(capacity);
        if (grown != NULL && frame->bytes != NULL) {
            memcpy(grown, frame->bytes, frame->length);
            explicit_bzero(frame->bytes, frame->length);
            free(frame->bytes);
        }
        frame->result = grown != NULL ? 0 : -ENOMEM;
        frame->bytes = grown != NULL ? grown : frame->bytes;
        frame->capacity = grown != NULL ? capacity : frame->capacity;
    }
    if (frame->result < 0)
        return -1;
    memcpy(frame->bytes + frame->length, bytes, length);
    frame->length += length;
    return 0;
}

static void pack_text(msgpack_packer *packer, const char *text, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

// Failures of the packer are in the frame's result.
static void pack_fields(msgpack_packer *packer, const struct field_table *table, void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        char *value = (char *)object + field->offset;
        pack_text(packer, field->key, strlen(field->key));
        switch (field->kind) {
        case FIELD_INTEGER:
            msgpack_pack_int64(packer, *(int64_t *)(void *)value);
            break;
        case FIELD_WORD:
            msgpack_pack_unsigned_int(packer, *(unsigned *)(void *)value);
            break;
        case FIELD_FLAG:
            *(bool *)(void *)value ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
            break;
        case FIELD_TEXT:
            pack_text(packer, value, strnlen(value, field->size - 1));
            break;
        case FIELD_LIST: {
            size_t count = *count_of(field, object);
            char *element = list_of(field, object);
            msgpack_pack_array(packer, count);
            for (; count > 0; count--, element += field->size) {
                msgpack_pack_map(packer, field->element->count);
                pack_fields(packer, field->element, element);
            }
        }
        }
    }
}

int control_message_encode(const struct control_message *message, uint8_t **frame, size_t *length,
                           struct error *err)
{
    const struct field_table *table = table_of_type(message->type);
    assert(table != NULL);
    struct frame built = {.result = 0};
    msgpack_packer packer;
    msgpack_packer_init(&packer, &built, frame_write);
    frame_write(&built, "\0\0\0\0", 4); // room for the length
    msgpack_pack_map(&packer, table->count + 1);
    pack_text(&packer, "type", 4);
    msgpack_pack_unsigned_int(&packer, message->type);
    pack_fields(&packer, table, body_of(message));
    if (built.result < 0) {
        explicit_bzero(built.bytes, built.length);
        free(built.bytes);
        return error_set_errno(err, built.result, "encoding a control message");
    }
    size_t payload = built.length - 4;
    for (int i = 0; i < 4; i++)
        built.bytes[i] = (uint8_t)(payload >> (8 * i));
    *frame = built.bytes;
    *length = built.length;
    return 0;
}

static bool key_is(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static int read_fields(const msgpack_object *map, const struct field_table *table, void *object,
                       struct error *err);

static bool read_list(const struct field *field, const msgpack_object *value, void *object,
                      struct error *err)
{
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size > CONTROL_LIST_MAX)
        return false;
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        void *element =
            control_list_add((char *)object + field->offset, count_of(field, object), field->size);
        if (element == NULL ||
            read_fields(&value->via.array.ptr[i], field->element, element, err) < 0)
            return false;
    }
    return true;
}

static bool read_field(const struct field *field, const msgpack_object *value, void *object,
                       struct error *err)
{
    char *target = (char *)object + field->offset;
    int64_t word;
    switch (field->kind) {
    case FIELD_INTEGER:
        return msgpack_integer_read(value, (int64_t *)(void *)target);
    case FIELD_WORD:
        if (!msgpack_integer_read(value, &word) || word < 0 || (size_t)word >= field->size)
            return false;
        *(unsigned *)(void *)target = (unsigned)word;
        return true;
    case FIELD_FLAG:
        if (value->type != MSGPACK_OBJECT_BOOLEAN)
            return false;
        *(bool *)(void *)target = value->via.boolean;
        return true;
    case FIELD_TEXT:
        if (value->type != MSGPACK_OBJECT_STR || value->via.str.size >= field->size ||
            memchr(value->via.str.ptr, '\0', value->via.str.size) != NULL)
            return false;
        memcpy(target, value->via.str.ptr, value->via.str.size); // the object is zeroed
        return true;
    case FIELD_LIST:
        return read_list(field, value, object, err);
    }
    return false;
}

// Reads all fields of the table from a map, each exactly once.
static int read_fields(const msgpack_object *map, const struct field_table *table, void *object,
                       struct error *err)
{
    uint64_t seen = 0; // a bit for each field
    assert(table->count <= 64);
    if (map->type != MSGPACK_OBJECT_MAP)
        return error_set(err, -EBADMSG, "a control message has something else in place of a map");
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        for (size_t j = 0; j < table->count; j++) {
            if (!key_is(&pair->key, table->fields[j].key))
                continue;
            if ((seen & UINT64_C(1) << j) != 0 ||
                !read_field(&table->fields[j], &pair->val, object, err))
                return error_set(err, -EBADMSG, "a control message has a bad or second %s",
                                 table->fields[j].key);
            seen |= UINT64_C(1) << j;
        }
    }
    for (size_t j = 0; j < table->count; j++)
        if ((seen & UINT64_C(1) << j) == 0)
            return error_set(err, -EBADMSG, "a control message lacks %s", table->fields[j].key);
    return 0;
}

static const struct field_table type_field = TABLE({"type", FIELD_INTEGER, 0, 0, 0, NULL});

static int read_message(const msgpack_object *map, struct control_message *message,
                        struct error *err)
{
    int64_t type;
    int result = read_fields(map, &type_field, &type, err);
    if (result < 0)
        return result;
    const struct field_table *table = type < 0 ? NULL : table_of_type((uint64_t)type);
    if (table == NULL)
        return error_set(err, -EBADMSG, "a control message of an unknown type %lld",
                         (long long)type);
    message->type = (enum control_type)type;
    return read_fields(map, table, body_of(message), err);
}

int control_message_decode(const uint8_t *payload, size_t length, struct control_message *message,
                           struct error *err)
{
    struct control_message read;
    msgpack_unpacked unpacked;
    size_t end = 0;
    if (length > CONTROL_FRAME_MAX)
        return error_set(err, -EBADMSG, "a control message of %zu bytes", length);
    memset(&read, 0, sizeof(read));
    msgpack_unpacked_init(&unpacked);
    int result;
    if (!msgpack_counts_are_honest(payload, length) ||
        msgpack_unpack_next(&unpacked, (const char *)payload, length, &end) !=
            MSGPACK_UNPACK_SUCCESS ||
        end != length)
        result = error_set(err, -EBADMSG, "a control message that is not one msgpack value");
    else
        result = read_message(&unpacked.data, &read, err);
    msgpack_unpacked_destroy(&unpacked);
    if (result == 0)
        *message = read;
    else
        control_message_done(&read);
    explicit_bzero(&read, sizeof(read));
    return result;
}
