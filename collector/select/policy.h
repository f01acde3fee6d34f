/* policy.h - one policy of anonymisation, compiled, and carried out on rows of a batch
 * (flow/selection.h says what policies do).
 *
 * What is changed: the columns whose element the tables of lib/ie know as an address, under
 * whatever enterprise, but for WEIR_EXPORTER, which the account is about. IPv4 addresses in IPv6's
 * mapped form are treated as the IPv4 addresses they are. All-zero addresses stay: they say "none".
 * What is removed: addresses of a length that no address has, elements that carry packets or
 * structured data, where addresses can not be reached, and elements that no table knows, which may
 * be addresses. ANONYMISE_REMOVE takes what it names, and what that could be read from still:
 * structured data, and packets when they may have an element that it names. A policy that is an
 * exception (ANONYMISE_EXEMPT) is joined, but never applied: places_mark() gives it to no row.
 *
 * If anything fails the addresses are removed: nothing ever passes as it came.
 *
 * Threads: a policy is read-only; a policy_work belongs to one thread. */
#ifndef WEIR_COLLECTOR_POLICY_H
#define WEIR_COLLECTOR_POLICY_H

#include "flow/batch.h"
#include "flow/selection.h"
#include "select/cryptopan.h"

#define POLICY_FIELDS_MOST (3 * ANONYMISE_FIELDS_MOST) /* of several policies together */

struct policy {
    struct anonymisation how; /* its texts are not kept */
    ie_key fields[POLICY_FIELDS_MOST];
    size_t field_count;
    uint8_t key[CRYPTOPAN_KEY_SIZE];
    char text[ANONYMISATION_TEXT_SIZE];
};

/* Reads the key, which must be there (keyfile.h). */
enum weir_status policy_compile(const struct anonymisation *how, const char *key_folder,
                                struct policy *out, struct weir_error *error);

/* Makes *p one that gives away no more than either did. Nothing changes when they are the same.
 * WEIR_ELIMIT: together they remove more elements than a policy can. */
enum weir_status policy_join(struct policy *p, const struct policy *other,
                             struct weir_error *error);

struct policy_work;
struct policy_work *policy_work_new(void); /* NULL: no memory */
void policy_work_free(struct policy_work *w);

/* Changes the rows whose bits are set, and writes the policy's text into their WEIR_ANONYMISATION,
 * when the batch has room for that column. WEIR_ENOMEM: they do not say what was done to them. */
enum weir_status policy_apply(const struct policy *p, struct policy_work *w, struct batch *b,
                              const uint64_t *rows);

/* Takes the element of column `c` from the rows whose bits are set. */
void rows_clear(struct column *c, const uint64_t *rows, uint32_t count);

#endif
