/* Curves by epoch as an SVG picture within a page, which has the style for its classes. */
#ifndef CLI_SVG_H
#define CLI_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CLI_CURVES = 2 };

struct cli_chart {
    const char *id;    /* within the page */
    const char *title; /* "Loss" */
    const char *unit;  /* after each number: "%" or "" */
    bool from_zero;    /* the scale begins at 0 */
    double least_step; /* of the scale */
    size_t count;      /* epochs; 1 or more */
    const int *epochs; /* ascending */
    struct {
        const char *name;     /* which is its class too */
        const double *values; /* one an epoch; NULL: there is no such curve */
    } curves[CLI_CURVES];
};

void cli_svg_chart(FILE *out, const struct cli_chart *chart);

#endif
