/* Fuzz targets: what reads bytes that others wrote. build/fuzz/tests/fuzz runs one of them under libFuzzer, tests/
 * test_fuzz_corpus.c all of them on their seeds and on mutations of these. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUZZ_LARGEST = 1 << 16 }; /* bytes of an input */

struct fuzz_target {
    const char *name;
    void (*run)(const uint8_t *data, size_t size); /* aborts where a promise is broken */
    /* Writes a seed, number 0, 1, ...; returns its size. 0: there are no more. */
    size_t (*seed)(int number, uint8_t to[FUZZ_LARGEST]);
    /* Corrects lengths and checksums, which a mutation hardly ever hits. NULL: there are none. */
    void (*mend)(uint8_t *data, size_t size);
    int mutations; /* that tests/test_fuzz_corpus.c tries, in about a second */
};

/* NULL last. */
extern const struct fuzz_target *const fuzz_targets[];
extern const struct fuzz_target fuzz_idx, fuzz_kernels, fuzz_model, fuzz_options, fuzz_picture;

/* Ends the process with a message unless the condition holds. */
#define fuzz_require(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, NULL))
_Noreturn void fuzz_fail(const char *file, int line, const char *what, const char *detail);

/* For a failure: a message that begins with the path of the file, in one line. */
void fuzz_require_error(const char *path, const char *text);

/* The path of a regular file of these bytes, valid until the next call. */
const char *fuzz_file(const void *data, size_t size);

#endif
