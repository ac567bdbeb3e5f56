/* Signals during training: the first one asks it to stop, the same one again ends the program at once. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

void cli_catch_signals(void);   /* SIGINT and SIGTERM, unless they were ignored when the program started */
void cli_release_signals(void); /* back to their usual effect */
int cli_caught_signal(void);    /* its number; 0: none */
const char *cli_signal_name(int number);

#endif
