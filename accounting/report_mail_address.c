// Report mail, addresses: whom the report may be sent to. Pure.
#include "report_mail.h"

#include <stdbool.h>
#include <string.h>

// What an address may have beside letters and digits, without quoting (RFC 5322 3.2.3).
static bool is_address(const char *text, size_t length)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    static const char locals[] = "!#$%&'*+/=?^_`{|}~";
    const char *at = memchr(text, '@', length);
    size_t local = at == NULL ? length : (size_t)(at - text);
    if (length >= MAIL_ADDRESS_MAX || local == 0 || local + 1 == length || *text == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (i != local && strchr(letters, text[i]) == NULL &&
            (i > local || strchr(locals, text[i]) == NULL))
            return false;
    return true;
}

// Shows it up to the first byte that is not printed.
static int refuse_address(const char *text, struct error *err)
{
    int shown = 0;
    while (shown < 80 && text[shown] > ' ' && text[shown] < 0x7f)
        shown++;
    return error_set(err, -EINVAL,
                     "'%.*s' is no address for mail; write ops@example.com, or a user's name",
                     shown, text);
}

int report_mail_check_addresses(const char *list, struct error *err)
{
    int count = 0;
    for (const char *at = list + strspn(list, MAIL_BETWEEN); *at != '\0'; count++) {
        size_t length = strcspn(at, MAIL_BETWEEN);
        if (!is_address(at, length))
            return refuse_address(at, err);
        at += length;
        at += strspn(at, MAIL_BETWEEN);
    }
    if (count == 0 || count > MAIL_RECIPIENTS_MAX)
        return error_set(err, -EINVAL, "%d addresses for mail; write 1 to %d", count,
                         MAIL_RECIPIENTS_MAX);
    return 0;
}
