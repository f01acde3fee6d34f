/* coverage.h - account rows added up by exporter, domain and protocol, and parts of that kept from
 * one question to the next. Private to dbcomponent/query; account.c judges what comes out. */
#ifndef WEIR_QUERY_COVERAGE_H
#define WEIR_QUERY_COVERAGE_H

#include "store/container.h"

struct heard { /* a coverage row while it grows; `missing`, `unit` and `state` are left to the judge
                */
    struct coverage_row row;
    int64_t minute_ms; /* the last that counts in row.minutes: rows come in the order of minutes */
};

struct coverage {
    struct heard *rows; /* in the order in which they came */
    size_t count, capacity;
    size_t *slots; /* row number + 1 by hash of the key */
    size_t slot_count;
    int64_t others_until_ms; /* least last_heard of what went to rows for others; INT64_MAX: nothing
                                did */
    struct account_counts counts; /* sums, sockets (address ::) included, which have no row above */
};
#define COVERAGE_EMPTY ((struct coverage){.others_until_ms = INT64_MAX})

/* An account_visit: `context` is the struct coverage; rows come in the order of their minutes.
 * WEIR_ENOMEM, without a message. */
enum weir_status coverage_visit(void *context, const struct account_row *row);
/* Adds sums of rows whose minutes *c has nothing of, none of them for others; there must be room
 * for all of them to have rows of their own. False: no memory. */
bool coverage_add(struct coverage *c, const struct heard *rows, size_t count,
                  const struct account_counts *counts);
void coverage_free(struct coverage *c);

/* account_pages.c: what account rows of the minutes that overlap `when` add up to, in an empty *c.
 * WEIR_ENOMEM without a message. */
enum weir_status coverage_read(struct reader *r, struct interval when, struct coverage *c,
                               struct weir_error *error);

/* account.c: the protocol's number when it is one that is known, else 0. */
uint16_t account_protocol_known(uint16_t number);

#endif
