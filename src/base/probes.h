/* Static probes for perf, bpftrace and SystemTap: each is one nop until someone listens; none where <sys/sdt.h> is
 * missing at build time, or in C++ (benchmarks read headers that use this, inside extern "C"). docs/profiling.md shows
 * them at work.
 *
 *   mnist_fast:epoch_begin, epoch_end (epoch)          on the first thread
 *   mnist_fast:batch_begin, batch_end (thread, batch)  on every thread
 *   mnist_fast:phase_end (phase)                       on every thread; the numbers are enum mf_phase's */
#ifndef MF_PROBES_H
#define MF_PROBES_H

#if defined(__has_include) && !defined(__cplusplus) && !defined(__cppcheck__)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

#ifdef DTRACE_PROBE1
#define MF_PROBE1(name, a) DTRACE_PROBE1(mnist_fast, name, a)
#define MF_PROBE2(name, a, b) DTRACE_PROBE2(mnist_fast, name, a, b)
#else
#define MF_PROBE1(name, a) ((void)0)
#define MF_PROBE2(name, a, b) ((void)0)
#endif

#endif
