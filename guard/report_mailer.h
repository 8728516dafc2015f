// Report mailer: hands the morning report to sendmail(8), which every mail server has.
#pragma once

#include "error.h"
#include "morning_report.h"

// Mails the report, as text and as HTML, to the addresses in `to`, spaces or commas between.
// -EINVAL: an address is none. -ENOENT: there is no sendmail. -EIO: it would not take it.
int report_send_mail(const struct morning_report *report, const char *to, struct error *err);
