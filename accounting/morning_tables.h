// Morning tables: the tables and distributions of the morning report. For morning_document.c.
#pragma once

#include "morning_report.h"
#include "report_document.h"

#define MORNING_TABLE_ROWS_MAX                                                                     \
    20 // of what has no end: jobs, runs that ended badly; more are counted

// A note, if the ceiling was reached or will be this month.
void morning_say_ceiling(const struct morning_report *report, const struct morning_ceiling *ceiling,
                         struct report_document *document);

void morning_plot_tokens(const struct morning_report *report, struct report_document *document);
void morning_plot_run_costs(const struct morning_report *report, struct report_document *document);

void morning_add_ceilings(const struct morning_report *report, struct report_document *document);
void morning_add_by(const struct morning_report *report, enum report_by by,
                    struct report_document *document);
void morning_add_runs(const struct morning_report *report, struct report_document *document);
void morning_add_cache(const struct morning_report *report, struct report_document *document);
void morning_add_cheaper(const struct morning_report *report, struct report_document *document);
