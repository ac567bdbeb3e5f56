/* The commands, one file each. They return the exit code. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "options.h"

int cli_train(const struct cli_options *options);
int cli_evaluate(const struct cli_options *options);
int cli_predict(const struct cli_options *options);
int cli_export(const struct cli_options *options);
int cli_info(const struct cli_options *options);
int cli_selftest(const struct cli_options *options);
void cli_version(void);

#endif
