/* The report: a whole and well-formed page that needs nothing else, and says what was measured. Whether a
 * browser shows it is tested by tests/report. */
#include "mnist_fast.h"

#include "cli/html.h"
#include "cli/text_stream.h"

#include "program.h"

#include <ctype.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { SIDE = 28 };

/* ---- A page ---- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        count++;
    return count;
}

/* Every tag is closed in its order, every attribute quoted, every & part of an entity. */
static void expect_well_formed(const char *page)
{
    static const char *const empty[] = {"meta", "img", "br"};
    char open[32][16];
    int depth = 0;
    for (const char *c = page; *c; c++) {
        if (*c == '&' && !begins(c, "&amp;") && !begins(c, "&lt;") && !begins(c, "&gt;") && !begins(c, "&quot;") &&
            !begins(c, "&#39;"))
            support_fail("a bare &: %.40s", c);
        if (*c == '>')
            support_fail("a bare >: %.40s", c - (c - page > 20 ? 20 : 0));
        if (*c != '<')
            continue;
        if (begins(c, "<style>")) { /* no markup within */
            c = strstr(c, "</style>") + strlen("</style>") - 1;
            continue;
        }
        const char *const tag = c;
        const bool closing = c[1] == '/';
        c += 1 + closing;
        if (*c == '!') {
            c = strchr(c, '>');
            continue;
        }
        char name[16] = "";
        for (size_t i = 0; isalnum((unsigned char)*c) && i + 1 < sizeof name; i++)
            name[i] = *c++;
        while (*c == ' ') {
            c += 1 + strspn(c + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
            ck_assert_msg(c[0] == '=' && c[1] == '"', "an attribute without quotes: %.60s", tag);
            c = strchr(c + 2, '"') + 1;
        }
        const bool alone = *c == '/';
        c += alone;
        ck_assert_msg(*name && *c == '>', "no tag: %.60s", tag);
        bool is_empty = alone;
        for (int i = 0; i < 3; i++)
            is_empty = is_empty || strcmp(name, empty[i]) == 0;
        if (closing) {
            ck_assert_msg(depth > 0 && strcmp(open[depth - 1], name) == 0, "</%s> closes <%s>", name,
                          depth ? open[depth - 1] : "");
            depth--;
        } else if (!is_empty) {
            ck_assert_int_lt(depth, 32);
            strcpy(open[depth++], name);
        }
    }
    ck_assert_msg(depth == 0, "<%s> is not closed", depth ? open[depth - 1] : "");
}

/* What names an id must find it, once. */
static void expect_names(const char *page)
{
    static const char reference[] = "aria-labelledby=\"";
    int found = 0;
    for (const char *c = page; (c = strstr(c, reference)); found++) {
        c += strlen(reference);
        while (*c != '"') {
            char id[80];
            const int length = (int)strcspn(c, " \"");
            snprintf(id, sizeof id, " id=\"%.*s\"", length, c);
            ck_assert_msg(count_of(page, id) == 1, "%s is there %d times", id, count_of(page, id));
            c += length + (c[length] == ' ');
        }
    }
    ck_assert_int_gt(found, 3);
}

static char *read_page(const char *path)
{
    char *page = file_read_text(path);
    ck_assert(begins(page, CLI_HTML_FIRST_LINE "\n<html lang=\"en\">"));
    expect_well_formed(page);
    expect_names(page);
    /* No script, and nothing from elsewhere. */
    static const char *const unwanted[] = {"<script", "http://", "https://", "<link", "@import", "url(", "<iframe",
                                           " onload", " nan",    ">nan",     "-nan",  ">inf",    "inf%"};
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
        ck_assert_msg(!strstr(page, unwanted[i]), "the page has %s", unwanted[i]);
    ck_assert_int_eq(count_of(page, "src=\""), count_of(page, "src=\"data:image/png;base64,"));
    ck_assert_int_eq(count_of(page, "<img"), count_of(page, " alt=\""));
    ck_assert_int_eq(count_of(page, "<svg"), count_of(page, "role=\"img\" aria-labelledby="));
    expect_says(page, "<meta name=\"viewport\"");
    expect_says(page, "prefers-color-scheme:dark");
    expect_says(page, "@media print");
    return page;
}

/* The pixels of the next picture after *next, as red, green, blue and alpha; to be freed. */
static uint8_t *next_picture(const char **next, unsigned *width, unsigned *height)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    *next = strstr(*next, "base64,");
    ck_assert_ptr_nonnull(*next);
    *next += strlen("base64,");
    const size_t length = strcspn(*next, "\"");
    uint8_t *bytes = malloc(length);
    size_t size = 0;
    uint32_t bits = 0;
    ck_assert(bytes && length % 4 == 0);
    for (size_t i = 0; i < length; i++) {
        const char *digit = strchr(digits, (*next)[i]);
        ck_assert(digit || ((*next)[i] == '=' && i + 2 >= length));
        bits = bits << 6 | (digit ? (uint32_t)(digit - digits) : 0);
        if (i % 4 == 3)
            for (int shift = 16; shift >= 0; shift -= 8)
                bytes[size++] = (uint8_t)(bits >> shift);
    }
    size -= ((*next)[length - 1] == '=') + ((*next)[length - 2] == '=');
    png_image image = {.version = PNG_IMAGE_VERSION};
    ck_assert_msg(png_image_begin_read_from_memory(&image, bytes, size), "%s", image.message);
    image.format = PNG_FORMAT_RGBA;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    ck_assert_msg(png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s", image.message);
    *width = image.width;
    *height = image.height;
    free(bytes);
    return pixels;
}

/* ---- What it says ---- */

static mnist_fast *load(const char *path)
{
    mnist_fast *network;
    mnist_fast_error error;
    ck_assert_msg(mnist_fast_load(path, NULL, &network, &error) == MNIST_FAST_OK, "%s", error.text);
    return network;
}

static void expect_confusion(const char *page, mnist_fast *network, const mnist_fast_images *test)
{
    uint32_t confusion[10][10];
    mnist_fast_metrics metrics;
    ck_assert_int_eq(mnist_fast_evaluate(network, test, &metrics, confusion, NULL), MNIST_FAST_OK);
    const char *next = strstr(page, "<table class=\"confusion\">");
    next = strstr(next, "<tbody>");
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++) {
            next = strchr(strstr(next, "<td"), '>') + 1;
            ck_assert_int_eq(strtol(next, NULL, 10), confusion[i][j]);
        }
    char text[64];
    snprintf(text, sizeof text, "<dt>Test accuracy</dt><dd>%.2f%% ", 100 * metrics.accuracy);
    expect_says(page, text);
    snprintf(text, sizeof text, "<dt>Test loss</dt><dd>%.4f ", metrics.loss);
    expect_says(page, text);
    snprintf(text, sizeof text, "crc32 %08x</td>", mnist_fast_weights_crc32(network));
    expect_says(page, text);
    snprintf(text, sizeof text, "crc32 %08x</td>", mnist_fast_images_crc32(test));
    expect_says(page, text);
}

/* The pictures are the images that the caption names: black, as opaque as their ink. Returns how many. */
static int expect_mistakes(const char *page, mnist_fast *network, const mnist_fast_images *test)
{
    const char *next = strstr(page, "id=\"mistakes\"");
    const char *const end = strstr(next, "id=\"weights\"");
    double last = INFINITY;
    int count = 0;
    for (;; count++) {
        const char *item = strstr(next, "alt=\"Test image ");
        if (!item || item > end)
            return count;
        const size_t index = strtoul(item + strlen("alt=\"Test image "), NULL, 10);
        ck_assert_uint_lt(index, test->count);
        next = item;
        unsigned width, height;
        uint8_t *picture = next_picture(&next, &width, &height);
        ck_assert(width == SIDE && height == SIDE);
        for (int i = 0; i < SIDE * SIDE; i++)
            ck_assert_msg(picture[4 * i + 3] == test->pixels[index * SIDE * SIDE + (size_t)i] &&
                              (picture[4 * i] == 0 || picture[4 * i + 3] == 0),
                          "pixel %d of image %zu", i, index);
        free(picture);

        const mnist_fast_images image = {.pixels = test->pixels + index * SIDE * SIDE, .count = 1};
        float probabilities[10];
        uint8_t digit;
        ck_assert_int_eq(mnist_fast_predict(network, &image, &digit, probabilities, NULL), MNIST_FAST_OK);
        const uint8_t truth = test->labels[index];
        ck_assert_uint_ne(digit, truth);
        char caption[160];
        const double loss = -log((double)probabilities[truth]);
        snprintf(caption, sizeof caption,
                 "<strong>a %d, read as %d</strong><br>%d: %.2f%%, %d: %.2f%%<br>loss %.2f<br>image %zu<", truth, digit,
                 digit, 100 * (double)probabilities[digit], truth, 100 * (double)probabilities[truth], loss, index);
        ck_assert_msg(begins(strstr(next, "<strong>"), caption), "%.120s, expected %s", strstr(next, "<strong>"),
                      caption);
        ck_assert(loss <= last);
        last = loss;
    }
}

/* Blue where a weight is positive, orange where it is negative, as opaque as it is large. */
static void expect_weights(const char *page, const mnist_fast *network, int units)
{
    const char *next = strstr(page, "class=\"weights\"");
    unsigned width, height;
    uint8_t *picture = next_picture(&next, &width, &height);
    const unsigned columns = units < 10 ? (unsigned)units : 10, rows = ((unsigned)units + 9) / 10;
    ck_assert_uint_eq(width, columns * (SIDE + 1) - 1);
    ck_assert_uint_eq(height, rows * (SIDE + 1) - 1);
    int all;
    ck_assert_int_eq(mnist_fast_get_layer_shape(network, 0, NULL, &all, NULL), MNIST_FAST_OK);
    float *weights = malloc((size_t)all * SIDE * SIDE * sizeof *weights);
    ck_assert_int_eq(mnist_fast_get_layer(network, 0, weights, NULL, NULL), MNIST_FAST_OK);
    for (int unit = 0; unit < units; unit++) {
        const float *of = weights + unit * SIDE * SIDE;
        float largest = 0;
        for (int i = 0; i < SIDE * SIDE; i++)
            largest = fmaxf(largest, fabsf(of[i]));
        for (int i = 0; i < SIDE * SIDE; i++) {
            const unsigned x = (unsigned)(unit % 10 * (SIDE + 1) + i % SIDE);
            const unsigned y = (unsigned)(unit / 10 * (SIDE + 1) + i / SIDE);
            const uint8_t *pixel = picture + 4 * (y * width + x);
            ck_assert_float_eq_tol(pixel[3] / 255.0f, fabsf(of[i]) / largest, 0.01f);
            if (pixel[3] > 4)
                ck_assert_msg((pixel[2] > pixel[0]) == (of[i] > 0), "weight %d of unit %d", i, unit);
        }
    }
    free(weights);
    free(picture);
}

START_TEST(of_a_training)
{
    const char *html = in_folder("run.html"), *model = in_folder("a '<&>\" model");
    struct result result = RUN(USUAL, "--report", html, "--save", model, "--json", "--threads", "2");
    expect_code(result, 0);
    char *page = read_page(html);
    mnist_fast *network = load(model);
    mnist_fast_images test, train;
    ck_assert_int_eq(mnist_fast_load_images(in_folder("data"), MNIST_FAST_TEST, 1, &test, NULL), MNIST_FAST_OK);
    ck_assert_int_eq(mnist_fast_load_images(in_folder("data"), MNIST_FAST_TRAIN, 1, &train, NULL), MNIST_FAST_OK);
    expect_confusion(page, network, &test);
    ck_assert_int_gt(expect_mistakes(page, network, &test), 3);
    for (int digit = 0; digit < 10; digit++) {
        char row[64];
        snprintf(row, sizeof row, "\n<tr><th scope=\"row\">%d</th><td>0.", digit); /* its precision */
        expect_says(page, row);
    }
    expect_says(page, "<tr class=\"sum\"><th scope=\"row\">Weighted mean</th><td>0.");
    expect_weights(page, network, 20);

    char *rest = result.out, text[200];
    json_decref(next_event(&rest, "start"));
    for (int epoch = 1; epoch <= 3; epoch++) {
        json_t *event = next_event(&rest, "epoch");
        snprintf(text, sizeof text, "<tr><th scope=\"row\">%d</th><td>%.4f</td><td>%.2f%%</td><td>%.4f</td>", epoch,
                 number(event, "train_loss"), 100 * number(event, "train_accuracy"), number(event, "validation_loss"));
        expect_says(page, text);
        snprintf(text, sizeof text, "<title>validation, epoch %d: %.4f%%</title>", epoch,
                 100 * number(event, "validation_accuracy"));
        expect_says(page, text);
        json_decref(event);
    }
    ck_assert_int_eq(count_of(page, "<svg"), 2);
    ck_assert_int_eq(count_of(page, "<circle"), 2 * (3 + 1)); /* and one in each legend */
    ck_assert_int_eq(count_of(page, "<text class=\"tick\" text-anchor=\"middle\""), 2 * (3 + 1)); /* and the title */
    snprintf(text, sizeof text, "207 to train, 23 to validate; crc32 %08x</td>", mnist_fast_images_crc32(&train));
    expect_says(page, text);
    expect_says(page, "a &#39;\\&#39;&#39;&lt;&amp;&gt;&quot; model&#39; --json --threads 2</code>");
    expect_says(page, "<th scope=\"row\">--batch</th><td>50 (given)</td>");
    expect_says(page, "<th scope=\"row\">--lr</th><td>0.001 (default)</td>");
    expect_says(page, "<th scope=\"row\">weight update, layer 1</th>");
    expect_says(page, "<th scope=\"row\">all</th>");
    expect_says(page, "784-20-12-10, 16082 parameters, trained for 3 epochs");
    snprintf(text, sizeof text, "<th scope=\"row\">Threads</th><td>2 (");
    expect_says(page, text);
    free(page);
    release(&result);
    mnist_fast_free(network);
    mnist_fast_free_images(&test);
    mnist_fast_free_images(&train);
}
END_TEST

START_TEST(of_trainings_at_the_limits)
{
    const char *html = in_folder("limits.html"), *checkpoint = in_folder("checkpoint");
    struct result result = RUN("--hidden", "101", "--epochs", "1", "--validation", "0", "--report", html, "--save",
                               in_folder("wide"), "--checkpoint", checkpoint);
    expect_code(result, 0);
    char *page = read_page(html);
    ck_assert_ptr_null(strstr(page, "with validation"));
    ck_assert_ptr_null(strstr(page, "class=\"validation\""));
    expect_says(page, "<td>none</td><td>none</td>");
    expect_says(page, "The first 100 of 101 units");
    ck_assert_ptr_nonnull(strstr(page, "<title>training, epoch 1: "));
    mnist_fast *network = load(in_folder("wide"));
    expect_weights(page, network, 100);
    mnist_fast_free(network);
    free(page);
    release(&result);

    result = RUN("--resume", checkpoint, "--epochs", "3", "--report", html); /* replaced */
    expect_code(result, 0);
    page = read_page(html);
    ck_assert_ptr_null(strstr(page, "<title>training, epoch 1: "));
    ck_assert_ptr_nonnull(strstr(page, "<title>training, epoch 3: "));
    expect_says(page, "<th scope=\"row\">--hidden</th><td>101 (from the checkpoint)</td>");
    free(page);
    release(&result);

    result = RUN("--hidden", "3", "--epochs", "0", "--report", html);
    expect_code(result, 0);
    page = read_page(html);
    ck_assert_int_eq(count_of(page, "<svg"), 0);
    ck_assert_ptr_null(strstr(page, "id=\"phases\""));
    ck_assert_int_eq(count_of(page, "class=\"digit\""), 20);
    free(page);
    release(&result);

    result = RUN("--hidden", "3", "--epochs", "50", "--report", html, "--lr", "0.01"); /* too many for markers */
    expect_code(result, 0);
    page = read_page(html);
    ck_assert_int_eq(count_of(page, "<circle"), 2);
    ck_assert_int_eq(count_of(page, "<svg"), 2);
    free(page);
    release(&result);
}
END_TEST

START_TEST(of_an_evaluation)
{
    const char *html = in_folder("evaluation.html"), *first = in_folder("first"), *second = in_folder("second");
    weights_of(RUN(USUAL, "--save", first));
    weights_of(RUN("--hidden", "7", "--epochs", "2", "--save", second));
    struct result result = RUN("evaluate", "--model", first, "--model", second, "--report", html, "--csv");
    expect_code(result, 0);
    ck_assert(begins(result.out, "class,precision,"));
    char *page = read_page(html);
    expect_says(page, "20 of 20 units of ");
    expect_says(page, "7 of 7 units of ");
    expect_says(page, second);
    ck_assert_int_eq(count_of(page, "<svg"), 0);
    ck_assert_ptr_null(strstr(page, "id=\"phases\""));
    mnist_fast *network = load(second);
    char text[32];
    snprintf(text, sizeof text, "crc32 %08x</td>", mnist_fast_weights_crc32(network));
    expect_says(page, text);
    mnist_fast_free(network);
    free(page);
    release(&result);
}
END_TEST

/* Asked before the work, and then nothing is written. */
START_TEST(other_files_are_kept)
{
    const char *model = in_folder("kept"), *text = in_folder("page.html"), *empty = in_folder("empty.html");
    weights_of(RUN(USUAL, "--save", model));
    static const char other[] = "<!DOCTYPE html>\n<title>mine</title>\n";
    file_write(text, other, strlen(other));
    const struct bytes before = file_read(model);
    for (int i = 0; i < 4; i++) {
        const char *html = i == 0 ? model : i == 1 ? text : i == 2 ? in_folder("nowhere/report") : folder;
        struct result result = RUN(USUAL, "--report", html);
        expect_error(result, 1, i < 2 ? "holds something else (expected a report of mnist_fast, or no file)" : html);
        ck_assert_str_eq(result.out, "");
        release(&result);
        result = RUN("evaluate", "--model", model, "--report", html);
        expect_error(result, 1, html);
        ck_assert_str_eq(result.out, "");
        release(&result);
    }
    file_expect(model, before);
    free(before.data);
    char *after = file_read_text(text);
    ck_assert_str_eq(after, other);
    free(after);
    const int names = names_in(folder);
    file_write(empty, "", 0);
    struct result result = RUN("evaluate", "--model", model, "--report", empty, "--quiet");
    expect_code(result, 0);
    release(&result);
    free(read_page(empty));
    ck_assert_int_eq(names_in(folder), names + 1); /* no temporary */
}
END_TEST

START_TEST(escaping)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cli_html_print(out, "%s", "<b class='x' id=\"y\">&\n\x1b\xff\xc3\xa4");
    cli_html_row(out, "name", "%d<", 7);
    fclose(out);
    ck_assert_str_eq(text, "&lt;b class=&#39;x&#39; id=&quot;y&quot;&gt;&amp;???\xc3\xa4"
                           "<tr><th scope=\"row\">name</th><td>7&lt;</td></tr>\n");
    free(text);
}
END_TEST

/* glibc's open_memstream drops text where no memory is left, and tells nobody. */
START_TEST(a_page_without_memory)
{
    const struct rlimit little = {64 << 20, 64 << 20};
    static char piece[1 << 16];
    if (support_short) {
        printf("SKIP: a limit of memory: sanitizers reserve more, emulators ignore it\n");
        return;
    }
    struct cli_text text = {0};
    FILE *out = cli_text_open(&text);
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite("begin", 1, 5, out), 5);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &little), 0); /* this test has a process of its own */
    for (int i = 0; i < 2000; i++)
        fwrite(piece, 1, sizeof piece, out);
    ck_assert_int_ne(ferror(out), 0);
    ck_assert_uint_lt(text.size, 2000 * sizeof piece);
    ck_assert_mem_eq(text.bytes, "begin", 5);
    fclose(out);
    free(text.bytes);
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("report");
    if (!tcase)
        return EXIT_FAILURE;
    tcase_add_test(tcase, of_a_training);
    tcase_add_test(tcase, of_trainings_at_the_limits);
    tcase_add_test(tcase, of_an_evaluation);
    tcase_add_test(tcase, other_files_are_kept);
    tcase_add_test(tcase, escaping);
    tcase_add_test(tcase, a_page_without_memory);
    return program_end();
}
