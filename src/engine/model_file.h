/* Networks in safetensors files: models, and checkpoints that training can go on from.
 *
 * A model holds the tensors that mf_tensor_describe names; its metadata holds the configuration, the seed and the
 * complete epochs. A checkpoint holds as well, for each tensor, Adam's moments NAME.exp_avg and NAME.exp_avg_sq, and
 * in the metadata the position and a fingerprint of the data. The same network gives the same bytes.
 *
 * With patience, a model holds the best epoch, as if training had ended there. A checkpoint holds the weights that
 * training goes on from, and those of the best epoch, where there is one, as NAME.best.
 *
 * A file without that metadata, as PyTorch writes it, is read as a model: its layers follow from names and shapes
 * (layer_order.h). */
#ifndef MF_MODEL_FILE_H
#define MF_MODEL_FILE_H

#include "network.h"

struct mf_tensor_name {
    char text[32];
};
struct mf_tensor_name mf_tensor_name(const mnist_fast *network, int tensor, enum mf_tensor_kind kind);

/* Writes the network; with data_crc32 a checkpoint. */
mnist_fast_status mf_model_write(const mnist_fast *network, const char *path, const uint32_t *data_crc32,
                                 mnist_fast_error *error);

/* Reads a network, with the configuration that the file holds (the default one where it holds none). From a checkpoint
 * the moments and the position are set as well; from a model the position has the complete epochs alone. checkpoint:
 * the file must be one. data_crc32: NULL, or set to that of a checkpoint. *network is written on success only. */
mnist_fast_status mf_model_read(const char *path, const mnist_fast_runtime *runtime, bool checkpoint,
                                uint32_t *data_crc32, mnist_fast **network, mnist_fast_error *error);

#endif
