// Configuration values: each type's parser, writer and accepted form.

#include "config_value.h"

#include "clock.h"
#include "config_mask.h"
#include "money.h"
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A number with one of several suffixes.
struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"T", INT64_C(1) << 40},
    {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20},
    {"K", INT64_C(1) << 10},
    {"B", 1},
    {"", 1},
    {NULL, 0},
};
static const struct unit token_units[] = {{"M", 1000000}, {"K", 1000}, {"", 1}, {NULL, 0}};
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};
static const struct unit percent_units[] = {{"%", 1}, {NULL, 0}};

// Digits and one of the suffixes, nothing else; -EINVAL also when it does not fit.
static int parse_units(const struct unit *units, const char *value, int64_t minimum, void *field)
{
    int64_t number = 0;
    const char *at = value;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number))
            return -EINVAL;
    if (at == value)
        return -EINVAL;
    for (; units->suffix != NULL; units++)
        if (strcmp(at, units->suffix) == 0) {
            if (__builtin_mul_overflow(number, units->factor, &number) || number < minimum ||
                number == LIMIT_NONE)
                return -EINVAL;
            *(int64_t *)field = number;
            return 0;
        }
    return -EINVAL;
}

static int replace_text(void *field, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL)
        return -ENOMEM;
    free(*(char **)field);
    *(char **)field = copy;
    return 0;
}

static int parse_text(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return replace_text(field, value);
}

void config_print_text(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    const char *text = *(char *const *)field;
    if (text != NULL)
        fputs(text, stream);
}

// What follows "http://" or "https://", NULL without either.
static const char *url_host(const char *url)
{
    if (strncmp(url, "https://", 8) == 0)
        return url + 8;
    return strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

static int parse_origin(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    const char *host = url_host(value);
    if (host == NULL || *host == '\0' || *host == ':' || strpbrk(host, "/?#@ \t\\\"") != NULL)
        return -EINVAL;
    return replace_text(field, value);
}

// User and password do not belong in it: they would be sent in the clear to whoever answers.
static int parse_url(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    const char *host = url_host(value);
    if (host == NULL || strspn(host, ":/?#") > 0 || *host == '\0' ||
        strpbrk(value, " \t\\\"#") != NULL)
        return -EINVAL;
    if (memchr(host, '@', strcspn(host, "/?")) != NULL)
        return -EINVAL;
    return replace_text(field, value);
}

bool config_address_parse(const char *text, struct sockaddr_storage *address, socklen_t *length)
{
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    char host[INET6_ADDRSTRLEN];
    int64_t port;
    bool bracketed = *text == '[';
    const char *start = text + bracketed;
    size_t host_length = strcspn(start, bracketed ? "]" : ":");
    const char *end = start + host_length + bracketed; // at the colon
    if (host_length >= sizeof(host) || strlen(text) <= (size_t)(end - text) || *end != ':' ||
        parse_units(plain_units, end + 1, 0, &port) != 0 || port > UINT16_MAX)
        return false;
    memcpy(host, start, host_length);
    host[host_length] = '\0';
    memset(address, 0, sizeof(*address));
    if (bracketed && inet_pton(AF_INET6, host, &ipv6->sin6_addr) == 1) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons((uint16_t)port);
        *length = sizeof(*ipv6);
        return true;
    }
    if (!bracketed && inet_pton(AF_INET, host, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons((uint16_t)port);
        *length = sizeof(*ipv4);
        return true;
    }
    return false;
}

static int parse_address(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    struct sockaddr_storage address;
    socklen_t length;
    return config_address_parse(value, &address, &length) ? replace_text(field, value) : -EINVAL;
}

static int parse_zone(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    char path[256];
    int length = snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", value);
    if (strstr(value, "..") != NULL || value[0] == '/' || length >= (int)sizeof(path))
        return -EINVAL;
    if (strcmp(value, "UTC") != 0 && access(path, R_OK) != 0)
        return -EINVAL;
    return replace_text(field, value);
}

static int parse_flag(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    static const char *const words[] = {"no", "false", "off", "0", "yes", "true", "on", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(value, words[i]) == 0) {
            *(bool *)field = i >= 4;
            return 0;
        }
    return -EINVAL;
}

static void print_flag(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    fputs(*(const bool *)field ? "yes" : "no", stream);
}

int config_parse_word(const struct config_type *type, const char *value, void *field)
{
    for (unsigned i = 0; type->words[i] != NULL; i++)
        if (strcmp(value, type->words[i]) == 0) {
            *(unsigned *)field = i;
            return 0;
        }
    return -EINVAL;
}

void config_print_word(const struct config_type *type, const void *field, FILE *stream)
{
    fputs(type->words[*(const unsigned *)field], stream);
}

int config_parse_words(const struct config_type *type, const char *value, void *field)
{
    for (const char *at = value; *(at += strspn(at, " \t")) != '\0';) {
        size_t length = strcspn(at, " \t");
        bool known = false;
        for (unsigned i = 0; type->words[i] != NULL; i++)
            known |= strlen(type->words[i]) == length && memcmp(type->words[i], at, length) == 0;
        if (!known)
            return -EINVAL;
        at += length;
    }
    return replace_text(field, value);
}

static bool parse_infinity(const char *value, void *field)
{
    if (strcmp(value, "infinity") != 0)
        return false;
    *(int64_t *)field = LIMIT_NONE;
    return true;
}

static int parse_size(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_infinity(value, field) ? 0 : parse_units(size_units, value, 0, field);
}

static int parse_tokens(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_infinity(value, field) ? 0 : parse_units(token_units, value, 0, field);
}

static int parse_tasks(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_infinity(value, field) ? 0 : parse_units(plain_units, value, 1, field);
}

static int parse_percent(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_infinity(value, field) ? 0 : parse_units(percent_units, value, 1, field);
}

static int parse_count(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_units(plain_units, value, 1, field);
}

static int parse_number(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    int64_t number;
    bool negative = *value == '-';
    if (parse_units(plain_units, value + negative, 0, &number) != 0)
        return -EINVAL;
    *(int64_t *)field = negative ? -number : number;
    return 0;
}

static int parse_duration(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return clock_parse_duration(value, field) ? 0 : -EINVAL;
}

static int parse_money(const struct config_type *type, const char *value, void *field)
{
    (void)type;
    return parse_infinity(value, field) || money_parse(value, field) ? 0 : -EINVAL;
}

// Prints with the largest unit that divides the number.
static void print_units(const struct unit *units, const void *field, FILE *stream)
{
    int64_t number = *(const int64_t *)field;
    if (number == LIMIT_NONE) {
        fputs("infinity", stream);
        return;
    }
    while (units[1].suffix != NULL && (number == 0 || number % units->factor != 0))
        units++;
    fprintf(stream, "%lld%s", (long long)(number / units->factor), units->suffix);
}

static void print_size(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    print_units(size_units, field, stream);
}

static void print_tokens(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    print_units(token_units, field, stream);
}

static void print_plain(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    print_units(plain_units, field, stream);
}

static void print_percent(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    print_units(percent_units, field, stream);
}

static void print_duration(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    static const struct unit units[] = {
        {"w", 604800000000}, {"d", 86400000000}, {"h", 3600000000}, {"min", 60000000},
        {"s", 1000000},      {"ms", 1000},       {"us", 1},         {NULL, 0},
    };
    if (*(const int64_t *)field == 0)
        fputs("0s", stream);
    else
        print_units(units, field, stream);
}

static void print_money(const struct config_type *type, const void *field, FILE *stream)
{
    (void)type;
    char text[MONEY_TEXT_MAX];
    int64_t amount = *(const int64_t *)field;
    if (amount == LIMIT_NONE)
        fputs("infinity", stream);
    else
        fprintf(stream, "$%s", money_format_exact(amount, 2, text));
}

const struct config_type config_type_text = {
    .form = "text", .parse = parse_text, .print = config_print_text, .owns_text = true};
const struct config_type config_type_path = {
    .form = "a path", .parse = parse_text, .print = config_print_text, .owns_text = true};
const struct config_type config_type_url = {
    .form = "a URL such as https://hooks.example.com/alerts, without user and password",
    .parse = parse_url,
    .print = config_print_text,
    .owns_text = true};
const struct config_type config_type_webhook = {
    .form = "a URL such as https://hooks.example.com/alerts, without user and password",
    .parse = parse_url,
    .print = config_print_text,
    .mask = config_mask_url,
    .owns_text = true};
const struct config_type config_type_dsn = {.form = "a libpq connection string",
                                            .parse = parse_text,
                                            .print = config_print_text,
                                            .mask = config_mask_dsn,
                                            .owns_text = true};
const struct config_type config_type_origin = {
    .form = "an origin such as https://api.anthropic.com, without a path",
    .parse = parse_origin,
    .print = config_print_text,
    .owns_text = true};
const struct config_type config_type_address = {
    .form = "a numeric address and a port such as 127.0.0.1:8377 or [::1]:8377",
    .parse = parse_address,
    .print = config_print_text,
    .owns_text = true};
const struct config_type config_type_zone = {
    .form = "a time zone of this machine such as UTC or Europe/Berlin",
    .parse = parse_zone,
    .print = config_print_text,
    .owns_text = true};
const struct config_type config_type_flag = {
    .form = "yes or no", .parse = parse_flag, .print = print_flag};
const struct config_type config_type_count = {
    .form = "a whole number of at least 1", .parse = parse_count, .print = print_plain};
const struct config_type config_type_number = {
    .form = "a whole number", .parse = parse_number, .print = print_plain};
const struct config_type config_type_tasks = {.form = "a whole number of at least 1, or infinity",
                                              .parse = parse_tasks,
                                              .print = print_plain};
const struct config_type config_type_size = {.form =
                                                 "a size such as 512M or 1G (of 1024), or infinity",
                                             .parse = parse_size,
                                             .print = print_size};
const struct config_type config_type_duration = {
    .form = "a duration such as 90s, 20min or 1h 30min, or infinity",
    .parse = parse_duration,
    .print = print_duration};
const struct config_type config_type_money = {
    .form = "an amount such as $0.50 (at most 12 decimals), or infinity",
    .parse = parse_money,
    .print = print_money};
const struct config_type config_type_tokens = {
    .form = "a number of tokens such as 200K or 1M, or infinity",
    .parse = parse_tokens,
    .print = print_tokens};
const struct config_type config_type_percent = {.form = "a percentage such as 80%, or infinity",
                                                .parse = parse_percent,
                                                .print = print_percent};
