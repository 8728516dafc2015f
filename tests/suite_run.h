// Suite run: the end of a test program's main().
#pragma once

#include <check.h>
#include <stdlib.h>

// Runs all of it, frees it and returns the exit code of the process.
static inline int suite_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV); // CK_VERBOSITY=verbose tells each test
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
