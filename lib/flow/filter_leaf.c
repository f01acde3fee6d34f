/* filter_leaf.c - one leaf on one vector.
 *
 *   CONSTANT    the leaf is asked once
 *   DICTIONARY  the leaf is asked of the distinct values; rows follow by their codes
 *   FLAT        numbers: a few ranges are passes of a vector loop, many are looked up; anything
 *               else a value at a time, where the caller cares
 *   ENCODED     the column is asked, a range after the other
 *
 * Presence is joined last: a row without the element never matches. Loops: filter_kernel.c; the
 * tree: filter_select.c. */
#include "flow/filter_private.h"

#include <string.h>

/* ---- one stored value as a number ---- */

static wide load_wide(const uint8_t *bytes, uint32_t length)
{
    wide n = 0;
    for (uint32_t i = 0; i < length; i++)
        n = n << 8 | bytes[i];
    return n;
}

static bool number_of_float(wide raw, uint32_t length, wide *out)
{
    uint64_t bits = (uint64_t)raw;
    double d;
    if (length == 4) {
        uint32_t narrow = (uint32_t)raw;
        float f;
        memcpy(&f, &narrow, sizeof f);
        d = (double)f;
        memcpy(&bits, &d, sizeof bits);
    }
    memcpy(&d, &bits, sizeof d);
    /* IEEE 754 orders like sign and magnitude: turn all bits of negatives, the sign of others. */
    *out = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    return d == d && (length == 4 || length == 8);
}

bool order_number(enum order order, wide raw, uint32_t length, wide *out)
{
    unsigned spare = length < 8 ? 64 - 8 * length : 0;
    *out = raw;
    switch (order) {
    case ORDER_UNSIGNED:
        return length > 0;
    case ORDER_SIGNED:
        if (length > 0) /* sign-extend, then turn the sign bit */
            *out = (uint64_t)((int64_t)((uint64_t)raw << spare) >> spare) ^ UINT64_C(1) << 63;
        return length > 0;
    case ORDER_FLOAT:
        return number_of_float(raw, length, out);
    case ORDER_EXP:
        *out = raw >> 1 & 7;
        return length == 3;
    case ORDER_LABEL:
        *out = raw >> 4;
        return length == 3;
    case ORDER_BOTTOM:
        *out = raw >> 4;
        return length == 3 && (raw & 1);
    }
    return false;
}

/* Octets as a big-endian number. Past 128 bits a number is larger than any that can be written. */
static bool number_of_octets(enum order order, struct octets o, wide *out)
{
    uint32_t length = o.length;
    while (o.length > 16 && *o.bytes == 0) {
        o.bytes++;
        o.length--;
    }
    return order_number(order, o.length > 16 ? WIDE_MAX : load_wide(o.bytes, o.length), length,
                        out);
}

static bool number_of_value(enum order order, uint8_t width, const void *value, wide *out)
{
    uint64_t n = 0;
    if (width == 0)
        return number_of_octets(order, *(const struct octets *)value, out);
    if (width == 16)
        return order_number(order, load_wide(value, 16), 16, out);
    memcpy(&n, value, width); /* little-endian host */
    return order_number(order, n, width, out);
}

/* ---- tests of one value ---- */

bool ranges_hold(const struct range *ranges, uint32_t count, wide number)
{
    uint32_t low = 0, high = count; /* the first range that ends at or after `number` */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges[middle].high < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].low <= number;
}

static struct octets trim(struct octets o)
{
    while (o.length && o.bytes[o.length - 1] == 0)
        o.length--;
    return o;
}

static int compare_octets(struct octets a, struct octets b)
{
    uint32_t n = a.length < b.length ? a.length : b.length;
    int c = n ? memcmp(a.bytes, b.bytes, n) : 0;
    return c ? c : (a.length > b.length) - (a.length < b.length);
}

static bool texts_hold(const struct octets *texts, uint32_t count, struct octets o)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = compare_octets(texts[middle], o);
        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool octets_match(const struct leaf *leaf, struct octets o)
{
    const struct octets *t = leaf->texts;
    if (leaf->trimmed)
        o = trim(o);
    if (leaf->kind == LEAF_CONTAINS)
        return t->length == 0 || (o.length && memmem(o.bytes, o.length, t->bytes, t->length));
    if (leaf->kind == LEAF_TEXT)
        return texts_hold(t, leaf->count, o);
    return (!t[0].bytes || compare_octets(t[0], o) <= 0) &&
           (!t[1].bytes || compare_octets(o, t[1]) <= 0);
}

bool leaf_matches(const struct leaf *leaf, uint8_t width, const void *value)
{
    wide n;
    switch ((enum leaf_kind)leaf->kind) {
    case LEAF_HAS:
        return true;
    case LEAF_RANGES:
        return number_of_value((enum order)leaf->order, width, value, &n) &&
               ranges_hold(leaf->ranges, leaf->count, n);
    case LEAF_BITS:
        return number_of_value(ORDER_UNSIGNED, width, value, &n) &&
               ((uint64_t)n & leaf->mask) == leaf->value;
    case LEAF_TEXT:
    case LEAF_BETWEEN:
    case LEAF_CONTAINS:
        return width == 0 && octets_match(leaf, *(const struct octets *)value);
    case LEAF_DERIVED:
        break; /* never asked of one element */
    }
    return false;
}

/* ---- a run of values, all of them present ---- */

static void select_each(const struct leaf *leaf, uint8_t width, const void *values, uint32_t n,
                        const uint64_t *care, uint64_t *out)
{
    const uint8_t *at = values;
    size_t size = width ? width : sizeof(struct octets);
    for (uint32_t r = 0; r < n; r++) {
        if (care && !care[r / 64]) {
            r |= 63;
            continue;
        }
        out[r / 64] |= (uint64_t)leaf_matches(leaf, width, at + size * r) << (r % 64);
    }
}

static uint64_t most_of_width(uint8_t width)
{
    return width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;
}

/* One range of numbers as one pass: a masked comparison where it is an aligned block. */
static void select_range(uint8_t width, const void *values, uint32_t n, const uint64_t *care,
                         uint64_t low, uint64_t high, uint64_t *out)
{
    uint64_t span = high - low;
    if ((span & (span + 1)) == 0 && (low & span) == 0)
        kernel_mask(width, values, n, care, most_of_width(width) & ~span, low, out);
    else
        kernel_range(width, values, n, care, low, span, out);
}

static bool list32_holds(const struct leaf *leaf, uint32_t v)
{
    uint32_t low = 0, high = leaf->count32;
    if (!(leaf->blocks[v >> 22] >> (v >> 16 & 63) & 1))
        return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (leaf->highs[middle] < v)
            low = middle + 1;
        else
            high = middle;
    }
    return low < leaf->count32 && leaf->lows[low] <= v;
}

static void select_list16(const struct leaf *leaf, uint8_t width, const void *values, uint32_t n,
                          const uint64_t *care, uint64_t *out)
{
    for (uint32_t r = 0; r < n; r++) {
        uint32_t v = width == 1 ? ((const uint8_t *)values)[r] : ((const uint16_t *)values)[r];
        if (care && !care[r / 64])
            r |= 63;
        else
            out[r / 64] |= (leaf->small[v / 64] >> (v % 64) & 1) << (r % 64);
    }
}

static void select_list32(const struct leaf *leaf, const uint32_t *values, uint32_t n,
                          const uint64_t *care, uint64_t *out)
{
    for (uint32_t r = 0; r < n; r++) {
        if (care && !care[r / 64])
            r |= 63;
        else
            out[r / 64] |= (uint64_t)list32_holds(leaf, values[r]) << (r % 64);
    }
}

static void select_ranges(const struct leaf *leaf, uint8_t width, const void *values, uint32_t n,
                          const uint64_t *care, uint64_t *out)
{
    uint64_t most = most_of_width(width);
    if (leaf->small && width <= 2) {
        select_list16(leaf, width, values, n, care, out);
        return;
    }
    if (leaf->blocks && width == 4) {
        select_list32(leaf, values, n, care, out);
        return;
    }
    if (leaf->count > LEAF_FEW) {
        select_each(leaf, width, values, n, care, out);
        return;
    }
    for (uint32_t i = 0; i < leaf->count && leaf->ranges[i].low <= most; i++) {
        wide high = leaf->ranges[i].high;
        select_range(width, values, n, care, (uint64_t)leaf->ranges[i].low,
                     high < most ? (uint64_t)high : most, out);
    }
}

static void store_wide(wide n, uint64_t out[2])
{
    out[0] = __builtin_bswap64((uint64_t)(n >> 64));
    out[1] = __builtin_bswap64((uint64_t)n);
}

/* 128 bits: prefixes and addresses are masked comparisons. */
static void select_ranges16(const struct leaf *leaf, const void *values, uint32_t n,
                            const uint64_t *care, uint64_t *out)
{
    bool aligned = leaf->count <= LEAF_FEW;
    for (uint32_t i = 0; i < leaf->count && aligned; i++) {
        wide span = leaf->ranges[i].high - leaf->ranges[i].low;
        aligned = (span & (span + 1)) == 0 && (leaf->ranges[i].low & span) == 0;
    }
    if (!aligned) {
        select_each(leaf, 16, values, n, care, out);
        return;
    }
    for (uint32_t i = 0; i < leaf->count; i++) {
        uint64_t mask[2], value[2];
        store_wide(~(leaf->ranges[i].high - leaf->ranges[i].low), mask);
        store_wide(leaf->ranges[i].low, value);
        kernel_mask16(values, n, care, mask, value, out);
    }
}

/* ORs into out[], which is zero on entry, the values that match; presence is not looked at. */
static void select_values(const struct leaf *leaf, uint8_t width, const void *values, uint32_t n,
                          const uint64_t *care, uint64_t *out)
{
    bool number = width >= 1 && width <= 8;
    if (leaf->kind == LEAF_RANGES && leaf->order == ORDER_UNSIGNED && number)
        select_ranges(leaf, width, values, n, care, out);
    else if (leaf->kind == LEAF_RANGES && leaf->order == ORDER_UNSIGNED && width == 16)
        select_ranges16(leaf, values, n, care, out);
    else if (leaf->kind == LEAF_BITS && number && leaf->value <= most_of_width(width))
        kernel_mask(width, values, n, care, leaf->mask, leaf->value, out);
    else if (leaf->kind != LEAF_BITS || !number)
        select_each(leaf, width, values, n, care, out);
}

/* ---- the three forms ---- */

static void store_octets(uint64_t bits, uint8_t *to)
{
    uint64_t each = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
    each = ((each + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101)) * 255;
    memcpy(to, &each, sizeof each);
}

/* Rows whose code is one of the matching ones. A run of codes, as a sorted dictionary gives for a
 * range of values, is one pass of a vector loop. */
static bool select_codes(const struct vector *v, const uint64_t *hits, struct arena *a,
                         const uint64_t *care, uint64_t *out)
{
    uint32_t first = 0, last = 0, count = 0, words = (v->code_count + 63) / 64;
    for (uint32_t w = 0; w < words; w++) {
        if (!hits[w])
            continue;
        first = count ? first : 64 * w + (uint32_t)__builtin_ctzll(hits[w]);
        last = 64 * w + 63 - (uint32_t)__builtin_clzll(hits[w]);
        count += (uint32_t)__builtin_popcountll(hits[w]);
    }
    if (count == 0)
        return true;
    if (last - first + 1 == count) {
        kernel_range(2, v->codes, v->rows, care, first, last - first, out);
        return true;
    }
    uint8_t *hit = arena_alloc(a, (size_t)words * 64);
    if (!hit)
        return false;
    for (uint32_t w = 0; w < words; w++)
        for (uint32_t i = 0; i < 8; i++) /* eight bits to eight octets of 0 or 255 */
            store_octets(hits[w] >> (8 * i) & 255, hit + 64 * w + 8 * i);
    kernel_codes(v->codes, v->rows, care, hit, out);
    return true;
}

static bool select_dictionary(const struct leaf *leaf, const struct vector *v, struct arena *a,
                              const uint64_t *care, uint64_t *out)
{
    uint64_t *hits = arena_zero(a, (v->code_count / 64 + 1) * sizeof *hits);
    if (!hits)
        return false;
    select_values(leaf, v->width, v->values, v->code_count, NULL, hits);
    return select_codes(v, hits, a, care, out);
}

static bool select_encoded(const struct leaf *leaf, const struct vector *v, struct arena *a,
                           const uint64_t *care, uint64_t *out)
{
    uint64_t most = most_of_width(v->width);
    for (uint32_t i = 0; i < leaf->count && leaf->ranges[i].low <= most; i++) {
        uint64_t high = leaf->ranges[i].high < most ? (uint64_t)leaf->ranges[i].high : most;
        if (!v->encoded->select(v->encoded, (uint64_t)leaf->ranges[i].low, high, care, a, out))
            return false;
    }
    return true;
}

static bool select_form(const struct leaf *leaf, const struct vector *v, struct arena *a,
                        const uint64_t *care, uint64_t *out)
{
    uint64_t one = 0;
    switch ((enum vector_form)v->form) {
    case VECTOR_CONSTANT:
        select_values(leaf, v->width, v->values, 1, NULL, &one);
        if (one & 1)
            memset(out, 0xff, ((size_t)v->rows + 63) / 64 * sizeof *out);
        return true;
    case VECTOR_DICTIONARY:
        return select_dictionary(leaf, v, a, care, out);
    case VECTOR_ENCODED:
        return select_encoded(leaf, v, a, care, out);
    case VECTOR_FLAT:
        break;
    }
    select_values(leaf, v->width, v->values, v->rows, care, out);
    return true;
}

/* Rows without the element, and bits past the rows, are not selected. */
static void join_presence(const struct vector *v, uint64_t *out)
{
    uint32_t words = (v->rows + 63) / 64;
    for (uint32_t w = 0; v->present && w < words; w++)
        out[w] &= v->present[w];
    if (v->rows % 64)
        out[words - 1] &= (UINT64_C(1) << (v->rows % 64)) - 1;
}

bool leaf_select(const struct leaf *leaf, const struct evaluation *e, const uint64_t *care,
                 uint64_t *out)
{
    if (leaf->kind == LEAF_DERIVED)
        return leaf_derived_select(leaf, e, care, out);
    const struct vector *v = frame_find(e->frame, leaf->key);
    memset(out, 0, e->words * sizeof *out);
    if (!v || !v->rows)
        return true;
    if (leaf->kind == LEAF_HAS)
        memset(out, 0xff, e->words * sizeof *out);
    else if (!select_form(leaf, v, e->arena, care, out))
        return false;
    join_presence(v, out);
    return true;
}

static bool is_input(const struct leaf *leaf, ie_key key)
{
    for (int k = 0; leaf->kind == LEAF_DERIVED && k < DERIVED_INPUTS; k++)
        if (derived_inputs[leaf->derived][k] == key)
            return true;
    return false;
}

bool filter_only_ranges(const struct filter *f, ie_key key)
{
    for (uint32_t i = 0; i < f->leaf_count; i++) {
        const struct leaf *leaf = &f->leaves[i];
        bool ranges = leaf->kind == LEAF_RANGES && leaf->order == ORDER_UNSIGNED &&
                      leaf->count <= LEAF_FEW;
        if (is_input(leaf, key) || (leaf->key == key && leaf->kind != LEAF_HAS && !ranges))
            return false;
    }
    return true;
}
