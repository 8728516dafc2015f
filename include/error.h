// Error value: what went wrong, as a negative errno and one sentence, wrapped on its way up.
//
// Every fallible function returns 0 or a negative errno and takes `struct error *err` last. It
// leaves its outputs untouched on failure. Callers add what they attempted with error_wrap(); only
// the top logs.
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_MAX 512

struct error {
    int code; // negative errno, 0 while nothing has failed
    char text[ERROR_TEXT_MAX];
};

// Sets `err` (may be NULL) to a negative errno `code` and a formatted sentence without a full stop.
// Returns `code`, so that a failing function can end with `return error_set(...)`.
__attribute__((format(printf, 3, 4))) static inline int error_set(struct error *err, int code,
                                                                  const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        err->code = code;
        vsnprintf(err->text, sizeof(err->text), format, arguments);
        va_end(arguments);
    }
    return code;
}

// Like error_set() with `: ` and the text of errno value `code` (negative) appended.
__attribute__((format(printf, 3, 4))) static inline int error_set_errno(struct error *err, int code,
                                                                        const char *format, ...)
{
    if (err != NULL) {
        char attempted[ERROR_TEXT_MAX];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(attempted, sizeof(attempted), format, arguments);
        va_end(arguments);
        char reason[128];
        err->code = code;
        snprintf(err->text, sizeof(err->text), "%.*s: %s",
                 (int)(ERROR_TEXT_MAX - sizeof(reason) - 3), attempted,
                 strerror_r(-code, reason, sizeof(reason)));
    }
    return code;
}

// Puts what was attempted in front of the text that is already there. Returns the code in `err`
// (or -EIO if `err` is NULL), so that `return error_wrap(err, "reading %s", path)` works.
__attribute__((format(printf, 2, 3))) static inline int error_wrap(struct error *err,
                                                                   const char *format, ...)
{
    if (err == NULL)
        return -EIO;
    char attempted[ERROR_TEXT_MAX / 2];
    char cause[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(attempted, sizeof(attempted), format, arguments);
    va_end(arguments);
    memcpy(cause, err->text, sizeof(cause));
    snprintf(err->text, sizeof(err->text), "%s: %.*s", attempted,
             (int)(sizeof(err->text) - sizeof(attempted) - 3), cause);
    return err->code;
}

// The analyzer takes it that -errno may be 0 after a failure, and does not look into functions with
// variable arguments.
#ifdef __clang_analyzer__
static inline int error_below_zero(int code)
{
    if (code >= 0)
        __builtin_unreachable();
    return code;
}
#define error_set(...) error_below_zero(error_set(__VA_ARGS__))
#define error_set_errno(...) error_below_zero(error_set_errno(__VA_ARGS__))
#define error_wrap(...) error_below_zero(error_wrap(__VA_ARGS__))
#endif
