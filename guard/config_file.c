// Configuration file: systemd's INI dialect, read with inih into a struct config.
//
// inih parts names from values. Headings are read here, as inih cuts long ones and does not report
// empty sections, and so are lines continued with a backslash and lines that are nothing at all.

#include "config.h"

#include "cleanup.h"
#include "config_option.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#define HEADING_MAX 256

enum heading { HEADING_NONE, HEADING_GOOD, HEADING_BAD };

struct config_reader {
    struct config *config;
    const char *file_name;
    const char *text;
    size_t length;
    size_t offset;
    int line;                       // of the logical line that inih has, 1 is the first
    int next_line;                  // of the line at `offset`
    enum heading heading;           // what follows a bad one is not reported as well
    enum config_section section;    // under a good heading
    char section_name[HEADING_MAX]; // "" in [Reeve]
    struct config_problems *problems;
};

static void add_problem(struct config_reader *reader, const char *text)
{
    struct config_problems *problems = reader->problems;
    if (problems->count < CONFIG_PROBLEMS_MAX)
        snprintf(problems->text[problems->count], CONFIG_PROBLEM_MAX, "%.120s:%d: %s",
                 reader->file_name, reader->line, text);
    problems->count++;
}

// Parts "[Job outreach]" into kind and name, "" if there is none.
static bool part_heading(const char *line, char kind[static HEADING_MAX],
                         char name[static HEADING_MAX])
{
    size_t length = strlen(line);
    if (length < 2 || length >= HEADING_MAX || line[length - 1] != ']')
        return false;
    size_t kind_length = strcspn(line + 1, " \t]");
    const char *rest = line + 1 + kind_length;
    rest += strspn(rest, " \t");
    snprintf(kind, HEADING_MAX, "%.*s", (int)kind_length, line + 1);
    snprintf(name, HEADING_MAX, "%.*s", (int)(line + length - 1 - rest), rest);
    return true;
}

static void read_heading(struct config_reader *reader, const char *line)
{
    char kind[HEADING_MAX], name[HEADING_MAX];
    char text[ERROR_TEXT_MAX];
    reader->heading = HEADING_BAD;
    bool parted = part_heading(line, kind, name);
    for (enum config_section section = 0; parted && section < CONFIG_SECTIONS; section++) {
        if (strcmp(kind, config_section_name(section)) != 0 ||
            (section == CONFIG_REEVE) != (*name == '\0'))
            continue;
        struct error err;
        if (config_section_open(reader->config, section, name, &err) == NULL) {
            add_problem(reader, err.text);
            return;
        }
        reader->section = section;
        memcpy(reader->section_name, name, sizeof(name));
        reader->heading = HEADING_GOOD;
        return;
    }
    snprintf(text, sizeof(text),
             "%.100s: write [Reeve], [Credential NAME], [Job NAME] or [Alert NAME]", line);
    add_problem(reader, text);
}

// Copies the next line of the file, those that it continues with a backslash joined by a space as
// systemd does, without its end and outer white space. False: there is none.
static bool next_line(struct config_reader *reader, char *line, size_t size)
{
    size_t used = 0;
    bool continued = true;
    bool fits = true;
    if (reader->offset >= reader->length)
        return false;
    reader->line = reader->next_line;
    while (continued && reader->offset < reader->length) {
        const char *start = reader->text + reader->offset;
        const char *end = memchr(start, '\n', reader->length - reader->offset);
        size_t length = end != NULL ? (size_t)(end - start) : reader->length - reader->offset;
        reader->offset += length + (end != NULL);
        reader->next_line++;
        while (length > 0 && strchr(" \t\r", start[length - 1]) != NULL)
            length--;
        continued = length > 0 && start[length - 1] == '\\';
        fits = fits && used + length < size && memchr(start, '\0', length) == NULL;
        if (fits)
            memcpy(line + used, start, length);
        used += fits ? length : 0;
        if (continued && used > 0)
            line[used - 1] = ' ';
    }
    while (used > 0 && strchr(" \t", line[used - 1]) != NULL)
        used--;
    line[used] = '\0';
    memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
    if (fits)
        return true;
    add_problem(reader, "the line has a zero byte or is too long; write at most "
                        "8190 bytes, continued lines together");
    line[0] = '\0';
    return true;
}

// For inih: the next line if it is NAME=VALUE, else an empty one.
static char *read_for_inih(char *line, int size, void *context)
{
    struct config_reader *reader = context;
    if (!next_line(reader, line, (size_t)size))
        return NULL;
    if (line[0] == '[')
        read_heading(reader, line);
    else if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        ;
    else if (line[strcspn(line, "=:")] == '=')
        return line;
    else {
        char text[ERROR_TEXT_MAX];
        snprintf(text, sizeof(text), "%.100s: write NAME=VALUE", line);
        add_problem(reader, text);
    }
    line[0] = '\0';
    return line;
}

static int take_option(void *context, const char *inih_section, const char *name, const char *value)
{
    (void)inih_section;
    struct config_reader *reader = context;
    struct error err;
    if (reader->heading == HEADING_NONE)
        add_problem(reader, "an option stands before the first heading; write [Reeve] above it");
    if (reader->heading != HEADING_GOOD)
        return 1;
    void *object = config_section_open(reader->config, reader->section, reader->section_name, &err);
    if (object == NULL || config_set_option(reader->section, object, name, value, &err) < 0)
        add_problem(reader, err.text);
    return 1;
}

// inih keeps its settings in variables of the library.
static void set_up_inih(void)
{
    ini_use_stack = false;
    ini_initial_alloc = CONFIG_VALUE_MAX;
    ini_max_line = CONFIG_VALUE_MAX;
    ini_allow_realloc = false;
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_stop_on_first_error = false;
}

int config_parse(struct config *config, const char *name, const char *text, size_t length,
                 struct config_problems *problems, struct error *err)
{
    cleanup_free struct config_problems *own = calloc(1, sizeof(*own));
    int result = config_init(config, err);
    if (result < 0)
        return result;
    if (own == NULL)
        return error_set_errno(err, -ENOMEM, "reading %s", name);
    struct config_reader reader = {
        .config = config,
        .file_name = name,
        .text = text,
        .length = length,
        .next_line = 1,
        .problems = own,
    };
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        reader.offset = 3; // a byte order mark
    set_up_inih();
    if (ini_parse_stream(read_for_inih, &reader, take_option, &reader) < 0)
        return error_set_errno(err, -ENOMEM, "reading %s", name);
    struct error check;
    if (own->count == 0 && config_check(config, &check) < 0)
        snprintf(own->text[own->count++], CONFIG_PROBLEM_MAX, "%.120s: %s", name, check.text);
    if (problems != NULL)
        *problems = *own;
    return own->count == 0 ? 0 : error_set(err, -EINVAL, "%s", own->text[0]);
}

int config_load(struct config *config, const char *path, struct config_problems *problems,
                struct error *err)
{
    cleanup_free char *text = NULL;
    cleanup_file FILE *file = fopen(path != NULL ? path : CONFIG_PATH_DEFAULT, "re");
    memset(config, 0, sizeof(*config));
    if (problems != NULL)
        problems->count = 0;
    if (file == NULL && path == NULL && errno == ENOENT)
        return config_init(config, err);
    if (path == NULL)
        path = CONFIG_PATH_DEFAULT;
    if (file == NULL)
        return error_set_errno(err, -errno, "reading %s", path);
    text = malloc(CONFIG_BYTES_MAX + 1);
    if (text == NULL)
        return error_set_errno(err, -ENOMEM, "reading %s", path);
    size_t length = fread(text, 1, CONFIG_BYTES_MAX + 1, file);
    if (ferror(file))
        return error_set_errno(err, -errno, "reading %s", path);
    if (length > CONFIG_BYTES_MAX)
        return error_set(err, -EFBIG, "%s is longer than %d bytes", path, CONFIG_BYTES_MAX);
    return config_parse(config, path, text, length, problems, err);
}
