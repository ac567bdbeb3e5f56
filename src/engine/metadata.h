/* The metadata of our safetensors files: strings under the key __metadata__ of the header.
 *
 * The header of a file of ours begins with the crc32 of the header text (with zeros for its eight digits) and the data,
 * so that one wrong bit anywhere in the file is found. */
#ifndef MF_METADATA_H
#define MF_METADATA_H

#include "network.h"

#include <stdio.h>

/* Raised when an older reader would misread the file: 2 for checkpoints of a training with what version 1 did not know,
 * 3 for those in bf16; other files are still written as version 1. */
enum { MF_FORMAT_VERSION = 3 };

#define MF_CRC_PREFIX "{\"__metadata__\":{\"crc32\":\""
enum { MF_CRC_AT = sizeof MF_CRC_PREFIX - 1, MF_CRC_DIGITS = 8 };

struct mf_metadata {
    mnist_fast_config config; /* without the hidden layers: the shapes of the tensors say them */
    struct mf_position position;
    uint32_t data_crc32;
    int best_epoch; /* 0: none */
    double best_loss;
    bool checkpoint; /* with moments, position, data_crc32, and the best epoch if there is one */
};

int mf_tensor_kinds(const struct mf_metadata *metadata); /* how many of enum mf_tensor_kind the file has */

/* Writes the header up to the end of the metadata object, with zeros for the checksum. The C locale is in force. */
void mf_metadata_write(FILE *out, const struct mf_metadata *metadata);

/* Reads the metadata from the text of a header, which mf_safetensors_parse has accepted. *ours: whether there is any of
 * ours; if not, *metadata has the default configuration. */
mnist_fast_status mf_metadata_read(const char *path, const char *header, size_t length, struct mf_metadata *metadata,
                                   bool *ours, mnist_fast_error *error);

/* For a header or data that contradict the checksum. */
mnist_fast_status mf_metadata_damaged(const char *path, mnist_fast_error *error);

#endif
