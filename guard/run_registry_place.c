// Run registry, places: where a run's processes are, as its supervisor says before there are any.
//
// What it says makes its own key good there, and no other, so it is taken at its word.

#include "run_registry_state.h"

#include "log.h"

#include <string.h>

// For the daemon that comes after this one, which would not serve the run before its supervisor is
// back.
static void place_in_journal(const struct registered_run *run, const char *directory)
{
    struct journal_run_placed placed = {0};
    struct error err;
    if (strlen(directory) >= sizeof(placed.directory))
        return;
    memcpy(placed.run_id, run->live->id, sizeof(placed.run_id));
    memcpy(placed.directory, directory, strlen(directory));
    struct journal_record record = {.type = JOURNAL_RUN_PLACED, .run_placed = &placed};
    if (journal_append(run->registry->options.journal, &record, NULL, &err) < 0)
        log_event(LOG_WARNING, "run_not_placed", "run", run->live->id, "error", err.text, NULL);
}

void registered_place(struct registered_run *run, const char *directory)
{
    struct error err;
    if (run->live == NULL)
        return;
    enum run_place_kind before = run->live->place.kind;
    if (before == RUN_PLACE_UNKNOWN || before == RUN_PLACE_ANYWHERE)
        place_in_journal(run, directory);
    if (run_place_set(&run->live->place, directory, run->live->id, control_peer_uid(run->peer),
                      run->registry->options.sockets_tell, &err) < 0)
        log_event(LOG_WARNING, "run_not_placed", "run", run->live->id, "error", err.text, NULL);
}

void registered_restore_place(struct registered_run *run, const struct journal_run_open *open)
{
    struct run_place *place = &run->live->place;
    if (!open->is_placed ||
        run_place_set(place, open->directory, run->live->id, (uid_t)open->supervisor_uid,
                      run->registry->options.sockets_tell, NULL) < 0)
        place->kind = RUN_PLACE_ANYWHERE; // until its supervisor says, which is soon
}
