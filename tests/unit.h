/* unit.h - CUnit without its ceremony: a test program is a table of tests and UNIT_MAIN.
 *
 *     static void adds(void) { CU_ASSERT_EQUAL(1 + 1, 2); }
 *     UNIT_MAIN("sums", {"adds", adds}) */
#ifndef WEIR_TESTS_UNIT_H
#define WEIR_TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <stddef.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

static inline int unit_main(const char *suite_name, const struct unit_test *tests, size_t count)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        if (!suite || !CU_add_test(suite, tests[i].name, tests[i].run))
            return 1;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures() + (CU_get_number_of_tests_run() == 0);
    CU_cleanup_registry();
    return failures != 0;
}

#define UNIT_MAIN(suite_name, ...)                                                                 \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct unit_test tests[] = {__VA_ARGS__};                                     \
        return unit_main(suite_name, tests, sizeof tests / sizeof tests[0]);                       \
    }

#endif
