/* The order of the layers in a safetensors file of another program, by the names and shapes of its tensors. */
#ifndef MF_LAYER_ORDER_H
#define MF_LAYER_ORDER_H

#include "io/safetensors.h"
#include "network.h"

/* Every tensor X.weight becomes a layer: those of 784 inputs first, those of 10 outputs last, and within each of the
 * three groups by name, where numbers count as numbers: fc2 is before fc10. Whether the shapes fit is for the caller to
 * check. *layers may be MF_MAX_LAYERS + 1, for more than are allowed. */
void mf_layer_order(const struct mf_safetensors *header, const struct mf_safetensor *weight[MF_MAX_LAYERS + 1],
                    int *layers);

/* Fails where the names do not decide the order: neighbours in a group must differ in numbers alone. */
mnist_fast_status mf_layer_order_check(const char *path, const struct mf_safetensor *const weight[], int layers,
                                       mnist_fast_error *error);

#endif
