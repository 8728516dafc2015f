// reeve price: shows the prices in force, and checks a price file.

#include "cleanup.h"
#include "clock.h"
#include "command_line.h"
#include "config.h"
#include "money.h"
#include "price_table.h"
#include "subcommands.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sysexits.h>

#define NOTE_MAX 24

static const char usage[] =
    "usage: reeve price list [FILE] [OPTION…]\n"
    "       reeve price check [FILE] [OPTION…]\n"
    "\n"
    "list   what is in force today, in USD per million tokens\n"
    "check  what is wrong with a price file, or that nothing is\n"
    "\n"
    "FILE is written like sql/prices.csv; without it the file that Prices= names, else the\n"
    "built-in table.\n";

struct price_command {
    const char *file, *config_path;
    bool all, json;
};

static int table_load(struct price_table **table, const struct price_command *command,
                      struct error *err)
{
    if (command->file != NULL)
        return price_table_load_file(table, command->file, err);
    struct config config;
    int result = config_load(&config, command->config_path, NULL, err);
    if (result == 0)
        result = config.reeve.prices != NULL
                     ? price_table_load_file(table, config.reeve.prices, err)
                     : price_table_load_builtin(table, err);
    config_done(&config);
    return result;
}

// A rate in USD per million tokens: "12.50". Returns `text`.
static const char *rate_format(int64_t pico_usd_per_token, char text[static MONEY_TEXT_MAX])
{
    return money_format_exact(pico_usd_per_token * 1000000, 2, text);
}

// "2026-10-07", "" where the period is open. Returns `text`.
static const char *date_format(int64_t time_us, char text[static CLOCK_TEXT_MAX])
{
    clock_format_utc(time_us, text);
    text[time_us == INT64_MIN || time_us == INT64_MAX ? 0 : strlen("2026-10-07")] = '\0';
    return text;
}

static bool is_listed(const struct price_command *command, const struct price_row *row)
{
    int64_t now_us = clock_now_us();
    return command->all || (row->from_us <= now_us && now_us < row->until_us);
}

// What there is to say of a row beside its rates, in at most 15 columns; with --all its period.
static void note_format(const struct price_command *command, const struct price_row *row,
                        char note[static NOTE_MAX])
{
    char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX], today[CLOCK_TEXT_MAX];
    date_format(row->from_us, from);
    date_format(row->until_us, until);
    date_format(clock_now_us(), today);
    if (command->all)
        snprintf(note, NOTE_MAX, "%.10s..%.10s", from, until);
    else if (row->retired[0] != '\0' && strcmp(row->retired, today) <= 0)
        snprintf(note, NOTE_MAX, "retired");
    else if (row->retired[0] != '\0' || *until != '\0')
        snprintf(note, NOTE_MAX, "to %.10s", row->retired[0] != '\0' ? row->retired : until);
    else if (strcmp(row->confidence, "low") == 0)
        snprintf(note, NOTE_MAX, "not confirmed");
    else
        snprintf(note, NOTE_MAX, "%.10s", from);
}

static void print_token_row(const struct price_command *command, const struct price_row *row)
{
    char kind[24], note[NOTE_MAX];
    char input[MONEY_TEXT_MAX], output[MONEY_TEXT_MAX], read[MONEY_TEXT_MAX];
    char write_5m[MONEY_TEXT_MAX], write_1h[MONEY_TEXT_MAX];
    snprintf(kind, sizeof(kind), "%s", row->kind == PRICE_FAST ? "fast" : "");
    if (row->kind == PRICE_LONG)
        snprintf(kind, sizeof(kind), ">%" PRId64, row->above_tokens);
    note_format(command, row, note);
    printf("%-26s %-7s %5s %6s %5s %5s %4s %s\n", row->model, kind,
           rate_format(row->rates.input, input), rate_format(row->rates.output, output),
           rate_format(row->rates.cache_write_5m, write_5m),
           rate_format(row->rates.cache_write_1h, write_1h),
           rate_format(row->rates.cache_read, read), note);
}

static void print_table(const struct price_table *table, const struct price_command *command)
{
    const struct price_row *row;
    char fee[MONEY_TEXT_MAX];
    printf("%-26s %-7s %5s %6s %5s %5s %4s %s\n", "MODEL", "RATES", "INPUT", "OUTPUT", "5M-WR",
           "1H-WR", "READ", command->all ? "PERIOD" : "SINCE");
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
        if (row->kind <= PRICE_FAST && is_listed(command, row))
            print_token_row(command, row);
    printf("\nUSD per million tokens; %s stands for models that are not known.\n", PRICE_MODEL_ANY);
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
        if (row->kind == PRICE_REQUEST && is_listed(command, row))
            printf("%s: $%s for each use\n", row->model,
                   money_format_exact(row->request_pico_usd, 2, fee));
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
        if (row->kind == PRICE_REFUSAL && is_listed(command, row))
            printf("refusal of category %s: not billed before any output\n", row->model);
}

// Sets a member to a text, unless it is empty.
static void set_text(json_t *object, const char *name, const char *text)
{
    if (*text != '\0')
        json_object_set_new(object, name, json_string(text));
}

static void set_multiplier(json_t *object, const char *name, int32_t millionths)
{
    char text[MONEY_TEXT_MAX];
    if (millionths != 0)
        set_text(object, name, rate_format(millionths, text));
}

// Money and multipliers are exact decimals in strings.
static json_t *row_to_json(const struct price_row *row)
{
    const struct {
        const char *name;
        int64_t rate;
    } rates[] = {{"input", row->rates.input},
                 {"output", row->rates.output},
                 {"cache_write_5m", row->rates.cache_write_5m},
                 {"cache_write_1h", row->rates.cache_write_1h},
                 {"cache_read", row->rates.cache_read}};
    char text[MONEY_TEXT_MAX], date[CLOCK_TEXT_MAX];
    json_t *object = json_object();
    set_text(object, "row", row->name);
    set_text(object, "name", row->model);
    set_text(object, "aliases", row->aliases);
    set_text(object, "kind", price_kind_name(row->kind));
    if (row->kind == PRICE_LONG)
        json_object_set_new(object, "above_tokens", json_integer(row->above_tokens));
    set_text(object, "from", date_format(row->from_us, date));
    set_text(object, "until", date_format(row->until_us, date));
    for (size_t i = 0; row->kind <= PRICE_FAST && i < sizeof(rates) / sizeof(rates[0]); i++)
        set_text(object, rates[i].name, rate_format(rates[i].rate, text));
    if (row->kind == PRICE_REQUEST)
        set_text(object, "request", money_format_exact(row->request_pico_usd, 2, text));
    set_multiplier(object, "us_geo", row->us_geo_millionths);
    set_multiplier(object, "batch", row->batch_millionths);
    set_text(object, "retired", row->retired);
    set_text(object, "confidence", row->confidence);
    set_text(object, "source", row->source);
    return object;
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
}

static int price_list(const struct price_command *command)
{
    struct price_table *table = NULL;
    struct error err;
    if (table_load(&table, command, &err) < 0) {
        fprintf(stderr, "reeve price: %s\n", err.text);
        return EX_CONFIG;
    }
    if (command->json) {
        json_t *list = json_array();
        const struct price_row *row;
        for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
            if (is_listed(command, row))
                json_array_append_new(list, row_to_json(row));
        print_json(list);
    } else {
        print_table(table, command);
    }
    price_table_free(table);
    return EX_OK;
}

static int price_check(const struct price_command *command)
{
    struct price_table *table = NULL;
    struct error err;
    int rows = 0, models = 0;
    if (table_load(&table, command, &err) < 0) {
        if (command->json)
            print_json(json_pack("{s:b, s:s}", "ok", 0, "problem", err.text));
        else
            fprintf(stderr, "reeve price: %s\n", err.text);
        return EX_CONFIG;
    }
    const struct price_row *row, *before = NULL;
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; before = row, i++) {
        if (strcmp(row->model, PRICE_MODEL_ANY) == 0)
            continue;
        rows++;
        models += row->kind == PRICE_STANDARD &&
                  (before == NULL || strcmp(before->model, row->model) != 0);
    }
    if (command->json)
        print_json(json_pack("{s:b, s:i, s:i}", "ok", 1, "models", models, "rows", rows));
    else
        printf("%d models in %d rows: nothing is wrong\n", models, rows);
    price_table_free(table);
    return EX_OK;
}

int price_main(int argc, char **argv)
{
    enum { LIST, CHECK };
    static const struct command_verb verbs[] = {
        [LIST] = {"list", "FILE", 0, 1},
        [CHECK] = {"check", "FILE", 0, 1},
        {0},
    };
    struct price_command command = {0};
    const struct command_option options[] = {
        {.name = "all",
         .help = "also what ever was in force, and what is announced",
         .verbs = "list",
         .flag = &command.all},
        JSON_OPTION(&command.json),
        CONFIG_OPTION(&command.config_path),
        {0},
    };
    const struct command_line line = {"price", usage, options, verbs};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    command.file = words.operand_count > 0 ? words.operands[0] : NULL;
    return words.verb == LIST ? price_list(&command) : price_check(&command);
}
