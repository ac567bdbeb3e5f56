/* Picture files to read, right and damaged. */
#ifndef PICTURE_FILES_H
#define PICTURE_FILES_H

#include "cli/picture_file.h"

#include "drawing.h"

enum { WIDTH = 37, HEIGHT = 23 };
extern const char *picture_path; /* of the file that is read */
extern uint8_t *picture_rgb;     /* WIDTH * HEIGHT, in grey, as three channels */
void picture_begin(void);        /* the fixtures: these two, and the folder */
void picture_end(void);

/* The picture as a small file: PNG, JPEG, PNM; the last one is plain. */
enum { SMALL_FILES = 8, SMALL_PNGS = 3, SMALL_JPEG = 3, SMALL_PLAIN = 7 };
struct bytes picture_small_file(int kind);

void picture_write_file(const void *data, size_t size);
mnist_fast_status picture_read_bytes(const void *data, size_t size, struct cli_picture *read, mnist_fast_error *error);

/* Fails unless the message begins with the file and says, in one line, what to do. */
void picture_expect_one_line(const mnist_fast_error *error);

/* Fails unless reading these bytes ends with this status, no picture, and a message that holds `says`. */
void picture_expect_refused(const void *data, size_t size, mnist_fast_status status, const char *says);

/* The file must hold the picture, each level no further off than tolerance; frees it. */
void picture_expect(struct bytes file, int tolerance);

#endif
