#include "files.h"

#include "program.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The place of a file that isn't there yet: its folder with links followed, and its name. False: no such folder. */
static bool find_place(const char *path, struct stat *folder, const char **name)
{
    const char *slash = strrchr(path, '/');
    char text[PATH_MAX];
    *name = slash ? slash + 1 : path;
    snprintf(text, sizeof text, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return stat(text, folder) == 0;
}

bool cli_same_file(const char *a, const char *b)
{
    struct stat left, right;
    const bool left_exists = stat(a, &left) == 0, right_exists = stat(b, &right) == 0;
    const char *left_name = "", *right_name = "";
    if (left_exists != right_exists)
        return false;
    if (!left_exists && (!find_place(a, &left, &left_name) || !find_place(b, &right, &right_name)))
        return strcmp(a, b) == 0;
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino && strcmp(left_name, right_name) == 0;
}

mnist_fast_status cli_check_distinct_files(const struct cli_options *options, mnist_fast_error *error)
{
    static const enum cli_option_id ids[] = {CLI_OPTION_RESUME, CLI_OPTION_CHECKPOINT, CLI_OPTION_SAVE,
                                             CLI_OPTION_LOG,    CLI_OPTION_REPORT,     CLI_OPTION_AUGMENT_PREVIEW};
    enum { FILES = sizeof ids / sizeof *ids };
    for (int i = 0; i < FILES; i++)
        for (int j = i + 1; j < FILES; j++) {
            const struct cli_option *first = &cli_option_table[ids[i]], *second = &cli_option_table[ids[j]];
            const char *a = cli_option_value(first, options, NULL, 0), *b = cli_option_value(second, options, NULL, 0);
            const bool allowed = ids[i] == CLI_OPTION_RESUME && ids[j] == CLI_OPTION_CHECKPOINT;
            if (a && b && !allowed && cli_same_file(a, b))
                return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: is the file of --%s and --%s; choose another for one",
                                b, first->name, second->name);
        }
    return MNIST_FAST_OK;
}

mnist_fast_status cli_check_first_line(const char *path, const char *line, const char *what, mnist_fast_error *error)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return errno == ENOENT ? MNIST_FAST_OK
                               : cli_fail(error, MNIST_FAST_BAD_FILE,
                                          "%s: cannot be looked at (%s); choose another file", path, strerror(errno));
    if (!S_ISREG(about.st_mode) || about.st_size == 0)
        return MNIST_FAST_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: exists and cannot be read (%s); choose another file", path,
                        strerror(errno));
    bool same = true;
    for (const char *c = line; same && *c; c++)
        same = getc(file) == (unsigned char)*c;
    same = same && getc(file) == '\n';
    fclose(file);
    if (same)
        return MNIST_FAST_OK;
    return cli_fail(error, MNIST_FAST_BAD_FILE,
                    "%s: holds something else (expected %s, or no file); choose another name", path, what);
}
