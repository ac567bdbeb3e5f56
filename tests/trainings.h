/* Short trainings to stop, to change and to compare. */
#ifndef TRAININGS_H
#define TRAININGS_H

#include "folder.h"
#include "networks.h"

enum { IMAGES = 100, HELD_OUT = 10, TRAINED = IMAGES - HELD_OUT, BATCH = 20, BATCHES = 5, EPOCHS = 2 };
extern mnist_fast_images images;
void trainings_begin(void); /* the fixtures: images, and a folder */
void trainings_end(void);

mnist_fast *new_network(int threads);             /* of hidden layers with 17 and 9 units */
mnist_fast *stopped_network(int threads, int at); /* after `at` batches of its training */
uint32_t undisturbed(void);                       /* the weights of a training that nothing disturbs */

void expect_status(const char *what, mnist_fast_status found, mnist_fast_status expected);
void expect_position(const mnist_fast *network, int epoch, int batch, uint64_t step);

#endif
