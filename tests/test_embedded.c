// Tests of embedded.c: every file of sql/ and of the page is in the binary, byte for byte.
#include "embedded.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_embedded_kind(const char *name)
{
    static const char *const kinds[] = {".csv", ".sql", ".html", ".css", ".js", ".svg"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(dot, kinds[i]) == 0)
            return true;
    return false;
}

static void check_file(const char *path)
{
    const struct embedded_file *file = embedded_find(path);
    ck_assert_msg(file != NULL, "%s is not listed in accounting/embedded.c", path);
    FILE *stream = fopen(path, "rb");
    ck_assert_ptr_nonnull(stream);
    char *bytes = malloc(file->length + 1);
    ck_assert_uint_eq(fread(bytes, 1, file->length + 1, stream), file->length);
    ck_assert_mem_eq(bytes, file->bytes, file->length);
    free(bytes);
    fclose(stream);
}

START_TEST(every_file_is_embedded)
{
    static const char *const folders[] = {"sql", "guard/page"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t before = count;
        DIR *directory = opendir(folders[i]);
        ck_assert_ptr_nonnull(directory);
        for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            char path[300];
            if (!is_embedded_kind(entry->d_name))
                continue;
            snprintf(path, sizeof(path), "%s/%s", folders[i], entry->d_name);
            check_file(path);
            count++;
        }
        closedir(directory);
        ck_assert_uint_gt(count, before);
    }
    ck_assert_ptr_null(embedded_at(count));
}
END_TEST

START_TEST(files_come_in_ascending_order)
{
    for (size_t i = 1; embedded_at(i) != NULL; i++)
        ck_assert_str_lt(embedded_at(i - 1)->name, embedded_at(i)->name);
}
END_TEST

START_TEST(unknown_file_is_not_found)
{
    ck_assert_ptr_null(embedded_find("sql/"));
    ck_assert_ptr_null(embedded_find("prices.csv"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("embedded");
    TCase *cases = tcase_create("embedded");
    tcase_add_test(cases, every_file_is_embedded);
    tcase_add_test(cases, files_come_in_ascending_order);
    tcase_add_test(cases, unknown_file_is_not_found);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
