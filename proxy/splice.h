// Splice: asks for a smaller answer, or another model, than the agent did: only those bytes change,
// or the prompt cache is lost.
#pragma once

#include "admit.h"
#include "request_body.h"
#include "request_scan.h"

// `scan` is of the body as it came.
void splice_admitted(struct request_body *body, const struct request_scan *scan,
                     const struct admission *admission);
