/* Model files to try. */
#ifndef MODELS_H
#define MODELS_H

#include "folder.h"
#include "networks.h"

extern const char *model_path; /* within the folder */
extern mnist_fast_error model_error;
extern const mnist_fast_runtime model_runtime; /* scalar, one thread */
void model_folder_make(void);                  /* the fixture; folder_remove ends it */

/* A network of these hidden layers whose weights and moments are random bit patterns: every finite one may be there,
 * denormal numbers and -0 included; second moments are not negative. */
mnist_fast *random_network(const int *hidden, int count, uint64_t seed);
/* One with hidden layers of 7 and 5. */
enum { SMALL_DATA = 22380 }; /* bytes of its weights and biases */
mnist_fast *small_network(uint64_t seed);

/* The crc32 of all tensors of a kind, in file order, by way of mf_tensor_get. */
uint32_t tensors_crc32(const mnist_fast *network, enum mf_tensor_kind kind);
void expect_same_tensors(const mnist_fast *a, const mnist_fast *b, enum mf_tensor_kind kind);

/* These fail the test where they fail. */
void save(const mnist_fast *network, const char *name);
void save_checkpoint(const mnist_fast *network, const char *name, uint32_t data_crc32);
mnist_fast *load(const char *name);

/* Fails unless model_error has one line that begins with the name, holds the words and says what to do. */
void expect_message(const char *name, const char *words);
/* Fails unless loading the file ends with this status and message. */
void expect_refused(const char *name, mnist_fast_status status, const char *words);

/* Writes a file at model_path with this header and `data` zero bytes. */
void write_header_and_data(const char *header, size_t data);

/* The entries of a file of PyTorch, sorted by name, as safetensors.torch writes a state_dict of nn.Sequential. */
#define TORCH_TENSORS                                                                                                  \
    "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[7],\"data_offsets\":[0,28]},"                                            \
    "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[7,784],\"data_offsets\":[28,21980]},"                                  \
    "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[21980,22000]},"                                     \
    "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[5,7],\"data_offsets\":[22000,22140]},"                                 \
    "\"4.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[22140,22180]},"                                    \
    "\"4.weight\":{\"dtype\":\"F32\",\"shape\":[10,5],\"data_offsets\":[22180,22380]}"

/* Writes the weights of a small network to model_path in that order; returns the bytes of the file, to be freed. */
struct bytes write_torch_file(const char *header, const mnist_fast *network);

#endif
