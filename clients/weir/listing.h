/* listing.h - how the words of the catalogue ask the collector and show lists: as a table, and as
 * JSON from a shape. Include after colStub.h.
 *
 * Threads: main thread. */
#ifndef WEIR_CLIENT_LISTING_H
#define WEIR_CLIENT_LISTING_H

#include "weir/session.h"
#include "weir/shape.h"

/* A list of structs with its columns. */
struct listing {
    const char *name; /* in JSON: {"tags":[…]} */
    const struct shape *shape;
    const void *items;
    int count;
};

/* A session with the collector. False: the error is filled. */
bool listing_open(struct session *s, struct request *r);
/* An open report with these columns. */
void listing_report(struct report *report, const char *const *columns, size_t count);
/* Answers with the report and closes it. */
enum outcome listing_answer(struct request *r, struct report *report, const struct listing *l);
/* gSOAP's structs know no const; it only reads what it sends. */
char *listing_lend(const char *text);

#endif
