/* Event files for TensorBoard, taken apart by a reader of its own: framing, checksums, and the fields of each event.
 * `tensorboard.backend.event_processing.event_accumulator` of TensorBoard 2.21 read the same files. */
#include "cli/tensorboard.h"

#include "program.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 3720, B.4, and the check value that catalogues give for "123456789". */
START_TEST(crc32c)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    ck_assert_uint_eq(cli_crc32c("123456789", 9), 0xe3069283);
    ck_assert_uint_eq(cli_crc32c("", 0), 0);
    ck_assert_uint_eq(cli_crc32c(zeros, 32), 0x8a9136aa);
    ck_assert_uint_eq(cli_crc32c(ones, 32), 0x62a8ab43);
    ck_assert_uint_eq(cli_crc32c(up, 32), 0x46dd794e);
    ck_assert_uint_eq(cli_crc32c(down, 32), 0x113fdb5c);
}
END_TEST

struct event {
    double time;
    int64_t step;
    char version[32], tag[64];
    float value;
};

/* A protocol buffer: its fields, one after the other. */
struct field {
    int number, type;
    uint64_t value; /* of a number */
    const uint8_t *bytes;
    size_t size;
};

static uint64_t take_number(const uint8_t **next, const uint8_t *end, int bytes)
{
    uint64_t value = 0;
    ck_assert_int_le(bytes, end - *next);
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t) * (*next)++ << 8 * i;
    return value;
}

static uint64_t take_varint(const uint8_t **next, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        ck_assert(*next < end && shift < 64);
        const uint8_t byte = *(*next)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

static struct field take_field(const uint8_t **next, const uint8_t *end)
{
    const uint64_t key = take_varint(next, end);
    struct field field = {.number = (int)(key >> 3), .type = (int)(key & 7)};
    switch (field.type) {
    case 0: field.value = take_varint(next, end); break;
    case 1: field.value = take_number(next, end, 8); break;
    case 5: field.value = take_number(next, end, 4); break;
    case 2:
        field.size = (size_t)take_varint(next, end);
        ck_assert_int_le((long)field.size, end - *next);
        field.bytes = *next;
        *next += field.size;
        break;
    default: support_fail("wire type %d", field.type);
    }
    return field;
}

static void copy_text(char *to, size_t size, const struct field *field)
{
    ck_assert(field->type == 2 && field->size < size);
    memcpy(to, field->bytes, field->size);
    to[field->size] = '\0';
}

static void read_value(const struct field *summary, struct event *event)
{
    const uint8_t *next = summary->bytes, *const end = next + summary->size;
    struct field value = take_field(&next, end);
    ck_assert(next == end && value.number == 1 && value.type == 2);
    next = value.bytes;
    const uint8_t *const value_end = next + value.size;
    while (next < value_end) {
        const struct field field = take_field(&next, value_end);
        const uint32_t bits = (uint32_t)field.value;
        if (field.number == 1)
            copy_text(event->tag, sizeof event->tag, &field);
        else if (field.number == 2 && field.type == 5)
            memcpy(&event->value, &bits, sizeof bits);
        else
            support_fail("field %d of a value", field.number);
    }
}

static struct event read_event(const uint8_t *next, const uint8_t *end)
{
    struct event event = {.value = NAN};
    while (next < end) {
        const struct field field = take_field(&next, end);
        switch (field.number) {
        case 1:
            ck_assert_int_eq(field.type, 1);
            memcpy(&event.time, &field.value, sizeof event.time);
            break;
        case 2: event.step = (int64_t)field.value; break;
        case 3: copy_text(event.version, sizeof event.version, &field); break;
        case 5: read_value(&field, &event); break;
        default: support_fail("field %d of an event", field.number);
        }
    }
    return event;
}

static void expect_masked_crc(uint32_t found, const uint8_t *bytes, size_t size)
{
    const uint32_t rotated = found - 0xa282ead8u;
    ck_assert_uint_eq(rotated << 15 | rotated >> 17, cli_crc32c(bytes, size));
}

/* Returns how many events there are. */
static int read_events(const char *path, struct event *events, int most)
{
    struct bytes file = file_read(path);
    const uint8_t *next = file.data, *const end = next + file.size;
    int count = 0;
    while (next < end) {
        const uint8_t *const length_bytes = next;
        const uint64_t length = take_number(&next, end, 8);
        expect_masked_crc((uint32_t)take_number(&next, end, 4), length_bytes, 8);
        ck_assert(length <= (uint64_t)(end - next) && count < most);
        const uint8_t *const record = next;
        next += length;
        events[count++] = read_event(record, next);
        expect_masked_crc((uint32_t)take_number(&next, end, 4), record, length);
    }
    free(file.data);
    return count;
}

/* The n-th file of a folder, in the order of the names; its name must be one that TensorBoard looks for. */
static const char *event_file(const char *path, int n)
{
    static char found[PATH_MAX + 300];
    struct dirent **names;
    const int count = scandir(path, &names, NULL, alphasort);
    ck_assert_int_gt(count, n + 2); /* . and .. */
    for (int i = 0; i < count; i++) {
        if (i == n + 2) {
            snprintf(found, sizeof found, "%s/%s", path, names[i]->d_name);
            ck_assert_ptr_nonnull(strstr(names[i]->d_name, "tfevents"));
        }
        free(names[i]);
    }
    free(names);
    return found;
}

static float find(const struct event *events, int count, int64_t step, const char *tag)
{
    const struct event *found = NULL;
    for (int i = 0; i < count; i++)
        if (events[i].step == step && strcmp(events[i].tag, tag) == 0) {
            ck_assert_msg(!found, "%s of step %ld is there twice", tag, (long)step);
            found = &events[i];
        }
    ck_assert_msg(found, "no %s of step %ld", tag, (long)step);
    return found->value;
}

START_TEST(events_are_those_of_the_epochs)
{
    const char *board = in_folder("board");
    const double before = (double)time(NULL);
    struct result result = RUN(USUAL, "--tensorboard", board, "--json", "--lr", "0.002");
    expect_code(result, 0);
    struct event train[20], validation[20];
    const int trained = read_events(event_file(in_folder("board/train"), 0), train, 20);
    const int validated = read_events(event_file(in_folder("board/validation"), 0), validation, 20);
    ck_assert_int_eq(names_in(board), 2);
    ck_assert_int_eq(trained, 1 + 3 * 4);
    ck_assert_int_eq(validated, 1 + 3 * 2);
    ck_assert_str_eq(train[0].version, "brain.Event:2");
    ck_assert_str_eq(validation[0].version, "brain.Event:2");
    for (int i = 0; i < trained; i++)
        ck_assert(train[i].time >= before && train[i].time <= (double)time(NULL) + 1);
    char *rest = result.out;
    json_decref(next_event(&rest, "start"));
    for (int epoch = 1; epoch <= 3; epoch++) {
        json_t *event = next_event(&rest, "epoch");
        const struct {
            double expected;
            float found;
        } pairs[] = {
            {number(event, "train_loss"), find(train, trained, epoch, "epoch_loss")},
            {number(event, "train_accuracy"), find(train, trained, epoch, "epoch_accuracy")},
            {number(event, "validation_loss"), find(validation, validated, epoch, "epoch_loss")},
            {number(event, "validation_accuracy"), find(validation, validated, epoch, "epoch_accuracy")},
            {number(event, "images_per_second"), find(train, trained, epoch, "epoch_images_per_second")},
            {0.002, find(train, trained, epoch, "epoch_learning_rate")},
        };
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            ck_assert_double_eq_tol((double)pairs[i].found, pairs[i].expected, 1e-6 * pairs[i].expected);
        json_decref(event);
    }
    release(&result);
}
END_TEST

/* Numbers of one, two and three bytes. */
START_TEST(steps_of_several_bytes)
{
    static const int step_list[] = {1, 127, 128, 129, 16383, 16384, 1000000};
    enum { STEPS = sizeof step_list / sizeof *step_list };
    struct cli_tensorboard board;
    mnist_fast_error error;
    ck_assert_int_eq(cli_tensorboard_open(in_folder("steps"), false, &board, &error), MNIST_FAST_OK);
    for (int i = 0; i < STEPS; i++) {
        const mnist_fast_progress progress = {.epoch = step_list[i], .train = {.loss = 1.5 * i, .accuracy = 0.25}};
        ck_assert(cli_tensorboard_epoch(&board, &progress));
    }
    ck_assert(cli_tensorboard_close(&board));
    struct event events[1 + 4 * STEPS];
    const int count = read_events(event_file(in_folder("steps/train"), 0), events, 1 + 4 * STEPS);
    ck_assert_int_eq(count, 1 + 4 * STEPS);
    for (int i = 0; i < STEPS; i++) {
        ck_assert(find(events, count, step_list[i], "epoch_loss") == 1.5f * (float)i);
        ck_assert(find(events, count, step_list[i], "epoch_accuracy") == 0.25f);
    }
}
END_TEST

START_TEST(a_run_without_validation)
{
    const char *board = in_folder("alone");
    struct result result = RUN(USUAL, "--tensorboard", board, "--validation", "0");
    expect_code(result, 0);
    release(&result);
    ck_assert_int_eq(names_in(board), 1);
    struct event events[20];
    ck_assert_int_eq(read_events(event_file(in_folder("alone/train"), 0), events, 20), 1 + 3 * 4);
}
END_TEST

START_TEST(a_folder_that_cannot_be)
{
    const char *file = in_folder("file");
    file_write(file, "x", 1);
    const char *const wrong[] = {file, in_folder("no/folder"), "/proc/board"};
    for (int i = 0; i < 3; i++) {
        struct result result = RUN(USUAL, "--tensorboard", wrong[i]);
        expect_error(result, 1, wrong[i]);
        ck_assert_str_eq(result.out, "");
        release(&result);
    }
    char name[PATH_MAX + 8];
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    struct cli_tensorboard board;
    mnist_fast_error error;
    ck_assert_int_ne(cli_tensorboard_open(name, true, &board, &error), MNIST_FAST_OK);
    ck_assert(!board.train && !board.validation);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("tensorboard");
    if (!tcase)
        return EXIT_FAILURE;
    tcase_add_test(tcase, crc32c);
    tcase_add_test(tcase, events_are_those_of_the_epochs);
    tcase_add_test(tcase, steps_of_several_bytes);
    tcase_add_test(tcase, a_run_without_validation);
    tcase_add_test(tcase, a_folder_that_cannot_be);
    return program_end();
}
