/* budget.h - the memory that one question may take for its groups, shared by its threads. */
#ifndef WEIR_QUERY_BUDGET_H
#define WEIR_QUERY_BUDGET_H

#include "base/status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
    _Atomic uint64_t used;
    uint64_t most;
    _Atomic bool refused; /* a taking failed, so what follows is not the machine's fault */
    _Atomic bool unwritten; /* the temporary file of parts.h could not be made, written or read */
};

/* Takes if there is that much left; nobody minds if there is not. What is not taken is never
 * counted either, not for a moment: another thread, which has room, would be refused. */
static inline bool budget_try(struct budget *b, size_t octets)
{
    uint64_t used = atomic_load(&b->used);
    do {
        if (octets > b->most || used > b->most - octets)
            return false;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + octets));
    return true;
}

/* Takes what has to be. */
static inline void budget_force(struct budget *b, size_t octets)
{
    atomic_fetch_add(&b->used, octets);
}

static inline bool budget_take(struct budget *b, size_t octets)
{
    if (budget_try(b, octets))
        return true;
    atomic_store(&b->refused, true);
    return false;
}

static inline void budget_give(struct budget *b, size_t octets)
{
    atomic_fetch_sub(&b->used, octets);
}

/* Why something failed: the bound (WEIR_ELIMIT), the temporary file (WEIR_EFULL), or the machine's
 * memory (WEIR_ENOMEM). */
enum weir_status budget_error(const struct budget *b, struct weir_error *error);

#endif
