/* The part of the report that one needs to repeat the run. */
#ifndef CLI_REPORT_FACTS_H
#define CLI_REPORT_FACTS_H

#include "report.h"

#include <stdio.h>

void cli_report_facts(FILE *out, const struct cli_report *report);

#endif
