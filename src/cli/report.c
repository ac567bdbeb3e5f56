#include "report.h"

#include "data_uri.h"
#include "files.h"
#include "html.h"
#include "profile.h"
#include "program.h"
#include "session.h"
#include "signals.h"
#include "svg.h"
#include "text_stream.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = MNIST_FAST_CLASSES, SIDE = 28, WORST = 20, TILES = 10 /* units a row, and rows */ };

static void begin_section(FILE *out, const char *id, const char *title)
{
    fprintf(out, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", id, id, title);
}

static void end_section(FILE *out)
{
    fputs("</section>\n", out);
}

static void write_result(FILE *out, const struct cli_report *r)
{
    const struct cli_score *score = r->score;
    fprintf(out,
            "<dl class=\"results\">\n"
            "<div><dt>Test accuracy</dt><dd>%.2f%% <small>%.2f to %.2f%% with 95%% confidence</small></dd></div>\n"
            "<div><dt>Test loss</dt><dd>%.4f <small>mean cross-entropy</small></dd></div>\n"
            "<div><dt>Mistakes</dt><dd>%zu <small>of %zu images</small></dd></div>\n",
            100 * score->metrics.accuracy, 100 * score->low, 100 * score->high, score->metrics.loss,
            score->mistake_count, score->count);
    if (r->epoch_count)
        fprintf(out, "<div><dt>Training</dt><dd>%.2f s <small>%zu epoch%s%s</small></dd></div>\n", r->seconds,
                r->epoch_count, r->epoch_count == 1 ? "" : "s", r->validation_count ? ", with validation" : "");
    fputs("</dl>\n", out);
}

/* ---- Epochs ---- */

static void write_epoch_table(FILE *out, const struct cli_report *r)
{
    fputs("<details>\n<summary>The same as a table</summary>\n<div class=\"scroll\"><table>\n<thead><tr>"
          "<th scope=\"col\">Epoch</th><th scope=\"col\">Loss</th><th scope=\"col\">Accuracy</th>"
          "<th scope=\"col\">Validation loss</th><th scope=\"col\">Validation accuracy</th>"
          "<th scope=\"col\">Seconds</th><th scope=\"col\">Images/s</th></tr></thead>\n<tbody>\n",
          out);
    for (size_t i = 0; i < r->epoch_count; i++) {
        const mnist_fast_progress *p = &r->epochs[i];
        fprintf(out, "<tr><th scope=\"row\">%d</th><td>%.4f</td><td>%.2f%%</td>", p->epoch, p->train.loss,
                100 * p->train.accuracy);
        if (isnan(p->validation.loss))
            fputs("<td>none</td><td>none</td>", out);
        else
            fprintf(out, "<td>%.4f</td><td>%.2f%%</td>", p->validation.loss, 100 * p->validation.accuracy);
        fprintf(out, "<td>%.2f</td><td>%.0f</td></tr>\n", p->seconds, p->images_per_second);
    }
    fputs("</tbody>\n</table></div>\n</details>\n", out);
}

static bool write_epochs(FILE *out, const struct cli_report *r)
{
    const size_t n = r->epoch_count;
    int *epochs = malloc(n * sizeof *epochs);
    double *values = malloc(4 * n * sizeof *values); /* loss, validation loss, accuracy, validation accuracy */
    const bool good = epochs && values;
    if (!good)
        goto done;
    for (size_t i = 0; i < n; i++) {
        const mnist_fast_progress *p = &r->epochs[i];
        epochs[i] = p->epoch;
        values[i] = p->train.loss;
        values[n + i] = p->validation.loss;
        values[2 * n + i] = 100 * p->train.accuracy;
        values[3 * n + i] = 100 * p->validation.accuracy;
    }
    begin_section(out, "epochs", "Epochs");
    fputs("<p>Training: the mean over the batches of an epoch, each before its update; so it lags behind the network "
          "that validation sees.</p>\n<div class=\"charts\">\n",
          out);
    for (int accuracy = 0; accuracy < 2; accuracy++) {
        const double *training = values + 2 * n * (size_t)accuracy;
        const char *title = accuracy ? "Accuracy" : "Loss";
        fprintf(out, "<figure>\n<figcaption>%s</figcaption>\n", title);
        cli_svg_chart(out,
                      &(const struct cli_chart){
                          .id = accuracy ? "accuracy" : "loss",
                          .title = title,
                          .unit = accuracy ? "%" : "",
                          .from_zero = !accuracy,
                          .least_step = accuracy ? 0.2 : 1e-6,
                          .count = n,
                          .epochs = epochs,
                          .curves = {{"training", training}, {"validation", r->validation_count ? training + n : NULL}},
                      });
        fputs("</figure>\n", out);
    }
    fputs("</div>\n", out);
    write_epoch_table(out, r);
    end_section(out);
done:
    free(epochs);
    free(values);
    return good;
}

/* ---- Digits ---- */

static void write_confusion(FILE *out, const struct cli_score *score)
{
    uint32_t most = 1; /* off the diagonal */
    for (int i = 0; i < CLASSES; i++)
        for (int j = 0; j < CLASSES; j++)
            if (i != j && score->confusion[i][j] > most)
                most = score->confusion[i][j];
    begin_section(out, "confusion", "Confusion matrix");
    fputs(
        "<div class=\"scroll\"><table class=\"confusion\">\n<caption>How many images of each digit (rows) are read as "
        "which digit (columns)</caption>\n<thead><tr><td></td>",
        out);
    for (int i = 0; i < CLASSES; i++)
        fprintf(out, "<th scope=\"col\">%d</th>", i);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int i = 0; i < CLASSES; i++) {
        uint32_t support = 0;
        for (int j = 0; j < CLASSES; j++)
            support += score->confusion[i][j];
        fprintf(out, "<tr><th scope=\"row\">%d</th>", i);
        for (int j = 0; j < CLASSES; j++) {
            const double count = score->confusion[i][j];
            /* The root, so that a few mistakes can be told from none; never so strong that the number is hard to read.
             */
            const double part = i == j ? 0.5 * count / support : 0.1 + 0.4 * sqrt(count / most);
            if (count == 0)
                fputs("<td class=\"none\">0</td>", out);
            else
                fprintf(out, "<td class=\"%s\" style=\"--part:%.2f\">%.0f</td>", i == j ? "right" : "wrong", part,
                        count);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table></div>\n", out);
    end_section(out);
}

static void write_classes(FILE *out, const struct cli_score *score)
{
    struct cli_class rows[CLI_CLASS_ROWS];
    cli_score_classes(score, rows);
    begin_section(out, "digits", "Precision and recall");
    fputs("<div class=\"scroll\"><table>\n<caption>Precision: of what is read as this digit, the share that is one. "
          "Recall: of the images of this digit, the share that is read as one. F1: their harmonic mean. The weights of "
          "the weighted mean are the images.</caption>\n"
          "<thead><tr><th scope=\"col\">Digit</th><th scope=\"col\">Precision</th><th scope=\"col\">Recall</th>"
          "<th scope=\"col\">F1</th><th scope=\"col\">Images</th></tr></thead>\n<tbody>\n",
          out);
    for (int i = 0; i < CLI_CLASS_ROWS; i++)
        fprintf(out, "<tr%s><th scope=\"row\">%s</th><td>%.4f</td><td>%.4f</td><td>%.4f</td><td>%u</td></tr>\n",
                i < CLASSES ? "" : " class=\"sum\"",
                i == CLI_MACRO      ? "Mean"
                : i == CLI_WEIGHTED ? "Weighted mean"
                                    : rows[i].name,
                rows[i].precision, rows[i].recall, rows[i].f1, rows[i].support);
    fputs("</tbody>\n</table></div>\n", out);
    end_section(out);
}

/* ---- Pictures ---- */

static bool write_mistakes(FILE *out, const struct cli_report *r)
{
    const struct cli_score *score = r->score;
    const size_t count = score->mistake_count < WORST ? score->mistake_count : WORST;
    struct cli_rgba ink[256];
    for (int i = 0; i < 256; i++)
        ink[i] = (struct cli_rgba){.alpha = (uint8_t)i};
    begin_section(out, "mistakes", "The worst mistakes");
    if (count == 0)
        fputs("<p>There is none.</p>\n", out);
    else
        fprintf(
            out,
            "<p>Of %zu mistake%s, %zu with the highest loss: those whose true digit got the least probability.</p>\n"
            "<ol class=\"mistakes\">\n",
            score->mistake_count, score->mistake_count == 1 ? "" : "s", count);
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        const struct cli_mistake *mistake = &score->mistakes[i];
        const int truth = score->labels[mistake->index], guess = score->digits[mistake->index];
        const float *probabilities = score->probabilities + mistake->index * CLASSES;
        fprintf(out, "<li><figure><img class=\"digit\" width=\"28\" height=\"28\" alt=\"Test image %zu\" src=\"",
                mistake->index);
        good = cli_write_png_uri(out, SIDE, SIDE, r->test->pixels + mistake->index * MNIST_FAST_PIXELS, ink);
        fprintf(out,
                "\"><figcaption><strong>a %d, read as %d</strong><br>%d: %.2f%%, %d: %.2f%%<br>loss %.2f<br>image "
                "%zu</figcaption></figure></li>\n",
                truth, guess, guess, 100 * (double)probabilities[guess], truth, 100 * (double)probabilities[truth],
                mistake->loss, mistake->index);
    }
    fputs(count ? "</ol>\n" : "", out);
    end_section(out);
    return good;
}

/* Paints the weights of a unit as indices of a palette with zero at 128, relative to the largest of them. */
static void paint_unit(const float *weights, uint8_t *pixels, int stride)
{
    float largest = 0;
    for (int i = 0; i < MNIST_FAST_PIXELS; i++)
        largest = fmaxf(largest, fabsf(weights[i]));
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            const float part = largest > 0 ? weights[y * SIDE + x] / largest : 0;
            pixels[y * stride + x] = (uint8_t)(128 + (int)lrintf(part * 127));
        }
}

/* The colour tells the sign, its strength the size; zero lets the page show through, whatever its colour. */
static void make_weight_palette(struct cli_rgba palette[256])
{
    for (int i = 0; i < 256; i++) {
        const struct cli_rgba negative = {217, 95, 14, 0}, positive = {49, 130, 206, 0};
        palette[i] = i < 128 ? negative : positive;
        palette[i].alpha = (uint8_t)(abs(i - 128) * 2 > 255 ? 255 : abs(i - 128) * 2);
    }
}

static bool write_weights_of(FILE *out, const struct cli_report *r, int index)
{
    const mnist_fast *network = r->networks[index];
    int units = 0;
    mnist_fast_get_layer_shape(network, 0, NULL, &units, NULL);
    const int shown = units < TILES * TILES ? units : TILES * TILES;
    const int columns = shown < TILES ? shown : TILES, rows = (shown + TILES - 1) / TILES;
    const int width = columns * (SIDE + 1) - 1, height = rows * (SIDE + 1) - 1;
    struct cli_rgba palette[256];
    make_weight_palette(palette);
    float *weights = malloc((size_t)units * MNIST_FAST_PIXELS * sizeof *weights);
    uint8_t *pixels = malloc((size_t)width * (size_t)height);
    bool good = weights && pixels && mnist_fast_get_layer(network, 0, weights, NULL, NULL) == MNIST_FAST_OK;
    if (good) {
        memset(pixels, 128, (size_t)width * (size_t)height);
        for (int i = 0; i < shown; i++)
            paint_unit(weights + (size_t)i * MNIST_FAST_PIXELS, pixels + (i / TILES * width + i % TILES) * (SIDE + 1),
                       width);
        fprintf(out,
                "<figure class=\"weights\"><img width=\"%d\" height=\"%d\" style=\"max-width:%dpx\" "
                "alt=\"Weights of %d units, 28 by 28 pixels each\" src=\"",
                width, height, 2 * width, shown);
        good = cli_write_png_uri(out, width, height, pixels, palette);
        fprintf(out, "\"><figcaption>%s%d of %d units", shown < units ? "The first " : "", shown, units);
        if (r->network_count > 1)
            cli_html_print(out, " of %s", r->options->models.text[index]);
        fputs("</figcaption></figure>\n", out);
    }
    free(weights);
    free(pixels);
    return good;
}

static bool write_weights(FILE *out, const struct cli_report *r)
{
    begin_section(out, "weights", "Weights of the first layer");
    fputs("<p>What each unit looks for: ink on blue speaks for it, ink on orange against it. Each unit has a scale of "
          "its "
          "own. Pixels that never have ink keep their random start.</p>\n",
          out);
    bool good = true;
    for (int i = 0; i < r->network_count && good; i++)
        good = write_weights_of(out, r, i);
    end_section(out);
    return good;
}

/* ---- The page ---- */

static bool write_phases(FILE *out, const mnist_fast *network)
{
    const int threads = mnist_fast_threads(network);
    struct cli_profile profile;
    if (!cli_profile_read(network, &profile))
        return false;
    begin_section(out, "phases", "Where the time went");
    fprintf(
        out,
        "<div class=\"scroll\"><table>\n<caption>Seconds: %s. GFLOP/s: of all threads; skipped zeros are counted, so "
        "they may exceed the peak of the CPU.</caption>\n<thead><tr><th scope=\"col\">Phase</th><th scope=\"col\">"
        "Seconds</th><th scope=\"col\">Share</th><th scope=\"col\">GFLOP/s</th></tr></thead>\n<tbody>\n",
        threads == 1 ? "of the one thread" : "the mean of the threads");
    for (size_t i = 0; i < profile.count; i++) {
        const struct cli_profile_row *row = &profile.rows[i];
        fprintf(out, "<tr%s><th scope=\"row\">%s</th><td>%.3f</td><td>%.1f%%</td>",
                i + 1 < profile.count ? "" : " class=\"sum\"", row->name, row->seconds, 100 * row->share);
        fprintf(out, row->gflops > 0 ? "<td>%.1f</td></tr>\n" : "<td></td></tr>\n", row->gflops);
    }
    fputs("</tbody>\n</table></div>\n", out);
    end_section(out);
    cli_profile_free(&profile);
    return true;
}

static bool write_page(FILE *out, const struct cli_report *r)
{
    cli_html_begin(out, r->train ? "A training of mnist_fast" : "An evaluation by mnist_fast");
    write_result(out, r);
    bool good = !r->epoch_count || write_epochs(out, r);
    write_confusion(out, r->score);
    write_classes(out, r->score);
    good = good && write_mistakes(out, r) && write_weights(out, r);
    good = good && (!r->epoch_count || write_phases(out, r->networks[0]));
    cli_report_metadata(out, r);
    cli_html_end(out);
    return good;
}

mnist_fast_status cli_report_check(const char *path, mnist_fast_error *error)
{
    const mnist_fast_status status = cli_check_first_line(path, CLI_HTML_FIRST_LINE, "a report of mnist_fast", error);
    return status ? status : mnist_fast_check_writable(path, error);
}

/* A signal that comes meanwhile takes effect afterwards, so that no temporary stays behind. */
static mnist_fast_status save(const char *path, const char *text, size_t size, mnist_fast_error *error)
{
    cli_catch_signals();
    cli_begin_saving();
    const mnist_fast_status status = mnist_fast_write_file(path, text, size, error);
    cli_end_saving();
    cli_release_signals();
    if (cli_caught_signal())
        raise(cli_caught_signal());
    return status;
}

mnist_fast_status cli_report_write(const struct cli_report *report, mnist_fast_error *error)
{
    const char *path = report->options->report;
    struct cli_text text = {0};
    FILE *out = cli_text_open(&text);
    bool good = out && write_page(out, report);
    good = out && !ferror(out) && good;
    good = out && fclose(out) == 0 && good;
    const mnist_fast_status status =
        good ? save(path, text.bytes, text.size, error)
             : cli_fail(error, MNIST_FAST_NO_MEMORY, "%s: no memory for the report; free some", path);
    free(text.bytes);
    return status;
}
