/* The folder in which a test writes its files, and files as a whole. */
#ifndef FOLDER_H
#define FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Its path, below TMPDIR or /tmp. Fixtures make it before a test or a test case, and remove it with all that is in it.
 */
extern char folder[PATH_MAX];
void folder_make(void);
void folder_remove(void);
void remove_tree(const char *path); /* a folder and all that is in it, or nothing if there is none */

/* The path of a file in the folder: one text for a name, which stays as long as the folder. */
const char *in_folder(const char *name);
int names_in(const char *path); /* how many files and folders are in a folder */

bool file_exists(const char *path);

struct bytes {
    uint8_t *data; /* size bytes and a zero, to be freed */
    size_t size;
};
struct bytes file_read(const char *path);
char *file_read_text(const char *path); /* the same as a string, to be freed */
void file_write(const char *path, const void *data, size_t size);
void file_expect(const char *path, struct bytes expected); /* fails unless these are its bytes */
void file_expect_same(const char *a, const char *b);

#endif
