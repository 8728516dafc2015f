// Run registry, places: where a run's processes are, as its supervisor says before there are any.
//
// What it says makes its own key good there, and no other, so it is taken at its word.

#include "run_registry_state.h"

#include "log.h"

void registered_place(struct registered_run *run, const struct control_run_placed *placed)
{
    struct error err;
    if (run->live == NULL)
        return;
    if (run_place_set(&run->live->place, placed->directory, run->live->id,
                      control_peer_uid(run->peer), run->registry->options.sockets_tell, &err) < 0)
        log_event(LOG_WARNING, "run_not_placed", "run", run->live->id, "error", err.text, NULL);
}
