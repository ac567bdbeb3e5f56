#include "data_folder.h"

#include "program.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the program, "/usr/bin/"; empty where it is not known. */
static void find_program(char folder[PATH_MAX])
{
    const ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    folder[length > 0 ? length : 0] = '\0';
    char *const slash = strrchr(folder, '/');
    folder[slash ? slash + 1 - folder : 0] = '\0';
}

enum { BESIDE_PROGRAM, CURRENT_FOLDER, OF_THE_USER, PLACES };

/* False: there is no such place. */
static bool name_place(int place, char folder[PATH_MAX])
{
    char program[PATH_MAX];
    const char *const home = getenv("HOME"), *const xdg = getenv("XDG_DATA_HOME");
    int length = 0;
    switch (place) {
    case BESIDE_PROGRAM:
        find_program(program);
        length = *program ? snprintf(folder, PATH_MAX, "%sdata", program) : 0;
        break;
    case CURRENT_FOLDER: length = snprintf(folder, PATH_MAX, "data"); break;
    case OF_THE_USER:
        if (xdg && *xdg)
            length = snprintf(folder, PATH_MAX, "%s/mnist_fast", xdg);
        else if (home && *home)
            length = snprintf(folder, PATH_MAX, "%s/.local/share/mnist_fast", home);
        break;
    }
    return length > 0 && length < PATH_MAX;
}

/* Whether a file of images is there, in any of its spellings; the library checks it. */
static bool has_images(const char *path)
{
    static const char *const names[] = {"train-images", "t10k-images"};
    DIR *const folder = opendir(path);
    if (!folder)
        return false;
    bool found = false;
    for (const struct dirent *entry; !found && (entry = readdir(folder));)
        found = strncmp(entry->d_name, names[0], strlen(names[0])) == 0 ||
                strncmp(entry->d_name, names[1], strlen(names[1])) == 0;
    closedir(folder);
    return found;
}

const char *cli_data_folder(const struct cli_options *options)
{
    static char folder[PATH_MAX];
    if (options->data)
        return options->data;
    for (int place = 0; place < PLACES; place++)
        if (name_place(place, folder) && has_images(folder))
            return folder;
    return NULL;
}

/* The script that fetches the data: that of the checkout or of the installation. */
static void name_fetch(char fetch[PATH_MAX])
{
    static const char *const places[] = {"data/fetch", "../data/fetch", "../share/mnist_fast/fetch"};
    char program[PATH_MAX];
    find_program(program);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const int length = snprintf(fetch, PATH_MAX, "%s%s", program, places[i]);
        if (length < PATH_MAX && access(fetch, X_OK) == 0)
            return;
    }
    strcpy(fetch, "data/fetch of its source");
}

mnist_fast_status cli_no_data(mnist_fast_error *error)
{
    char fetch[PATH_MAX], places[320] = "";
    name_fetch(fetch);
    for (int place = 0; place < PLACES; place++) {
        char folder[PATH_MAX];
        const size_t length = strlen(places);
        if (name_place(place, folder))
            snprintf(places + length, sizeof places - length, "%s%.100s", length ? ", " : "", folder);
    }
    return cli_fail(error, MNIST_FAST_BAD_FILE,
                    "no MNIST files (looked in %s); run %.120s, or name their folder with --data or "
                    "MNIST_FAST_DATA",
                    places, fetch);
}
