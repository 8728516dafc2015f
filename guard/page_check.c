// Page check: whether a request for one of reeve's own paths may be a browser's at all.

#include "page_check.h"

#include <arpa/inet.h>
#include <string.h>

static struct slice value_of(const struct http_head *head, const char *name)
{
    const struct http_header *header = http_head_find(head, name);
    return header != NULL ? header->value : (struct slice){NULL, 0};
}

static struct slice host_of(const struct http_head *head)
{
    return head->authority.bytes != NULL ? head->authority : value_of(head, "Host");
}

// Without a port; false for one that is not a number.
static bool port_cut(struct slice *host)
{
    size_t digits = 0;
    while (digits < host->length && host->bytes[host->length - 1 - digits] >= '0' &&
           host->bytes[host->length - 1 - digits] <= '9')
        digits++;
    if (digits == 0 || digits == host->length || host->bytes[host->length - 1 - digits] != ':')
        return host->length > 0 && host->bytes[host->length - 1] != ':';
    host->length -= digits + 1;
    return digits <= 5;
}

bool page_host_is_ours(struct slice host)
{
    char text[INET6_ADDRSTRLEN + 2];
    struct in6_addr address;
    if (!port_cut(&host) || !slice_copy(host, text, sizeof(text)))
        return false;
    if (slice_is_any_case(host, "localhost") || inet_pton(AF_INET, text, &address) == 1)
        return true;
    size_t length = strlen(text);
    if (length < 2 || text[0] != '[' || text[length - 1] != ']')
        return false;
    text[length - 1] = '\0';
    return inet_pton(AF_INET6, text + 1, &address) == 1;
}

static bool origin_is_ours(const struct http_head *head)
{
    static const char scheme[] = "http://";
    struct slice origin = value_of(head, "Origin");
    if (origin.bytes == NULL)
        return true; // a GET of the page's own has none
    if (!slice_starts_with(origin, scheme))
        return false;
    origin.bytes += sizeof(scheme) - 1;
    origin.length -= sizeof(scheme) - 1;
    return slice_equals(origin, host_of(head));
}

static bool site_is_ours(const struct http_head *head, bool is_link)
{
    struct slice site = value_of(head, "Sec-Fetch-Site");
    if (site.bytes == NULL || slice_is(site, "same-origin") || slice_is(site, "none"))
        return true; // not a browser's, or an old one's; the page's own; typed by a person
    return is_link && slice_is(value_of(head, "Sec-Fetch-Mode"), "navigate") &&
           slice_is(value_of(head, "Sec-Fetch-Dest"), "document");
}

enum page_check page_check(const struct http_head *head, bool is_link)
{
    if (!page_host_is_ours(host_of(head)))
        return PAGE_FOREIGN_HOST;
    if (!origin_is_ours(head) || !site_is_ours(head, is_link))
        return PAGE_FOREIGN_ORIGIN;
    if (is_link && value_of(head, "Sec-Purpose").bytes != NULL)
        return PAGE_PREFETCH;
    return PAGE_ALLOWED;
}

struct slice page_cookie(const struct http_head *head, const char *name)
{
    struct slice rest = value_of(head, "Cookie");
    size_t name_length = strlen(name);
    while (rest.length > 0) {
        const char *end = memchr(rest.bytes, ';', rest.length);
        size_t length = end != NULL ? (size_t)(end - rest.bytes) : rest.length;
        struct slice pair = http_value_trim((struct slice){rest.bytes, length});
        rest.bytes += length + (end != NULL);
        rest.length -= length + (end != NULL);
        if (pair.length > name_length && memcmp(pair.bytes, name, name_length) == 0 &&
            pair.bytes[name_length] == '=')
            return (struct slice){pair.bytes + name_length + 1, pair.length - name_length - 1};
    }
    return (struct slice){NULL, 0};
}
