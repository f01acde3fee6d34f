/* test_batch.c - lib/flow/batch.c: columns, marks, widening, retracting, octets, reuse. */
#include "flow/batch.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

#define SRC IANA(8)
#define OCTETS IANA(1)
#define NAME IANA(82)
#define SRC6 IANA(27)
#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

static struct column *column(struct batch *b, ie_key key, uint8_t width, size_t *index)
{
    CU_ASSERT_EQUAL_FATAL(batch_column(b, key, width, index), WEIR_OK);
    return batch_column_at(b, *index);
}

static bool all_zero(const void *p, size_t size)
{
    const uint8_t *at = p;
    while (size && !*at)
        at++, size--;
    return size == 0;
}

static void test_marks_and_frame(void)
{
    struct batch *b = batch_new(256, RECORD_FLOW);
    struct arena a = {0};
    size_t src, never;
    (void)column(b, SRC, 4, &src);
    (void)column(b, OCTETS, 8, &never);
    CU_ASSERT_EQUAL(batch_append(b, 100), 0);
    CU_ASSERT_EQUAL(batch_append(b, 90), 100);
    CU_ASSERT_EQUAL(batch_room(b), 66);
    batch_mark(b, src, 60, 70);
    batch_mark(b, src, 120, 70); /* rows 120-129 a second time: counted once */
    CU_ASSERT_EQUAL(batch_column_at(b, src)->present_rows, 130);
    struct frame f = batch_frame(b, &a);
    CU_ASSERT_EQUAL(f.rows, 190);
    CU_ASSERT_EQUAL(f.count, 1); /* the column that no row has is left out */
    CU_ASSERT_PTR_NULL(frame_find(&f, OCTETS));
    const struct vector *v = frame_find(&f, SRC);
    CU_ASSERT_PTR_NOT_NULL_FATAL(v);
    CU_ASSERT_EQUAL(v->form, VECTOR_FLAT);
    for (uint32_t row = 0; row < 190; row++)
        CU_ASSERT_EQUAL(vector_has(v, row), row >= 60);
    CU_ASSERT_EQUAL(v->present[190 / 64] >> (190 % 64), 0);
    batch_mark(b, src, 0, 60);
    f = batch_frame(b, &a);
    CU_ASSERT_PTR_NULL(f.vectors[0].present);
    arena_free(&a);
    batch_free(b);
}

/* Whatever a round before wrote, a row is zero when it is reserved. */
static void test_reuse_is_zero(void)
{
    struct batch *b = batch_new(4096, RECORD_OPTIONS);
    uint64_t generation = 0;
    CU_ASSERT_EQUAL(batch_kind(b), RECORD_OPTIONS);
    for (int round = 0; round < 6; round++) {
        size_t x, y = 0;
        CU_ASSERT_NOT_EQUAL(batch_generation(b), generation);
        generation = batch_generation(b);
        (void)column(b, SRC, 4, &x);
        uint32_t step = round % 2 ? 7 : 1000;
        for (uint32_t rows = 0; rows + step <= 4096; rows += step) {
            uint32_t first = batch_append(b, step);
            if (rows >= 2000 && !y)
                (void)column(b, round % 3 ? OCTETS : SRC6, round % 3 ? 8 : 16, &y);
            struct column *c = batch_column_at(b, x);
            CU_ASSERT_EQUAL(c->width, 4);
            CU_ASSERT(all_zero((uint32_t *)c->values + first, 4 * step));
            memset((uint32_t *)c->values + first, 0xa5, 4 * step);
            batch_mark(b, x, first, step);
            if (y) {
                c = batch_column_at(b, y);
                CU_ASSERT(all_zero(c->values, c->width * 64u));
                CU_ASSERT(all_zero((uint8_t *)c->values + c->width * first, c->width * step));
                memset((uint8_t *)c->values + c->width * first, 0x5a, c->width * step);
                batch_mark(b, y, first, step);
            }
        }
        batch_reset(b);
        CU_ASSERT_EQUAL(batch_rows(b), 0);
        CU_ASSERT_EQUAL(batch_column_count(b), 0);
    }
    batch_free(b);
}

static void test_generations_are_unique(void)
{
    struct batch *a = batch_new(64, RECORD_FLOW), *b = batch_new(64, RECORD_FLOW);
    uint64_t seen[200];
    for (size_t i = 0; i < 200; i++) {
        struct batch *c = i % 2 ? a : b;
        batch_reset(c);
        seen[i] = batch_generation(c);
        for (size_t j = 0; j < i; j++)
            CU_ASSERT_NOT_EQUAL(seen[i], seen[j]);
    }
    batch_free(a);
    batch_free(b);
}

static void test_widening(void)
{
    struct batch *b = batch_new(128, RECORD_FLOW);
    size_t i, s, f, again;
    struct column *c = column(b, IANA(2), 1, &i);
    (void)batch_append(b, 3);
    memcpy(c->values, (uint8_t[]){1, 0xff, 0}, 3);
    batch_mark(b, i, 0, 2);
    c = column(b, IANA(434), 4, &s); /* mibObjectValueInteger, signed32 */
    memcpy(c->values, (int32_t[]){-5, 7, 0}, 12);
    c = column(b, IANA(320), 4, &f); /* absoluteError, float64, sent as float32 */
    memcpy(c->values, (float[]){1.5f, -0.25f, 0}, 12);
    for (uint8_t width = 2; width <= 8; width = (uint8_t)(2 * width)) {
        c = column(b, IANA(2), width, &again);
        CU_ASSERT_EQUAL(again, i);
        CU_ASSERT_EQUAL(c->width, width);
    }
    CU_ASSERT_EQUAL(((uint64_t *)c->values)[0], 1);
    CU_ASSERT_EQUAL(((uint64_t *)c->values)[1], 255);
    CU_ASSERT(all_zero((uint64_t *)c->values + 2, 8 * 126));
    CU_ASSERT_EQUAL(c->present_rows, 2);
    CU_ASSERT_EQUAL(c->present[0], 3);
    c = column(b, IANA(434), 8, &again);
    CU_ASSERT_EQUAL(((int64_t *)c->values)[0], -5);
    CU_ASSERT_EQUAL(((int64_t *)c->values)[1], 7);
    c = column(b, IANA(320), 8, &again);
    CU_ASSERT_EQUAL(((double *)c->values)[1], -0.25);
    c = column(b, IANA(2), 1, &again); /* narrower: the column stays */
    CU_ASSERT_EQUAL(c->width, 8);
    CU_ASSERT_EQUAL(batch_column(b, IANA(2), 0, &again), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(batch_column(b, IANA(2), 16, &again), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(batch_column(b, IANA(2), 3, &again), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(batch_column_count(b), 3);
    batch_free(b);
}

static void test_octets_and_retract(void)
{
    struct batch *b = batch_new(1024, RECORD_FLOW);
    static uint8_t text[3000];
    size_t name, src;
    (void)column(b, NAME, 0, &name);
    (void)column(b, SRC, 4, &src);
    for (uint32_t row = 0; row < 1000; row++) {
        memset(text, (int)row, sizeof text);
        (void)batch_append(b, 1);
        CU_ASSERT_EQUAL(batch_put_octets(b, name, row, text, row * 3), WEIR_OK);
        ((uint32_t *)batch_column_at(b, src)->values)[row] = ~row;
        batch_mark(b, name, row, 1);
        batch_mark(b, src, row, 1);
    }
    const struct octets *values = batch_column_at(b, name)->values;
    bool same = true;
    for (uint32_t row = 0; row < 1000; row++) {
        memset(text, (int)row, sizeof text);
        same = same && values[row].length == row * 3;
        same = same && (!row || !memcmp(values[row].bytes, text, row * 3));
    }
    CU_ASSERT(same);
    batch_retract(b, 300);
    CU_ASSERT_EQUAL(batch_rows(b), 700);
    CU_ASSERT_EQUAL(batch_column_at(b, src)->present_rows, 700);
    CU_ASSERT(all_zero(values + 700, 300 * sizeof *values));
    CU_ASSERT(all_zero((uint32_t *)batch_column_at(b, src)->values + 700, 1200));
    CU_ASSERT_EQUAL(batch_append(b, 324), 700);
    CU_ASSERT_EQUAL(batch_column_at(b, src)->present_rows, 700);
    CU_ASSERT_EQUAL(values[699].length, 2097);
    batch_free(b);
}

/* Rows taken back give their octets back: a flood of bad records does not fill the heap. */
static void test_heap_is_bounded(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    static uint8_t big[1 << 20];
    size_t name;
    enum weir_status status = WEIR_OK;
    (void)column(b, NAME, 0, &name);
    (void)batch_append(b, 1);
    CU_ASSERT_EQUAL(batch_put_octets(b, name, 0, "kept", 4), WEIR_OK);
    for (int i = 0; i < 600 && !status; i++) {
        (void)batch_append(b, 1);
        status = batch_put_octets(b, name, 1, big, sizeof big);
        batch_retract(b, 1);
    }
    CU_ASSERT_EQUAL(status, WEIR_OK);
    const struct octets *values = batch_column_at(b, name)->values;
    CU_ASSERT(values[0].length == 4 && !memcmp(values[0].bytes, "kept", 4));
    size_t put = 0;
    while ((status = batch_put_octets(b, name, 0, big, sizeof big)) == WEIR_OK)
        put++;
    CU_ASSERT_EQUAL(status, WEIR_ELIMIT);
    CU_ASSERT(put >= 254 && put <= 256);
    batch_reset(b);
    (void)column(b, NAME, 0, &name);
    (void)batch_append(b, 1);
    CU_ASSERT_EQUAL(batch_put_octets(b, name, 0, big, 100), WEIR_OK);
    batch_free(b);
}

static void test_limits(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    size_t index;
    for (uint32_t i = 0; i < BATCH_COLUMNS_MOST; i++) {
        CU_ASSERT_EQUAL(batch_column(b, IE_KEY(7, i), 2, &index), WEIR_OK);
        CU_ASSERT_EQUAL(index, i);
    }
    CU_ASSERT_EQUAL(batch_column(b, SRC, 4, &index), WEIR_ELIMIT);
    CU_ASSERT_EQUAL(batch_column(b, IE_KEY(7, 77), 2, &index), WEIR_OK);
    CU_ASSERT_EQUAL(index, 77);
    CU_ASSERT_PTR_NULL(batch_new(0, RECORD_FLOW));
    CU_ASSERT_PTR_NULL(batch_new(100, RECORD_FLOW));
    CU_ASSERT_PTR_NULL(batch_new(2u << 20, RECORD_FLOW));
    batch_free(b);
    batch_free(NULL);
}

static void test_alignment(void)
{
    struct batch *b = batch_new(64, RECORD_FLOW);
    const uint8_t widths[] = {0, 1, 2, 4, 8, 16};
    for (uint32_t i = 0; i < sizeof widths; i++) {
        size_t index;
        struct column *c = column(b, IE_KEY(9, i), widths[i], &index);
        CU_ASSERT_EQUAL((uintptr_t)c->values % 64, 0);
    }
    batch_free(b);
}

/* Any rows kept: values, presence, octets and counts are those of the rows kept, and what is
 * reserved afterwards is zero. */
static void test_keep(void)
{
    static const uint8_t widths[] = {0, 1, 2, 4, 8, 16};
    struct batch *b = batch_new(1024, RECORD_FLOW);
    srand(3);
    for (int round = 0; round < 60; round++) {
        uint32_t rows = 1 + (uint32_t)rand() % 1000, kept = 0, numbers[1024];
        uint64_t keep[16] = {0};
        size_t index;
        batch_reset(b);
        batch_append(b, rows);
        for (uint32_t w = 0; w < COUNT_OF(widths); w++) {
            struct column *c = column(b, IE_KEY(9, w), widths[w], &index);
            for (uint32_t r = 0; r < rows; r++) {
                if ((r + w) % 3 == 0)
                    continue;
                if (widths[w]) {
                    memset((uint8_t *)c->values + r * widths[w], (int)(r % 251 + 1), widths[w]);
                } else {
                    CU_ASSERT_EQUAL(batch_put_octets(b, index, r, &r, 4), WEIR_OK);
                }
                batch_mark(b, index, r, 1);
            }
        }
        for (uint32_t r = 0; r < rows; r++)
            if (round == 0 || (round > 1 && rand() % 7 < round % 7 + 1)) {
                keep[r / 64] |= UINT64_C(1) << r % 64;
                numbers[kept++] = r;
            }
        CU_ASSERT_EQUAL(batch_keep(b, keep), WEIR_OK);
        CU_ASSERT_EQUAL_FATAL(batch_rows(b), kept);
        for (uint32_t w = 0; w < COUNT_OF(widths); w++) {
            const struct column *c = column(b, IE_KEY(9, w), widths[w], &index);
            uint32_t present = 0;
            for (uint32_t i = 0; i < kept; i++) {
                uint32_t r = numbers[i];
                bool has = c->present[i / 64] >> i % 64 & 1;
                const uint8_t *value = (const uint8_t *)c->values + i * widths[w];
                CU_ASSERT_EQUAL(has, (r + w) % 3 != 0);
                present += has;
                const struct octets *octets = (const struct octets *)c->values + i;
                bool right = widths[w] ? *value == (has ? r % 251 + 1 : 0)
                                       : octets->length == (has ? 4 : 0) &&
                                             (!has || memcmp(octets->bytes, &r, 4) == 0);
                CU_ASSERT_TRUE(right);
            }
            CU_ASSERT_EQUAL(c->present_rows, present);
        }
        uint32_t more = batch_append(b, batch_room(b));
        for (uint32_t w = 0; w < COUNT_OF(widths); w++) {
            const struct column *c = column(b, IE_KEY(9, w), widths[w], &index);
            size_t size = widths[w] ? widths[w] : sizeof(struct octets);
            CU_ASSERT_TRUE(all_zero((uint8_t *)c->values + more * size, (1024 - more) * size));
            for (uint32_t i = more; i < 1024; i++)
                CU_ASSERT_EQUAL(c->present[i / 64] >> i % 64 & 1, 0);
        }
    }
    batch_free(b);
}

UNIT_MAIN("batch",
          {"marks and frame", test_marks_and_frame},
          {"reuse is zero", test_reuse_is_zero},
          {"generations are unique", test_generations_are_unique},
          {"widening", test_widening},
          {"octets and retract", test_octets_and_retract},
          {"heap is bounded", test_heap_is_bounded},
          {"limits", test_limits},
          {"alignment", test_alignment},
          {"keeping some rows", test_keep})
