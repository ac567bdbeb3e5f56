/* The constants of exp and log, shared by the definition and the vector kernels.
 *
 * Range reduction after Cody and Waite; polynomial coefficients of expf and logf from the Cephes library (Moshier). */
#ifndef MF_SOFTMAX_CONSTANTS_H
#define MF_SOFTMAX_CONSTANTS_H

#define MF_LOG2E 1.44269504088896341f
#define MF_ROUND 12582912.0f     /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
#define MF_LN2_HIGH 0.693359375f /* ln 2 in two parts; the first has few bits, so that n * high is exact */
#define MF_LN2_LOW -2.12194440e-4f
#define MF_EXPONENT_BIAS 127
#define MF_EXP_LOWEST -87.0f /* exp(-87) is about 1.4 FLT_MIN */

#define MF_EXP_5 1.9875691500e-4f
#define MF_EXP_4 1.3981999507e-3f
#define MF_EXP_3 8.3334519073e-3f
#define MF_EXP_2 4.1665795894e-2f
#define MF_EXP_1 1.6666665459e-1f
#define MF_EXP_0 5.0000001201e-1f

#define MF_SQRT_HALF_BITS 0x3f3504f3 /* sqrt(1/2) as an IEEE 754 single */
#define MF_LOG_8 7.0376836292e-2f
#define MF_LOG_7 -1.1514610310e-1f
#define MF_LOG_6 1.1676998740e-1f
#define MF_LOG_5 -1.2420140846e-1f
#define MF_LOG_4 1.4249322787e-1f
#define MF_LOG_3 -1.6668057665e-1f
#define MF_LOG_2 2.0000714765e-1f
#define MF_LOG_1 -2.4999993993e-1f
#define MF_LOG_0 3.3333331174e-1f

#endif
