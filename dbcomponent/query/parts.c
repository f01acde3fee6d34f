/* parts.c - see parts.h. Neighbour: groups.c, which puts rows aside and groups the parts. */
#include "query/parts.h"
#include "query/groups.h"
#include "query/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INLINE static inline __attribute__((always_inline))
#define CHUNK_MOST (129u * 64) /* an odd number of cache lines: starts fall into all sets */
#define CHUNK_LEAST (1u << 10)
#define SLABS_FROM (UINT64_C(64) << 20) /* of budget */

/* Chunks are cut from slabs of a huge page, but where that is much of the budget. */
struct slab {
    size_t cut;          /* chunks */
    _Atomic size_t left; /* chunks that were not given back, and 1 while more are being cut */
};

struct chunk {
    struct chunk *next;
    struct slab *slab; /* NULL: on its own */
    uint32_t used; /* u64 */
    uint64_t at[];
};

struct extent { /* of the file; whole rows */
    uint64_t offset;
    uint32_t length; /* u64 */
};

struct part {
    struct chunk *chunks; /* the first is being filled */
    struct extent *extents;
    size_t extent_count, extent_room;
    uint64_t rows;
};

struct parts {
    struct budget *budget;
    unsigned words;
    uint32_t chunk_room; /* u64 */
    struct part part[PARTS];
    struct chunk *spare;
    struct slab *slab; /* being cut; NULL: none */
    int file; /* -1: none */
    uint64_t file_end;
};

struct parts *parts_new(struct budget *budget, unsigned words)
{
    struct parts *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    uint64_t octets = budget->most / (8 * PARTS);
    octets = octets > CHUNK_MOST ? CHUNK_MOST : octets < CHUNK_LEAST ? CHUNK_LEAST : octets;
    p->budget = budget;
    p->words = words;
    p->chunk_room = (uint32_t)((octets - sizeof(struct chunk)) / sizeof(uint64_t));
    p->file = -1;
    return p;
}

static size_t octets_of(const struct parts *p)
{
    return sizeof(struct chunk) + p->chunk_room * sizeof(uint64_t);
}

/* ---- memory ---- */

static void leave_slab(struct parts *p, struct slab *slab)
{
    if (!slab || atomic_fetch_sub(&slab->left, 1) > 1)
        return;
    budget_give(p->budget, PAGES_HUGE);
    pages_give(slab, PAGES_HUGE);
}

static void free_chunks(struct parts *p, struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        if (c->slab) {
            leave_slab(p, c->slab);
        } else {
            budget_give(p->budget, octets_of(p));
            free(c);
        }
        c = next;
    }
}

void parts_drop(struct parts *p, unsigned part)
{
    free_chunks(p, p->part[part].chunks);
    free(p->part[part].extents);
    p->part[part] = (struct part){0};
}

void parts_free(struct parts *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < PARTS; i++)
        parts_drop(p, i);
    free_chunks(p, p->spare);
    leave_slab(p, p->slab);
    if (p->file >= 0)
        close(p->file);
    free(p);
}

uint64_t parts_rows(const struct parts *p, unsigned part)
{
    return p->part[part].rows;
}

/* ---- the file ---- */

bool parts_spilt(const struct parts *p)
{
    return p->file_end > 0;
}

static int open_file(void)
{
    const char *const folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int file = -1;
    for (size_t i = 0; i < 3 && file < 0; i++)
        if (folders[i] && *folders[i])
            file = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return file;
}

/* All of it to the file, or from it. */
static bool move_octets(int file, bool out, void *bytes, size_t length, uint64_t offset)
{
    for (char *at = bytes; length;) {
        ssize_t n = out ? pwrite(file, at, length, (off_t)offset)
                        : pread(file, at, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return true;
}

static bool write_chunk(struct parts *p, struct part *part, struct chunk *c)
{
    if (part->extent_count == part->extent_room) {
        size_t room = part->extent_room ? 2 * part->extent_room : 8;
        struct extent *more = realloc(part->extents, room * sizeof *more);
        if (!more)
            return false;
        part->extents = more;
        part->extent_room = room;
    }
    size_t length = c->used * sizeof(uint64_t);
    if (!move_octets(p->file, true, c->at, length, p->file_end)) {
        atomic_store(&p->budget->unwritten, true);
        return false;
    }
    part->extents[part->extent_count++] = (struct extent){p->file_end, c->used};
    p->file_end += length;
    return true;
}

/* Everything to the file; the chunks are spare then. */
static bool spill(struct parts *p)
{
    if (p->file < 0 && (p->file = open_file()) < 0) {
        atomic_store(&p->budget->unwritten, true);
        return false;
    }
    for (unsigned i = 0; i < PARTS; i++)
        for (struct part *part = &p->part[i]; part->chunks;) {
            struct chunk *c = part->chunks;
            if (c->used && !write_chunk(p, part, c))
                return false;
            part->chunks = c->next;
            c->next = p->spare;
            p->spare = c;
        }
    return true;
}

/* ---- putting ---- */

/* A chunk of a slab; NULL: none to be had. */
static struct chunk *cut_chunk(struct parts *p)
{
    size_t each = octets_of(p), most = (PAGES_HUGE - 64) / each;
    if (p->slab && p->slab->cut == most) {
        leave_slab(p, p->slab);
        p->slab = NULL;
    }
    if (!p->slab) {
        if (p->budget->most < SLABS_FROM || !budget_try(p->budget, PAGES_HUGE))
            return NULL;
        if (!(p->slab = pages_take(PAGES_HUGE))) {
            budget_give(p->budget, PAGES_HUGE);
            return NULL;
        }
        atomic_init(&p->slab->left, 1);
    }
    struct chunk *c = (void *)((char *)p->slab + 64 + p->slab->cut++ * each);
    atomic_fetch_add(&p->slab->left, 1);
    c->slab = p->slab;
    return c;
}

/* A chunk on its own. One that has to be may pass the budget. */
static struct chunk *lone_chunk(struct parts *p, bool must)
{
    if (must)
        budget_force(p->budget, octets_of(p));
    else if (!budget_try(p->budget, octets_of(p)))
        return NULL;
    struct chunk *c = malloc(octets_of(p));
    if (c)
        c->slab = NULL;
    else
        budget_give(p->budget, octets_of(p));
    return c;
}

/* The first chunk of a part may pass the budget: without one there is no way to spill. */
static struct chunk *new_chunk(struct parts *p, bool first)
{
    struct chunk *c = NULL;
    if (!p->spare) {
        c = cut_chunk(p);
        c = c ? c : lone_chunk(p, false);
        if (!c && !first && !spill(p))
            return NULL;
        if (!c && !p->spare)
            c = lone_chunk(p, true);
    }
    if (!c && (c = p->spare))
        p->spare = c->next;
    if (c)
        c->used = 0;
    return c;
}

static struct chunk *more_room(struct parts *p, struct part *part)
{
    struct chunk *c = new_chunk(p, !part->chunks && part->extent_count == 0);
    if (c) {
        c->next = part->chunks;
        part->chunks = c;
    }
    return c;
}

INLINE bool put_rows(struct parts *p, const uint16_t *number, const uint64_t *const *words,
                     const uint64_t *octets, const uint64_t *packets, const uint64_t *flows,
                     uint32_t n, unsigned count)
{
    uint32_t last = p->chunk_room - 4 - count;
    for (uint32_t i = 0; i < n; i++) {
        struct part *part = &p->part[number[i]];
        struct chunk *c = part->chunks;
        if ((!c || c->used > last) && !(c = more_room(p, part)))
            return false;
        uint64_t *to = c->at + c->used;
        if (octets[i] >> PART_OCTETS_BITS == 0 && packets[i] >> PART_PACKETS_BITS == 0 &&
            flows[i] >> PART_FLOWS_BITS == 0) {
            *to++ = octets[i] | packets[i] << PART_OCTETS_BITS |
                    flows[i] << (PART_OCTETS_BITS + PART_PACKETS_BITS);
        } else {
            *to++ = 0;
            *to++ = octets[i];
            *to++ = packets[i];
            *to++ = flows[i];
        }
        for (unsigned w = 0; w < count; w++)
            *to++ = words[w][i];
        c->used = (uint32_t)(to - c->at);
        part->rows++;
    }
    return true;
}

bool parts_put(struct parts *p, const uint16_t *part, const uint64_t *const *words,
               const uint64_t *octets, const uint64_t *packets, const uint64_t *flows, uint32_t n)
{
    if (p->words == 1)
        return put_rows(p, part, words, octets, packets, flows, n, 1);
    if (p->words == 2)
        return put_rows(p, part, words, octets, packets, flows, n, 2);
    return put_rows(p, part, words, octets, packets, flows, n, p->words);
}

bool parts_settle(struct parts *p)
{
    bool fine = atomic_load(&p->budget->used) <= p->budget->most / 2 || spill(p);
    free_chunks(p, p->spare);
    p->spare = NULL;
    leave_slab(p, p->slab);
    p->slab = NULL;
    return fine;
}

/* ---- reading ---- */

static bool take_file(const struct parts *p, const struct part *part, uint64_t *room,
                      parts_take take, void *context)
{
    for (size_t i = 0; i < part->extent_count; i++) {
        const struct extent *e = &part->extents[i];
        if (!move_octets(p->file, false, room, e->length * sizeof *room, e->offset)) {
            atomic_store(&p->budget->unwritten, true);
            return false;
        }
        if (!take(context, room, room + e->length))
            return false;
    }
    return true;
}

bool parts_read(const struct parts *p, unsigned number, parts_take take, void *context)
{
    const struct part *part = &p->part[number];
    bool fine = true;
    if (part->extent_count) {
        uint64_t *room = malloc(p->chunk_room * sizeof *room);
        fine = room && take_file(p, part, room, take, context);
        free(room);
    }
    for (const struct chunk *c = part->chunks; fine && c; c = c->next)
        fine = take(context, c->at, c->at + c->used);
    return fine;
}
