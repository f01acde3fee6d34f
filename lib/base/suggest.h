/* suggest.h - "did you mean": the nearest of some known names to one that nobody knows. Copy this:
 *
 *     struct suggestion s = {0};
 *     for (size_t i = 0; i < count; i++)
 *         suggest_consider(&s, wrong, names[i]);
 *     … s.name is the nearest, or NULL when none is near enough to be a slip of the hand
 *
 * Pure; any thread. */
#ifndef WEIR_BASE_SUGGEST_H
#define WEIR_BASE_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *name; /* the caller's own text; NULL: nothing near */
    size_t distance;  /* letters to change */
};

/* Letter case is ignored. Names longer than 63 octets are never near. */
void suggest_consider(struct suggestion *s, const char *wrong, const char *candidate);

#endif
