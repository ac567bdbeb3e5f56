/* Public structures that may grow: their first member is their size, as the caller knows it. The rule is that of
 * Linux's copy_struct_from_user: what one side doesn't know must be zero. */
#ifndef MF_SIZED_H
#define MF_SIZED_H

#include "mnist_fast.h"

/* Copies a caller's structure into the library's: missing members become zero. An error where it is NULL, its size is
 * none, or members that the library doesn't know are not zero. what: its name in messages. */
mnist_fast_status mf_sized_read(const char *what, void *to, size_t to_size, const void *from, mnist_fast_error *error);

/* Fills a caller's structure of `to_size` bytes from the library's; what the library doesn't know becomes zero. */
void mf_sized_write(void *to, size_t to_size, const void *from, size_t from_size);

#endif
