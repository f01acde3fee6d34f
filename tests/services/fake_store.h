/* fake_store.h - a store that remembers what it was asked and answers what a test told it to.
 * Included by one source file of a test: its definitions take the place of the real ones. */
#ifndef WEIR_FAKE_STORE_H
#define WEIR_FAKE_STORE_H

#include "base/address.h"
#include "collector.h"
#include "store.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct store {
    pthread_mutex_t lock;
    enum weir_status fail; /* what every call returns when not WEIR_OK */
    const char *fail_field, *fail_message;
    /* what was asked last */
    char filter[512], by[256], who[64];
    struct interval when;
    int64_t step_ms;
    uint32_t top;
    enum measure order;
    enum answer_source source;
    int calls;
    uint8_t *block;
    size_t block_length;
    bool block_known;
    /* what is answered */
    uint32_t rows;
    struct coverage_row coverage[2];
    struct tag tags[8];
    char tag_names_kept[8][64];
    struct prefix prefixes[8];
    size_t tag_count;
    struct device_entry device;
    size_t device_count;
    struct db_entry db;
    size_t db_count;
};

static struct store fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum weir_status fake_fail(struct store *s, struct weir_error *error)
{
    return weir_fail(error, s->fail, s->fail_field, "%s",
                     s->fail_message ? s->fail_message : "told to");
}

static void fake_account(struct store *s, struct interval when, struct answer_account *a)
{
    *a = (struct answer_account){.when = when,
                                 .coverage = s->coverage,
                                 .coverage_count = 2,
                                 .missing_records = 5,
                                 .missing_records_percent = 12.5,
                                 .state = LOSS_LOSSY,
                                 .known_until_ms = 1700000000123,
                                 .raw = {UINT64_MAX, 9007199254740993u, 3},
                                 .estimated = {20, 4, 6},
                                 .unknown_rate = {1, 1, 1},
                                 .policy = "none",
                                 .source = "rollup",
                                 .blocks = 7,
                                 .blocks_skipped = 6,
                                 .rows_scanned = 42};
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        *account_counter(&a->counts, i) = 100 + i;
    /* The same ones for ever: answers are made of them outside the lock. */
    for (uint32_t r = 0; r < 2 && !s->coverage[r].last_heard_ms; r++) {
        s->coverage[r] = (struct coverage_row){.exporter = address_from_ipv4(0xc0000201u + r),
                                               .domain = r,
                                               .protocol = r ? 10 : 5,
                                               .first_heard_ms = 1,
                                               .last_heard_ms = 2,
                                               .minutes = 3,
                                               .missing = r * 5,
                                               .unit = "records",
                                               .state = r ? LOSS_LOSSY : LOSS_COMPLETE};
        s->coverage[r].counts = a->counts;
    }
}

/* Rows of two keys: a number that counts up, and the address 192.0.2.r. */
static void fake_rows(struct store *s, const struct totals_request *q, struct totals *out)
{
    size_t n = q->by_count ? s->rows : 1;
    struct totals_row *rows = calloc(n ? n : 1, sizeof *rows);
    struct key_value *keys = calloc(n * 8 + 1, sizeof *keys);
    for (size_t i = 0; i < n; i++) {
        rows[i].keys = keys + i * 8;
        rows[i].bin_ms = q->when.from_ms + (int64_t)i;
        rows[i].raw = (struct counts){UINT64_MAX - i, 9007199254740993u, i + 1};
        rows[i].estimated = (struct counts){20, 4, 6};
        for (size_t k = 0; k < q->by_count && k < 8; k++) {
            struct address a = address_from_ipv4(0xc0000200u + (uint32_t)i);
            keys[i * 8 + k] = k % 3 == 0   ? (struct key_value){.width = 4, .number = i}
                              : k % 3 == 1 ? (struct key_value){.width = 16}
                                           : (struct key_value){.absent = true};
            if (k % 3 == 1)
                memcpy(keys[i * 8 + k].octets, a.octets, 16);
        }
    }
    for (size_t k = 0; k < q->by_count && k < 8; k++)
        out->keys[k] = (struct totals_key){.key = k % 3 == 1 ? WEIR_EXPORTER : WEIR_SRC_TAG,
                                           .type = k % 3 == 1 ? IE_IPV6 : IE_UNSIGNED32,
                                           .prefix_length = strchr(q->by[k], '/') ? 48 : -1,
                                           .name = q->by[k]};
    out->key_count = q->by_count;
    out->rows = rows;
    out->row_count = n;
    out->groups = n;
    out->memory = keys;
}

/* How long a change takes, one after the other, as with a disk that is slow; 0: no time, also for
 * those that have begun. */
static _Atomic int fake_change_ms;
static pthread_mutex_t fake_disk = PTHREAD_MUTEX_INITIALIZER;

static void fake_wait_for_disk(void)
{
    pthread_mutex_lock(&fake_disk);
    for (int i = 0; i < atomic_load(&fake_change_ms); i++)
        usleep(1000);
    pthread_mutex_unlock(&fake_disk);
}

/* How long a question takes, asking now and then whether it is wanted; 0: no time, also for those
 * that have begun. */
static _Atomic int fake_long_ms;

static bool fake_work(const struct totals_request *q)
{
    for (int i = 0; i < atomic_load(&fake_long_ms); i++) {
        if (q->unwanted && q->unwanted(q->unwanted_context))
            return false;
        usleep(1000);
    }
    return true;
}

enum weir_status store_totals(struct store *s, const struct totals_request *q, struct totals *out,
                              struct weir_error *error)
{
    if (!fake_work(q))
        return weir_fail(error, WEIR_ECANCELLED, NULL, "nobody waits for the answer any more");
    pthread_mutex_lock(&s->lock);
    s->calls++;
    snprintf(s->filter, sizeof s->filter, "%s", q->filter ? q->filter : "(none)");
    s->by[0] = '\0';
    for (size_t i = 0; i < q->by_count; i++)
        snprintf(s->by + strlen(s->by), sizeof s->by - strlen(s->by), "%s,", q->by[i]);
    s->when = q->when;
    s->step_ms = q->step_ms;
    s->top = q->top;
    s->order = q->order;
    s->source = q->source;
    memset(out, 0, sizeof *out);
    enum weir_status status = s->fail ? fake_fail(s, error) : WEIR_OK;
    if (status == WEIR_OK) {
        fake_rows(s, q, out);
        fake_account(s, q->when, &out->account);
        out->elapsed_us = 11;
        out->cpu_us = 12;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

void totals_free(struct totals *t)
{
    free(t->rows);
    free(t->memory);
}

static const struct name_entry fake_names[] = {
    {.domain = 7,
     .kind = NAME_INTERFACE,
     .number = 3,
     .name = "Gi0/3 <up>",
     .description = "",
     .first_told_ms = 10,
     .told_ms = 20,
     .element = IANA(82)},
    {.domain = 8,
     .kind = NAME_APPLICATION,
     .number = 0x030001bb,
     .octets = 4,
     .name = "https\xff",
     .description = "web",
     .first_told_ms = 30,
     .told_ms = 30,
     .element = IANA(96)},
};
static struct interval fake_names_when;

enum weir_status store_names(struct store *s, struct interval when, struct names *out,
                             struct weir_error *error)
{
    fake_names_when = when;
    *out = (struct names){.list = fake_names, .count = 2};
    return s->fail ? fake_fail(s, error) : WEIR_OK;
}

void names_free(struct names *n)
{
    *n = (struct names){0};
}

enum weir_status store_account(struct store *s, struct interval when, struct account_answer *out,
                               struct weir_error *error)
{
    memset(out, 0, sizeof *out);
    if (s->fail)
        return fake_fail(s, error);
    pthread_mutex_lock(&s->lock);
    fake_account(s, when, &out->account);
    pthread_mutex_unlock(&s->lock);
    return WEIR_OK;
}

void account_answer_free(struct account_answer *a)
{
    (void)a;
}

enum weir_status store_append(struct store *s, const uint8_t *block, size_t length,
                              enum store_outcome *outcome, struct weir_error *error)
{
    fake_wait_for_disk();
    pthread_mutex_lock(&s->lock);
    s->calls++;
    enum weir_status status = s->fail ? fake_fail(s, error) : WEIR_OK;
    if (status == WEIR_OK) {
        s->block = realloc(s->block, length ? length : 1);
        memcpy(s->block, block, length);
        s->block_length = length;
        *outcome = s->block_known ? STORE_KNOWN : STORE_STORED;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

enum weir_status store_status(struct store *s, struct store_status *out, struct weir_error *error)
{
    *out = (struct store_status){
        .blocks = 1, .records = 2, .first_ms = 3, .last_ms = 4, .schema_version = 1};
    return s->fail ? fake_fail(s, error) : WEIR_OK;
}

enum weir_status store_catalogue(struct store *s, struct catalogue *out, struct weir_error *error)
{
    memset(out, 0, sizeof *out);
    if (s->fail)
        return fake_fail(s, error);
    out->tags = s->tags;
    out->tag_count = s->tag_count;
    out->devices = &s->device;
    out->device_count = s->device_count;
    out->dbs = &s->db;
    out->db_count = s->db_count;
    return WEIR_OK;
}

void catalogue_free(struct catalogue *c)
{
    memset(c, 0, sizeof *c);
}

enum weir_status store_tag_add(struct store *s, const struct tag *tag, const char *who,
                               struct weir_error *error)
{
    snprintf(s->who, sizeof s->who, "%s", who);
    if (s->fail)
        return fake_fail(s, error);
    for (size_t i = 0; i < s->tag_count; i++)
        if (s->tags[i].id == tag->id)
            return weir_fail(error, WEIR_EEXISTS, "id", "tag %u exists", tag->id);
    size_t n = s->tag_count;
    if (n == 8)
        return weir_fail(error, WEIR_ELIMIT, "tag", "the fake holds 8 tags");
    snprintf(s->tag_names_kept[n], 64, "%s", tag->name);
    s->tags[n] = (struct tag){.id = tag->id, .name = s->tag_names_kept[n]};
    if (tag->prefix_count) {
        s->prefixes[n] = tag->prefixes[0];
        s->tags[n].prefixes = &s->prefixes[n];
        s->tags[n].prefix_count = 1;
    }
    s->tag_count++;
    return WEIR_OK;
}

enum weir_status store_tag_delete(struct store *s, uint32_t id, const char *who,
                                  struct weir_error *error)
{
    (void)who;
    for (size_t i = 0; i < s->tag_count; i++)
        if (s->tags[i].id == id) {
            s->tags[i] = s->tags[--s->tag_count];
            return WEIR_OK;
        }
    return weir_fail(error, WEIR_ENOTFOUND, "tag", "no tag %u", id);
}

enum weir_status store_device_add(struct store *s, const struct device_entry *device,
                                  const char *who, struct weir_error *error)
{
    (void)who;
    (void)error;
    fake_wait_for_disk();
    s->device = *device;
    s->device.name = "kept";
    s->device.description = "";
    s->device_count = 1;
    return WEIR_OK;
}

enum weir_status store_device_delete(struct store *s, const struct address *address,
                                     const char *who, struct weir_error *error)
{
    (void)address;
    (void)who;
    if (!s->device_count)
        return weir_fail(error, WEIR_ENOTFOUND, "address", "no such device");
    s->device_count = 0;
    return WEIR_OK;
}

enum weir_status store_db_add(struct store *s, const struct db_entry *db, const char *who,
                              struct weir_error *error)
{
    (void)who;
    (void)db;
    (void)error;
    s->db = (struct db_entry){.url = "http://127.0.0.1:1/db", .name = "other"};
    s->db_count = 1;
    return WEIR_OK;
}

enum weir_status store_db_delete(struct store *s, const char *url, const char *who,
                                 struct weir_error *error)
{
    (void)url;
    (void)who;
    (void)error;
    s->db_count = 0;
    return WEIR_OK;
}

void collector_status(struct collector *c, struct collector_status *out)
{
    (void)c;
    *out = (struct collector_status){.running = true, .datagrams = 77, .last_error = "a\x01 b",
                                       .catalogue_error = "c\x7f"};
}

/* Exporters heard: two that the catalogue may describe or not. */
enum weir_status collector_heard(struct collector *c, struct heard_exporter **out, size_t *count)
{
    (void)c;
    *out = calloc(3, sizeof **out);
    *count = 3;
    (*out)[0] = (struct heard_exporter){.last_heard_ms = 1}; /* a socket's */
    (*out)[1] = (struct heard_exporter){.exporter = address_from_ipv4(0x01020304),
                                        .domain = 7,
                                        .protocol = 9,
                                        .last_heard_ms = 5,
                                        .counts = {.records = 12, .deselected_records = 3}};
    (*out)[2] = (struct heard_exporter){.exporter = address_from_ipv4(0x01020309),
                                        .last_heard_ms = 6,
                                        .counts = {.refused_datagrams = 4}};
    return WEIR_OK;
}

static struct fake_selection {
    int suspended, keys;
    char text[512]; /* the last change, as one line */
    enum weir_status key_status;
} fake_selection;

void collector_suspend(struct collector *c, bool suspended)
{
    (void)c;
    fake_selection.suspended = suspended;
}

enum weir_status collector_key_make(const char *folder, const char *name, struct weir_error *error)
{
    (void)folder;
    (void)name;
    fake_selection.keys++;
    if (fake_selection.key_status != WEIR_OK)
        return weir_fail(error, fake_selection.key_status, "key", "others may read it");
    return WEIR_OK;
}

static enum weir_status fake_change(struct store *s, const char *who, struct weir_error *error)
{
    snprintf(s->who, sizeof s->who, "%s", who);
    return s->fail ? fake_fail(s, error) : WEIR_OK;
}
#define FAKE_TEXT(...) snprintf(fake_selection.text, sizeof fake_selection.text, __VA_ARGS__)

enum weir_status store_flow_type_add(struct store *s, const struct flow_type *t, const char *who,
                                     struct weir_error *error)
{
    char policy[ANONYMISATION_TEXT_SIZE];
    FAKE_TEXT("%s %u %s [%s] [%s] %s", t->name, t->priority, flow_action_name(t->action), t->filter,
              t->keys, anonymisation_print(&t->anonymisation, policy));
    return fake_change(s, who, error);
}
enum weir_status store_flow_type_delete(struct store *s, const char *name, const char *who,
                                        struct weir_error *error)
{
    FAKE_TEXT("-%s", name);
    return fake_change(s, who, error);
}
enum weir_status store_domain_add(struct store *s, const struct observation_domain *d,
                                  const char *who, struct weir_error *error)
{
    FAKE_TEXT("domain %u %s", d->domain, d->name ? d->name : "");
    return fake_change(s, who, error);
}
enum weir_status store_domain_delete(struct store *s, const struct address *device, uint32_t domain,
                                     const char *who, struct weir_error *error)
{
    (void)device;
    FAKE_TEXT("-domain %u", domain);
    return fake_change(s, who, error);
}
enum weir_status store_point_add(struct store *s, const struct observation_point *p,
                                 const char *who, struct weir_error *error)
{
    FAKE_TEXT("point %u %u %s", p->domain, p->interface, observation_role_name(p->role));
    return fake_change(s, who, error);
}
enum weir_status store_point_delete(struct store *s, const struct address *device, uint32_t domain,
                                    uint32_t interface, const char *who, struct weir_error *error)
{
    (void)device;
    FAKE_TEXT("-point %u %u", domain, interface);
    return fake_change(s, who, error);
}
static const char *const fake_scopes[] = {"", "device ", "all "};
enum weir_status store_policy_set(struct store *s, const struct domain_policy *p, const char *who,
                                  struct weir_error *error)
{
    char policy[ANONYMISATION_TEXT_SIZE];
    FAKE_TEXT("policy %s%u %s key=%s", fake_scopes[p->scope], p->domain,
              anonymisation_print(&p->anonymisation, policy), p->anonymisation.key);
    return fake_change(s, who, error);
}
enum weir_status store_policy_delete(struct store *s, const struct domain_policy *which,
                                     const char *who, struct weir_error *error)
{
    FAKE_TEXT("-policy %s%u", fake_scopes[which->scope], which->domain);
    return fake_change(s, who, error);
}

#endif
