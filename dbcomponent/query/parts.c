/* parts.c - see parts.h. Neighbour: groups.c, which puts rows aside and groups the parts. */
#include "query/parts.h"
#include "query/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INLINE static inline __attribute__((always_inline))
#define CHUNK_MOST (32u << 10)
#define CHUNK_LEAST (1u << 10)
#define OCTETS_BITS 32
#define PACKETS_BITS 20
#define FLOWS_BITS 12

struct chunk {
    struct chunk *next;
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
    int file; /* -1: none */
    uint64_t file_end;
    uint64_t *reading; /* a chunk's octets */
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
    p->chunk_room = (uint32_t)(octets / sizeof(uint64_t));
    p->file = -1;
    return p;
}

static size_t octets_of(const struct parts *p)
{
    return sizeof(struct chunk) + p->chunk_room * sizeof(uint64_t);
}

static void free_chunks(struct parts *p, struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        budget_give(p->budget, octets_of(p));
        free(c);
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
    if (p->file >= 0)
        close(p->file);
    free(p->reading);
    free(p);
}

uint64_t parts_rows(const struct parts *p, unsigned part)
{
    return p->part[part].rows;
}

/* ---- the file ---- */

static int open_file(void)
{
    const char *const folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
    int file = -1;
    for (size_t i = 0; i < 3 && file < 0; i++)
        if (folders[i] && *folders[i])
            file = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return file;
}

static bool write_all(int file, const void *bytes, size_t length, uint64_t offset)
{
    for (const char *at = bytes; length;) {
        ssize_t n = pwrite(file, at, length, (off_t)offset);
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

static bool read_all(int file, void *bytes, size_t length, uint64_t offset)
{
    for (char *at = bytes; length;) {
        ssize_t n = pread(file, at, length, (off_t)offset);
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

static bool write_chunk(struct parts *p, struct part *part, const struct chunk *c)
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
    if (!write_all(p->file, c->at, length, p->file_end)) {
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

/* The first chunk of a part may pass the budget: without one there is no way to spill. */
static struct chunk *new_chunk(struct parts *p, bool first)
{
    bool taken = p->spare || budget_try(p->budget, octets_of(p));
    if (!taken && !first && !spill(p))
        return NULL;
    struct chunk *c = p->spare;
    if (c) {
        p->spare = c->next;
        c->used = 0;
        return c;
    }
    if (!taken)
        budget_force(p->budget, octets_of(p));
    if ((c = malloc(octets_of(p))))
        c->used = 0;
    else
        budget_give(p->budget, octets_of(p));
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

INLINE bool put_rows(struct parts *p, const uint8_t *number, const uint64_t *const *words,
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
        if (octets[i] >> OCTETS_BITS == 0 && packets[i] >> PACKETS_BITS == 0 &&
            flows[i] >> FLOWS_BITS == 0) {
            *to++ = octets[i] | packets[i] << OCTETS_BITS |
                    flows[i] << (OCTETS_BITS + PACKETS_BITS);
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

bool parts_put(struct parts *p, const uint8_t *part, const uint64_t *const *words,
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
    return fine;
}

/* ---- reading ---- */

struct rows {
    uint64_t words[GROUP_WORDS_MOST][LOOP_ROWS];
    uint64_t octets[LOOP_ROWS], packets[LOOP_ROWS], flows[LOOP_ROWS];
};

/* The row at `at`; where the next one is. */
INLINE const uint64_t *unpack(const uint64_t *at, unsigned words, struct rows *r, uint32_t i)
{
    uint64_t sums = *at++;
    if (sums) {
        r->octets[i] = sums & ((UINT64_C(1) << OCTETS_BITS) - 1);
        r->packets[i] = sums >> OCTETS_BITS & ((1u << PACKETS_BITS) - 1);
        r->flows[i] = sums >> (OCTETS_BITS + PACKETS_BITS);
    } else {
        r->octets[i] = *at++;
        r->packets[i] = *at++;
        r->flows[i] = *at++;
    }
    for (unsigned w = 0; w < words; w++)
        r->words[w][i] = *at++;
    return at;
}

static bool take_rows(const struct parts *p, const uint64_t *at, const uint64_t *end,
                      struct rows *r, parts_take take, void *context)
{
    const uint64_t *words[GROUP_WORDS_MOST];
    for (unsigned w = 0; w < p->words; w++)
        words[w] = r->words[w];
    while (at < end) {
        uint32_t n = 0;
        if (p->words == 2)
            while (at < end && n < LOOP_ROWS)
                at = unpack(at, 2, r, n++);
        else
            while (at < end && n < LOOP_ROWS)
                at = unpack(at, p->words, r, n++);
        if (!take(context, words, r->octets, r->packets, r->flows, n))
            return false;
    }
    return true;
}

static bool take_file(struct parts *p, const struct part *part, struct rows *r, parts_take take,
                      void *context)
{
    if (part->extent_count && !p->reading &&
        !(p->reading = malloc(p->chunk_room * sizeof *p->reading)))
        return false;
    for (size_t i = 0; i < part->extent_count; i++) {
        const struct extent *e = &part->extents[i];
        if (!read_all(p->file, p->reading, e->length * sizeof *p->reading, e->offset)) {
            atomic_store(&p->budget->unwritten, true);
            return false;
        }
        if (!take_rows(p, p->reading, p->reading + e->length, r, take, context))
            return false;
    }
    return true;
}

bool parts_read(struct parts *p, unsigned number, parts_take take, void *context)
{
    const struct part *part = &p->part[number];
    struct rows *r = malloc(sizeof *r);
    bool fine = r && take_file(p, part, r, take, context);
    for (const struct chunk *c = part->chunks; fine && c; c = c->next)
        fine = take_rows(p, c->at, c->at + c->used, r, take, context);
    free(r);
    return fine;
}
