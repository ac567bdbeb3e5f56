/* The sine, the same bits on every machine and with every libm. */
#ifndef MF_SINE_H
#define MF_SINE_H

/* |angle| <= pi/4; above it, up to 1, the last bits are wrong. */
double mf_sine(double angle);

#endif
