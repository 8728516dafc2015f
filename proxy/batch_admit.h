// Batch admit: what a Message Batch can cost at most: the sum over all of its requests, reserved
// at once, or the batch is refused.
//
// There is no clamping, as a batch is sent byte for byte. A prompt whose length the body does not
// bound (images, documents, files) is taken to fill the context window: nobody counts 100,000 of
// them beforehand.
#pragma once

#include "admit.h"

struct batch_request;

// `body` is whole, and outlives it. NULL when out of memory, which batch_admit() says.
struct batch_request *batch_request_new(struct slice body);
void batch_request_free(struct batch_request *batch); // NULL is allowed

// Reads on in the body, a bounded part of it at a call, until ADMIT_UNREAD is no more what it
// returns; then reserves. As admit(), but ADMIT_COUNT, ADMIT_UNCOUNTED and ADMIT_REFUSED do not
// occur: a batch that does not fit is ADMIT_TOO_DEAR. Of `request`, scan and counts are not looked
// at.
enum admit_outcome batch_admit(struct proxy *proxy, const struct admit_request *request,
                               struct batch_request *batch, struct admission *admission,
                               char message[static ADMIT_MESSAGE_MAX]);
