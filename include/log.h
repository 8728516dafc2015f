// Log: one line per event on stderr, `event key=value …`, values quoted where they need it.
//
// Never pass a secret. Under systemd the line starts with <N>, the priority (sd-daemon(3)).
#pragma once

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

// Text of an integer that lives to the end of the enclosing block, for log_event().
#define log_int(value) log_int_text((char[24]){0}, 24, (int64_t)(value))

static inline const char *log_int_text(char *text, size_t size, int64_t value)
{
    snprintf(text, size, "%" PRId64, value);
    return text;
}

static inline size_t log_append(char *line, size_t used, const char *text, bool quote)
{
    static const char hex[] = "0123456789abcdef";
    for (; *text != '\0' && used + 8 < LOG_LINE_MAX; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f) {
            line[used++] = '\\';
            line[used++] = 'x';
            line[used++] = hex[byte >> 4];
            line[used++] = hex[byte & 15];
            continue;
        }
        if (quote && (byte == '"' || byte == '\\'))
            line[used++] = '\\';
        line[used++] = (char)byte;
    }
    return used;
}

// Writes `event` and the (key, value) pairs of C strings up to a NULL key; a NULL value is left
// out. `priority` is one of syslog's (LOG_INFO …). One write(2), so lines of processes do not mix.
__attribute__((sentinel)) static inline void log_event(int priority, const char *event, ...)
{
    char line[LOG_LINE_MAX];
    size_t used = 0;
    if (getenv("JOURNAL_STREAM") != NULL)
        used = (size_t)snprintf(line, sizeof(line), "<%d>", priority);
    used = log_append(line, used, event, false);
    va_list pairs;
    va_start(pairs, event);
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        const char *value = va_arg(pairs, const char *);
        if (value == NULL || used + strlen(key) + 16 >= sizeof(line))
            continue;
        bool quote = *value == '\0' || strpbrk(value, " \"=\\") != NULL;
        line[used++] = ' ';
        used = log_append(line, used, key, false);
        line[used++] = '=';
        if (quote)
            line[used++] = '"';
        used = log_append(line, used, value, quote);
        if (quote)
            line[used++] = '"';
    }
    va_end(pairs);
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; // nowhere to report it
}
