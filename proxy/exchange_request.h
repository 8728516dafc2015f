// Exchange request: an exchange's request as it goes upstream, under the credential that was
// chosen.
//
// For exchange.c alone.
#pragma once

#include "error.h"
#include "upstream.h"

#include <stddef.h>
#include <stdint.h>

struct exchange;

// Opens the transfer. -EMSGSIZE: its headers do not fit; -EAGAIN: too many wait.
int exchange_request_open(struct exchange *exchange, const struct upstream_receiver *receiver,
                          struct error *err);

// Bytes of its body, as upstream_receiver.body_peek.
size_t exchange_request_peek(void *exchange, uint64_t offset, const char **bytes);
