/* Simulated machines: files of /proc and /sys below the folder of the test. */
#ifndef MACHINE_H
#define MACHINE_H

void machine_new(void);                               /* an empty one, instead of what was there */
void machine_put(const char *name, const char *text); /* a file such as /proc/self/cgroup */

#endif
