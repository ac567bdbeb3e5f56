#include "safetensors.h"

#include "base/error.h"
#include "base/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The format allows 100 MB, but the header of the largest network here has 20 KB, and a hostile one may need fifty
 * times its own size once it is parsed. */
enum { MAX_HEADER = 1 << 20 };

static const char metadata_key[] = "__metadata__";

mnist_fast_status mf_safetensors_length(const char *path, const uint8_t first[8], uint64_t file_size, size_t *length,
                                        mnist_fast_error *error)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | first[i];
    if (n <= 8 || n > MAX_HEADER) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: not a safetensors file (expected a header of 9 to %d bytes, "
                       "found %" PRIu64 "); give a file that --save wrote",
                       path, MAX_HEADER, n);
    }
    if (n > file_size - 8) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: cut short (expected a header of %" PRIu64 " bytes, found %" PRIu64 "); copy it again", path,
                       n, file_size - 8);
    }
    *length = (size_t)n;
    return MNIST_FAST_OK;
}

/* A whole number of at least `least`. */
static bool read_number(const json_t *json, uint64_t least, uint64_t *number)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    *number = (uint64_t)json_integer_value(json);
    return *number >= least;
}

/* *size becomes the bytes of the tensor, which is false where they are more than limit. */
static bool read_shape(const json_t *json, uint64_t limit, struct mf_safetensor *tensor, uint64_t *size)
{
    const size_t dimensions = json_array_size(json);
    if (dimensions < 1 || dimensions > 2)
        return false;
    *size = sizeof(float);
    tensor->dimensions = (int)dimensions;
    for (size_t i = 0; i < dimensions; i++) {
        if (!read_number(json_array_get(json, i), 1, &tensor->shape[i]) || tensor->shape[i] > limit / *size)
            return false;
        *size *= tensor->shape[i];
    }
    return true;
}

static mnist_fast_status read_tensor(const char *path, const char *name, const json_t *json, uint64_t data_size,
                                     struct mf_safetensor *tensor, mnist_fast_error *error)
{
    *tensor = (struct mf_safetensor){.name = name, .index = -1};
    const char *type = json_string_value(json_object_get(json, "dtype"));
    const json_t *offsets = json_object_get(json, "data_offsets");
    if (json_object_size(json) != 3 || !type || json_array_size(offsets) != 2) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: tensor \"%s\" is not described as it should be (expected "
                       "dtype, shape and data_offsets); write it again",
                       path, mf_printable(name).text);
    }
    if (strcmp(type, "F32") != 0) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: tensor \"%s\" has the wrong type (expected F32, found %s); "
                       "convert it",
                       path, mf_printable(name).text, mf_printable(type).text);
    }
    uint64_t size;
    if (!read_number(json_array_get(offsets, 0), 0, &tensor->begin) ||
        !read_number(json_array_get(offsets, 1), 0, &tensor->end) || tensor->begin > tensor->end) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: tensor \"%s\" has bad data_offsets (expected two ascending "
                       "whole numbers); copy it again",
                       path, mf_printable(name).text);
    }
    if (tensor->end > data_size) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: cut short (expected %" PRIu64 " bytes of data or more, found %" PRIu64 "); copy it again",
                       path, tensor->end, data_size);
    }
    if (!read_shape(json_object_get(json, "shape"), data_size, tensor, &size) || tensor->end - tensor->begin != size) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: tensor \"%s\" has a shape that doesn't fit (expected one or "
                       "two dimensions and %" PRIu64 " bytes in all); copy it again",
                       path, mf_printable(name).text, tensor->end - tensor->begin);
    }
    return MNIST_FAST_OK;
}

static mnist_fast_status check_metadata(const char *path, const json_t *metadata, mnist_fast_error *error)
{
    bool strings = json_is_object(metadata);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value)
    {
        strings = strings && json_is_string(value);
    }
    return strings ? MNIST_FAST_OK
                   : mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: bad %s (expected strings alone); write it again", path,
                             metadata_key);
}

static int by_begin(const void *a, const void *b)
{
    const struct mf_safetensor *const x = a, *const y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static mnist_fast_status check_cover(const char *path, uint64_t data_size, struct mf_safetensors *header,
                                     mnist_fast_error *error)
{
    if (header->count > 0)
        qsort(header->tensor, header->count, sizeof *header->tensor, by_begin);
    uint64_t covered = 0;
    for (size_t i = 0; i < header->count; i++) {
        const struct mf_safetensor *tensor = &header->tensor[i];
        if (tensor->begin != covered) {
            return mf_fail(error, MNIST_FAST_BAD_MODEL,
                           "%s: tensor \"%s\" %s (expected byte %" PRIu64 ", found %" PRIu64 "); copy it again", path,
                           mf_printable(tensor->name).text,
                           tensor->begin < covered ? "overlaps another" : "follows a gap", covered, tensor->begin);
        }
        covered = tensor->end;
    }
    if (covered != data_size) {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: bytes left over (expected %" PRIu64 " bytes of data, found %" PRIu64 "); copy it again",
                       path, covered, data_size);
    }
    return MNIST_FAST_OK;
}

/* Whether the text nests objects and arrays deeper than a header does. jansson recurses, and would need 2 KB of stack
 * for each of its 2048 levels: a thread of the host may have less. */
static bool nests_deeply(const char *text, size_t length)
{
    enum { HEADER_DEPTH = 3 }; /* the object, a tensor, its shape */
    int depth = 0;
    bool string = false;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (string && c == '\\')
            i++;
        else if (c == '"')
            string = !string;
        else if (!string && (c == '{' || c == '['))
            depth++;
        else if (!string && (c == '}' || c == ']'))
            depth--;
        if (depth > HEADER_DEPTH)
            return true;
    }
    return false;
}

mnist_fast_status mf_safetensors_parse(const char *path, const char *text, size_t length, uint64_t data_size,
                                       struct mf_safetensors *header, mnist_fast_error *error)
{
    *header = (struct mf_safetensors){0};
    /* The text begins with the object itself: white space is allowed after it alone. */
    if (text[0] != '{') {
        return mf_fail(error, MNIST_FAST_BAD_MODEL,
                       "%s: not a safetensors file (expected a header that begins with "
                       "'{'); give a file that --save wrote",
                       path);
    }
    if (nests_deeply(text, length))
        return mf_fail(
            error, MNIST_FAST_BAD_MODEL,
            "%s: not a safetensors header (expected at most 3 levels of JSON); give a file that --save wrote", path);
    json_error_t problem;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (!json && problem.text[0] == '\0') /* all that jansson says where an allocation has failed */
        return mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", path);
    if (!json) { /* jansson's own text may hold parts of the file, so it is not shown */
        return mf_fail(error, MNIST_FAST_BAD_MODEL, "%s: %s (at byte %d); copy it again", path,
                       json_error_code(&problem) == json_error_duplicate_key ? "its header says a name twice"
                                                                             : "its header is not JSON",
                       8 + problem.position);
    }
    mnist_fast_status status = MNIST_FAST_OK;
    header->json = json;
    header->tensor = calloc(json_object_size(json) + 1, sizeof *header->tensor);
    if (!header->tensor) {
        status = mf_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for its header; free some", path);
        goto done;
    }
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        if (strcmp(name, metadata_key) == 0)
            status = check_metadata(path, value, error);
        else
            status = read_tensor(path, name, value, data_size, &header->tensor[header->count++], error);
        if (status)
            goto done;
    }
    status = check_cover(path, data_size, header, error);
done:
    if (status)
        mf_safetensors_free(header);
    return status;
}

void mf_safetensors_free(struct mf_safetensors *header)
{
    json_decref(header->json);
    free(header->tensor);
    *header = (struct mf_safetensors){0};
}

struct mf_safetensor *mf_safetensors_find(const struct mf_safetensors *header, const char *name)
{
    for (size_t i = 0; i < header->count; i++)
        if (strcmp(header->tensor[i].name, name) == 0)
            return &header->tensor[i];
    return NULL;
}
