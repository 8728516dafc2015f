// Upload: the window between an agent that sends a large body and the upstream that takes it.

#include "upload.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Enough for whatever is appended to a window that is not full yet. It is never moved or grown:
// OpenSSL wants what it could not send at the same address again (SSL_write(3)).
#define CAPACITY (UPLOAD_WINDOW_BYTES + UPLOAD_PIECE_BYTES_MAX)

bool upload_append(struct upload *upload, const char *bytes, size_t length)
{
    if (upload->total + (int64_t)length > upload->total_max)
        return false;
    assert(!upload_is_full(upload) && length <= UPLOAD_PIECE_BYTES_MAX);
    if (upload->bytes == NULL && (upload->bytes = malloc(CAPACITY)) == NULL)
        return false;
    memcpy(upload->bytes + upload->length, bytes, length);
    upload->length += length;
    upload->total += (int64_t)length;
    return true;
}

size_t upload_peek(struct upload *upload, uint64_t offset, const char **bytes, bool *at_end)
{
    assert(offset >= upload->start && offset - upload->start <= upload->length);
    size_t used = (size_t)(offset - upload->start);
    // Dropping moves what is left, so it is done once a good part has gone out.
    if (used > UPLOAD_WINDOW_BYTES / 2 || (used > 0 && used == upload->length)) {
        upload->length -= used;
        memmove(upload->bytes, upload->bytes + used, upload->length);
        upload->start = offset;
        used = 0;
    }
    *bytes = upload->bytes + used;
    *at_end = upload->ended && upload->length == used;
    return upload->length - used;
}

void upload_done(struct upload *upload)
{
    free(upload->bytes);
    *upload = (struct upload){0};
}
