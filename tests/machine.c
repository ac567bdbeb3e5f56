#include "machine.h"

#include "folder.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void machine_new(void)
{
    remove_tree(folder);
    ck_assert_msg(mkdir(folder, 0700) == 0, "%s: %s", folder, strerror(errno));
}

void machine_put(const char *name, const char *text)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s%s", folder, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    file_write(path, text, strlen(text));
}
