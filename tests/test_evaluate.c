/* `mnist_fast evaluate` on images and models that are made so that every figure is known: image i has one bright pixel,
 * whose number is the digit that the model reads. */
#include "cli/score.h"

#include "cli/options.h"

#include "program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { IMAGES = 23, MISTAKES = 7 };
static const uint8_t truths[IMAGES] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 0, 1, 1};
static const uint8_t guesses[IMAGES] = {0, 0, 0, 8, 1, 1, 7, 2, 2, 1, 3, 5, 4, 4, 5, 3, 6, 7, 8, 4, 0, 1, 2};
/* The brighter the pixel, the surer the model: the worst mistake is the brightest, then the one that comes first. */
static const int worst[MISTAKES] = {19, 6, 11, 15, 9, 3, 22};
static const uint8_t brightness[MISTAKES] = {250, 240, 200, 200, 120, 100, 90};

/* What scikit-learn 1.9.1 says of these: classification_report(truths, guesses, labels=range(10), digits=4,
 * zero_division=0). */
static const char report[] = "              precision    recall  f1-score   support\n"
                             "\n"
                             "           0     1.0000    0.8000    0.8889         5\n"
                             "           1     0.7500    0.6000    0.6667         5\n"
                             "           2     0.6667    0.6667    0.6667         3\n"
                             "           3     0.5000    0.5000    0.5000         2\n"
                             "           4     0.6667    1.0000    0.8000         2\n"
                             "           5     0.5000    0.5000    0.5000         2\n"
                             "           6     1.0000    1.0000    1.0000         1\n"
                             "           7     0.5000    1.0000    0.6667         1\n"
                             "           8     0.5000    1.0000    0.6667         1\n"
                             "           9     0.0000    0.0000    0.0000         1\n"
                             "\n"
                             "    accuracy                         0.6957        23\n"
                             "   macro avg     0.6083    0.7067    0.6356        23\n"
                             "weighted avg     0.6993    0.6957    0.6831        23\n";

static const char *write_images(void)
{
    const char *data = in_folder("known");
    uint8_t images[16 + IMAGES * MNIST_FAST_PIXELS] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, 28, 0, 0, 0, 28};
    uint8_t labels[8 + IMAGES] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
    memcpy(labels + 8, truths, sizeof truths);
    for (int i = 0; i < IMAGES; i++)
        images[16 + i * MNIST_FAST_PIXELS + guesses[i]] = 255;
    for (int i = 0; i < MISTAKES; i++)
        images[16 + worst[i] * MNIST_FAST_PIXELS + guesses[worst[i]]] = brightness[i];
    mkdir(data, 0700);
    file_write(in_folder("known/t10k-images-idx3-ubyte"), images, sizeof images);
    file_write(in_folder("known/t10k-labels-idx1-ubyte"), labels, sizeof labels);
    return data;
}

/* As PyTorch would save it. Pixel d lights hidden unit d (times `first`), which lights output d + shift (times
 * `second`). */
static const char *write_model(const char *name, float first, float second, int shift)
{
    enum { WEIGHTS = 7840 + 10 + 100 + 10 };
    static float weights[WEIGHTS];
    char header[512] = "";
    const int length = snprintf(header + 8, sizeof header - 8,
                                "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[10,784],\"data_offsets\":[0,31360]},"
                                "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[31360,31400]},"
                                "\"2.weight\":{\"dtype\":\"F32\",\"shape\":[10,10],\"data_offsets\":[31400,31800]},"
                                "\"2.bias\":{\"dtype\":\"F32\",\"shape\":[10],\"data_offsets\":[31800,31840]}}");
    const uint64_t size = (uint64_t)length;
    memcpy(header, &size, sizeof size);
    memset(weights, 0, sizeof weights);
    for (int i = 0; i < 10; i++) {
        weights[i * 784 + i] = first;
        weights[7850 + (i + shift) % 10 * 10 + i] = second;
    }
    FILE *file = fopen(in_folder(name), "w");
    ck_assert(file && fwrite(header, 1, 8 + (size_t)length, file) == 8 + (size_t)length);
    ck_assert(fwrite(weights, sizeof *weights, WEIGHTS, file) == WEIGHTS && fclose(file) == 0);
    return in_folder(name);
}

static void use_known(void)
{
    how.data = write_images();
}

/* The loss of an image whose label is not the digit that its pixel of this brightness lights with this weight. */
static double loss_of(int bright, double weight)
{
    return log(exp(weight * bright / 255) + 9);
}

START_TEST(text)
{
    use_known();
    const char *model = write_model("model", 1, 8, 0);
    struct result result = RUN("evaluate", "--model", model, "--mistakes", "3", "--show");
    expect_code(result, 0);
    const char *found = strstr(result.out, "              precision");
    if (!found || strncmp(found, report, strlen(report)) != 0)
        support_fail("not as scikit-learn has it: %s", result.out);
    expect_says(result.out, "  test      loss ");
    expect_says(result.out, ", accuracy 69.57%\n  interval  49.13% to 84.40%: ");
    expect_says(result.out, "\n     1     .     3     1     .     .     .     .     1     .     .    60.00%\n");
    expect_says(result.out, "\n     9     .     .     .     .     1     .     .     .     .     .     0.00%\n");
    expect_says(result.out, "the 3 worst of 7 mistakes");
    expect_says(result.out, "\n   image  truth  guess   loss    0    1    2    3    4    5    6    7    8    9\n");
    char line[128];
    snprintf(line, sizeof line, "\n      19      9      4 %6.2f    .    .    .    . 99.6    .    .    .    .    .\n",
             loss_of(250, 8));
    expect_says(result.out, line);
    const char *first = strstr(result.out, "test image 19, a 9, is read as"),
               *second = strstr(result.out, "test image 6, a 1, is read as"),
               *third = strstr(result.out, "test image 11, a 3, is read as");
    ck_assert(first && second && third && first < second && second < third);
    const char *line_of_first = first; /* beside the drawing, whose lines end with their ink */
    while (line_of_first[-1] != '\n')
        line_of_first--;
    ck_assert_int_eq(first - line_of_first, 28 + 3);
    ck_assert_ptr_null(strstr(result.out, " \n"));
    release(&result);

    result = RUN("evaluate", "--model", model, "--mistakes", "99", "--quiet");
    expect_code(result, 0);
    expect_says(result.out, "the 7 worst of 7 mistakes");
    ck_assert_int_eq(count_lines(result.out), 2 + 4 + MISTAKES);
    release(&result);
}
END_TEST

START_TEST(csv)
{
    use_known();
    const char *model = write_model("model", 1, 8, 0);
    struct result result = RUN("evaluate", "--model", model, "--csv");
    expect_code(result, 0);
    static const char *const lines[] = {
        "class,precision,recall,f1-score,support,read_as_0,read_as_1,read_as_2,read_as_3,read_as_4,read_as_5,read_as_6,"
        "read_as_7,read_as_8,read_as_9\n0,1,0.8,0.888888889,5,4,0,0,0,0,0,0,0,1,0\n",
        "\n1,0.75,0.6,0.666666667,5,0,3,1,0,0,0,0,1,0,0\n",
        "\n9,0,0,0,1,0,0,0,0,1,0,0,0,0,0\naccuracy,,,0.695652174,23,,,,,,,,,,\naccuracy_low,,,0.4913",
        "\nmacro avg,0.608333333,0.706666667,",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect_says(result.out, lines[i]);
    ck_assert_int_eq(count_lines(result.out), 1 + 10 + 4 + 2);
    for (char *line = result.out; *line; line = strchr(line, '\n') + 1) {
        int commas = 0;
        for (const char *c = line; *c != '\n'; c++)
            commas += *c == ',';
        ck_assert_msg(commas == 14, "%d commas: %.80s", commas, line);
    }
    release(&result);

    result = RUN("evaluate", "--model", model, "--csv", "--mistakes", "100");
    expect_code(result, 0);
    char *line = result.out;
    ck_assert_int_eq(count_lines(line), 1 + MISTAKES);
    expect_says(line, "index,truth,guess,loss,probability_0,probability_1,");
    for (int i = 0; i < MISTAKES; i++) {
        int index, truth, guess;
        double loss, sum = 0;
        line = strchr(line, '\n') + 1;
        ck_assert_int_eq(sscanf(line, "%d,%d,%d,%lf,", &index, &truth, &guess, &loss), 4);
        ck_assert(index == worst[i] && truth == truths[index] && guess == guesses[index]);
        ck_assert_double_eq_tol(loss, loss_of(brightness[i], 8), 1e-5);
        char *rest = line;
        for (int j = 0; j < 4; j++)
            rest = strchr(rest, ',') + 1;
        for (int j = 0; j < 10; j++, rest++)
            sum += strtod(rest, &rest);
        ck_assert_double_eq_tol(sum, 1, 1e-5);
        ck_assert_int_eq(rest[-1], '\n'); /* ten, and no more */
    }
    release(&result);
}
END_TEST

static json_t *evaluate_json(const char *const arguments[])
{
    struct result result = run(arguments);
    expect_code(result, 0);
    char *rest = result.out;
    json_t *event = next_event(&rest, "evaluation");
    ck_assert_str_eq(rest, "");
    release(&result);
    return event;
}

static double at(const json_t *event, const char *list, int row, int column)
{
    const json_t *line = json_array_get(json_object_get(event, list), (size_t)row);
    return json_number_value(json_array_get(line, (size_t)column));
}

START_TEST(json)
{
    use_known();
    const char *model = write_model("model", 1, 8, 0);
    json_t *event = evaluate_json(LIST("evaluate", "--model", model, "--json", "--mistakes", "2"));
    ck_assert_double_eq_tol(number(event, "accuracy"), 16.0 / 23, 1e-9);
    ck_assert(number(event, "accuracy_low") < 16.0 / 23 && number(event, "accuracy_high") > 16.0 / 23);
    ck_assert(number(event, "test_size") == IMAGES);
    double loss = 16 * log1p(9 * exp(-8));
    for (int i = 0; i < MISTAKES; i++)
        loss += loss_of(brightness[i], 8);
    ck_assert_double_eq_tol(number(event, "loss"), loss / IMAGES, 1e-6);
    int counts[10][10] = {0};
    for (int i = 0; i < IMAGES; i++)
        counts[truths[i]][guesses[i]]++;
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++)
            ck_assert(at(event, "confusion", i, j) == counts[i][j]);
    const json_t *classes = json_object_get(event, "classification_report");
    const json_t *one = json_object_get(classes, "1"), *mean = json_object_get(classes, "macro avg");
    ck_assert(number(one, "precision") == 0.75 && number(one, "recall") == 0.6 && number(one, "support") == 5);
    ck_assert_double_eq_tol(number(mean, "f1-score"), 0.635556, 1e-6);
    ck_assert(number(classes, "accuracy") == number(event, "accuracy"));
    const json_t *mistakes = json_object_get(event, "mistakes");
    ck_assert_uint_eq(json_array_size(mistakes), 2);
    ck_assert(number(json_array_get(mistakes, 0), "index") == 19 && number(json_array_get(mistakes, 0), "guess") == 4);
    json_decref(event);

    event = evaluate_json(LIST("evaluate", "--model", model, "--json"));
    ck_assert_ptr_null(json_object_get(event, "mistakes"));
    json_decref(event);
}
END_TEST

/* The probabilities of image `index` in the list of mistakes; NULL: it isn't there. */
static const json_t *probabilities_of(const json_t *event, double index)
{
    size_t i;
    json_t *mistake;
    json_array_foreach(json_object_get(event, "mistakes"), i,
                       mistake) if (number(mistake, "index") == index) return json_object_get(mistake, "probabilities");
    return NULL;
}

START_TEST(ensemble)
{
    use_known();
    const char *models[] = {write_model("first", 1, 8, 0), write_model("second", 0.75f, 4, 1),
                            write_model("third", 1.5f, 3, 2)};
    json_t *single[3];
    for (int i = 0; i < 3; i++)
        single[i] = evaluate_json(LIST("evaluate", "--model", models[i], "--json", "--mistakes", "99"));
    json_t *event = evaluate_json(LIST("evaluate", "--model", models[0], "--model", models[1], "--model", models[2],
                                       "--json", "--mistakes", "99", "--threads", "2"));
    ck_assert(number(event, "accuracy") == number(single[0], "accuracy")); /* the first is surest of all */
    ck_assert_uint_eq(json_array_size(json_object_get(event, "models")), 3);
    int compared = 0;
    size_t i;
    json_t *mistake;
    json_array_foreach(json_object_get(event, "mistakes"), i, mistake)
    {
        const json_t *mean = json_object_get(mistake, "probabilities"), *parts[3];
        bool all = true;
        for (int k = 0; k < 3; k++) {
            parts[k] = probabilities_of(single[k], number(mistake, "index"));
            all = all && parts[k];
        }
        const double label = json_number_value(json_array_get(mean, (size_t)number(mistake, "truth")));
        ck_assert_double_eq_tol(number(mistake, "loss"), -log(label), 1e-6);
        for (size_t j = 0; j < 10 && all; j++, compared++) {
            double sum = 0;
            for (int k = 0; k < 3; k++) /* nine digits give the float exactly */
                sum += (double)(float)json_number_value(json_array_get(parts[k], j));
            ck_assert((float)json_number_value(json_array_get(mean, j)) == (float)(sum / 3));
        }
    }
    ck_assert_int_ge(compared, 30);
    json_decref(event);
    for (int k = 0; k < 3; k++)
        json_decref(single[k]);

    struct result result = RUN("evaluate", "--model", models[0], "--model", models[1], "--quiet");
    expect_code(result, 0);
    ck_assert_int_eq(count_lines(result.out), 3);
    expect_says(result.out, models[1]);
    release(&result);
    const char *large = write_model("large", 3e38f, 3e38f, 0); /* it can be read, but nothing computed with it */
    result = RUN("evaluate", "--model", models[0], "--model", large);
    expect_error(result, 1, large);
    ck_assert_str_eq(result.out, "");
    release(&result);
    result = RUN("evaluate", "--model", models[0], "--model", in_folder("no_model"));
    expect_error(result, 1, "no_model");
    release(&result);
}
END_TEST

/* Predictions that a wrong sum or a wrong order could not give: the surest model is outvoted. */
START_TEST(ensemble_votes)
{
    use_known();
    const char *one = write_model("one", 1, 4, 0), *other = write_model("other", 1, 3, 1);
    json_t *event = evaluate_json(
        LIST("evaluate", "--model", one, "--model", other, "--model", other, "--json", "--mistakes", "99"));
    for (int i = 0; i < IMAGES; i++)
        if ((guesses[i] + 1) % 10 != truths[i])
            ck_assert_msg(probabilities_of(event, i), "image %d is read as %d", i, truths[i]);
    ck_assert_double_eq_tol(number(event, "accuracy"), 1.0 / IMAGES, 1e-9); /* image 9: a 2 with pixel 1 */
    json_decref(event);
}
END_TEST

/* Two models that are quite sure, so that no sum is rounded: of equal probabilities the lower digit wins. */
START_TEST(ensemble_ties)
{
    use_known();
    const char *one = write_model("one", 1, 200, 0), *other = write_model("other", 1, 200, 1);
    for (int swapped = 0; swapped < 2; swapped++) {
        json_t *event = evaluate_json(LIST("evaluate", "--model", swapped ? other : one, "--model",
                                           swapped ? one : other, "--json", "--mistakes", "99"));
        ck_assert_double_eq_tol(number(event, "accuracy"), 16.0 / IMAGES, 1e-9);
        json_decref(event);
    }
}
END_TEST

START_TEST(least_accuracy)
{
    use_known();
    const char *model = write_model("model", 1, 8, 0);
    static const char *const few[] = {"0", "0.6956", "0.69565217"}, *const many[] = {"0.6957", "1"};
    for (int i = 0; i < 3; i++) {
        struct result result = RUN("evaluate", "--model", model, "--min-accuracy", few[i], "--quiet");
        expect_code(result, 0);
        release(&result);
    }
    for (int i = 0; i < 2; i++) {
        struct result result = RUN("evaluate", "--model", model, "--min-accuracy", many[i], "--json");
        expect_error(result, 3, "is below --min-accuracy (expected at least ");
        ck_assert_int_eq(count_lines(result.out), 1); /* the result is there all the same */
        release(&result);
    }
    how.data = NULL;
    struct result result = RUN(USUAL, "--min-accuracy", "1", "--epochs", "1", "--save", in_folder("saved"));
    expect_error(result, 3, "is below --min-accuracy");
    ck_assert(file_exists(in_folder("saved")));
    release(&result);
}
END_TEST

START_TEST(wrong_usage)
{
    static const char *const lines[][8] = {
        {"evaluate", "--model", "m", "--show"},
        {"evaluate", "--model", "m", "--json", "--csv"},
        {"evaluate", "--model", "m", "--mistakes", "3", "--show", "--csv"},
        {"evaluate", "--model", "m", "--mistakes", "-1"},
        {"evaluate", "--model", "m", "--min-accuracy", "1.01"},
        {"evaluate", "--model", ""},
        {"predict", "--model", "m", "--model", "n", "test:1"},
        {"--csv"},
        {"--mistakes", "3"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct result result = run(lines[i]);
        expect_error(result, 2, "mnist_fast: ");
        release(&result);
    }
    const char *many[2 * (CLI_MAX_TEXTS + 1) + 2] = {"evaluate"};
    for (int i = 0; i <= CLI_MAX_TEXTS; i++) {
        many[1 + 2 * i] = "--model";
        many[2 + 2 * i] = "m";
    }
    struct cli_options options;
    mnist_fast_error error;
    const int count = 2 * (CLI_MAX_TEXTS + 1) + 1;
    ck_assert_int_eq(cli_options_parse(count, (char **)many, &options, &error), MNIST_FAST_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.text, "--model: may be given 64 times at most"));
}
END_TEST

/* Against scipy.stats.binomtest(k, n).proportion_ci(method='wilson'). */
START_TEST(wilson_interval)
{
    static const struct {
        double right, count, low, high;
    } cases[] = {
        {8, 10, 0.4901624715366418, 0.9433178485456248},
        {0, 10, 0, 0.27753279986288926},
        {10, 10, 0.7224672001371109, 1},
        {1, 1, 0.20654931437723745, 1},
        {9768, 10000, 0.9736613045593212, 0.9795725145944016},
        {17, 23, 0.5352999516257464, 0.8745138395501366},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double low, high;
        cli_wilson_interval(cases[i].right / cases[i].count, cases[i].count, &low, &high);
        ck_assert_double_eq_tol(low, cases[i].low, 1e-9);
        ck_assert_double_eq_tol(high, cases[i].high, 1e-9);
    }
    for (int n = 1; n < 200; n++) { /* rounding must not lead outside */
        double low, high;
        cli_wilson_interval(0, n, &low, &high);
        ck_assert(low >= 0);
        cli_wilson_interval(1, n, &low, &high);
        ck_assert(high <= 1);
    }
}
END_TEST

int main(void)
{
    TCase *tcase = program_begin("evaluate");
    if (!tcase)
        return EXIT_FAILURE;
    tcase_add_test(tcase, text);
    tcase_add_test(tcase, csv);
    tcase_add_test(tcase, json);
    tcase_add_test(tcase, ensemble);
    tcase_add_test(tcase, ensemble_votes);
    tcase_add_test(tcase, ensemble_ties);
    tcase_add_test(tcase, least_accuracy);
    tcase_add_test(tcase, wrong_usage);
    tcase_add_test(tcase, wilson_interval);
    return program_end();
}
