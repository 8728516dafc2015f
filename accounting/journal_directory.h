// Journal directory: how a writer takes possession of it: alone, cut at the last whole record, with
// what was made ahead of time and not used.
#pragma once

#include "error.h"
#include "journal_helper.h"
#include "journal_replay.h"

// Opens the directory, made if it is missing, and locks it for as long as *fd is open. -EBUSY:
// another process has it.
int journal_directory_open(const char *path, int *fd, struct error *err);

// Cuts the segment that was replayed at its last whole record, for more to be written there.
int journal_directory_resume(int directory_fd, const struct journal_replay *found,
                             struct journal_open_segment *segment, struct error *err);

// Takes over the segment after the newest one if it was made and not used (else *segment is
// untouched), and deletes others that were not. `header` is the one it is to have.
int journal_directory_adopt(int directory_fd, const struct journal_header *header,
                            uint64_t segment_bytes, struct journal_open_segment *segment,
                            struct error *err);
