/* Signals during training: the first one asks it to stop, another one ends the program at once; but not in the middle
 * of saving a file, whose temporary would stay behind. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

void cli_catch_signals(void);   /* SIGINT, SIGTERM and SIGHUP, unless they were ignored when the program started */
void cli_release_signals(void); /* back to their usual effect */
int cli_caught_signal(void);    /* the number of the first one; 0: none */
const char *cli_signal_name(int number);

/* Around the saving of a file: a signal that would end the program does so afterwards. */
void cli_begin_saving(void);
void cli_end_saving(void);

#endif
