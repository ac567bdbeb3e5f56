#ifndef MF_CLOCK_H
#define MF_CLOCK_H

double mf_now(void); /* seconds, monotonic */

#endif
