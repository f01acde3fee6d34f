/* test_order.c - lib/block/order*.c: both orders hold every row once; rows that are alike come
 * together in the order of the keys, whatever form and width their values have; which order is
 * taken; memory that ends. The comparison here is written from arrange.h, on whole values. */
#include "block/order.h"
#include "unit.h"
#include <string.h>

#define ROWS 20000u
#define FRAMES 3u

static uint64_t state = 1;
static uint64_t draw(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? state % n : state;
}

enum { EXPORTER, TIME, UP_TIME, PROTOCOL, TOS, SOURCE_PORT, PORT, FLAGS, PACKETS, OCTETS, COLUMNS };
static const struct {
    ie_key key;
    uint8_t width;
} kinds[COLUMNS] = {
    {WEIR_DOMAIN, 4}, {WEIR_EXPORT_TIME, 8}, {WEIR_SYS_UP_TIME, 4}, {IANA(4), 1}, {IANA(5), 1},
    {IANA(7), 2},     {IANA(11), 2},         {IANA(6), 2},          {WEIR_PACKETS, 8},
    {WEIR_OCTETS, 8}};

struct fixture {
    struct arena arena, scratch;
    struct dictionary dictionary;
    uint64_t rows[ROWS][COLUMNS];
    bool left_out[COLUMNS];
    struct vector vectors[FRAMES][COLUMNS];
    struct frame frames[FRAMES];
    uint32_t first_rows[FRAMES];
    ie_key keys[COLUMNS];
    const struct vector *of[COLUMNS * FRAMES];
    struct unordered u;
};
static struct fixture f;

/* ---- rows ---- */

/* Flows of few kinds in a few messages. */
static void draw_flows(void)
{
    memset(f.rows, 0, sizeof f.rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t *r = f.rows[i];
        r[EXPORTER] = i / 5000 % 3;
        r[TIME] = 1700000000000 + i / 5000 * 1000;
        r[PROTOCOL] = draw(3) ? 6 : 17;
        r[TOS] = draw(2) * 8;
        r[SOURCE_PORT] = 30000 + draw(60);
        r[PORT] = draw(2) ? 53 : 20000 + draw(4);
        r[FLAGS] = draw(2);
        r[PACKETS] = draw(16);
        r[OCTETS] = r[PACKETS] * 100 + draw(16);
    }
}

/* Flows of which nothing is alike but what their message says, and that says much; `ahead`: one of
 * the exporters' clocks. */
static void draw_messages(uint64_t ahead)
{
    uint64_t up = 0;
    memset(f.rows, 0, sizeof f.rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t *r = f.rows[i];
        up = i % 25 ? up : draw(UINT32_MAX);
        r[EXPORTER] = i / 25 % 2;
        r[TIME] = 1700000000000 + i / 50 * 1711 + (r[EXPORTER] ? ahead : 0);
        r[UP_TIME] = up;
        r[FLAGS] = draw(3);
        r[TOS] = draw(3);
        r[SOURCE_PORT] = draw(65536);
        r[PORT] = draw(65536);
        r[OCTETS] = draw(UINT32_MAX);
    }
}

/* Everything as large as it can be. */
static void draw_extremes(void)
{
    for (uint32_t i = 0; i < ROWS; i++)
        for (unsigned k = 0; k < COLUMNS; k++) {
            uint64_t v = draw(3) ? draw(0) >> draw(64) : UINT64_MAX;
            f.rows[i][k] = kinds[k].width < 8 ? v & ((UINT64_C(1) << 8 * kinds[k].width) - 1) : v;
        }
}

/* ---- frames of them ---- */

static void make_flat(struct vector *v, unsigned k, uint32_t first, uint32_t rows, uint8_t width)
{
    uint8_t *values = arena_alloc(&f.arena, (size_t)rows * width + 1);
    for (uint32_t i = 0; i < rows; i++)
        memcpy(values + i * (size_t)width, &f.rows[first + i][k], width);
    *v = (struct vector){kinds[k].key, width, VECTOR_FLAT, rows, 0, values, NULL, NULL, NULL};
}

static void make_dictionary(struct vector *v, unsigned k, uint32_t first, uint32_t rows)
{
    uint8_t width = v->width;
    uint16_t *codes = arena_alloc(&f.arena, rows * sizeof *codes);
    uint8_t *values = arena_alloc(&f.arena, (size_t)rows * width);
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t c = 0;
        while (c < count && memcmp(values + c * width, &f.rows[first + i][k], width) != 0)
            c++;
        if (c == count)
            memcpy(values + count++ * width, &f.rows[first + i][k], width);
        codes[i] = (uint16_t)c;
    }
    *v = (struct vector){v->key, width, count == 1 ? VECTOR_CONSTANT : VECTOR_DICTIONARY,
                         rows,   count, values, codes, NULL, NULL};
}

/* All rows in `frames` frames; `odd`: as dictionaries, and wider, in some of them. */
static void make_frames(unsigned frames, bool odd)
{
    arena_reset(&f.arena);
    arena_reset(&f.scratch);
    uint32_t first = 0, columns = 0;
    memset(f.of, 0, sizeof f.of);
    for (unsigned n = 0; n < frames; n++) {
        uint32_t rows = n + 1 < frames ? ROWS / (2 * frames) + 7 * n : ROWS - first;
        f.first_rows[n] = first;
        columns = 0;
        for (unsigned k = 0; k < COLUMNS; k++) {
            if (f.left_out[k])
                continue;
            struct vector *v = &f.vectors[n][columns];
            bool wider = odd && n == 1 && kinds[k].width < 4;
            make_flat(v, k, first, rows, (uint8_t)(wider ? 4 : kinds[k].width));
            if (odd && n != 1 && k != OCTETS && k != TIME)
                make_dictionary(v, k, first, rows);
            f.keys[columns] = kinds[k].key;
            f.of[columns++ * frames + n] = v;
        }
        f.frames[n] = (struct frame){rows, columns, f.vectors[n]};
        first += rows;
    }
    f.u = (struct unordered){f.frames, frames, ROWS, f.first_rows, f.keys,
                             columns,  f.of,   &f.dictionary, NULL};
}

/* ---- what may follow what ---- */

static int difference(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static uint64_t service(const uint64_t *r)
{
    return r[PORT] < r[SOURCE_PORT] ? 65536 + r[PORT] : r[SOURCE_PORT];
}

static uint32_t seen_at(uint64_t exporter)
{
    uint32_t i = 0;
    while (f.rows[i][EXPORTER] != exporter)
        i++;
    return i;
}

static bool alike_in_order(uint32_t x, uint32_t y)
{
    const uint64_t *a = f.rows[x], *b = f.rows[y];
    int d = difference(seen_at(a[EXPORTER]), seen_at(b[EXPORTER]));
    d = d ? d : difference(a[PROTOCOL], b[PROTOCOL]);
    d = d ? d : difference(a[TOS], b[TOS]);
    d = d ? d : difference(service(a), service(b));
    d = d ? d : difference(a[FLAGS], b[FLAGS]);
    d = d ? d : difference(a[PACKETS], b[PACKETS]);
    d = d ? d : difference(a[OCTETS], b[OCTETS]);
    return (d ? d : difference(x, y)) < 0;
}

static bool told_in_order(uint32_t x, uint32_t y)
{
    const uint64_t *a = f.rows[x], *b = f.rows[y];
    int d = difference(seen_at(a[EXPORTER]), seen_at(b[EXPORTER]));
    d = d ? d : difference(a[TIME], b[TIME]);
    d = d ? d : difference(a[FLAGS], b[FLAGS]);
    d = d ? d : difference(a[TOS], b[TOS]);
    d = d ? d : difference(a[PORT], b[PORT]);
    return (d ? d : difference(x, y)) < 0;
}

static unsigned disorder(const uint32_t *rows, bool (*in_order)(uint32_t, uint32_t))
{
    static bool seen[ROWS];
    unsigned wrong = 0;
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < ROWS; i++) {
        CU_ASSERT_FATAL(rows[i] < ROWS);
        wrong += seen[rows[i]];
        seen[rows[i]] = true;
        wrong += in_order && i && !in_order(rows[i - 1], rows[i]);
    }
    return wrong;
}

static struct order ordered(void)
{
    struct order o = {NULL, NULL, 0};
    CU_ASSERT_FATAL(order_rows(&f.u, &f.arena, &f.scratch, &o));
    CU_ASSERT_PTR_NOT_NULL_FATAL(o.rows);
    return o;
}

static void test_alike(void)
{
    draw_flows();
    for (unsigned n = 1; n <= FRAMES; n++)
        for (unsigned odd = 0; odd < 2; odd++) {
            make_frames(n, odd);
            struct order o = ordered();
            CU_ASSERT_EQUAL(o.span_count, 0);
            CU_ASSERT_EQUAL(disorder(o.rows, alike_in_order), 0);
        }
}

/* What is the same as octetDeltaCount is left out by a merge: then that one says it. */
static void test_alike_by_counters(void)
{
    draw_flows();
    make_frames(2, false);
    for (unsigned n = 0; n < 2; n++)
        for (uint32_t k = 0; k < f.frames[n].count; k++) {
            struct vector *v = &f.vectors[n][k];
            v->key = v->key == WEIR_OCTETS ? IANA(1) : v->key == WEIR_PACKETS ? IANA(2) : v->key;
            f.keys[k] = v->key;
        }
    CU_ASSERT_EQUAL(disorder(ordered().rows, alike_in_order), 0);
}

static void test_told(void)
{
    for (unsigned n = 0; n < 2; n++) {
        draw_messages(n ? UINT64_C(1) << 40 : 0);
        make_frames(2, false);
        struct order o = ordered();
        CU_ASSERT_EQUAL(o.span_count, ROWS / 25);
        CU_ASSERT_EQUAL(disorder(o.rows, told_in_order), 0);
        for (uint32_t i = 0; i < o.span_count; i++)
            CU_ASSERT_EQUAL(f.rows[o.spans[i].row][TIME], f.rows[o.rows[o.spans[i].at]][TIME]);
    }
    /* So far that times are not told apart. */
    draw_messages(UINT64_C(1) << 60);
    make_frames(2, false);
    struct order o = ordered();
    CU_ASSERT_EQUAL(o.span_count, 0);
    CU_ASSERT_EQUAL(disorder(o.rows, NULL), 0);
}

static bool protocol_in_order(uint32_t x, uint32_t y)
{
    const uint64_t *a = f.rows[x], *b = f.rows[y];
    return a[EXPORTER] != b[EXPORTER] || a[PROTOCOL] <= b[PROTOCOL];
}

/* More bits than a key has: the most important ones are kept. */
static void test_extremes(void)
{
    draw_extremes();
    for (uint32_t i = 0; i < ROWS; i++)
        f.rows[i][EXPORTER] &= 1;
    make_frames(3, false);
    struct runs runs;
    struct run both[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        both[i] = (struct run){.first = i, .end = i + 1, .origin = (uint32_t)f.rows[i][EXPORTER]};
    runs = (struct runs){both, ROWS, 2};
    const uint32_t *rows = order_alike(&f.u, &runs, &f.arena, &f.scratch);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rows);
    CU_ASSERT_EQUAL(disorder(rows, protocol_in_order), 0);
    CU_ASSERT_EQUAL(f.rows[rows[0]][EXPORTER], 0);
    CU_ASSERT_EQUAL(f.rows[rows[ROWS - 1]][EXPORTER], 1);
    CU_ASSERT_EQUAL(disorder(ordered().rows, NULL), 0);
}

/* Any of the columns may be missing, and all of them. */
static void test_absent(void)
{
    draw_flows();
    for (unsigned k = 0; k <= COLUMNS; k++) {
        for (unsigned i = 0; i < COLUMNS; i++)
            f.left_out[i] = k == COLUMNS ? i != OCTETS : i == k;
        make_frames(2, k % 2);
        CU_ASSERT_EQUAL(disorder(ordered().rows, NULL), 0);
    }
    memset(f.left_out, 0, sizeof f.left_out);
}

/* Rows with other elements do not come between: an origin is what a row has, too. */
static void test_sparse(void)
{
    static uint64_t present[ROWS / 64 + 1];
    unsigned changes = 0;
    draw_flows();
    make_frames(1, false);
    memset(present, 0, sizeof present);
    for (uint32_t i = 0; i < ROWS; i++)
        if (draw(2))
            present[i / 64] |= UINT64_C(1) << (i % 64);
    f.vectors[0][SOURCE_PORT].present = present;
    const struct order o = ordered();
    CU_ASSERT_EQUAL(disorder(o.rows, NULL), 0);
    for (uint32_t i = 1; i < ROWS; i++)
        changes += vector_has(&f.vectors[0][SOURCE_PORT], o.rows[i]) !=
                   vector_has(&f.vectors[0][SOURCE_PORT], o.rows[i - 1]);
    CU_ASSERT(changes <= 5);
}

static void test_memory(void)
{
    unsigned failed = 0;
    draw_flows();
    make_frames(2, false);
    for (size_t limit = 1; limit < 64u << 20; limit += 50000) {
        struct arena a = {.limit = limit}, scratch = {.limit = 64u << 20}, small = {.limit = limit};
        struct arena large = {.limit = 64u << 20};
        struct order o;
        bool fine = order_rows(&f.u, &a, &scratch, &o), also = order_rows(&f.u, &large, &small, &o);
        failed += (unsigned)!fine + (unsigned)!also;
        arena_free(&a);
        arena_free(&scratch);
        arena_free(&small);
        arena_free(&large);
        if (fine && also)
            break;
    }
    CU_ASSERT(failed > 10);
    dictionary_free(&f.dictionary);
    arena_free(&f.arena);
    arena_free(&f.scratch);
}

UNIT_MAIN("order", {"what is alike", test_alike}, {"by other counters", test_alike_by_counters},
          {"what messages told", test_told}, {"extremes", test_extremes},
          {"columns that are absent", test_absent}, {"elements that rows lack", test_sparse},
          {"memory ends", test_memory})
