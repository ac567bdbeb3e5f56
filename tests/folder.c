#define _GNU_SOURCE /* nftw */
#include "folder.h"

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[PATH_MAX];

enum { NAMES_MAX = 64, NAME_SIZE = 512 };
static char names[NAMES_MAX][NAME_SIZE], paths[NAMES_MAX][PATH_MAX + NAME_SIZE];
static int name_count;

void folder_make(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/mnist_fast_test_XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(folder))
        support_fail("%s: %s", folder, strerror(errno));
    name_count = 0;
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about;
    (void)kind;
    (void)walk;
    return remove(path);
}

void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void folder_remove(void)
{
    remove_tree(folder);
    if (file_exists(folder))
        support_fail("%s: could not be removed (%s)", folder, strerror(errno));
}

const char *in_folder(const char *name)
{
    int i = 0;
    while (i < name_count && strcmp(names[i], name) != 0)
        i++;
    if (i == NAMES_MAX || strlen(name) >= NAME_SIZE)
        support_fail("%s: one name too many, or too long", name);
    if (i == name_count) {
        strcpy(names[i], name);
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, name);
        name_count++;
    }
    return paths[i];
}

int names_in(const char *path)
{
    int count = -2; /* . and .. */
    DIR *directory = opendir(path);
    if (!directory)
        support_fail("%s: %s", path, strerror(errno));
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

bool file_exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

struct bytes file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&data, &size);
    if (!file || !memory)
        support_fail("%s: %s", path, strerror(errno));
    char piece[1 << 16];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        fwrite(piece, 1, got, memory);
    if (ferror(file) || fclose(memory) != 0)
        support_fail("%s: could not be read", path);
    fclose(file);
    return (struct bytes){(uint8_t *)data, size};
}

char *file_read_text(const char *path)
{
    return (char *)file_read(path).data;
}

void file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        support_fail("%s: could not be written (%s)", path, strerror(errno));
}

void file_expect(const char *path, struct bytes expected)
{
    const struct bytes found = file_read(path);
    if (found.size != expected.size || memcmp(found.data, expected.data, found.size) != 0)
        support_fail("%s has other bytes than expected", path);
    free(found.data);
}

void file_expect_same(const char *a, const char *b)
{
    const struct bytes expected = file_read(b);
    file_expect(a, expected);
    free(expected.data);
}
