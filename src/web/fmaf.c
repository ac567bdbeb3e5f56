#include "fmaf.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Bits of a double that a float has not, and what they are half way between two floats that are not denormal. */
#define BEYOND_FLOAT 0x1fffffffu
#define HALF_WAY 0x10000000u

/* The product of two floats is exact in double: 48 of 53 bits, and no exponent is out of range. Rounding the sum to
 * double and then to float rounds twice, which is wrong where the first rounding ends half way between two floats and
 * the sum is not exactly there. Where that may be, the sum is rounded to odd instead: if it is not exact, its last bit
 * is made 1, towards the exact sum. A float has at least two bits fewer, so that the second rounding then gives what
 * one rounding of the exact sum gives (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
 *
 * The fmaf of wasi-libc (musl's) sets the rounding mode for these cases. WebAssembly has one mode only, and it is wrong
 * there. */
float mf_fmaf(float a, float b, float c)
{
    const double product = (double)a * (double)b, addend = (double)c;
    double sum = product + addend;
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if ((bits & BEYOND_FLOAT) != HALF_WAY && fabs(sum) >= (double)FLT_MIN)
        return (float)sum;
    /* What the rounding took away, exactly (Knuth's TwoSum); a NaN where the sum is infinite or one. */
    const double rest = sum - product;
    const double error = (product - (sum - rest)) + (addend - rest);
    if ((error > 0 || error < 0) && bits % 2 == 0) {
        bits += (error > 0) == (sum > 0) ? 1 : UINT64_MAX; /* away from zero, or towards it */
        memcpy(&sum, &bits, sizeof sum);
    }
    return (float)sum;
}
