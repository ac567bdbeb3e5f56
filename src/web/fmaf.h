/* fmaf where the CPU has no such instruction: for WebAssembly, which is compiled with -Dfmaf=mf_fmaf. */
#ifndef MF_FMAF_H
#define MF_FMAF_H

/* a * b + c, rounded once, to the nearest float, ties to even. */
float mf_fmaf(float a, float b, float c);

#endif
