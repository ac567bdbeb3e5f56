#include "html.h"

#include "program.h"

#include <stdarg.h>

/* Two sets of colours; on paper always the light one. */
static const char style[] =
    ":root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--quiet:#59626d;--line:#d5dae0;--box:#f5f7f9;"
    "--training:#1a66b8;--validation:#b3500f;--right:26,102,184;--wrong:200,60,50}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--page:#14171b;--text:#e4e7eb;--quiet:#a3adb8;"
    "--line:#3a414a;--box:#1e2329;--training:#74b3f2;--validation:#f2a268;--right:70,140,220;--wrong:225,85,70}\n"
    ".digit{filter:invert(1)}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:62rem;padding:1rem;background:var(--page);color:var(--text);"
    "font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}\n"
    "h2{font-size:1.2rem;margin:2.2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}\n"
    "p{max-width:42rem;margin:.5rem 0}\n"
    ".quiet,caption,figcaption,dt{color:var(--quiet);font-size:.875rem}\n"
    ".results{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.75rem;margin:1rem 0}\n"
    ".results div{background:var(--box);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem}\n"
    ".results dd{margin:0;font-size:1.35rem}\n"
    ".results dd small{display:block;font-size:.8rem;color:var(--quiet)}\n"
    "figure{margin:0}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem}\n"
    ".charts figcaption{font-size:1rem;color:var(--text);font-weight:600}\n"
    "svg{width:100%;height:auto;display:block}\n"
    ".grid{stroke:var(--line);fill:none}\n"
    ".tick{fill:var(--quiet);font-size:13px}\n"
    ".line{fill:none;stroke-width:2.2}\n"
    ".training{stroke:var(--training);fill:var(--page)}\n"
    ".validation{stroke:var(--validation);fill:var(--validation)}\n"
    ".validation .line{stroke-dasharray:6 4}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0}\n"
    "caption{text-align:left;padding-bottom:.3rem}\n"
    "th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid var(--line);font-weight:400}\n"
    "thead th{color:var(--quiet);font-size:.875rem;vertical-align:bottom}\n"
    "th[scope=row],th:first-child{text-align:left}\n"
    ".metadata td{text-align:left;overflow-wrap:anywhere}\n"
    ".metadata th{white-space:nowrap;vertical-align:top;color:var(--quiet)}\n"
    ".sum th,.sum td{font-weight:600}\n"
    ".confusion td,.confusion thead th{min-width:2.1rem;padding:.3rem .25rem;text-align:center;"
    "border:1px solid var(--page)}\n"
    ".confusion th{font-weight:600}\n"
    ".confusion .none{color:var(--quiet)}\n"
    ".confusion .right{background:rgba(var(--right),var(--part))}\n"
    ".confusion .wrong{background:rgba(var(--wrong),var(--part))}\n"
    ".mistakes{list-style:none;margin:.5rem 0;padding:0;display:grid;gap:.75rem;"
    "grid-template-columns:repeat(auto-fill,minmax(9rem,1fr))}\n"
    ".mistakes img{width:84px;height:84px;border:1px solid #8a929b}\n"
    ".mistakes strong{color:var(--text);font-size:1rem}\n"
    "img{image-rendering:pixelated}\n"
    ".weights{margin:.5rem 0 1rem}\n"
    ".weights img{width:min(100%,580px);height:auto;border:1px solid var(--line)}\n"
    "pre{background:var(--box);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem;"
    "white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0}\n"
    "code{font:.875rem/1.4 ui-monospace,monospace}\n"
    "@media (max-width:30rem){body{padding:.6rem}.confusion{font-size:.8rem}.confusion td,.confusion thead th"
    "{min-width:1.7rem;padding:.25rem .1rem}th,td{padding:.2rem .35rem}.metadata th{white-space:normal}"
    ".mistakes{grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))}}\n"
    "@media print{body{max-width:none;padding:0;font-size:10pt}h2{break-after:avoid}"
    "p{break-after:avoid}tr,li,figure,.scroll,.results div{break-inside:avoid}.weights "
    "img{width:12cm}details{display:none}"
    ".confusion td,.results div,pre,.digit{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

void cli_html_begin(FILE *out, const char *title)
{
    fprintf(out,
            CLI_HTML_FIRST_LINE
            "\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            "img-src data:\">\n<title>%s</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>%s</h1>\n",
            title, style, title);
}

void cli_html_end(FILE *out)
{
    fputs("</main>\n</body>\n</html>\n", out);
}

static void print_escaped(FILE *out, const char *format, va_list arguments)
{
    char text[8192];
    vsnprintf(text, sizeof text, format, arguments);
    cli_make_printable(text);
    for (const char *c = text; *c; c++)
        switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default: putc(*c, out);
        }
}

void cli_html_print(FILE *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_escaped(out, format, arguments);
    va_end(arguments);
}

void cli_html_row(FILE *out, const char *name, const char *format, ...)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th><td>", name);
    va_list arguments;
    va_start(arguments, format);
    print_escaped(out, format, arguments);
    va_end(arguments);
    fputs("</td></tr>\n", out);
}
