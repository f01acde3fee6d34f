/* tag.c - see tag.h. Neighbours: handover.c calls it for each batch of flows that is handed on. */
#include "select/tag.h"
#include <string.h>

#define NOT_IPV6 UINT32_MAX /* no tag: they end at PREFIX_TAG_MOST */

struct side {
    ie_key tag, ipv4, ipv6, as;
};
static const struct side sides[] = {
    {WEIR_SRC_TAG, IANA(8), IANA(27), IANA(16)},
    {WEIR_DST_TAG, IANA(12), IANA(28), IANA(17)},
};

/* The column of `key` with that width (0: any), or NULL. */
static struct column *find(struct batch *b, ie_key key, uint8_t width)
{
    for (size_t i = 0; i < batch_column_count(b); i++) {
        struct column *c = batch_column_at(b, i);
        if (c->key == key)
            return (!width || c->width == width) && c->present_rows ? c : NULL;
    }
    return NULL;
}

static bool has(const struct column *c, uint32_t row)
{
    return c->present[row / 64] >> (row % 64) & 1;
}

static bool is_zero(const uint8_t octets[16])
{
    uint64_t halves[2];
    memcpy(halves, octets, 16);
    return !(halves[0] | halves[1]);
}

/* Rows without an IPv4 address were looked up as 0.0.0.0: what that found is not theirs. */
static void clear_absent(const struct column *ipv4, const struct column *ipv6, uint32_t rows,
                         uint32_t *tags)
{
    const uint32_t *v4 = ipv4->values;
    const uint8_t(*v6)[16] = ipv6 ? ipv6->values : NULL;
    if (!ipv6 && ipv4->present_rows == rows)
        return;
    for (uint32_t r = 0; r < rows; r++)
        if (!v4[r] && (!has(ipv4, r) || (v6 && !is_zero(v6[r]))))
            tags[r] = 0;
}

/* Rows that the IPv6 look-up must leave alone are marked for its time: it touches only tags of
 * 0. */
static void look_up_ipv6(const struct prefix_table *table, const struct column *ipv4,
                         const struct column *ipv6, uint32_t rows, uint32_t *tags)
{
    const uint8_t(*v6)[16] = ipv6->values;
    const uint32_t *v4 = ipv4 ? ipv4->values : NULL;
    for (uint32_t r = 0; r < rows; r++)
        if (!tags[r] && (!has(ipv6, r) || (v4 && v4[r]) ||
                         (ipv4 && has(ipv4, r) && is_zero(v6[r]))))
            tags[r] = NOT_IPV6;
    prefix_lookup_ipv6_many(table, v6, rows, tags);
    for (uint32_t r = 0; r < rows; r++)
        if (tags[r] == NOT_IPV6)
            tags[r] = 0;
}

static uint32_t as_at(const struct column *c, uint32_t row)
{
    return c->width == 4 ? ((const uint32_t *)c->values)[row]
                         : (uint32_t)((const uint64_t *)c->values)[row];
}

static void tag_side(const struct prefix_table *table, struct batch *b, const struct side *side)
{
    struct column *tag = find(b, side->tag, 4), *as = find(b, side->as, 0);
    struct column *ipv4 = find(b, side->ipv4, 4), *ipv6 = find(b, side->ipv6, 16);
    uint32_t rows = batch_rows(b), *tags = tag ? tag->values : NULL;
    if (!tags)
        return;
    memset(tags, 0, rows * sizeof *tags);
    if (ipv4) {
        prefix_lookup_ipv4_many(table, ipv4->values, rows, tags);
        clear_absent(ipv4, ipv6, rows, tags);
    }
    if (ipv6)
        look_up_ipv6(table, ipv4, ipv6, rows, tags);
    for (uint32_t r = 0; as && (as->width == 4 || as->width == 8) && r < rows; r++)
        if (!tags[r] && has(as, r))
            tags[r] = prefix_lookup_as(table, as_at(as, r));
}

enum weir_status tag_batch(const struct prefix_table *tags, struct batch *b)
{
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        tag_side(tags, b, &sides[i]);
    return WEIR_OK;
}
