// Report mail: see report_mail.h.
#include "report_mail.h"

#include "cleanup.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

// No base64 has an underscore, so no part can hold it.
#define BOUNDARY "=_reeve_report"
#define LINE_BYTES 57 // 76 characters of base64 (RFC 2045 6.8)

static void put_header(const char *name, const char *value, FILE *stream)
{
    size_t length = strnlen(value, MAIL_HEADER_MAX);
    fprintf(stream, "%s: ", name);
    for (size_t i = 0; i < length; i++)
        putc(value[i] < 0x20 || value[i] > 0x7e ? '?' : value[i], stream);
    putc('\n', stream);
}

// One to a line, so that no line is too long.
static void put_recipients(const char *list, FILE *stream)
{
    const char *before = "To: ";
    for (const char *at = list + strspn(list, MAIL_BETWEEN); *at != '\0';
         at += strspn(at, MAIL_BETWEEN)) {
        size_t length = strcspn(at, MAIL_BETWEEN);
        fprintf(stream, "%s%.*s", before, (int)length, at);
        before = ",\n ";
        at += length;
    }
    putc('\n', stream);
}

static void put_date(int64_t time_us, FILE *stream)
{
    char text[64];
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %z", &parts);
    put_header("Date", text, stream);
}

static void put_part(const char *type, const char *text, FILE *stream)
{
    unsigned char line[LINE_BYTES / 3 * 4 + 1];
    size_t length = strlen(text);
    fprintf(stream,
            "--" BOUNDARY
            "\nContent-Type: %s; charset=utf-8\nContent-Transfer-Encoding: base64\n\n",
            type);
    for (size_t done = 0; done < length; done += LINE_BYTES) {
        size_t rest = length - done < LINE_BYTES ? length - done : LINE_BYTES;
        EVP_EncodeBlock(line, (const unsigned char *)text + done, (int)rest);
        fprintf(stream, "%s\n", line);
    }
}

// Lines end as this system's do: sendmail(8) makes what the wire has of them.
int report_mail_write(const struct report_mail *mail, FILE *stream, struct error *err)
{
    char id[MAIL_HEADER_MAX];
    int code = report_mail_check_addresses(mail->to, err);
    if (code != 0)
        return code;
    put_header("From", mail->from, stream);
    put_recipients(mail->to, stream);
    put_header("Subject", mail->subject, stream);
    put_date(mail->sent_at_us, stream);
    snprintf(id, sizeof(id), "<%s>", mail->id);
    put_header("Message-ID", id, stream);
    put_header("Auto-Submitted", "auto-generated", stream); // RFC 3834: nobody is to answer
    put_header("MIME-Version", "1.0", stream);
    put_header("Content-Type", "multipart/alternative; boundary=\"" BOUNDARY "\"", stream);
    putc('\n', stream);
    put_part("text/plain", mail->text, stream);
    put_part("text/html", mail->html, stream); // the last one is the best (RFC 2046 5.1.4)
    fputs("--" BOUNDARY "--\n", stream);
    return 0;
}
