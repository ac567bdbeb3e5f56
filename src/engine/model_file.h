/* Networks in safetensors files: models, and checkpoints that training can go on from.
 *
 * A model holds the tensors that mf_tensor_describe names; its metadata holds the configuration, the seed and the
 * complete epochs. A checkpoint holds as well, for each tensor, Adam's moments NAME.exp_avg and NAME.exp_avg_sq, and
 * in the metadata the position and a fingerprint of the data. The same network gives the same bytes. A checksum in the
 * metadata covers the whole file, so that one wrong bit anywhere is found.
 *
 * A file without that metadata, as PyTorch writes it, is read as a model: names and shapes tell its layers. */
#ifndef MF_MODEL_FILE_H
#define MF_MODEL_FILE_H

#include "network.h"

/* What a checkpoint says about the run that wrote it, beside the weights, moments, configuration and position. */
struct mf_checkpoint {
    uint32_t data_crc32; /* of the training images and labels */
};

/* Writes the network; with checkpoint also Adam's moments, the configuration and the position. Atomic: a unique
 * temporary beside path, fsync, rename, fsync of the folder. A file over the limit of file sizes is an error only where
 * SIGXFSZ is ignored, else the end of the process. */
mnist_fast_status mf_model_write(const mnist_fast *network, const char *path, const struct mf_checkpoint *checkpoint,
                                 mnist_fast_error *error);

/* Reads a network, with the configuration that the file holds (the default one where it holds none). From a checkpoint
 * the moments and the position are set as well; from a model the position has the complete epochs alone. With
 * checkpoint != NULL the file must be a checkpoint. On failure *network is NULL. */
mnist_fast_status mf_model_read(const char *path, const mnist_fast_runtime *runtime, struct mf_checkpoint *checkpoint,
                                mnist_fast **network, mnist_fast_error *error);

/* Whether path can be written by mf_model_write: asked before the first epoch. Leaves nothing behind. */
mnist_fast_status mf_model_writable(const char *path, mnist_fast_error *error);

#endif
