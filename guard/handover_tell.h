// Handover, telling: what a daemon has under way, as its successor has to know it.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "proxy.h"
#include "run_table.h"

// The reservations of all exchanges that go on here.
int handover_tell_in_flight(int fd, const struct proxy *proxy, struct error *err);

// A record for the journal.
int handover_tell_record(int fd, const struct journal_record *record, struct error *err);

// What has been counted of a run that no journal has; it is counted anew from then on. A successor
// that has gone does not need it.
void handover_tell_counts(int fd, struct live_run *run);
