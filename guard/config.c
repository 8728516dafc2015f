// Configuration: the table of options, and the objects that it fills.

#include "config.h"

#include "cleanup.h"
#include "config_option.h"
#include "report_mail.h"
#include "state_key_template.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define ALERT_TIMEOUT_MIN_US 1000000
#define ALERT_TIMEOUT_MAX_US 300000000

static const struct config_type tokens_count = {
    .form = "uncached, all or output",
    .parse = config_parse_word,
    .print = config_print_word,
    .words = (const char *const[]){"uncached", "all", "output", NULL}};
static const struct config_type deny_or_allow = {.form = "deny or allow",
                                                 .parse = config_parse_word,
                                                 .print = config_print_word,
                                                 .words =
                                                     (const char *const[]){"deny", "allow", NULL}};
static const struct config_type on_ceiling = {.form = "clamp or deny",
                                              .parse = config_parse_word,
                                              .print = config_print_word,
                                              .words =
                                                  (const char *const[]){"clamp", "deny", NULL}};
static const struct config_type caller_check = {
    .form = "enforce, log or off",
    .parse = config_parse_word,
    .print = config_print_word,
    .words = (const char *const[]){"enforce", "log", "off", NULL}}; // as enum caller_check
static const struct config_type credential_type = {
    .form = "oauth, oauth-token, api-key or any",
    .parse = config_parse_word,
    .print = config_print_word,
    .words = (const char *const[]){"oauth", "oauth-token", "api-key", "any", NULL}};
static const struct config_type serves = {
    .form = "by-type, claude-code or any",
    .parse = config_parse_word,
    .print = config_print_word,
    .words = (const char *const[]){"by-type", "claude-code", "any", NULL}};
static const struct config_type cache_ttl = {.form = "client, 5m or 1h",
                                             .parse = config_parse_word,
                                             .print = config_print_word,
                                             .words =
                                                 (const char *const[]){"client", "5m", "1h", NULL}};
static const struct config_type alert_kinds = {
    .form = "some of ceiling soft oom timeout escape caller credential ledger price duplicate "
            "cache report",
    .parse = config_parse_words,
    .print = config_print_text,
    .words =
        (const char *const[]){"ceiling", "soft", "oom", "timeout", "escape", "caller", "credential",
                              "ledger", "price", "duplicate", "cache", "report", NULL},
    .owns_text = true};

static int parse_key_template(const struct config_type *type, const char *value, void *field)
{
    int result = state_key_template_check(value, NULL);
    return result < 0 ? result : config_type_text.parse(type, value, field);
}

static const struct config_type key_template = {.form = STATE_KEY_TEMPLATE_FORM,
                                                .parse = parse_key_template,
                                                .print = config_print_text,
                                                .owns_text = true};

#define REEVE(name, type, field, initial)                                                          \
    {                                                                                              \
        CONFIG_REEVE, name, &type, offsetof(struct config_reeve, field), initial                   \
    }
#define CREDENTIAL(name, type, field, initial)                                                     \
    {                                                                                              \
        CONFIG_CREDENTIAL, name, &type, offsetof(struct config_credential, field), initial         \
    }
#define JOB(name, type, field, initial)                                                            \
    {                                                                                              \
        CONFIG_JOB, name, &type, offsetof(struct config_job, field), initial                       \
    }
#define ALERT(name, type, field, initial)                                                          \
    {                                                                                              \
        CONFIG_ALERT, name, &type, offsetof(struct config_alert, field), initial                   \
    }

// Every option there is, by section: its name, type, field, and the default as one would write it.
const struct config_option config_options[] = {
    REEVE("Listen", config_type_address, listen, "127.0.0.1:8377"),
    REEVE("ListenAnywhere", config_type_flag, listen_anywhere, "no"),
    REEVE("Upstream", config_type_origin, upstream, "https://api.anthropic.com"),
    REEVE("UpstreamSilenceMax", config_type_duration, upstream_silence_max_us, "20min"),
    REEVE("UpstreamCAFile", config_type_path, upstream_ca_file, ""),
    REEVE("Ledger", config_type_dsn, ledger, ""),
    REEVE("StateDirectory", config_type_path, state_directory, ""),
    REEVE("Prices", config_type_path, prices, ""),
    REEVE("TimeZone", config_type_zone, time_zone, "UTC"),
    REEVE("ReportMail", config_type_text, report_mail, ""),
    REEVE("Slots", config_type_count, slots, "2"),
    REEVE("WaitMax", config_type_duration, wait_max_us, "60s"),
    REEVE("CostMaxPerDay", config_type_money, cost_max_per_day_pico_usd, "infinity"),
    REEVE("CostMaxPerMonth", config_type_money, cost_max_per_month_pico_usd, "infinity"),
    REEVE("TokensMaxPerDay", config_type_tokens, tokens_max_per_day, "infinity"),
    REEVE("TokensCount", tokens_count, tokens_count, "uncached"),
    REEVE("Unbounded", deny_or_allow, unbounded, "allow"),
    REEVE("UnknownIds", deny_or_allow, unknown_ids, "deny"),
    REEVE("CallerCheck", caller_check, caller_check, "enforce"),
    REEVE("LedgerBehindMax", config_type_duration, ledger_behind_max_us, "5min"),
    REEVE("MemoryReserve", config_type_size, memory_reserve_bytes, "512M"),
    REEVE("TokenEndpoint", config_type_url, token_endpoint,
          "https://platform.claude.com/v1/oauth/token"),
    REEVE("TokenClientId", config_type_text, token_client_id,
          "9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
    REEVE("TokenScope", config_type_text, token_scope,
          "user:profile user:inference user:sessions:claude_code user:mcp_servers "
          "user:file_upload"),
    REEVE("PressureMax", config_type_percent, pressure_max_percent, "infinity"),
    CREDENTIAL("Type", credential_type, type, "any"),
    CREDENTIAL("File", config_type_path, file, ""),
    CREDENTIAL("Priority", config_type_number, priority, "1"),
    CREDENTIAL("Serves", serves, serves, "by-type"),
    CREDENTIAL("SwitchAt", config_type_percent, switch_at_percent, "95%"),
    CREDENTIAL("MonthlyFee", config_type_money, monthly_fee_pico_usd, "$0.00"),
    JOB("Command", config_type_text, command, ""),
    JOB("Models", config_type_text, models, ""),
    JOB("CostMax", config_type_money, limits.cost_max_pico_usd, "infinity"),
    JOB("TokensMax", config_type_tokens, limits.tokens_max, "infinity"),
    JOB("OutputTokensMax", config_type_tokens, limits.output_tokens_max, "infinity"),
    JOB("RequestsMax", config_type_tasks, limits.requests_max, "infinity"),
    JOB("CostMaxPerDay", config_type_money, cost_max_per_day_pico_usd, "infinity"),
    JOB("CostMaxPerMonth", config_type_money, cost_max_per_month_pico_usd, "infinity"),
    JOB("TokensMaxPerDay", config_type_tokens, tokens_max_per_day, "infinity"),
    JOB("SoftLimit", config_type_percent, soft_limit_percent, "80%"),
    JOB("OnCeiling", on_ceiling, on_ceiling, "clamp"),
    JOB("ClampMin", config_type_tokens, clamp_min_tokens, "1024"),
    JOB("StepDown", config_type_text, step_down, ""),
    JOB("MemoryMax", config_type_size, limits.memory_max_bytes, "infinity"),
    JOB("MemoryHigh", config_type_size, limits.memory_high_bytes, "infinity"),
    JOB("MemorySwapMax", config_type_size, limits.memory_swap_max_bytes, "0"),
    JOB("TasksMax", config_type_tasks, limits.tasks_max, "1024"),
    JOB("CPUQuota", config_type_percent, limits.cpu_quota_percent, "infinity"),
    JOB("RuntimeMaxSec", config_type_duration, limits.runtime_max_us, "infinity"),
    JOB("KillGrace", config_type_duration, kill_grace_us, "10s"),
    JOB("IdleSec", config_type_duration, idle_us, "10min"),
    JOB("OnCalendar", config_type_text, on_calendar, ""),
    JOB("RandomizedDelaySec", config_type_duration, randomized_delay_us, "0"),
    JOB("Key", key_template, key, ""),
    JOB("CacheTtl", cache_ttl, cache_ttl, "client"),
    ALERT("Url", config_type_webhook, url, ""),
    ALERT("UrlFile", config_type_path, url_file, ""),
    ALERT("UrlCAFile", config_type_path, url_ca_file, ""),
    ALERT("SecretFile", config_type_path, secret_file, ""),
    ALERT("Exec", config_type_text, exec, ""),
    ALERT("Journal", config_type_flag, journal, "no"),
    ALERT("On", alert_kinds, on, "ceiling oom timeout escape caller credential ledger price"),
    ALERT("TimeoutSec", config_type_duration, timeout_us, "10s"),
};
const size_t config_option_count = sizeof(config_options) / sizeof(config_options[0]);

static const char *const section_names[] = {"Reeve", "Credential", "Job", "Alert"};

const char *config_section_name(enum config_section section)
{
    return section_names[section];
}

const struct config_option *config_option_find(enum config_section section, const char *name)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (config_options[i].section == section && strcmp(config_options[i].name, name) == 0)
            return &config_options[i];
    return NULL;
}

void *config_option_field(const struct config_option *option, const void *object)
{
    return (char *)object + option->offset;
}

// Reads `value` into the option's field of `object`; "" sets the default, as in systemd.
static int set_option(const struct config_option *option, void *object, const char *value,
                      struct error *err)
{
    void *field = config_option_field(option, object);
    if (*value == '\0')
        value = option->initial;
    if (*value == '\0') { // of text alone
        free(take_pointer((char **)field));
        return 0;
    }
    int result = option->type->parse(option->type, value, field);
    if (result == -EINVAL)
        return error_set(err, result, "%s=%.200s: write %s", option->name,
                         option->type->mask != NULL ? "…" : value, option->type->form);
    return result < 0 ? error_set_errno(err, result, "%s=", option->name) : 0;
}

int config_set_option(enum config_section section, void *object, const char *name,
                      const char *value, struct error *err)
{
    const struct config_option *option = config_option_find(section, name);
    if (option != NULL)
        return set_option(option, object, value, err);
    char known[ERROR_TEXT_MAX / 2 + 128] = "";
    for (size_t i = 0, used = 0; i < config_option_count && used < sizeof(known); i++)
        if (config_options[i].section == section)
            used +=
                (size_t)snprintf(known + used, sizeof(known) - used, " %s", config_options[i].name);
    return error_set(err, -EINVAL, "%.60s: [%s] has no such option; it has%s", name,
                     section_names[section], known);
}

static int init_object(enum config_section section, void *object, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < config_option_count && result == 0; i++)
        if (config_options[i].section == section)
            result = set_option(&config_options[i], object, "", err);
    return result;
}

static void done_object(enum config_section section, void *object)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (config_options[i].section == section && config_options[i].type->owns_text)
            free(*(char **)config_option_field(&config_options[i], object));
}

int config_init(struct config *config, struct error *err)
{
    memset(config, 0, sizeof(*config));
    return init_object(CONFIG_REEVE, &config->reeve, err);
}

// The first member of every named object is its name.
static char *object_name(const void *object)
{
    return *(char *const *)object;
}

struct object_list {
    void *objects;
    size_t count;
    size_t size; // of an object
};

static struct object_list section_objects(const struct config *config, enum config_section section)
{
    switch (section) {
    case CONFIG_CREDENTIAL:
        return (struct object_list){config->credentials, config->credential_count,
                                    sizeof(struct config_credential)};
    case CONFIG_JOB:
        return (struct object_list){config->jobs, config->job_count, sizeof(struct config_job)};
    case CONFIG_ALERT:
        return (struct object_list){config->alerts, config->alert_count,
                                    sizeof(struct config_alert)};
    case CONFIG_REEVE:
    case CONFIG_SECTIONS:
        break;
    }
    return (struct object_list){NULL, 0, 0};
}

void config_section_each(const struct config *config, enum config_section section,
                         void (*visit)(const void *object, const char *name, void *context),
                         void *context)
{
    if (section == CONFIG_REEVE)
        visit(&config->reeve, NULL, context);
    struct object_list list = section_objects(config, section);
    for (size_t i = 0; i < list.count; i++) {
        const void *object = (char *)list.objects + i * list.size;
        visit(object, object_name(object), context);
    }
}

static void done_named_object(enum config_section section, void *object)
{
    free(object_name(object));
    done_object(section, object);
}

void config_done(struct config *config)
{
    done_object(CONFIG_REEVE, &config->reeve);
    for (enum config_section section = CONFIG_CREDENTIAL; section < CONFIG_SECTIONS; section++) {
        struct object_list list = section_objects(config, section);
        for (size_t i = 0; i < list.count; i++)
            done_named_object(section, (char *)list.objects + i * list.size);
        free(list.objects);
    }
    memset(config, 0, sizeof(*config));
}

static void *find_object(const struct config *config, enum config_section section, const char *name)
{
    struct object_list list = section_objects(config, section);
    for (size_t i = 0; i < list.count; i++) {
        void *object = (char *)list.objects + i * list.size;
        if (strcmp(object_name(object), name) == 0)
            return object;
    }
    return NULL;
}

const struct config_job *config_find_job(const struct config *config, const char *name)
{
    return find_object(config, CONFIG_JOB, name);
}

const struct config_credential *config_find_credential(const struct config *config,
                                                       const char *name)
{
    return find_object(config, CONFIG_CREDENTIAL, name);
}

static int init_named_object(enum config_section section, void *object, size_t size,
                             const char *name, struct error *err)
{
    memset(object, 0, size);
    char *copy = strdup(name);
    if (copy == NULL)
        return error_set_errno(err, -ENOMEM, "[%s %s]", section_names[section], name);
    *(char **)object = copy;
    int result = init_object(section, object, err);
    if (result < 0)
        done_named_object(section, object);
    return result;
}

bool config_name_is_valid(const char *name)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);
    return length > 0 && length < JOB_NAME_MAX && strspn(name, "._-") == 0 &&
           strspn(name, letters) == length;
}

void *config_section_open(struct config *config, enum config_section section, const char *name,
                          struct error *err)
{
    if (section == CONFIG_REEVE)
        return &config->reeve;
    void *object = find_object(config, section, name);
    if (object != NULL)
        return object;
    if (!config_name_is_valid(name)) {
        error_set(err, -EINVAL, "[%s %.100s]: write a name of at most %d of A-Z a-z 0-9 . _ -",
                  section_names[section], name, JOB_NAME_MAX - 1);
        return NULL;
    }
    struct object_list list = section_objects(config, section);
    if (list.count >= CONFIG_SECTIONS_MAX) {
        error_set(err, -EINVAL, "[%s %s]: there are more than %d of these", section_names[section],
                  name, CONFIG_SECTIONS_MAX);
        return NULL;
    }
    char *objects = realloc(list.objects, (list.count + 1) * list.size);
    if (objects == NULL) {
        error_set_errno(err, -ENOMEM, "[%s %s]", section_names[section], name);
        return NULL;
    }
    object = objects + list.count * list.size;
    int result = init_named_object(section, object, list.size, name, err);
    size_t count = list.count + (result == 0);
    if (section == CONFIG_CREDENTIAL) {
        config->credentials = (struct config_credential *)(void *)objects;
        config->credential_count = count;
    } else if (section == CONFIG_JOB) {
        config->jobs = (struct config_job *)(void *)objects;
        config->job_count = count;
    } else {
        config->alerts = (struct config_alert *)(void *)objects;
        config->alert_count = count;
    }
    return result == 0 ? object : NULL;
}

int config_set(struct config *config, const char *option, const char *value, struct error *err)
{
    return config_set_option(CONFIG_REEVE, &config->reeve, option, value, err);
}

int config_set_job(struct config_job *job, const char *option, const char *value, struct error *err)
{
    return config_set_option(CONFIG_JOB, job, option, value, err);
}

int config_job_init(struct config_job *job, const char *name, struct error *err)
{
    return init_named_object(CONFIG_JOB, job, sizeof(*job), name, err);
}

void config_job_done(struct config_job *job)
{
    done_named_object(CONFIG_JOB, job);
}

int config_add_credential(struct config *config, const char *name, enum config_credential_type type,
                          const char *file, struct error *err)
{
    if (find_object(config, CONFIG_CREDENTIAL, name) != NULL)
        return error_set(err, -EEXIST, "there is a credential %s already", name);
    struct config_credential *credential =
        config_section_open(config, CONFIG_CREDENTIAL, name, err);
    if (credential == NULL)
        return err != NULL ? err->code : -EINVAL;
    credential->type = type;
    return config_set_option(CONFIG_CREDENTIAL, credential, "File", file, err);
}

bool config_address_is_loopback(const char *text)
{
    struct sockaddr_storage address;
    socklen_t length;
    if (!config_address_parse(text, &address, &length))
        return false;
    if (address.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&address)->sin6_addr);
    return ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
}

static int check_alert(const struct config_alert *alert, struct error *err)
{
    bool has_url = alert->url != NULL || alert->url_file != NULL;
    if (!has_url && alert->exec == NULL && !alert->journal)
        return error_set(err, -EINVAL,
                         "[Alert %s]: write Url=, Exec= or Journal=yes, where alerts go",
                         alert->name);
    if (alert->url != NULL && alert->url_file != NULL)
        return error_set(err, -EINVAL, "[Alert %s]: write either Url= or UrlFile=", alert->name);
    if (alert->secret_file != NULL && !has_url)
        return error_set(err, -EINVAL,
                         "[Alert %s]: SecretFile= signs what goes to an Url=", alert->name);
    if (alert->timeout_us < ALERT_TIMEOUT_MIN_US || alert->timeout_us > ALERT_TIMEOUT_MAX_US)
        return error_set(err, -EINVAL, "[Alert %s]: TimeoutSec=: write 1s to 5min", alert->name);
    return 0;
}

// Encrypted, or to this machine.
static bool url_is_private(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    if (strncmp(url, "http://", 7) != 0)
        return true;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (strncmp(url + 7, hosts[i], strlen(hosts[i])) == 0 &&
            strchr(":/", url[7 + strlen(hosts[i])]) != NULL)
            return true;
    return false;
}

int config_check(const struct config *config, struct error *err)
{
    const struct config_reeve *reeve = &config->reeve;
    if (!reeve->listen_anywhere && !config_address_is_loopback(reeve->listen))
        return error_set(
            err, -EINVAL,
            "Listen=%s: anybody who reaches this address could spend; write a loopback "
            "address such as 127.0.0.1:8377, or ListenAnywhere=yes as well",
            reeve->listen);
    if (!url_is_private(reeve->token_endpoint))
        return error_set(err, -EINVAL,
                         "TokenEndpoint=%s: a refresh token would cross a network in the clear; "
                         "write an https:// URL",
                         reeve->token_endpoint);
    if (reeve->report_mail != NULL && report_mail_check_addresses(reeve->report_mail, err) < 0)
        return error_wrap(err, "ReportMail=");
    for (size_t i = 0; i < config->alert_count; i++) {
        int result = check_alert(&config->alerts[i], err);
        if (result < 0)
            return result;
    }
    return 0;
}
