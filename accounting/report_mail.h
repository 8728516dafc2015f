// Report mail: a message with a plain and an HTML half (RFC 5322, RFC 2046: multipart/alternative).
#pragma once

#include "error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAIL_ADDRESS_MAX 255 // bytes with NUL (RFC 5321 4.5.3.1.3)
#define MAIL_RECIPIENTS_MAX 16
#define MAIL_BETWEEN " ,"   // what stands between them
#define MAIL_HEADER_MAX 900 // bytes of one header's value; a line ends at 998 (RFC 5322 2.1.1)

struct report_mail {
    const char *to;      // addresses, spaces or commas between
    const char *from;    // one address
    const char *subject; // what is not ASCII becomes '?'
    const char *id;      // of the message, without the angle brackets
    int64_t sent_at_us;  // the date is in the process's zone
    const char *text;    // UTF-8
    const char *html;
};

// -EINVAL: the list has no address, too many, or one that is none: "ops@example.com", or a user of
// this machine, "root".
int report_mail_check_addresses(const char *list, struct error *err);

// Writes the message with lines of at most 76 bytes of body. The same errors.
int report_mail_write(const struct report_mail *mail, FILE *stream, struct error *err);
