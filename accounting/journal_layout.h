// Journal layouts: which fields each type of record has, and where they are in its struct. For
// journal_record.c.
#pragma once

#include "journal_record.h"

#include <stddef.h>
#include <stdint.h>

enum journal_field_kind {
    FIELD_TEXT,       // char array, always terminated
    FIELD_BYTES,      // uint8_t array
    FIELD_INT64,      // int64_t
    FIELD_INT,        // int
    FIELD_ENUM,       // enum without negative values
    FIELD_BOOL,       // bool
    FIELD_USAGE_JSON, // settlement: usage_json and its length
};

struct journal_field {
    const char *name;
    enum journal_field_kind kind;
    size_t offset;
    size_t size;
    uint64_t last; // FIELD_ENUM: the greatest value
};

// The fields of a type, in the order of the file.
struct journal_layout {
    enum journal_record_type type;
    uint32_t version;
    size_t size;
    size_t field_count;
    const struct journal_field *fields;
};

// The layout of `type`, a journal_record_type; NULL if there is no such type.
const struct journal_layout *journal_layout_find(uint64_t type);
