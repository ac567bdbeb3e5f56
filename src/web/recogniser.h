/* What the page calls: one network and one picture, held by the module. A page has one thread.
 *
 * A status is a mnist_fast_status; web_error has the line of the last one that is not MNIST_FAST_OK. */
#ifndef MF_WEB_RECOGNISER_H
#define MF_WEB_RECOGNISER_H

#include "mnist_fast.h"

#ifdef __wasm__
#define WEB_EXPORT(name) __attribute__((export_name(#name)))
#else
#define WEB_EXPORT(name)
#endif

/* Memory for the page to write to: at least so many bytes, the same until more are asked for. NULL: there is none. */
WEB_EXPORT(web_buffer) void *web_buffer(size_t bytes);

/* A network with `count` hidden layers, whose units are the integers in the buffer. It has no weights yet. */
WEB_EXPORT(web_create) mnist_fast_status web_create(int count);

/* The values of a tensor, in file order, are in the buffer: 0.weight (out, in) row-major, 0.bias, 2.weight, ... */
WEB_EXPORT(web_set_tensor) void web_set_tensor(int tensor);

/* The picture in the buffer, width * height bytes, 0 = black, becomes the pixels that the network reads. */
WEB_EXPORT(web_prepare) mnist_fast_status web_prepare(int width, int height);

/* Reads the pixels: logits, probabilities and the digit, which is returned; -1: no memory. */
WEB_EXPORT(web_recognise) int web_recognise(void);

WEB_EXPORT(web_pixels) uint8_t *web_pixels(void);             /* 784 */
WEB_EXPORT(web_logits) float *web_logits(void);               /* 10 */
WEB_EXPORT(web_probabilities) float *web_probabilities(void); /* 10 */
WEB_EXPORT(web_error) const char *web_error(void);

#endif
