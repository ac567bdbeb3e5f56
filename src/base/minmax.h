#ifndef MF_MINMAX_H
#define MF_MINMAX_H

static inline int mf_min(int a, int b)
{
    return a < b ? a : b;
}

static inline int mf_max(int a, int b)
{
    return a > b ? a : b;
}

#endif
