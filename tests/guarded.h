/* Guarded memory: an operand ends at a page that must not be touched and begins after a canary; every float of it
 * starts as a NaN, so that what is read without having been written shows. */
#ifndef GUARDED_H
#define GUARDED_H

#include <stddef.h>

void *guarded_new(size_t size);            /* all canary; its end touches the forbidden page */
void guarded_seal(const void *memory);     /* read-only from now on */
void guarded_release(void);                /* fails when a canary has changed; unmaps everything */
void guarded_blank(float *data, size_t n); /* n canary NaNs */

#endif
