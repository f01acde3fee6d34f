/* sessions.c - see sessions.h. Neighbours: ingest.c gets a session for each datagram. */
#include "ingest/sessions.h"
#include "ingest/ingest.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS_FIRST 64u
#define TEMPLATE_OCTETS_MOST (256ll << 20)

struct sessions {
    struct session **buckets;
    struct source **sources;
    uint32_t bucket_count, count, source_count, most;
    struct session *newest, *oldest;
    struct session **changed; /* room for `bucket_count` of them */
    uint32_t changed_count;
    struct account_checkpoint *left; /* of sessions that are gone */
    size_t left_count, left_room;
    int64_t template_octets;
    uint32_t template_count;
    uint64_t seed;
    session_leaves on_leave;
    void *context;
};

/* ---- hashing ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static uint64_t source_hash(const struct sessions *all, const struct address *a, uint32_t domain)
{
    return mix(mix(mix(all->seed, load_le64(a->octets)), load_le64(a->octets + 8)), domain);
}

static uint64_t session_hash(const struct sessions *all, const struct session_key *k)
{
    uint64_t h = mix(source_hash(all, &k->exporter, k->domain),
                     (uint64_t)k->port << 16 | k->protocol);
    h = mix(mix(h, load_le64(k->agent.octets)), load_le64(k->agent.octets + 8));
    return mix(h, (uint64_t)(uintptr_t)k->transport);
}

static bool key_same(const struct session_key *a, const struct session_key *b)
{
    return a->domain == b->domain && a->port == b->port && a->protocol == b->protocol &&
           a->transport == b->transport && memcmp(&a->agent, &b->agent, sizeof a->agent) == 0 &&
           memcmp(&a->exporter, &b->exporter, sizeof a->exporter) == 0;
}

static struct session **session_slot(const struct sessions *all, const struct session_key *k)
{
    struct session **at = &all->buckets[session_hash(all, k) & (all->bucket_count - 1)];
    while (*at && !key_same(&(*at)->key, k))
        at = &(*at)->next;
    return at;
}

static struct source **source_slot(const struct sessions *all, const struct address *a,
                                   uint32_t domain)
{
    struct source **at = &all->sources[source_hash(all, a, domain) & (all->bucket_count - 1)];
    while (*at && ((*at)->domain != domain || memcmp(&(*at)->exporter, a, sizeof *a) != 0))
        at = &(*at)->next;
    return at;
}

/* ---- growing ---- */

static void rehash(struct sessions *all, struct session **buckets, struct source **sources,
                   uint32_t count)
{
    struct session **old = all->buckets;
    struct source **old_sources = all->sources;
    uint32_t old_count = all->bucket_count;
    all->buckets = buckets;
    all->sources = sources;
    all->bucket_count = count;
    for (uint32_t i = 0; i < old_count; i++) {
        for (struct session *s = old[i], *next; s; s = next) {
            struct session **at = &buckets[session_hash(all, &s->key) & (count - 1)];
            next = s->next;
            s->next = *at;
            *at = s;
        }
        for (struct source *s = old_sources[i], *next; s; s = next) {
            struct source **at = &sources[source_hash(all, &s->exporter, s->domain) & (count - 1)];
            next = s->next;
            s->next = *at;
            *at = s;
        }
    }
    free(old);
    free(old_sources);
}

static bool grow(struct sessions *all)
{
    if (all->count < all->bucket_count)
        return true;
    uint32_t count = all->bucket_count ? 2 * all->bucket_count : BUCKETS_FIRST;
    struct session **buckets = calloc(count, sizeof *buckets);
    struct source **sources = calloc(count, sizeof *sources);
    struct session **changed = realloc(all->changed, count * sizeof *changed);
    if (changed)
        all->changed = changed;
    if (!buckets || !sources || !changed) {
        free(buckets);
        free(sources);
        return false;
    }
    rehash(all, buckets, sources, count);
    return true;
}

struct sessions *sessions_new(uint32_t most, session_leaves on_leave, void *context)
{
    struct sessions *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->most = most ? most : 1;
    all->on_leave = on_leave;
    all->context = context;
    if (getrandom(&all->seed, sizeof all->seed, GRND_NONBLOCK) != sizeof all->seed)
        all->seed = (uint64_t)(uintptr_t)all;
    if (grow(all))
        return all;
    sessions_free(all);
    return NULL;
}

/* ---- sources ---- */

static struct source *source_get(struct sessions *all, const struct session_key *key)
{
    struct source **at = source_slot(all, &key->exporter, key->domain);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->exporter = key->exporter;
        (*at)->domain = key->domain;
        all->source_count++;
    }
    if (*at)
        (*at)->references++;
    return *at;
}

struct source *sessions_source(struct sessions *all, const struct address *exporter,
                               uint32_t domain)
{
    return *source_slot(all, exporter, domain);
}

static void source_put_back(struct sessions *all, struct source *s)
{
    if (--s->references)
        return;
    *source_slot(all, &s->exporter, s->domain) = s->next;
    all->source_count--;
    samplers_free(&s->samplers);
    free(s);
}

/* ---- checkpoints ---- */

void sessions_note_change(struct sessions *all, struct session *s)
{
    if (s->changed_at || s->key.transport)
        return;
    all->changed[all->changed_count++] = s;
    s->changed_at = all->changed_count;
}

static struct account_checkpoint checkpoint_of(const struct session *s)
{
    return (struct account_checkpoint){.exporter = s->key.exporter,
                                       .domain = s->key.domain,
                                       .port = s->key.port,
                                       .protocol = s->key.protocol,
                                       .next_sequence = sequence_checkpoint(&s->sequence),
                                       .sys_up_time_ms = s->sys_up_time_ms,
                                       .export_ms = s->export_ms};
}

/* Without memory the last word of a session that leaves is lost: after a restart it is as if it had
 * never been heard. */
static void keep_last_word(struct sessions *all, struct session *s)
{
    if (!s->changed_at)
        return;
    struct session *moved = all->changed[--all->changed_count];
    all->changed[s->changed_at - 1] = moved;
    moved->changed_at = s->changed_at;
    s->changed_at = 0;
    if (all->left_count == all->left_room) {
        size_t room = all->left_room ? 2 * all->left_room : 64;
        struct account_checkpoint *left = realloc(all->left, room * sizeof *left);
        if (!left)
            return;
        all->left = left;
        all->left_room = room;
    }
    all->left[all->left_count++] = checkpoint_of(s);
}

bool sessions_changed(const struct sessions *all)
{
    return all->changed_count + all->left_count > 0;
}

struct account_checkpoint *sessions_take_checkpoints(struct sessions *all, size_t *count)
{
    size_t n = all->left_count + all->changed_count;
    struct account_checkpoint *out = n ? malloc(n * sizeof *out) : NULL;
    *count = out ? n : 0;
    if (!out)
        return NULL;
    if (all->left_count)
        memcpy(out, all->left, all->left_count * sizeof *out);
    for (uint32_t i = 0; i < all->changed_count; i++) {
        out[all->left_count + i] = checkpoint_of(all->changed[i]);
        all->changed[i]->changed_at = 0;
    }
    all->left_count = all->changed_count = 0;
    return out;
}

/* ---- coming and leaving ---- */

static void age_unlink(struct sessions *all, struct session *s)
{
    *(s->newer ? &s->newer->older : &all->newest) = s->older;
    *(s->older ? &s->older->newer : &all->oldest) = s->newer;
}

static void age_link_newest(struct sessions *all, struct session *s)
{
    s->newer = NULL;
    s->older = all->newest;
    *(all->newest ? &all->newest->newer : &all->oldest) = s;
    all->newest = s;
}

static void transport_link(struct session *s)
{
    if (!s->key.transport)
        return;
    struct session **head = &s->key.transport->sessions;
    s->beside = *head;
    s->beside_at = head;
    if (s->beside)
        s->beside->beside_at = &s->beside;
    *head = s;
}

static void transport_unlink(struct session *s)
{
    if (!s->key.transport)
        return;
    *s->beside_at = s->beside;
    if (s->beside)
        s->beside->beside_at = s->beside_at;
}

static void release(struct sessions *all, struct session *s)
{
    all->template_count -= s->templates.count;
    templates_free(&s->templates, &all->template_octets);
    samples_free(&s->samples, &all->template_octets);
    statistics_free(&s->statistics, &all->template_octets);
    all->template_octets -= s->sequence_octets;
    sequence_free(&s->sequence);
    source_put_back(all, s->source);
    free(s);
}

static void leave(struct sessions *all, struct session *s)
{
    all->on_leave(all->context, s);
    keep_last_word(all, s);
    *session_slot(all, &s->key) = s->next;
    age_unlink(all, s);
    transport_unlink(s);
    all->count--;
    release(all, s);
}

void sessions_remove(struct sessions *all, struct session *s)
{
    leave(all, s);
}

/* What the sequence numbers of a protocol count; the others count records. */
static enum sequence_rule rule_of(uint16_t protocol)
{
    static const struct {
        uint16_t protocol;
        uint8_t rule;
    } rules[] = {{1, COUNTS_NOTHING}, {9, COUNTS_DATAGRAMS}, {105, COUNTS_DATAGRAMS}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].protocol == protocol)
            return rules[i].rule;
    return COUNTS_RECORDS;
}

static struct session *join(struct sessions *all, const struct session_key *key)
{
    if (all->count >= all->most)
        leave(all, all->oldest);
    struct session *s = grow(all) ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->source = source_get(all, key);
    if (!s->source) {
        free(s);
        return NULL;
    }
    s->key = *key;
    sequence_init(&s->sequence, rule_of(key->protocol));
    *session_slot(all, key) = s;
    age_link_newest(all, s);
    transport_link(s);
    all->count++;
    return s;
}

struct session *sessions_get(struct sessions *all, const struct session_key *key)
{
    if (all->newest && key_same(&all->newest->key, key))
        return all->newest;
    struct session *s = *session_slot(all, key);
    if (!s)
        return join(all, key);
    age_unlink(all, s);
    age_link_newest(all, s);
    return s;
}

struct session *sessions_find(struct sessions *all, const struct session_key *key)
{
    return *session_slot(all, key);
}

void sessions_each(struct sessions *all, void (*each)(void *context, struct session *s),
                   void *context)
{
    for (struct session *s = all->oldest; s; s = s->newer)
        each(context, s);
}

void sessions_free(struct sessions *all)
{
    if (!all)
        return;
    for (struct session *s = all->newest, *older; s; s = older) {
        older = s->older;
        release(all, s);
    }
    free(all->buckets);
    free(all->sources);
    free(all->changed);
    free(all->left);
    free(all);
}

/* ---- templates' memory ---- */

void sessions_add_template_memory(struct sessions *all, int64_t octets)
{
    all->template_octets += octets;
}

void sessions_measure(struct sessions *all, struct session *s)
{
    int64_t octets = (int64_t)sequence_memory(&s->sequence);
    all->template_octets += octets - s->sequence_octets;
    s->sequence_octets = octets;
    sessions_bound_templates(all, s);
}

bool sessions_template_memory_full(const struct sessions *all)
{
    return all->template_octets > TEMPLATE_OCTETS_MOST;
}

void sessions_bound_templates(struct sessions *all, const struct session *keep)
{
    while (sessions_template_memory_full(all) && all->oldest != keep)
        leave(all, all->oldest);
}

void sessions_count_templates(struct sessions *all, int change)
{
    all->template_count = (uint32_t)((int)all->template_count + change);
}

uint32_t sessions_count(const struct sessions *all)
{
    return all->count;
}

uint32_t sessions_exporters(const struct sessions *all)
{
    return all->source_count;
}

uint32_t sessions_templates(const struct sessions *all)
{
    return all->template_count;
}
