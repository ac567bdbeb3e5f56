/* What of a foreign text a message shows. */
#include "cli/program.h"
#include "support.h"

#include <string.h>

START_TEST(texts)
{
    static const char *const both[][2] = {
        {"plain", "plain"},
        {"tab\tbell\a\x7f", "tab?bell??"},
        {"\x1b[31mred", "?[31mred"},
        {"Ziffer \xc3\xa4, \xe2\x82\xac, \xf0\x9f\x98\x80", "Ziffer \xc3\xa4, \xe2\x82\xac, \xf0\x9f\x98\x80"},
        {"\xc2\x9b is a control character", "?? is a control character"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"overlong \xc0\x8a, \xc1\xbf", "overlong ??, ??"},
        {"overlong \xe0\x9f\xbf, \xe0\xa0\x80", "overlong ???, \xe0\xa0\x80"},
        {"overlong \xf0\x8f\xbf\xbf, \xf0\x90\x80\x80", "overlong ????, \xf0\x90\x80\x80"},
        {"surrogate \xed\xa0\x80, \xed\x9f\xbf", "surrogate ???, \xed\x9f\xbf"},
        {"beyond \xf4\x90\x80\x80, \xf4\x8f\xbf\xbf, \xf5\x80\x80\x80", "beyond ????, \xf4\x8f\xbf\xbf, ????"},
        {"cut \xe2\x82", "cut ??"},
        {"cut \xf0\x9f\x98 here", "cut ??? here"},
        {"alone \x80\xbf", "alone ??"},
    };
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        char text[64];
        strcpy(text, both[i][0]);
        cli_make_printable(text);
        ck_assert_str_eq(text, both[i][1]);
    }
}
END_TEST

int main(void)
{
    support_begin();
    Suite *const suite = suite_create("printable");
    TCase *const tcase = tcase_create("printable");
    tcase_add_test(tcase, texts);
    suite_add_tcase(suite, tcase);
    return support_run(suite);
}
