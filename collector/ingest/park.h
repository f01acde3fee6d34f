/* park.h - data sets that came before their template, kept for a while (RFC 7011 section 8.2 allows
 * it, and over UDP it happens at every start).
 *
 * Bounded by octets, everything counted; past the bound the set that waited longest leaves, so
 * that an exporter which never sends a template can not keep others out. They wait at most so long
 * (reception time). They are found by session and template in a hash with a secret, because a
 * hundred thousand of them may wait, and one datagram may define ten thousand templates.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_PARK_H
#define WEIR_COLLECTOR_PARK_H

#include "ingest/derive.h"

struct parked {
    struct parked *before, *after;             /* by age */
    struct parked *session_before, *session_after;
    struct parked *chain_before, *chain_after; /* of the same hash, by age */
    struct message message;
    uint32_t token;                            /* of sequence_account() */
    uint16_t template_id;
    uint32_t length;
    uint8_t bytes[];                           /* the set's content */
};

#define PARK_CHAINS (1u << 14)
struct park_chain {
    struct parked *oldest, *newest;
};

/* All zero but for octets_most: empty. */
struct park {
    struct parked *oldest, *newest;
    uint64_t octets, octets_most;
    struct park_chain *chains; /* PARK_CHAINS of them, made with the first set; NULL before */
    uint64_t seed;
};

void park_free(struct park *park); /* its memory and its sets, not the struct */

/* Copies the set. Sets that must leave for it are handed to `give_up` (which frees them by
 * park_free_one()). NULL: larger than the park, or no memory. */
struct parked *park_put(struct park *park, const struct message *m, uint16_t template_id,
                        const struct cursor *content, void (*give_up)(void *, struct parked *),
                        void *context);
/* Unlinks from the park and its session; the caller owns it then. */
void park_remove(struct park *park, struct parked *p);
void park_free_one(struct parked *p);
/* The first set of the session that waits for this template, or NULL. */
struct parked *park_find(const struct park *park, const struct session *s, uint16_t template_id);

#endif
