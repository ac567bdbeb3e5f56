/* The team of threads: whether the system gives as many as a network wants. */
#ifndef MF_TEAM_H
#define MF_TEAM_H

#include "mnist_fast.h"

/* The threads to use for a parallel region of at most `wanted` threads: wanted, or 1 in a process that was forked after
 * a team had run, because libgomp would wait for threads that exist in the parent only. An error where the system does
 * not give so many: libgomp would end the process. */
mnist_fast_status mf_team_size(int wanted, int *threads, mnist_fast_error *error);

#endif
