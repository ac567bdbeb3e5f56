#include "signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* The handler may run on any thread of the team, while the main thread saves. */
enum { FREE, SAVING, ENDING };
static atomic_int state;
static atomic_int caught, late; /* the first signal; one that came while saving after it */

static void end_by(int number)
{
    signal(number, SIG_DFL);
    raise(number); /* takes effect when the handler returns */
}

static void on_signal(int number)
{
    int expected = 0;
    if (atomic_compare_exchange_strong(&caught, &expected, number))
        return;
    expected = FREE;
    if (atomic_compare_exchange_strong(&state, &expected, ENDING) || expected == ENDING)
        end_by(number);
    else
        atomic_store(&late, number);
}

/* A signal that is ignored at the start (nohup, a background job) stays ignored. */
void cli_catch_signals(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(signals[i].number, NULL, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action = (struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        sigaction(signals[i].number, &action, NULL);
    }
}

void cli_release_signals(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(signals[i].number, NULL, &action) == 0 && action.sa_handler == on_signal)
            signal(signals[i].number, SIG_DFL);
    }
}

void cli_begin_saving(void)
{
    int expected = FREE;
    while (!atomic_compare_exchange_strong(&state, &expected, SAVING) && expected == ENDING)
        pause(); /* another thread is about to end the program */
}

void cli_end_saving(void)
{
    atomic_store(&state, FREE);
    if (atomic_load(&late))
        end_by(atomic_load(&late));
}

int cli_caught_signal(void)
{
    return atomic_load(&caught);
}

const char *cli_signal_name(int number)
{
    for (int i = 0; i < SIGNALS; i++)
        if (signals[i].number == number)
            return signals[i].name;
    return "a signal";
}
