#include "svg.h"

#include <math.h>

/* The picture, and the field of the curves within it. */
enum { WIDTH = 480, HEIGHT = 270, LEFT = 52, RIGHT = 466, TOP = 34, BOTTOM = 228, MOST_MARKERS = 40 };

struct scale {
    double low, high, step;
};

/* Ends on multiples of a step of 1, 2 or 5 times a power of ten, with about `ticks` of them. */
static struct scale make_scale(double low, double high, double least_step, int ticks)
{
    const double rough = fmax((high - low) / ticks, least_step);
    const double power = pow(10, floor(log10(rough)));
    const double times = rough / power;
    const double step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
    struct scale scale = {.low = floor(low / step) * step, .high = ceil(high / step) * step, .step = step};
    if (scale.high <= scale.low)
        scale.high = scale.low + step;
    return scale;
}

static double x_at(const struct cli_chart *chart, double epoch)
{
    const double first = chart->epochs[0], last = chart->epochs[chart->count - 1];
    return last > first ? LEFT + 10 + (epoch - first) / (last - first) * (RIGHT - LEFT - 20)
                        : (double)(LEFT + RIGHT) / 2;
}

static double y_at(const struct scale *scale, double value)
{
    return BOTTOM - (value - scale->low) / (scale->high - scale->low) * (BOTTOM - TOP);
}

static struct scale scale_of_values(const struct cli_chart *chart)
{
    double low = INFINITY, high = -INFINITY;
    for (int c = 0; c < CLI_CURVES; c++)
        for (size_t i = 0; chart->curves[c].values && i < chart->count; i++) {
            const double value = chart->curves[c].values[i];
            low = isfinite(value) ? fmin(low, value) : low;
            high = isfinite(value) ? fmax(high, value) : high;
        }
    if (low > high)
        low = high = 0;
    return make_scale(chart->from_zero ? 0 : low, high, chart->least_step, 5);
}

static void draw_axes(FILE *out, const struct cli_chart *chart, const struct scale *scale)
{
    const int decimals = (int)fmax(0, -floor(log10(scale->step) + 1e-9));
    const int lines = (int)((scale->high - scale->low) / scale->step + 0.5);
    for (int i = 0; i <= lines; i++) {
        const double value = scale->low + i * scale->step, y = y_at(scale, value);
        fprintf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, y, RIGHT);
        fprintf(out, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%.*f%s</text>\n", LEFT - 7, y + 4,
                decimals, value, chart->unit);
    }
    const int first = chart->epochs[0], last = chart->epochs[chart->count - 1];
    const int step = (int)make_scale(first, last, 1, 8).step;
    for (int epoch = (first + step - 1) / step * step; epoch <= last; epoch += step)
        fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%d</text>\n", x_at(chart, epoch),
                BOTTOM + 18, epoch);
    fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">epoch</text>\n", (LEFT + RIGHT) / 2,
            BOTTOM + 36);
}

/* Rings for the first curve, squares for the second: not by colour alone. */
static void draw_marker(FILE *out, int curve, double x, double y)
{
    if (curve == 0)
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\">", x, y);
    else
        fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\">", x - 4, y - 4);
}

static void draw_curve(FILE *out, const struct cli_chart *chart, const struct scale *scale, int curve)
{
    const double *values = chart->curves[curve].values;
    fprintf(out, "<g class=\"%s\">\n<path class=\"line\" d=\"", chart->curves[curve].name);
    bool within = false;
    for (size_t i = 0; i < chart->count; i++) {
        if (isfinite(values[i]))
            fprintf(out, "%c%.1f %.1f", within ? 'L' : 'M', x_at(chart, chart->epochs[i]), y_at(scale, values[i]));
        within = isfinite(values[i]);
    }
    fputs("\"/>\n", out);
    for (size_t i = 0; i < chart->count && chart->count <= MOST_MARKERS; i++)
        if (isfinite(values[i])) {
            draw_marker(out, curve, x_at(chart, chart->epochs[i]), y_at(scale, values[i]));
            fprintf(out, "<title>%s, epoch %d: %.4f%s</title></%s>\n", chart->curves[curve].name, chart->epochs[i],
                    values[i], chart->unit, curve == 0 ? "circle" : "rect");
        }
    fputs("</g>\n", out);
}

static void draw_legend(FILE *out, const struct cli_chart *chart)
{
    int x = LEFT;
    for (int c = 0; c < CLI_CURVES; c++) {
        if (!chart->curves[c].values)
            continue;
        fprintf(out, "<g class=\"%s\"><path class=\"line\" d=\"M%d 14h26\"/>", chart->curves[c].name, x);
        draw_marker(out, c, x + 13, 14);
        fprintf(out, "</%s></g><text class=\"tick\" x=\"%d\" y=\"18\">%s</text>\n", c == 0 ? "circle" : "rect", x + 33,
                chart->curves[c].name);
        x += 120;
    }
}

void cli_svg_chart(FILE *out, const struct cli_chart *chart)
{
    const struct scale scale = scale_of_values(chart);
    const size_t last = chart->count - 1;
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%s-title %s-text\">\n"
            "<title id=\"%s-title\">%s by epoch</title>\n<desc id=\"%s-text\">",
            WIDTH, HEIGHT, chart->id, chart->id, chart->id, chart->title, chart->id);
    for (int c = 0; c < CLI_CURVES; c++)
        if (chart->curves[c].values)
            fprintf(out, "%s%s: from %.4f%s in epoch %d to %.4f%s in epoch %d", c ? "; " : "", chart->curves[c].name,
                    chart->curves[c].values[0], chart->unit, chart->epochs[0], chart->curves[c].values[last],
                    chart->unit, chart->epochs[last]);
    fputs(".</desc>\n", out);
    draw_legend(out, chart);
    draw_axes(out, chart, &scale);
    for (int c = 0; c < CLI_CURVES; c++)
        if (chart->curves[c].values)
            draw_curve(out, chart, &scale, c);
    fputs("</svg>\n", out);
}
