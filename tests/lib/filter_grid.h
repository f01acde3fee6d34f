/* filter_grid.h - for the filter's tests: a small grid of records, shown as frames in every form
 * that vectors have. Everything lives until grid_free(). */
#ifndef WEIR_TESTS_FILTER_GRID_H
#define WEIR_TESTS_FILTER_GRID_H

#include "flow/vector.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GRID_COLUMNS 48

struct grid_column {
    ie_key key;
    uint8_t width;
    uint8_t *values; /* rows values; struct octets for width 0 */
    uint64_t *present;
};

struct grid {
    uint32_t rows, columns;
    struct grid_column column[GRID_COLUMNS];
    struct vector vectors[GRID_COLUMNS];
    void *kept[GRID_COLUMNS * 2]; /* of the frame shown last */
    uint32_t kept_count;
};

static inline size_t grid_size(uint8_t width)
{
    return width ? width : sizeof(struct octets);
}

static inline uint32_t grid_words(uint32_t rows)
{
    return (rows + 63) / 64;
}

/* Exactly as large as asked, so that a sanitizer sees a read past the end. */
static inline void *grid_memory(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        abort();
    return p;
}

static inline struct grid_column *grid_column(struct grid *g, ie_key key, uint8_t width)
{
    for (uint32_t i = 0; i < g->columns; i++)
        if (g->column[i].key == key)
            return &g->column[i];
    if (g->columns == GRID_COLUMNS)
        abort();
    struct grid_column *c = &g->column[g->columns++];
    *c = (struct grid_column){key, width, grid_memory(g->rows * grid_size(width)),
                              grid_memory(grid_words(g->rows) * 8)};
    return c;
}

static inline void grid_put(struct grid *g, uint32_t row, ie_key key, uint8_t width,
                            const void *value)
{
    struct grid_column *c = grid_column(g, key, width);
    memcpy(c->values + row * grid_size(width), value, grid_size(width));
    c->present[row / 64] |= UINT64_C(1) << (row % 64);
}

static inline void grid_number(struct grid *g, uint32_t row, ie_key key, uint8_t width, uint64_t n)
{
    grid_put(g, row, key, width, &n); /* little-endian host */
}

static inline void grid_octets(struct grid *g, uint32_t row, ie_key key, const void *bytes,
                               uint32_t n)
{
    struct octets o = {bytes, n};
    grid_put(g, row, key, 0, &o);
}

static inline void grid_forget(struct grid *g)
{
    while (g->kept_count)
        free(g->kept[--g->kept_count]);
}

static inline void *grid_keep(struct grid *g, void *p)
{
    g->kept[g->kept_count++] = p;
    return p;
}

static inline struct frame grid_flat(struct grid *g)
{
    grid_forget(g);
    for (uint32_t i = 0; i < g->columns; i++) {
        struct grid_column *c = &g->column[i];
        g->vectors[i] = (struct vector){.key = c->key,
                                        .width = c->width,
                                        .form = VECTOR_FLAT,
                                        .rows = g->rows,
                                        .values = c->values,
                                        .present = c->present};
    }
    return (struct frame){g->rows, g->columns, g->vectors};
}

/* Row `row` of the grid, `copies` times; absent elements have no vector. */
static inline struct frame grid_constant(struct grid *g, uint32_t row, uint32_t copies)
{
    uint32_t n = 0;
    grid_forget(g);
    for (uint32_t i = 0; i < g->columns; i++) {
        struct grid_column *c = &g->column[i];
        if (!(c->present[row / 64] >> (row % 64) & 1))
            continue;
        void *value = grid_keep(g, grid_memory(grid_size(c->width)));
        memcpy(value, c->values + row * grid_size(c->width), grid_size(c->width));
        g->vectors[n++] = (struct vector){.key = c->key,
                                          .width = c->width,
                                          .form = VECTOR_CONSTANT,
                                          .rows = copies,
                                          .values = value};
    }
    return (struct frame){copies, n, g->vectors};
}

static inline uint16_t grid_code(uint8_t *distinct, uint32_t *count, const uint8_t *value,
                                 size_t size)
{
    for (uint32_t c = 0; c < *count; c++)
        if (memcmp(distinct + c * size, value, size) == 0)
            return (uint16_t)c;
    memcpy(distinct + *count * size, value, size);
    return (uint16_t)(*count)++;
}

static inline struct frame grid_dictionary(struct grid *g)
{
    grid_forget(g);
    for (uint32_t i = 0; i < g->columns; i++) {
        struct grid_column *c = &g->column[i];
        size_t size = grid_size(c->width);
        uint8_t *distinct = grid_memory(g->rows * size);
        uint16_t *codes = grid_keep(g, grid_memory(g->rows * sizeof *codes));
        uint32_t count = 0;
        for (uint32_t r = 0; r < g->rows; r++)
            codes[r] = grid_code(distinct, &count, c->values + r * size, size);
        uint8_t *fitted = grid_keep(g, grid_memory(count * size));
        memcpy(fitted, distinct, count * size);
        free(distinct);
        g->vectors[i] = (struct vector){.key = c->key,
                                        .width = c->width,
                                        .form = VECTOR_DICTIONARY,
                                        .rows = g->rows,
                                        .code_count = count,
                                        .values = fitted,
                                        .codes = codes,
                                        .present = c->present};
    }
    return (struct frame){g->rows, g->columns, g->vectors};
}

static inline void grid_free(struct grid *g)
{
    grid_forget(g);
    for (uint32_t i = 0; i < g->columns; i++) {
        free(g->column[i].values);
        free(g->column[i].present);
    }
    memset(g, 0, sizeof *g);
}

#endif
