// Splice: asks for a smaller answer, or another model, than the agent did.

#include "splice.h"

#include <inttypes.h>
#include <string.h>

void splice_admitted(struct request_body *body, const struct request_scan *scan,
                     const struct admission *admission)
{
    char text[REQUEST_SPLICE_TEXT_MAX];
    request_body_restore(body); // of an attempt before this one
    if (admission->max_tokens < scan->max_tokens) {
        snprintf(text, sizeof(text), "%" PRId64, admission->max_tokens);
        request_body_splice(body, scan->max_tokens_at.offset, scan->max_tokens_at.length, text);
    }
    if (strcmp(admission->model, admission->model_asked) != 0) {
        snprintf(text, sizeof(text), "\"%s\"", admission->model);
        request_body_splice(body, scan->model_at.offset, scan->model_at.length, text);
    }
}
