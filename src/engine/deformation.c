#include "deformation.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/sine.h"
#include "network.h"

#include <string.h>

/* What is drawn: an offset in x and in y of each control point, and these. */
enum { ROTATION, SHEAR, SCALE_X, SCALE_Y, SHIFT_X, SHIFT_Y, AFFINE, POINTS = MF_NODES * MF_NODES };
enum { MIDDLE = MF_NODES / 2 }; /* the control point in the middle of the image */
enum { NUMBERS = AFFINE + 2 * POINTS, BLOCK = 8 /* numbers of 16 bits in a block of the generator */ };
_Static_assert(NUMBERS % BLOCK == 0, "whole blocks are drawn");

bool mf_deforms(const mnist_fast_config *c)
{
    return c->rotation > 0 || c->shear > 0 || c->scale > 0 || c->shift > 0 || c->elastic > 0;
}

/* Uniform in (-1, 1), symmetrical, in steps of 2^-15. */
static void draw(uint64_t seed, uint32_t epoch, uint32_t image, float numbers[NUMBERS])
{
    for (uint32_t block = 0; block * BLOCK < NUMBERS; block++) {
        uint32_t random[4];
        mf_random_of_image(seed, epoch, image, block, random);
        for (int i = 0; i < BLOCK; i++) {
            const int bits = (int)(random[i / 2] >> 16 * (i % 2) & 0xffff);
            numbers[block * BLOCK + i] = (float)(2 * bits - 65535) * 0x1p-16f;
        }
    }
}

/* The affine part is the original's place of a pixel from the middle of the image, so it undoes what is seen: the
 * control points of a spline that is an affine function are the function's values at the points. */
static void draw_deformation(const mnist_fast_config *c, uint32_t epoch, uint32_t image, struct mf_deformation *d)
{
    float number[NUMBERS];
    draw(c->seed, epoch, image, number);
    const double angle = c->rotation * (double)number[ROTATION], half = mf_sine(angle / 2);
    const double sine = mf_sine(angle), cosine = 1.0 - 2.0 * half * half, slant = c->shear * (double)number[SHEAR];
    const double across = 1.0 + c->scale * (double)number[SCALE_X], down = 1.0 + c->scale * (double)number[SCALE_Y];
    const double middle = (MF_SIDE - 1) / 2.0;
    const float x0 = (float)(middle + c->shift * (double)number[SHIFT_X]);
    const float y0 = (float)(middle + c->shift * (double)number[SHIFT_Y]);
    const float xx = (float)(MF_SPAN * across * cosine), xy = (float)(MF_SPAN * down * (slant * cosine - sine));
    const float yx = (float)(MF_SPAN * across * sine), yy = (float)(MF_SPAN * down * (slant * sine + cosine));
    const float elastic = (float)c->elastic;
    for (int g = 0; g < MF_NODES; g++)
        for (int h = 0; h < MF_NODES; h++) {
            const float right = (float)(h - MIDDLE), below = (float)(g - MIDDLE);
            const float *offset = &number[AFFINE + g * MF_NODES + h];
            d->x[g][h] = x0 + xx * right + xy * below + elastic * offset[0];
            d->y[g][h] = y0 + yx * right + yy * below + elastic * offset[POINTS];
        }
}

void mf_deform_image(const mnist_fast *n, uint32_t epoch, uint32_t image, const uint8_t *pixels, uint8_t *deformed)
{
    struct mf_deformation deformation;
    draw_deformation(&n->config, epoch, image, &deformation);
    n->kernels->deform(pixels, &deformation, deformed);
}

mnist_fast_status mnist_fast_deform(const mnist_fast *network, const mnist_fast_images *images, size_t image, int epoch,
                                    uint8_t pixels[MNIST_FAST_PIXELS], mnist_fast_error *error)
{
    if (!network || !images || !images->pixels || !pixels)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "deform: the network, the images or the pixels are NULL");
    if (image >= images->count || image >= MNIST_FAST_MAX_IMAGES)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "image: expected one of %zu, found %zu", images->count, image);
    if (epoch < 0)
        return mf_fail(error, MNIST_FAST_BAD_ARGUMENT, "epoch: expected at least 0, found %d", epoch);
    const uint8_t *const from = images->pixels + image * MF_INPUTS;
    if (mf_deforms(&network->config))
        mf_deform_image(network, (uint32_t)epoch, (uint32_t)image, from, pixels);
    else
        memcpy(pixels, from, MF_INPUTS);
    return MNIST_FAST_OK;
}
