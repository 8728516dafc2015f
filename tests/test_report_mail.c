// Tests of report_mail.c: addresses and messages.
#include "report_mail.h"

#include "cleanup.h"
#include "suite_run.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(addresses)
{
    static const struct {
        const char *list;
        int code;
    } cases[] = {
        {"ops@example.com", 0},
        {"root", 0},
        {"a.b+c@sub.example.com, root x@example.com", 0},
        {" ,root, ", 0},
        {"", -EINVAL},
        {" , ", -EINVAL},
        {"@example.com", -EINVAL},
        {"ops@", -EINVAL},
        {"a@b@c", -EINVAL},
        {"-t", -EINVAL},
        {"ops@example.com\nBcc: x@example.com", -EINVAL},
        {"<ops@example.com>", -EINVAL},
        {"\"a b\"@example.com", -EINVAL},
        {"ops@ex\xc3\xa4mple.com", -EINVAL},
        {"a b c d e f g h i j k l m n o p", 0},
        {"a b c d e f g h i j k l m n o p q", -EINVAL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        ck_assert_msg(report_mail_check_addresses(cases[i].list, &err) == cases[i].code, "%s",
                      cases[i].list);
    }
    char longest[MAIL_ADDRESS_MAX + 1];
    memset(longest, 'a', MAIL_ADDRESS_MAX);
    longest[MAIL_ADDRESS_MAX] = '\0';
    struct error err;
    ck_assert_int_eq(report_mail_check_addresses(longest, &err), -EINVAL);
    longest[MAIL_ADDRESS_MAX - 1] = '\0';
    ck_assert_int_eq(report_mail_check_addresses(longest, &err), 0);
}
END_TEST

static const struct report_mail sample = {
    .to = "ops@example.com root",
    .from = "reeve <reeve@box>",
    .subject = "reeve:\nBcc: x@example.com \xc3\xa9",
    .id = "1@box",
    .sent_at_us = 1795608000000000, // 2026-11-25T12:00:00Z
    .text = "eleven here, and more than 57 bytes of text to fill the first line",
    .html = "<p/>",
};

START_TEST(message_is_as_the_standards_have_it)
{
    char *message = NULL;
    size_t length = 0;
    struct error err;
    FILE *stream = open_memstream(&message, &length);
    ck_assert_int_eq(report_mail_write(&sample, stream, &err), 0);
    fclose(stream);
    ck_assert_str_eq(
        message, "From: reeve <reeve@box>\n"
                 "To: ops@example.com,\n root\n"
                 "Subject: reeve:?Bcc: x@example.com ??\n"
                 "Date: Wed, 25 Nov 2026 12:00:00 +0000\n"
                 "Message-ID: <1@box>\n"
                 "Auto-Submitted: auto-generated\n"
                 "MIME-Version: 1.0\n"
                 "Content-Type: multipart/alternative; boundary=\"=_reeve_report\"\n"
                 "\n"
                 "--=_reeve_report\n"
                 "Content-Type: text/plain; charset=utf-8\n"
                 "Content-Transfer-Encoding: base64\n"
                 "\n"
                 "ZWxldmVuIGhlcmUsIGFuZCBtb3JlIHRoYW4gNTcgYnl0ZXMgb2YgdGV4dCB0byBmaWxsIHRoZSBm\n"
                 "aXJzdCBsaW5l\n"
                 "--=_reeve_report\n"
                 "Content-Type: text/html; charset=utf-8\n"
                 "Content-Transfer-Encoding: base64\n"
                 "\n"
                 "PHAvPg==\n"
                 "--=_reeve_report--\n");
    free(message);
}
END_TEST

START_TEST(nothing_is_written_to_a_bad_address)
{
    char *message = NULL;
    size_t length = 0;
    struct error err;
    struct report_mail mail = sample;
    mail.to = "no one@";
    FILE *stream = open_memstream(&message, &length);
    ck_assert_int_eq(report_mail_write(&mail, stream, &err), -EINVAL);
    fclose(stream);
    ck_assert_uint_eq(length, 0);
    free(message);
}
END_TEST

int main(void)
{
    setenv("TZ", "UTC", 1);
    Suite *suite = suite_create("report_mail");
    TCase *cases = tcase_create("report_mail");
    tcase_add_test(cases, addresses);
    tcase_add_test(cases, message_is_as_the_standards_have_it);
    tcase_add_test(cases, nothing_is_written_to_a_bad_address);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
