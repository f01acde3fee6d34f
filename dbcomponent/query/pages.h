/* pages.h - memory for tables and chunks that are large. Private to dbcomponent/query.
 *
 * From PAGES_HUGE octets on it is mapped, which zeroes it once and not twice, aligned to huge pages
 * and with the wish for them: a random look-up would miss the TLB nearly every time, and to get as
 * much in small pages costs several times as long.
 *
 * Threads: any. */
#ifndef WEIR_QUERY_PAGES_H
#define WEIR_QUERY_PAGES_H

#include <stddef.h>

#define PAGES_HUGE ((size_t)2 << 20)

/* Zeroed, aligned to a cache line. NULL: no memory. */
void *pages_take(size_t octets);
/* What was taken with as many octets; NULL is fine. */
void pages_give(void *memory, size_t octets);

#endif
