// Handover message: one table of fields per type, from which both directions are derived.

#include "handover_message.h"

#include "cleanup.h"
#include "msgpack_integer.h"
#include "msgpack_scan.h"

#include <assert.h>
#include <msgpack.h>
#include <string.h>
#include <sys/socket.h>

enum field_kind {
    FIELD_INTEGER, // int64_t
    FIELD_FLAG,    // bool
    FIELD_TEXT,    // char[size]
    FIELD_BYTES,   // uint8_t[size]
    FIELD_SLICE,   // struct slice
};

struct field {
    enum field_kind kind;
    size_t offset; // from the start of the message's body
    size_t size;
};

#define FIELDS_MAX 16
#define FIELD(kind, type, path)                                                                    \
    {                                                                                              \
        kind, offsetof(struct type, path), sizeof(((struct type *)NULL)->path)                     \
    }
#define HELD(kind) FIELD(FIELD_INTEGER, handover_in_flight, reservation.held.of[kind])
#define GROWTH(kind) FIELD(FIELD_INTEGER, handover_in_flight, reservation.growth.of[kind])

static const struct field message_fields[][FIELDS_MAX] = {
    [HANDOVER_PREPARED] = {FIELD(FIELD_INTEGER, handover_prepared, pid),
                           FIELD(FIELD_TEXT, handover_prepared, journal_directory)},
    [HANDOVER_FAILED] = {FIELD(FIELD_TEXT, handover_failed, text)},
    [HANDOVER_PREDECESSOR] = {FIELD(FIELD_INTEGER, handover_predecessor, pid)},
    [HANDOVER_IN_FLIGHT] = {FIELD(FIELD_INTEGER, handover_in_flight, pid),
                            FIELD(FIELD_BYTES, handover_in_flight, exchange_id),
                            FIELD(FIELD_TEXT, handover_in_flight, reservation.run_id),
                            FIELD(FIELD_TEXT, handover_in_flight, reservation.job),
                            FIELD(FIELD_INTEGER, handover_in_flight, reservation.reserved_at_us),
                            HELD(BUDGET_COST), HELD(BUDGET_TOKENS), HELD(BUDGET_OUTPUT_TOKENS),
                            HELD(BUDGET_REQUESTS), GROWTH(BUDGET_COST), GROWTH(BUDGET_TOKENS),
                            GROWTH(BUDGET_OUTPUT_TOKENS), GROWTH(BUDGET_REQUESTS)},
    [HANDOVER_TAKE] = {FIELD(FIELD_INTEGER, handover_take, pid),
                       FIELD(FIELD_FLAG, handover_take, owns_control_file)},
    [HANDOVER_READY] = {{0}},
    [HANDOVER_RECORD] = {FIELD(FIELD_SLICE, handover_record, bytes)},
    [HANDOVER_AGENT] = {FIELD(FIELD_SLICE, handover_agent, bytes)},
    [HANDOVER_COUNTS] = {FIELD(FIELD_TEXT, handover_counts, run_id),
                         FIELD(FIELD_INTEGER, handover_counts, free_calls),
                         FIELD(FIELD_INTEGER, handover_counts, refused)},
    [HANDOVER_CANCEL] = {FIELD(FIELD_TEXT, handover_cancel, run_id)},
};

#define TYPES (sizeof(message_fields) / sizeof(message_fields[0]))

static size_t count_fields(uint64_t type)
{
    size_t count = 0;
    while (count < FIELDS_MAX && message_fields[type][count].size > 0)
        count++;
    return count;
}

// What the tables' offsets count from: all bodies start at the same address.
static void *body_of(const struct handover_message *message)
{
    return (void *)&message->prepared;
}

// ---- msgpack

struct target {
    uint8_t *bytes;
    size_t length;
    bool is_full;
};

static int target_write(void *context, const char *bytes, size_t length)
{
    struct target *target = context;
    if (length == 0)
        return 0;
    if (target->is_full || length > HANDOVER_BYTES_MAX - target->length) {
        target->is_full = true;
        return -1;
    }
    memcpy(target->bytes + target->length, bytes, length);
    target->length += length;
    return 0;
}

static void pack_bytes(msgpack_packer *packer, const void *bytes, size_t length)
{
    msgpack_pack_bin(packer, length);
    msgpack_pack_bin_body(packer, bytes, length);
}

// Failures of the packer are in the target.
static void pack_field(msgpack_packer *packer, const struct field *field, const void *body)
{
    const char *value = (const char *)body + field->offset;
    struct slice slice;
    switch (field->kind) {
    case FIELD_INTEGER:
        msgpack_pack_int64(packer, *(const int64_t *)(const void *)value);
        break;
    case FIELD_FLAG:
        *(const bool *)value ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case FIELD_TEXT:
        pack_bytes(packer, value, strnlen(value, field->size - 1));
        break;
    case FIELD_BYTES:
        pack_bytes(packer, value, field->size);
        break;
    case FIELD_SLICE:
        memcpy(&slice, value, sizeof(slice));
        pack_bytes(packer, slice.bytes, slice.length);
        break;
    }
}

int handover_message_encode(const struct handover_message *message,
                            uint8_t packet[static HANDOVER_BYTES_MAX], struct error *err)
{
    struct target target = {.bytes = packet};
    size_t count = count_fields(message->type);
    msgpack_packer packer;
    assert(message->type > 0 && message->type < TYPES);
    msgpack_packer_init(&packer, &target, target_write);
    msgpack_pack_array(&packer, count + 1);
    msgpack_pack_unsigned_int(&packer, message->type);
    for (size_t i = 0; i < count; i++)
        pack_field(&packer, &message_fields[message->type][i], body_of(message));
    if (target.is_full)
        return error_set(err, -EMSGSIZE, "a message to another daemon of more than %d bytes",
                         HANDOVER_BYTES_MAX);
    return (int)target.length;
}

static bool read_field(const struct field *field, const msgpack_object *value, void *body)
{
    char *place = (char *)body + field->offset;
    if (field->kind == FIELD_INTEGER)
        return msgpack_integer_read(value, (int64_t *)(void *)place);
    if (field->kind == FIELD_FLAG) {
        *(bool *)place = value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
        return value->type == MSGPACK_OBJECT_BOOLEAN;
    }
    if (value->type != MSGPACK_OBJECT_BIN)
        return false;
    struct slice bytes = {value->via.bin.ptr, value->via.bin.size};
    if (field->kind == FIELD_SLICE) {
        memcpy(place, &bytes, sizeof(bytes));
        return true;
    }
    if (field->kind == FIELD_TEXT && bytes.length == 0)
        return true; // it may have no address; the message is zeroed
    bool fits = field->kind == FIELD_TEXT
                    ? bytes.length < field->size && memchr(bytes.bytes, '\0', bytes.length) == NULL
                    : bytes.length == field->size;
    if (fits)
        memcpy(place, bytes.bytes, bytes.length);
    return fits;
}

static int read_message(const msgpack_object *array, struct handover_message *message,
                        struct error *err)
{
    int64_t type = 0;
    if (array->type != MSGPACK_OBJECT_ARRAY || array->via.array.size == 0 ||
        !msgpack_integer_read(&array->via.array.ptr[0], &type) || type <= 0)
        return error_set(err, -EBADMSG, "a message between daemons without a type");
    if ((uint64_t)type >= TYPES)
        return error_set(err, -ENOTSUP, "a message between daemons of type %lld", (long long)type);
    message->type = (enum handover_type)type;
    for (size_t i = 0; i < count_fields((uint64_t)type) && i + 1 < array->via.array.size; i++)
        if (!read_field(&message_fields[type][i], &array->via.array.ptr[i + 1], body_of(message)))
            return error_set(err, -EBADMSG, "field %zu of a message between daemons, of type %lld",
                             i, (long long)type);
    return 0;
}

int handover_message_decode(const uint8_t *packet, size_t length, struct handover_message *message,
                            struct error *err)
{
    msgpack_unpacked unpacked;
    size_t end = 0;
    int result;
    memset(message, 0, sizeof(*message));
    msgpack_unpacked_init(&unpacked);
    if (!msgpack_counts_are_honest(packet, length) ||
        msgpack_unpack_next(&unpacked, (const char *)packet, length, &end) !=
            MSGPACK_UNPACK_SUCCESS ||
        end != length)
        result = error_set(err, -EBADMSG, "a message between daemons is not one msgpack value");
    else
        result = read_message(&unpacked.data, message, err);
    msgpack_unpacked_destroy(&unpacked); // binary values are not copied: they are in the packet
    return result;
}

// ---- the socket

union control_room {
    char bytes[CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))];
    struct cmsghdr alignment;
};

int handover_send(int fd, int flags, const struct handover_message *message, const int *fds,
                  size_t fd_count, struct error *err)
{
    uint8_t packet[HANDOVER_BYTES_MAX];
    union control_room room = {{0}};
    int length = handover_message_encode(message, packet, err);
    if (length < 0)
        return length;
    struct iovec part = {packet, (size_t)length};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    assert(fd_count <= HANDOVER_FDS_MAX);
    if (fd_count > 0) {
        header.msg_control = &room;
        header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &header, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    explicit_bzero(packet, (size_t)length); // heads hold run keys
    return sent < 0 ? error_set_errno(err, -errno, "telling another daemon") : 0;
}

static void take_rights(struct msghdr *header, int fds[static HANDOVER_FDS_MAX])
{
    size_t count = 0;
    for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each != NULL;
         each = CMSG_NXTHDR(header, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
            continue;
        size_t here = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here && count < HANDOVER_FDS_MAX; i++)
            memcpy(&fds[count++], CMSG_DATA(each) + i * sizeof(int), sizeof(int));
    }
}

int handover_receive(int fd, int flags, struct handover_packet *packet, struct error *err)
{
    union control_room room;
    struct iovec part = {packet->bytes, sizeof(packet->bytes)};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room, .msg_controllen = sizeof(room)};
    packet->fds[0] = packet->fds[1] = -1;
    ssize_t length;
    do {
        length = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return error_set(err, -EAGAIN, "the other daemon has not said anything");
    if (length == 0 || (length < 0 && errno == ECONNRESET))
        return error_set(err, -EPIPE, "the other daemon has gone");
    if (length < 0)
        return error_set_errno(err, -errno, "hearing another daemon");
    take_rights(&header, packet->fds);
    int result =
        (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
            ? error_set(err, -EBADMSG, "a message between daemons that is too long")
            : handover_message_decode(packet->bytes, (size_t)length, &packet->message, err);
    if (result < 0)
        handover_packet_done(packet);
    return result;
}

void handover_packet_done(struct handover_packet *packet)
{
    for (size_t i = 0; i < HANDOVER_FDS_MAX; i++)
        if (packet->fds[i] >= 0)
            close(take_fd(&packet->fds[i]));
}
