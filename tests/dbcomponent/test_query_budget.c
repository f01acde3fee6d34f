/* test_query_budget.c - who asks for too much takes nothing from those who do not. */
#include "query/budget.h"
#include "unit.h"
#include <pthread.h>

#define TURNS 2000000

static struct budget budget = {.most = 1000};
static _Atomic bool stop;

static void *greedy(void *unused)
{
    (void)unused;
    uint64_t taken = 0;
    while (!atomic_load(&stop))
        taken += budget_try(&budget, 900);
    CU_ASSERT_EQUAL(taken, 0);
    return NULL;
}

static void small_ones_are_never_refused(void)
{
    pthread_t thread;
    unsigned refused = 0;
    budget_force(&budget, 200);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, greedy, NULL), 0);
    for (unsigned i = 0; i < TURNS; i++) {
        if (budget_take(&budget, 100))
            budget_give(&budget, 100);
        else
            refused++;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(refused, 0);
    CU_ASSERT_FALSE(atomic_load(&budget.refused));
    CU_ASSERT_EQUAL(atomic_load(&budget.used), 200);
}

static void bounds(void)
{
    struct budget b = {.most = 10};
    CU_ASSERT_FALSE(budget_try(&b, 11));
    CU_ASSERT_FALSE(atomic_load(&b.refused));
    CU_ASSERT_TRUE(budget_take(&b, 10));
    CU_ASSERT_TRUE(budget_take(&b, 0));
    CU_ASSERT_FALSE(budget_take(&b, 1));
    CU_ASSERT_TRUE(atomic_load(&b.refused));
    budget_force(&b, 5); /* past the bound */
    CU_ASSERT_FALSE(budget_try(&b, 0));
    budget_give(&b, 15);
    CU_ASSERT_FALSE(budget_try(&b, SIZE_MAX));
    CU_ASSERT_EQUAL(atomic_load(&b.used), 0);
}

UNIT_MAIN("query: budget", {"bounds", bounds},
          {"small ones are never refused", small_ones_are_never_refused})
