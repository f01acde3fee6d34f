/* test_arrange.c - lib/block/arrange.c: every row is there once, and whole. What the rows were is
 * kept here, row by row; nothing of the arranger's insides is used. Their order is
 * test_order.c's. */
#include "block/arrange.h"
#include "block/block.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

#define FRAMES 5u
#define ROWS_MOST 20000u
#define NAME IANA(82)
#define SERIAL IANA(148) /* unique: which row it was */
#define NARROW IANA(10)  /* of other widths in other frames */
#define SPARSE IANA(27)  /* 16 octets, in some rows */

static uint64_t state = 1;
static uint64_t draw(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

struct row { /* as it was put in */
    uint8_t exporter[16], sparse[16];
    uint64_t domain, port, time, flags, tos, dport, narrow;
    char name[8];
    bool has_sparse, has_name, has_narrow;
};
static struct row rows[ROWS_MOST];

/* The values of one frame, from `first` on. */
struct making {
    struct arena arena;
    struct vector *vectors;
    uint32_t count, first, rows;
};

static struct vector *add(struct making *m, ie_key key, uint8_t width)
{
    struct vector *v = &m->vectors[m->count++];
    size_t size = width ? width : sizeof(struct octets);
    *v = (struct vector){.key = key, .width = width, .form = VECTOR_FLAT, .rows = m->rows};
    v->values = arena_zero(&m->arena, m->rows * size);
    return v;
}

static void *value(struct vector *v, uint32_t row)
{
    return (uint8_t *)(uintptr_t)v->values +
           row * (size_t)(v->width ? v->width : sizeof(struct octets));
}

static void number(struct making *m, ie_key key, uint8_t width, size_t offset)
{
    struct vector *v = add(m, key, width);
    for (uint32_t i = 0; i < m->rows; i++)
        memcpy(value(v, i), (const uint8_t *)&rows[m->first + i] + offset, width);
}

static void present(struct making *m, struct vector *v, size_t offset)
{
    uint64_t *bits = arena_zero(&m->arena, (m->rows + 63) / 64 * 8);
    for (uint32_t i = 0; i < m->rows; i++)
        if (*((const bool *)&rows[m->first + i] + offset))
            bits[i / 64] |= UINT64_C(1) << (i % 64);
    v->present = bits;
}

/* As a dictionary, or a constant when all are equal. */
static void reshape(struct making *m, struct vector *v)
{
    uint16_t *codes = arena_alloc(&m->arena, m->rows * sizeof *codes);
    uint8_t *values = arena_alloc(&m->arena, m->rows * (size_t)v->width);
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->rows; i++) {
        uint32_t c = 0;
        while (c < count && memcmp(values + c * (size_t)v->width, value(v, i), v->width) != 0)
            c++;
        if (c == count)
            memcpy(values + count++ * (size_t)v->width, value(v, i), v->width);
        codes[i] = (uint16_t)c;
    }
    v->values = values;
    v->codes = codes;
    v->form = count == 1 ? VECTOR_CONSTANT : VECTOR_DICTIONARY;
    v->code_count = count;
}

static void draw_rows(uint32_t first, uint32_t count, uint64_t clocks)
{
    uint64_t time = 1700000000000 + draw(1000);
    for (uint32_t i = first; i < first + count; i++) {
        struct row *r = &rows[i];
        memset(r, 0, sizeof *r);
        if (draw(20) == 0)
            time += draw(50);
        r->exporter[15] = (uint8_t)draw(3);
        r->domain = draw(2);
        r->port = 2000 + draw(2);
        r->time = time + (r->exporter[15] == 2 ? clocks : 0);
        r->flags = draw(4);
        r->tos = draw(3);
        r->dport = draw(5) * 13000;
        r->has_narrow = first > 0 || count < 100;
        r->narrow = r->has_narrow ? draw(250) : 0;
        r->has_sparse = r->exporter[15] == 1;
        if (r->has_sparse)
            memcpy(r->sparse, &i, sizeof i);
        r->has_name = draw(3) == 0;
        if (r->has_name)
            snprintf(r->name, sizeof r->name, "n%u", (unsigned)draw(50));
    }
}

static struct frame make_frame(struct making *m, unsigned n)
{
    m->vectors = arena_alloc(&m->arena, 16 * sizeof *m->vectors);
    number(m, IANA(5), 1, offsetof(struct row, tos));
    number(m, IANA(6), 1, offsetof(struct row, flags));
    if (n % 2)
        reshape(m, &m->vectors[1]);
    if (rows[m->first].has_narrow)
        number(m, NARROW, n % 2 ? 2 : 4, offsetof(struct row, narrow));
    number(m, IANA(11), 2, offsetof(struct row, dport));
    struct vector *sparse = add(m, SPARSE, 16), *name = add(m, NAME, 0),
                  *serial = add(m, SERIAL, 8);
    for (uint32_t i = 0; i < m->rows; i++) {
        const struct row *r = &rows[m->first + i];
        const struct octets o = {(const uint8_t *)r->name, (uint32_t)strlen(r->name)};
        uint64_t which = m->first + i;
        memcpy(value(sparse, i), r->sparse, 16);
        memcpy(value(name, i), &o, sizeof o);
        memcpy(value(serial, i), &which, 8);
    }
    present(m, sparse, offsetof(struct row, has_sparse));
    present(m, name, offsetof(struct row, has_name));
    struct vector *exporter = add(m, WEIR_EXPORTER, 16);
    for (uint32_t i = 0; i < m->rows; i++)
        memcpy(value(exporter, i), rows[m->first + i].exporter, 16);
    if (n == 3)
        reshape(m, exporter);
    number(m, WEIR_DOMAIN, 4, offsetof(struct row, domain));
    number(m, WEIR_EXPORT_TIME, 8, offsetof(struct row, time));
    number(m, WEIR_EXPORTER_PORT, 2, offsetof(struct row, port));
    return (struct frame){m->rows, m->count, m->vectors};
}

/* ---- what came out ---- */

static const struct column *find(const struct arranged *a, ie_key key)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->columns[i].key == key)
            return &a->columns[i];
    return NULL;
}

static bool has(const struct column *c, uint32_t row, uint32_t all)
{
    return c->present_rows == all || (c->present[row / 64] >> (row % 64) & 1);
}

static uint64_t number_at(const struct column *c, uint32_t row)
{
    uint64_t v = 0;
    memcpy(&v, (const uint8_t *)c->values + row * (size_t)c->width, c->width);
    return v;
}

static bool same_number(const struct arranged *a, ie_key key, uint32_t row, uint64_t expected)
{
    const struct column *c = find(a, key);
    return c && number_at(c, row) == expected;
}

static bool same_row(const struct arranged *a, uint32_t row, const struct row *r)
{
    const struct column *sparse = find(a, SPARSE), *name = find(a, NAME), *narrow = find(a, NARROW);
    const struct octets *o = (const struct octets *)name->values + row;
    return same_number(a, IANA(5), row, r->tos) && same_number(a, IANA(6), row, r->flags) &&
           same_number(a, IANA(11), row, r->dport) && same_number(a, WEIR_DOMAIN, row, r->domain) &&
           same_number(a, WEIR_EXPORT_TIME, row, r->time) &&
           same_number(a, WEIR_EXPORTER_PORT, row, r->port) &&
           memcmp((const uint8_t *)find(a, WEIR_EXPORTER)->values + 16 * (size_t)row, r->exporter,
                  16) == 0 &&
           has(sparse, row, a->rows) == r->has_sparse &&
           memcmp((const uint8_t *)sparse->values + 16 * (size_t)row, r->sparse, 16) == 0 &&
           has(name, row, a->rows) == r->has_name && o->length == strlen(r->name) &&
           (!o->length || memcmp(o->bytes, r->name, o->length) == 0) &&
           (!narrow ||
            (has(narrow, row, a->rows) == r->has_narrow && number_at(narrow, row) == r->narrow));
}

static void check_arranged(const struct arranged *a, uint32_t all)
{
    static bool seen[ROWS_MOST];
    const struct column *serial = find(a, SERIAL);
    unsigned wrong = 0;
    memset(seen, 0, sizeof seen);
    CU_ASSERT_EQUAL_FATAL(a->rows, all);
    CU_ASSERT_PTR_NOT_NULL_FATAL(serial);
    for (size_t i = 1; i < a->count; i++)
        CU_ASSERT(a->columns[i - 1].key < a->columns[i].key);
    for (uint32_t row = 0; row < all; row++) {
        uint64_t which = number_at(serial, row);
        CU_ASSERT_FATAL(which < all);
        wrong += seen[which] || !same_row(a, row, &rows[which]);
        seen[which] = true;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void fill_all(const struct arranged *a)
{
    for (size_t i = 0; i < a->count; i++) {
        CU_ASSERT_PTR_NULL(a->columns[i].values);
        CU_ASSERT_FATAL(a->feed.fill(a->feed.context, i));
    }
}

static void drop_all(const struct arranged *a)
{
    for (size_t i = 0; i < a->count; i++) {
        a->feed.drop(a->feed.context, i);
        CU_ASSERT_PTR_NULL(a->columns[i].values);
    }
}

/* What is known of the columns beforehand. */
static size_t bounds_of(const struct frame *frames, unsigned count, struct column_bounds *out)
{
    const ie_key keys[] = {IANA(5),       IANA(6),     NARROW,           IANA(11),
                           SPARSE,        NAME,        SERIAL,           WEIR_EXPORTER,
                           WEIR_DOMAIN,   WEIR_EXPORT_TIME, WEIR_EXPORTER_PORT};
    size_t columns = 0;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        struct column_bounds b = {.key = keys[k], .all_present = true, .least = UINT64_MAX};
        for (unsigned n = 0; n < count; n++) {
            const struct vector *v = frame_find(&frames[n], keys[k]);
            b.all_present &= v && !v->present;
            b.any |= v != NULL;
            b.width = v && v->width > b.width ? v->width : b.width;
            for (uint32_t i = 0; v && v->width >= 1 && v->width <= 8 && i < v->rows; i++) {
                uint64_t number = vector_u64(v, i);
                b.least = number < b.least ? number : b.least;
                b.most = number > b.most ? number : b.most;
            }
        }
        if (b.any)
            out[columns++] = b;
    }
    for (size_t i = 1; i < columns; i++) /* by key */
        for (size_t k = i; k && out[k - 1].key > out[k].key; k--) {
            struct column_bounds b = out[k];
            out[k] = out[k - 1];
            out[k - 1] = b;
        }
    return columns;
}

/* A frame at a time, each gone before the next comes. */
static void round_of_parts(struct arranger *arranger, struct making *makings, struct frame *frames,
                           unsigned count, uint32_t all)
{
    struct column_bounds bounds[16];
    struct arranged out;
    size_t columns = bounds_of(frames, count, bounds);
    CU_ASSERT_EQUAL_FATAL(arranger_start(arranger, all, bounds, columns, NULL), WEIR_OK);
    for (unsigned n = 0; n < count; n++) {
        CU_ASSERT_EQUAL_FATAL(arranger_lay(arranger, makings[n].first, &frames[n], NULL), WEIR_OK);
        arena_free(&makings[n].arena);
    }
    CU_ASSERT_EQUAL_FATAL(arranger_finish(arranger, &out, NULL), WEIR_OK);
    fill_all(&out);
    check_arranged(&out, all);
    drop_all(&out);
}

static void round_of(struct arranger *arranger, const uint32_t *counts, unsigned frame_count,
                     uint64_t clocks)
{
    struct making makings[FRAMES] = {{{0}, NULL, 0, 0, 0}};
    struct frame frames[FRAMES];
    struct arranged out;
    uint32_t all = 0;
    for (unsigned n = 0; n < frame_count; n++) {
        draw_rows(all, counts[n], clocks);
        makings[n].first = all;
        makings[n].rows = counts[n];
        frames[n] = make_frame(&makings[n], n);
        all += counts[n];
    }
    CU_ASSERT_EQUAL_FATAL(arranger_take(arranger, frames, frame_count, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(arranger_finish(arranger, &out, NULL), WEIR_OK);
    fill_all(&out);
    check_arranged(&out, all);
    round_of_parts(arranger, makings, frames, frame_count, all);
}

/* Values that are not what was said of them are refused, whatever form they come in; what is said
 * may be wide of them. */
static void test_bounds(void)
{
    struct arranger *a = arranger_new();
    uint64_t values[300];
    uint16_t codes[300];
    for (unsigned i = 0; i < 300; i++) {
        values[i] = UINT64_C(1) << 40 | i;
        codes[i] = (uint16_t)(299 - i);
    }
    for (unsigned form = 0; form < 3; form++)
        for (unsigned short_of = 0; short_of < 2; short_of++) {
            static const uint8_t forms[] = {VECTOR_FLAT, VECTOR_DICTIONARY, VECTOR_CONSTANT};
            const struct vector v = {.key = SERIAL, .width = 8, .form = forms[form], .rows = 300,
                                     .code_count = 300, .values = values, .codes = codes};
            const struct frame f = {300, 1, &v};
            const struct column_bounds b = {.key = SERIAL, .width = 8, .any = true,
                                            .all_present = true,
                                            .least = values[0] + short_of,
                                            .most = values[255] + short_of};
            struct arranged out;
            struct weir_error error;
            bool fits = form == 2 && !short_of;
            CU_ASSERT_EQUAL_FATAL(arranger_start(a, 300, &b, 1, NULL), WEIR_OK);
            CU_ASSERT_EQUAL(arranger_lay(a, 0, &f, &error), fits ? WEIR_OK : WEIR_EMALFORMED);
            if (!fits)
                continue;
            CU_ASSERT_EQUAL_FATAL(arranger_finish(a, &out, NULL), WEIR_OK);
            CU_ASSERT_FATAL(out.feed.fill(out.feed.context, 0));
            CU_ASSERT_EQUAL(number_at(&out.columns[0], 0), values[0]);
            CU_ASSERT_EQUAL(number_at(&out.columns[0], 299), values[0]);
        }
    arranger_free(a);
}

static void test_rows_and_order(void)
{
    struct arranger *a = arranger_new();
    const uint32_t shapes[][FRAMES] = {
        {1}, {63}, {64, 1}, {3000, 65, 1, 700, 128}, {5000, 4000, 3000, 2000, 1000}};
    const unsigned counts[] = {1, 1, 2, 5, 5};
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        round_of(a, shapes[i], counts[i], 0);
        round_of(a, shapes[i], counts[i], UINT64_C(1) << 40); /* a clock that is far ahead */
        /* so far that times are not told apart */
        round_of(a, shapes[i], counts[i], UINT64_C(1) << 60);
    }
    arranger_free(a);
}

/* The same columns by a block and without: the block decodes to what was arranged. */
static void test_encodes(void)
{
    struct arranger *a = arranger_new();
    struct block_encoder *e = block_encoder_new(1);
    struct making m = {.rows = 9000};
    struct arranged out;
    struct buffer bytes = {0};
    struct block block;
    struct arena arena = {0};
    const struct block_id id = {.sequence = 1};
    draw_rows(0, m.rows, 0);
    struct frame f = make_frame(&m, 0);
    number(&m, WEIR_FLOW_END, 8, offsetof(struct row, time));
    f.count = m.count;
    block_encoder_dense(e);
    CU_ASSERT_EQUAL_FATAL(arranger_take(a, &f, 1, NULL), WEIR_OK);
    arena_free(&m.arena); /* it was taken */
    CU_ASSERT_EQUAL_FATAL(arranger_finish(a, &out, NULL), WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(block_encode_columns(e, &id, RECORD_FLOW, out.columns, out.count,
                                               out.rows, &out.feed, NULL, &bytes, NULL),
                          WEIR_OK);
    CU_ASSERT_EQUAL_FATAL(block_open(bytes.bytes, bytes.length, &arena, &block, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block_check(&block, &arena, NULL), WEIR_OK);
    CU_ASSERT_EQUAL(block.head.column_count, out.count);
    struct vector v;
    CU_ASSERT_EQUAL_FATAL(column_decode(block_find(&block, SERIAL), NULL, &arena, &v, NULL),
                          WEIR_OK);
    unsigned wrong = 0;
    fill_all(&out); /* the encoder has let all of them go */
    for (uint32_t row = 0; row < out.rows; row++)
        wrong += vector_u64(&v, row) != number_at(find(&out, SERIAL), row);
    CU_ASSERT_EQUAL(wrong, 0);
    arena_free(&arena);
    buffer_free(&bytes);
    block_encoder_free(e);
    arranger_free(a);
}

UNIT_MAIN("arrange", {"rows and their order", test_rows_and_order},
          {"a block of them", test_encodes}, {"false bounds", test_bounds})
