/* Networks as ONNX files. */
#ifndef CLI_ONNX_H
#define CLI_ONNX_H

#include "mnist_fast.h"

/* Writes an ONNX model of operator set 13: the input "pixels", float32 (N, 784), each 0 (background) to 1 (ink); the
 * outputs "logits" and "probabilities", float32 (N, 10). The file is replaced as a whole or not at all. */
mnist_fast_status cli_onnx_write(const mnist_fast *network, const char *path, mnist_fast_error *error);

#endif
