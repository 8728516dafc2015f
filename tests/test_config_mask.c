// Checks that passwords, and URLs that let one in, are not shown, and that all else is.
#include "config_mask.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct masked {
    const char *text, *shown;
};

static const struct masked urls[] = {
    {"https://hooks.example.com/services/T0/B0/secret", "https://hooks.example.com/…"},
    {"https://hooks.example.com:8443?key=secret", "https://hooks.example.com:8443/…"},
    {"https://hooks.example.com#secret", "https://hooks.example.com/…"},
    {"https://hooks.example.com", "https://hooks.example.com"},
    {"http://[::1]:9/secret", "http://[::1]:9/…"},
};

static const struct masked dsns[] = {
    {"host=db dbname=books", "host=db dbname=books"},
    {"postgresql://db/books", "postgresql://db/books"},
    {"host=db user=reeve password=secret dbname=books",
     "user='reeve' password=… dbname='books' host='db'"},
    {"postgresql://reeve:secret@db:6543/books?sslmode=require",
     "user='reeve' password=… dbname='books' host='db' port='6543' sslmode='require'"},
    {"host=db password='s e c''ret' user='o\\'neill'", "…"}, // libpq cannot read it
    {"host=db password='s e c\\'ret' user='o\\'neill'", "user='o\\'neill' password=… host='db'"},
    {"host=db sslkey=k sslpassword=secret", "host='db' sslkey='k' sslpassword=…"},
    {"postgresql://reeve:secret@db/%zz", "…"},
    {"password", "…"},
};

static void check(const struct masked *each, void (*mask)(const char *text, FILE *stream))
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);
    mask(each->text, stream);
    fclose(stream);
    ck_assert_str_eq(text, each->shown);
    ck_assert_ptr_null(strstr(text, "secret"));
    free(text);
}

START_TEST(url)
{
    check(&urls[_i], config_mask_url);
}
END_TEST

START_TEST(dsn)
{
    check(&dsns[_i], config_mask_dsn);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_mask");
    TCase *tests = tcase_create("config_mask");
    tcase_add_loop_test(tests, url, 0, (int)(sizeof(urls) / sizeof(urls[0])));
    tcase_add_loop_test(tests, dsn, 0, (int)(sizeof(dsns) / sizeof(dsns[0])));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
