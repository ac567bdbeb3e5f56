#include "drawing.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { SIDE = 28, FINE = 8, FINE_SIDE = SIDE * FINE };

struct ink ink_new(int width, int height)
{
    struct ink ink = {width, height, calloc((size_t)width * (size_t)height, sizeof(float))};
    ck_assert_ptr_nonnull(ink.cover);
    return ink;
}

void ink_free(struct ink *ink)
{
    free(ink->cover);
    *ink = (struct ink){0};
}

/* Keys's cubic kernel with a = -1/2. */
static double cubic(double x)
{
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2 : 0;
}

/* The pixels enlarged to `size`, seen from (left, top): `out` samples of each of `lines`, which are `stride` apart, as
 * the samples are `step` apart. Outside there is paper. */
static void enlarge(const float *from, int lines, int stride, int step, double start, double size, int out, float *to)
{
    for (int i = 0; i < out; i++) {
        const double u = (i + 0.5 - start) * SIDE / size - 0.5;
        const int first = (int)floor(u) - 1;
        for (int line = 0; line < lines; line++) {
            double sum = 0;
            for (int k = first < 0 ? 0 : first; k < SIDE && k < first + 4; k++)
                sum += from[line * stride + k * step] * cubic(u - k);
            to[line * out + i] = (float)sum;
        }
    }
}

/* width * height samples of the digit, to be freed. */
static float *enlarged(const uint8_t *pixels, int width, int height, double left, double top, double size)
{
    float *const whole =
        malloc((SIDE * SIDE + (size_t)SIDE * (size_t)width + (size_t)width * (size_t)height) * sizeof *whole);
    ck_assert_ptr_nonnull(whole);
    float *const rows = whole + (size_t)width * (size_t)height, *const digit = rows + (size_t)SIDE * (size_t)width;
    for (int i = 0; i < SIDE * SIDE; i++)
        digit[i] = (float)pixels[i] / 255;
    float *const turned_around = malloc((size_t)width * (size_t)height * sizeof *turned_around);
    ck_assert_ptr_nonnull(turned_around);
    enlarge(digit, SIDE, SIDE, 1, left, size, width, rows);
    enlarge(rows, width, 1, width, top, size, height, turned_around);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            whole[(size_t)y * (size_t)width + (size_t)x] = fminf(fmaxf(turned_around[x * height + y], 0), 1);
    free(turned_around);
    return whole;
}

void ink_enlarge(struct ink *ink, const uint8_t *pixels, double left, double top, double size)
{
    float *const samples = enlarged(pixels, ink->width, ink->height, left, top, size);
    for (int i = 0; i < ink->width * ink->height; i++)
        ink->cover[i] = fmaxf(ink->cover[i], samples[i]);
    free(samples);
}

/* Zhang and Suen's thinning, in place: 1 where the middle line of the strokes runs. */
static void thin(uint8_t (*mask)[FINE_SIDE])
{
    static const int around[8][2] = {{-1, 0}, {-1, 1}, {0, 1}, {1, 1}, {1, 0}, {1, -1}, {0, -1}, {-1, -1}};
    static uint8_t next[FINE_SIDE][FINE_SIDE];
    bool changed = true;
    for (int pass = 0; changed || pass % 2; pass++) {
        if (pass % 2 == 0)
            changed = false;
        memcpy(next, mask, sizeof next);
        for (int y = 1; y < FINE_SIDE - 1; y++)
            for (int x = 1; x < FINE_SIDE - 1; x++) {
                if (!mask[y][x])
                    continue;
                int p[9], sum = 0, rises = 0;
                for (int k = 0; k < 9; k++)
                    p[k] = mask[y + around[k % 8][0]][x + around[k % 8][1]];
                for (int k = 0; k < 8; k++) {
                    sum += p[k];
                    rises += !p[k] && p[k + 1];
                }
                const bool side = pass % 2 == 0 ? !(p[0] && p[2] && p[4]) && !(p[2] && p[4] && p[6])
                                                : !(p[0] && p[2] && p[6]) && !(p[0] && p[4] && p[6]);
                if (sum >= 2 && sum <= 6 && rises == 1 && side) {
                    next[y][x] = 0;
                    changed = true;
                }
            }
        memcpy(mask, next, sizeof next);
    }
}

void ink_trace(struct ink *ink, const uint8_t *pixels, double left, double top, double size, double pen)
{
    static uint8_t mask[FINE_SIDE][FINE_SIDE];
    float *const samples = enlarged(pixels, FINE_SIDE, FINE_SIDE, 0, 0, FINE_SIDE);
    for (int i = 0; i < FINE_SIDE * FINE_SIDE; i++)
        mask[i / FINE_SIDE][i % FINE_SIDE] = samples[i] >= 0.5f;
    free(samples);
    thin(mask);
    const double radius = pen / 2;
    for (int i = 0; i < FINE_SIDE * FINE_SIDE; i++) {
        if (!mask[i / FINE_SIDE][i % FINE_SIDE])
            continue;
        const double x = left + (i % FINE_SIDE + 0.5) * size / FINE_SIDE,
                     y = top + (i / FINE_SIDE + 0.5) * size / FINE_SIDE;
        for (int v = (int)floor(y - radius - 1); v <= (int)ceil(y + radius + 1); v++)
            for (int u = (int)floor(x - radius - 1); u <= (int)ceil(x + radius + 1); u++) {
                if (v < 0 || v >= ink->height || u < 0 || u >= ink->width)
                    continue;
                const double edge = radius + 0.5 - hypot(u + 0.5 - x, v + 0.5 - y);
                float *const cover = ink->cover + (size_t)v * (size_t)ink->width + u;
                *cover = fmaxf(*cover, (float)fmin(fmax(edge, 0), 1));
            }
    }
}

/* The sum of two uniform numbers, scaled to a standard deviation of 1; place: 0 to 3, of the same random bits. */
static float deviation(uint64_t bits, int place)
{
    const int sum = (int)(bits >> 16 * place & 255) + (int)(bits >> (16 * place + 8) & 255);
    return (float)(sum - 255) / 104.5f;
}

uint8_t *scene_photograph(const struct scene *scene, const struct ink *ink, struct random *random)
{
    uint8_t *const picture = malloc((size_t)ink->width * (size_t)ink->height * 3);
    ck_assert_ptr_nonnull(picture);
    const double slant = random_real(random) * 0.5, place = 0.5 + random_real(random) * 0.3;
    uint8_t *to = picture;
    for (int y = 0; y < ink->height; y++)
        for (int x = 0; x < ink->width; x++) {
            const double u = (x + 0.5) / ink->width, v = (y + 0.5) / ink->height;
            const double corner = ((u - 0.5) * (u - 0.5) + (v - 0.5) * (v - 0.5)) * 2;
            double light = (1 - scene->dim) * (1 - scene->vignette * corner);
            light *= 1 - (scene->slope[0] > 0 ? u : u - 1) * scene->slope[0];
            light *= 1 - (scene->slope[1] > 0 ? v : v - 1) * scene->slope[1];
            light *= 1 - scene->shadow * fmin(fmax((u + slant * v - place) * 10, 0), 1);
            const uint64_t bits = scene->grain > 0 || scene->noise > 0 ? random_bits(random) : 0;
            const double grain = scene->grain * deviation(bits, 3);
            const double cover = ink->cover[(size_t)y * (size_t)ink->width + x];
            for (int c = 0; c < 3; c++) {
                double level = light * (255 + grain) * (1 - cover * (1 - scene->ink[c]));
                level += scene->noise * deviation(bits, c);
                level = floor(fmin(fmax(level, 0), 255) + 0.5);
                *to++ = (uint8_t)(scene->light_on_dark ? 255 - level : level);
            }
        }
    return picture;
}

/* ---- files ---- */

static void append(struct bytes *file, const void *data, size_t size)
{
    file->data = realloc(file->data, file->size + size + 1);
    ck_assert_ptr_nonnull(file->data);
    memcpy(file->data + file->size, data, size);
    file->size += size;
}

static unsigned grey_of(const uint8_t *rgb)
{
    return (299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2] + 500) / 1000;
}

static void append_png(png_structp png, png_bytep data, size_t size)
{
    append(png_get_io_ptr(png), data, size);
}

/* One sample of `depth` bits at `index` of a row; 255 is the largest. */
static void put_sample(uint8_t *row, int index, int depth, unsigned level)
{
    const unsigned value = depth == 16 ? level * 257 : (level * ((1u << depth) - 1) + 127) / 255;
    if (depth == 16)
        row[2 * index] = (uint8_t)(value >> 8), row[2 * index + 1] = (uint8_t)value;
    else
        row[index * depth / 8] |= (uint8_t)(value << (8 - depth - index * depth % 8));
}

struct bytes png_file(const uint8_t *rgb, int width, int height, struct png how)
{
    static const int types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_PALETTE, PNG_COLOR_TYPE_RGB,
                                PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB_ALPHA};
    static const int channels[] = {1, 1, 3, 2, 4};
    struct bytes file = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &file, append_png, NULL);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, how.depth, types[how.layout],
                 how.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (how.layout == PALETTE) {
        png_color palette[256];
        for (int i = 0; i < 1 << how.depth; i++) {
            const uint8_t level = (uint8_t)(i * 255 / ((1 << how.depth) - 1));
            palette[i] = (png_color){level, level, level};
        }
        png_set_PLTE(png, info, palette, 1 << how.depth);
    }
    png_set_compression_level(png, 1);
    png_write_info(png, info);
    const size_t stride = ((size_t)width * (size_t)(channels[how.layout] * how.depth) + 7) / 8;
    uint8_t *const rows = calloc((size_t)height, stride);
    ck_assert_ptr_nonnull(rows);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const uint8_t *const from = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            uint8_t *const row = rows + (size_t)y * stride;
            const int n = channels[how.layout], alpha = how.layout == GREY_ALPHA || how.layout == RGB_ALPHA;
            for (int c = 0; c < n; c++)
                put_sample(row, x * n + c, how.depth,
                           alpha ? (c == n - 1 ? 255 - grey_of(from) : 0)
                                 : (how.layout == RGB ? from[c] : grey_of(from)));
        }
    png_bytep *const pointers = malloc((size_t)height * sizeof *pointers);
    ck_assert_ptr_nonnull(pointers);
    for (int y = 0; y < height; y++)
        pointers[y] = rows + (size_t)y * stride;
    png_write_image(png, pointers);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(pointers);
    free(rows);
    return file;
}

/* Where the first row and the first column of what is stored are in the picture, by orientation (EXIF 2.3, 4.6.4). */
enum edge { TOP, RIGHT, BOTTOM, LEFT };
static const enum edge edges[9][2] = {
    [1] = {TOP, LEFT}, [2] = {TOP, RIGHT}, [3] = {BOTTOM, RIGHT}, [4] = {BOTTOM, LEFT},
    [5] = {LEFT, TOP}, [6] = {RIGHT, TOP}, [7] = {RIGHT, BOTTOM}, [8] = {LEFT, BOTTOM}};

/* The picture as it is stored, to be freed. */
static uint8_t *turned(const uint8_t *rgb, int *width, int *height, int orientation)
{
    const int w = *width, h = *height;
    const enum edge row = edges[orientation][0], column = edges[orientation][1];
    const bool sideways = row == LEFT || row == RIGHT;
    *width = sideways ? h : w;
    *height = sideways ? w : h;
    uint8_t *const stored = malloc((size_t)w * (size_t)h * 3);
    ck_assert_ptr_nonnull(stored);
    for (int r = 0; r < *height; r++)
        for (int c = 0; c < *width; c++) {
            int x = 0, y = 0;
            const struct {
                enum edge edge;
                int distance;
            } from[2] = {{row, r}, {column, c}};
            for (int i = 0; i < 2; i++)
                switch (from[i].edge) {
                case TOP: y = from[i].distance; break;
                case BOTTOM: y = h - 1 - from[i].distance; break;
                case LEFT: x = from[i].distance; break;
                case RIGHT: x = w - 1 - from[i].distance; break;
                }
            memcpy(stored + 3 * ((size_t)r * (size_t)*width + (size_t)c), rgb + 3 * ((size_t)y * (size_t)w + (size_t)x),
                   3);
        }
    return stored;
}

static void write_exif(struct jpeg_compress_struct *jpeg, int orientation, bool big_endian)
{
    /* A directory of two entries: ImageWidth, then Orientation. */
    static const uint8_t little[] = {'E', 'x', 'i', 'f', 0, 0, 'I',  'I', 42, 0, 8, 0, 0, 0, 2, 0, 0, 1, 3, 0, 1, 0,
                                     0,   0,   9,   0,   0, 0, 0x12, 1,   3,  0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t big[] = {'E', 'x', 'i', 'f', 0, 0, 'M', 'M',  0, 42, 0, 0, 0, 8, 0, 2, 1, 0, 0, 3, 0, 0,
                                  0,   1,   0,   9,   0, 0, 1,   0x12, 0, 3,  0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    uint8_t exif[sizeof little];
    memcpy(exif, big_endian ? big : little, sizeof exif);
    exif[big_endian ? 37 : 36] = (uint8_t)orientation;
    jpeg_write_marker(jpeg, JPEG_APP0 + 1, exif, sizeof exif);
}

struct bytes jpeg_file(const uint8_t *rgb, int width, int height, struct jpeg how)
{
    struct bytes file = {0};
    uint8_t *const stored = how.orientation ? turned(rgb, &width, &height, how.orientation) : NULL;
    const uint8_t *const pixels = stored ? stored : rgb;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    jpeg.err = jpeg_std_error(&manager);
    jpeg_create_compress(&jpeg);
    unsigned char *out = NULL;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &out, &size);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = how.grey ? 1 : how.cmyk ? 4 : 3;
    jpeg.in_color_space = how.grey ? JCS_GRAYSCALE : how.cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    if (how.ycck)
        jpeg_set_colorspace(&jpeg, JCS_YCCK);
    jpeg_set_quality(&jpeg, how.quality, TRUE);
    if (how.progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (how.orientation)
        write_exif(&jpeg, how.orientation, how.big_endian);
    uint8_t *const line = calloc((size_t)width, 4);
    ck_assert_ptr_nonnull(line);
    for (int y = 0; y < height; y++) {
        const uint8_t *const from = pixels + (size_t)y * (size_t)width * 3;
        for (int x = 0; x < width; x++)
            if (how.grey)
                line[x] = (uint8_t)grey_of(from + 3 * x);
            else
                memcpy(line + (how.cmyk ? 4 : 3) * x, from + 3 * x, 3);
        JSAMPROW row = line;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    append(&file, out, size);
    free(out);
    free(line);
    free(stored);
    return file;
}

struct bytes pnm_file(const uint8_t *rgb, int width, int height, char kind, int maximum)
{
    struct bytes file = {0};
    const bool raw = kind >= '4', bits = kind == '1' || kind == '4', colour = kind == '3' || kind == '6';
    char text[64];
    append(&file, text, (size_t)snprintf(text, sizeof text, "P%c\n# a comment\n%d %d", kind, width, height));
    append(&file, text, bits ? 0 : (size_t)snprintf(text, sizeof text, " %d", maximum));
    append(&file, "\n", 1);
    for (int y = 0; y < height; y++) {
        uint8_t packed = 0;
        for (int x = 0; x < width; x++) {
            const uint8_t *const from = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            for (int c = 0; c < (colour ? 3 : 1); c++) {
                const unsigned level = colour ? from[c] : grey_of(from);
                const unsigned value = bits ? level < 128 : (level * (unsigned)maximum + 127) / 255;
                const uint8_t wide[2] = {(uint8_t)(value >> 8), (uint8_t)value};
                if (kind == '4')
                    packed = (uint8_t)(packed | value << (7 - x % 8));
                else if (raw)
                    append(&file, maximum > 255 ? wide : wide + 1, maximum > 255 ? 2 : 1);
                else
                    append(&file, text, (size_t)snprintf(text, sizeof text, bits ? "%u" : "%u ", value));
            }
            if (kind == '4' && (x % 8 == 7 || x == width - 1)) {
                append(&file, &packed, 1);
                packed = 0;
            }
        }
        if (!raw)
            append(&file, "\n", 1);
    }
    return file;
}
