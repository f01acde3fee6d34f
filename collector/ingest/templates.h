/* templates.h - the templates of one transport session, by id. Sorted by id, found by bisection
 * after a look at the one used last. The count is bounded.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_TEMPLATES_H
#define WEIR_COLLECTOR_TEMPLATES_H

#include "ingest/biflow.h"
#include "ingest/plan.h"

#define TEMPLATES_MOST 4096u /* of one session */

/* A template record as it came, to be read again after a restart. */
struct template_record {
    const uint8_t *bytes;
    uint32_t length;
    int64_t heard_ms; /* reception */
};

struct known_template {
    struct wire_template *wire;
    struct record_plan plan;
    struct biflow *biflow; /* NULL: records of one direction */
    uint8_t *record;       /* the octets of its last definition; NULL: not kept */
    uint32_t record_length;
    bool conflict_logged;
    int64_t heard_ms;      /* when it was last defined or repeated */
};

struct templates {
    struct known_template **list;
    uint32_t count, room;
    uint32_t last; /* where the last one was found */
};

enum template_change { TEMPLATE_SAME, TEMPLATE_NEW, TEMPLATE_REDEFINED, TEMPLATE_REFUSED };

struct known_template *templates_find(struct templates *all, uint16_t id);
/* Takes `wire` over in every case; copies the record. *memory grows (or shrinks) by the octets it
 * changed. A definition equal to the known one changes nothing. TEMPLATE_REFUSED: too many, or no
 * memory; the id is then unknown. */
enum template_change templates_put(struct templates *all, struct wire_template *wire,
                                   const struct template_record *record, int64_t *memory);
/* Forgets one (true when it was known), or all of a kind (returns how many). */
bool templates_remove(struct templates *all, uint16_t id, int64_t *memory);
uint32_t templates_remove_kind(struct templates *all, enum record_kind kind, int64_t *memory);
void templates_free(struct templates *all, int64_t *memory);

#endif
