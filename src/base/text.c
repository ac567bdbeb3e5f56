#include "text.h"

#include <stddef.h>

struct mf_printable mf_printable(const char *text)
{
    struct mf_printable printable;
    size_t i = 0;
    for (; i < sizeof printable.text - 1 && text[i] != '\0'; i++) {
        const bool plain = text[i] >= ' ' && text[i] <= '~';
        printable.text[i] = plain ? text[i] : '?';
    }
    printable.text[i] = '\0';
    return printable;
}

bool mf_enter_c_locale(locale_t *c, locale_t *before)
{
    *c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    *before = *c ? uselocale(*c) : (locale_t)0;
    return *c;
}

void mf_leave_c_locale(locale_t c, locale_t before)
{
    uselocale(before);
    freelocale(c);
}
