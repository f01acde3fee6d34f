/* policy.h - which policies of anonymisation the records that answer a question went through, so
 * that the answer can say it. Private to dbcomponent/query.
 *
 * Threads: any; a lock inside. */
#ifndef WEIR_QUERY_POLICY_H
#define WEIR_QUERY_POLICY_H

#include "base/arena.h"
#include "flow/selection.h"
#include "flow/vector.h"
#include <pthread.h>

#define POLICIES_MOST 64u /* numbers 0 (none) to 63 (others, when there are too many) */

struct policies {
    pthread_mutex_t lock;
    char texts[POLICIES_MOST][ANONYMISATION_TEXT_SIZE];
    unsigned count; /* texts known, number 0 included */
    uint64_t used;  /* bit n: a record of policy n answers */
};

void policies_init(struct policies *p);
void policies_free(struct policies *p);
/* The number of a policy by its text; "" is 0. */
unsigned policies_number(struct policies *p, const void *text, size_t length);
void policies_use(struct policies *p, uint64_t numbers);
/* Uses those of the selected rows (NULL: all); `v` NULL: nobody anonymised anything. */
void policies_use_rows(struct policies *p, const struct vector *v, const uint64_t *selected,
                       uint32_t rows);
/* "none", one policy, or a list in order of the alphabet; from `a`. NULL: no memory. */
const char *policies_print(const struct policies *p, struct arena *a);

#endif
