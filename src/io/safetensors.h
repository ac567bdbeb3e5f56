/* The header of a safetensors file: 8 bytes of length, little-endian, then a JSON object that says for each tensor its
 * type, shape and bytes, then the data. Only F32 tensors of one or two dimensions are taken. */
#ifndef MF_SAFETENSORS_H
#define MF_SAFETENSORS_H

#include "mnist_fast.h"

struct mf_safetensor {
    const char *name;    /* lives as long as the header */
    int dimensions;      /* 1 or 2 */
    uint64_t shape[2];   /* each at least 1 */
    uint64_t begin, end; /* bytes, counted from the first of the data; end - begin is 4 * the product of shape */
    int index;           /* for the caller; -1 at first */
};

struct mf_safetensors {
    struct json_t *json;
    struct mf_safetensor *tensor; /* in the order of the data, which they cover without gap, overlap or rest */
    size_t count;
};

/* The length of the header text, checked against the size of the file. */
mnist_fast_status mf_safetensors_length(const char *path, const uint8_t first[8], uint64_t file_size, size_t *length,
                                        mnist_fast_error *error);

/* Reads the header text. path is for the messages. On failure the header is zeroed. */
mnist_fast_status mf_safetensors_parse(const char *path, const char *text, size_t length, uint64_t data_size,
                                       struct mf_safetensors *header, mnist_fast_error *error);
void mf_safetensors_free(struct mf_safetensors *header); /* accepts zeroed ones; leaves it zeroed */

/* NULL: not there. */
struct mf_safetensor *mf_safetensors_find(const struct mf_safetensors *header, const char *name);

#endif
