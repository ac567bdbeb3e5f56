/* A library for LD_PRELOAD that lets calls of the C library fail. tests/faults/run uses it.
 *
 * MF_FAULT=FAMILY:K:once    the K-th call of the family since main began fails, counted from 1
 * MF_FAULT=FAMILY:K:ever    so do all later ones
 * MF_FAULT_COUNT=PATH       gets a line "FAMILY CALLS" for each family when main returns
 *
 * Calls are counted from main on: what the loader does before is not the program's. What the OpenMP runtime asks for is
 * a family of its own. The streams of stdio call read, write and close through cookies, so that these fail there too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum family { MEMORY, OPEN, READ, WRITE, FSYNC, RENAME, CLOSE, STAT, UNLINK, CONTROL, THREAD, OPENMP, FAMILIES };
static const struct {
    const char *name;
    int code; /* of errno */
} families[FAMILIES] = {
    {"memory", ENOMEM}, {"open", EMFILE}, {"read", EIO},     {"write", ENOSPC}, {"fsync", EIO},     {"rename", EIO},
    {"close", EIO},     {"stat", EIO},    {"unlink", EPERM}, {"control", EIO},  {"thread", EAGAIN}, {"openmp", ENOMEM},
};

static enum family wanted = FAMILIES;
static long first;
static bool ever;
static atomic_bool counting;
static atomic_long calls[FAMILIES];
static _Thread_local bool within_openmp;    /* starts a thread, for which libc takes memory */
static _Thread_local bool within_sanitizer; /* which asks for the stack of a new thread */
static struct {
    uintptr_t begin, end;
} openmp; /* the text of the OpenMP runtime */

/* Whether this call is to fail; sets errno. */
static bool fails(enum family family)
{
    if (!atomic_load(&counting) || within_sanitizer)
        return false;
    const long call = atomic_fetch_add(&calls[family], 1) + 1;
    if (family != wanted || call < first || (call > first && !ever))
        return false;
    errno = families[family].code;
    return true;
}

static bool is_openmp(const void *caller)
{
    return within_openmp || ((uintptr_t)caller >= openmp.begin && (uintptr_t)caller < openmp.end);
}

static bool memory_fails(const void *caller)
{
    return fails(is_openmp(caller) ? OPENMP : MEMORY);
}
#define CALLER __builtin_return_address(0)

/* The function that this library stands before. */
#define REAL(name)                                                                                                     \
    static __typeof__(name) *real;                                                                                     \
    if (!real)                                                                                                         \
    real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* ---- streams ---- */

static ssize_t cookie_read(void *cookie, char *to, size_t size)
{
    return read((int)(intptr_t)cookie, to, size);
}

/* 0, and not -1, is how a cookie says that writing failed. */
static ssize_t cookie_write(void *cookie, const char *from, size_t size)
{
    const ssize_t written = write((int)(intptr_t)cookie, from, size);
    return written < 0 ? 0 : written;
}

static int cookie_seek(void *cookie, off64_t *offset, int whence)
{
    *offset = lseek((int)(intptr_t)cookie, *offset, whence);
    return *offset < 0 ? -1 : 0;
}

static int cookie_close(void *cookie)
{
    return close((int)(intptr_t)cookie);
}

static FILE *stream_of(int file, const char *mode)
{
    const cookie_io_functions_t functions = {cookie_read, cookie_write, cookie_seek, cookie_close};
    return fopencookie((void *)(intptr_t)file, *mode == 'r' ? "r" : "w", functions);
}

EXPORT FILE *fdopen(int file, const char *mode)
{
    return stream_of(file, mode);
}

EXPORT FILE *fopen(const char *path, const char *mode)
{
    const int kind = *mode == 'r'   ? O_RDONLY
                     : *mode == 'a' ? O_WRONLY | O_CREAT | O_APPEND
                                    : O_WRONLY | O_CREAT | O_TRUNC;
    const int file = open(path, kind | (strchr(mode, 'x') ? O_EXCL : 0) | O_CLOEXEC, 0666);
    FILE *stream = file < 0 ? NULL : stream_of(file, mode);
    if (file >= 0 && !stream)
        syscall(SYS_close, file);
    return stream;
}

/* ---- main ---- */

static int find_openmp(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    const char *name = strrchr(info->dlpi_name, '/');
    if (!name || (strncmp(name, "/libgomp", 8) != 0 && strncmp(name, "/libomp", 7) != 0))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            openmp.begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            openmp.end = openmp.begin + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

static int (*program_main)(int, char **, char **);

static int main_of_program(int argc, char **argv, char **environment)
{
    const char *text = getenv("MF_FAULT"), *path = getenv("MF_FAULT_COUNT");
    char name[16] = "", when[8] = "";
    if (text && sscanf(text, "%15[a-z]:%ld:%7s", name, &first, when) == 3)
        for (int i = 0; i < FAMILIES; i++)
            if (strcmp(families[i].name, name) == 0)
                wanted = (enum family)i;
    if (text && wanted == FAMILIES) {
        fprintf(stderr, "MF_FAULT: cannot be understood: %s\n", text);
        return 98;
    }
    ever = strcmp(when, "ever") == 0;
    dl_iterate_phdr(find_openmp, NULL);
    FILE *const original = stdout;
    stdout = stream_of(STDOUT_FILENO, "w");
    atomic_store(&counting, true);
    const int code = program_main(argc, argv, environment);
    atomic_store(&counting, false);
    stdout = original; /* a program that has not closed it loses nothing: it is flushed at the exit */
    FILE *counts = path ? fopen(path, "w") : NULL;
    for (int i = 0; counts && i < FAMILIES; i++)
        fprintf(counts, "%s %ld\n", families[i].name, atomic_load(&calls[i]));
    if (counts)
        fclose(counts);
    return code;
}

typedef int start(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
EXPORT start __libc_start_main;
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    REAL(__libc_start_main);
    program_main = main;
    return real(main_of_program, argc, argv, init, fini, rtld_fini, stack_end);
}

/* ---- memory ---- */

EXPORT void *malloc(size_t size)
{
    REAL(malloc);
    return memory_fails(CALLER) ? NULL : real(size);
}

/* dlsym may call calloc, before the next one is known: it gets bytes of an array. */
EXPORT void *calloc(size_t count, size_t size)
{
    static _Alignas(16) char early[4096];
    static size_t used;
    static bool searching;
    static __typeof__(calloc) *real;
    if (!real && searching) {
        void *memory = early + used;
        used += (count * size + 15) / 16 * 16;
        return used <= sizeof early ? memory : NULL;
    }
    if (!real) {
        searching = true;
        real = (__typeof__(calloc) *)dlsym(RTLD_NEXT, "calloc");
        searching = false;
    }
    return memory_fails(CALLER) ? NULL : real(count, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
    REAL(realloc);
    return memory_fails(CALLER) ? NULL : real(memory, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size)
{
    REAL(posix_memalign);
    return memory_fails(CALLER) ? ENOMEM : real(memory, alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    REAL(aligned_alloc);
    return memory_fails(CALLER) ? NULL : real(alignment, size);
}

EXPORT void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    REAL(mmap);
    return memory_fails(CALLER) ? MAP_FAILED : real(at, size, protection, flags, file, offset);
}

/* ---- files; the names with underscores are those of fortified programs ---- */

EXPORT int openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    REAL(openat);
    return fails(OPEN) ? -1 : real(folder, path, flags, mode);
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return openat(AT_FDCWD, path, flags, mode);
}

EXPORT int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return openat(AT_FDCWD, path, flags, 0);
}

EXPORT DIR *opendir(const char *path)
{
    REAL(opendir);
    return fails(OPEN) ? NULL : real(path);
}

EXPORT ssize_t read(int file, void *to, size_t size)
{
    REAL(read);
    return fails(READ) ? -1 : real(file, to, size);
}

EXPORT ssize_t __read_chk(int file, void *to, size_t size, size_t room);
ssize_t __read_chk(int file, void *to, size_t size, size_t room)
{
    (void)room;
    return read(file, to, size);
}

EXPORT ssize_t write(int file, const void *from, size_t size)
{
    REAL(write);
    return fails(WRITE) ? -1 : real(file, from, size);
}

EXPORT int fsync(int file)
{
    REAL(fsync);
    return fails(FSYNC) ? -1 : real(file);
}

EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    REAL(renameat);
    return fails(RENAME) ? -1 : real(from_folder, from, to_folder, to);
}

EXPORT int unlinkat(int folder, const char *path, int flags)
{
    REAL(unlinkat);
    return fails(UNLINK) ? -1 : real(folder, path, flags);
}

/* The file is closed all the same, as Linux does it. */
EXPORT int close(int file)
{
    REAL(close);
    const int result = real(file);
    return fails(CLOSE) ? -1 : result;
}

EXPORT int stat(const char *path, struct stat *about)
{
    REAL(stat);
    return fails(STAT) ? -1 : real(path, about);
}

EXPORT int fstat(int file, struct stat *about)
{
    REAL(fstat);
    return fails(STAT) ? -1 : real(file, about);
}

/* ---- what else is asked of files ---- */

EXPORT off_t lseek(int file, off_t offset, int whence)
{
    REAL(lseek);
    return fails(CONTROL) ? -1 : real(file, offset, whence);
}

EXPORT int fchmod(int file, mode_t mode)
{
    REAL(fchmod);
    return fails(CONTROL) ? -1 : real(file, mode);
}

EXPORT int fchown(int file, uid_t user, gid_t group)
{
    REAL(fchown);
    return fails(CONTROL) ? -1 : real(file, user, group);
}

EXPORT int ftruncate(int file, off_t size)
{
    REAL(ftruncate);
    return fails(CONTROL) ? -1 : real(file, size);
}

EXPORT int faccessat(int folder, const char *path, int mode, int flags)
{
    REAL(faccessat);
    return fails(CONTROL) ? -1 : real(folder, path, mode, flags);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    return fails(CONTROL) ? -1 : real(path, mode);
}

/* ---- threads ---- */

/* LeakSanitizer ends the process where this fails; nobody else calls it. */
EXPORT int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    REAL(pthread_getattr_np);
    within_sanitizer = true;
    const int code = real(thread, attributes);
    within_sanitizer = false;
    return code;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    REAL(pthread_create);
    const bool runtime = is_openmp(CALLER);
    if (fails(runtime ? OPENMP : THREAD))
        return EAGAIN;
    within_openmp = runtime;
    const int code = real(thread, attributes, run, argument);
    within_openmp = false;
    return code;
}
