/* collect.h - from the groups of all threads to one list of them, without the hidden rate. Private
 * to dbcomponent/query.
 *
 * Few groups are added to those of the first thread and read there. Many are read part by part
 * (groups.h), by as many threads as scanned: a part is grouped, summed and cut to what can be in
 * the answer before the next one is begun, so nothing is grouped twice and no thread waits for
 * another. The list is the same groups whatever the number of threads, in no order. */
#ifndef WEIR_QUERY_COLLECT_H
#define WEIR_QUERY_COLLECT_H

#include "query/question.h"

struct collected {
    struct group_list list;   /* all groups, or those that can be among the first `top` */
    size_t all;               /* how many there were */
    struct collector *owners; /* of the memory */
    size_t owner_count;
};

/* The list is valid until collected_free(), which is due after a failure too, and until the tallies
 * are freed. Raw sums, unknown rates and estimates go into *account. False: budget, memory, the
 * temporary file, or question_overdue(). */
bool question_collect(struct question *q, struct team *team, struct collected *out,
                      struct answer_account *account);
void collected_free(struct collected *c);

#endif
