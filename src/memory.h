/* Memory for numbers: zeroed, aligned to cache lines, in huge pages where the system grants them. */
#ifndef MF_MEMORY_H
#define MF_MEMORY_H

#include <stddef.h>

void *mf_allocate(size_t bytes); /* NULL when there is none; to be freed with free() */

#endif
