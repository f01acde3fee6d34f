/* weirgen_plan.c - the address plan: tags, their prefixes, and hosts in them (weirgen.h). */
#include "weirgen.h"
#include <stdio.h>
#include <string.h>

#define NESTED_OCTET 250u /* the third octet of the /24 that belongs to the next tag */
#define NESTED_SUBNET 0xffu

const char *plan_tag_name(uint32_t tag, char out[32])
{
    static const char *const known[] = {"elsewhere", "PoP-BA", "PoP-PE", "PoP-RN"};
    if (tag < sizeof known / sizeof *known)
        return known[tag];
    snprintf(out, 32, "PoP-%u", tag);
    return out;
}

static uint32_t next_tag(uint32_t tags, uint32_t tag)
{
    return tag % tags + 1;
}

static uint32_t tag_before(uint32_t tags, uint32_t tag)
{
    return tag == 1 ? tags : tag - 1;
}

const char *plan_prefix(uint32_t tags, uint32_t tag, unsigned n, char out[PREFIX_TEXT_SIZE])
{
    uint32_t before = tag_before(tags, tag);
    bool nested = tags > 1;
    if (n == 0)
        snprintf(out, PREFIX_TEXT_SIZE, "10.%u.0.0/14", 4 * (tag - 1));
    else if (n == 1)
        snprintf(out, PREFIX_TEXT_SIZE, "2001:db8:%x::/48", tag);
    else if (n == 2 && nested)
        snprintf(out, PREFIX_TEXT_SIZE, "10.%u.%u.0/24", 4 * (before - 1), NESTED_OCTET);
    else if (n == 3 && nested)
        snprintf(out, PREFIX_TEXT_SIZE, "2001:db8:%x:%x00::/56", before, NESTED_SUBNET);
    else
        return NULL;
    return out;
}

/* A bijection on 32 bits, so that neighbours in rank are not neighbours in address. */
static uint32_t scatter(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

uint32_t plan_address_ipv4(uint32_t tags, uint32_t tag, uint32_t host, uint32_t *out)
{
    uint32_t bits = scatter(host * 64 + tag);
    if (tag == 0) { /* the rest of the world: 64.0.0.0/3 */
        *out = 0x40000000 | (bits & 0x1fffffff);
        return 0;
    }
    *out = 10u << 24 | 4 * (tag - 1) << 16 | (bits & 0x3ffff);
    if (bits >> 27 == 0) /* one in 32 lives in the nested network */
        *out = 10u << 24 | 4 * (tag - 1) << 16 | NESTED_OCTET << 8 | (bits & 0xff);
    bool nested = tags > 1 && (*out >> 8 & 0x3ff) == NESTED_OCTET;
    return nested ? next_tag(tags, tag) : tag;
}

uint32_t plan_address_ipv6(uint32_t tags, uint32_t tag, uint32_t host, uint8_t out[16])
{
    uint32_t bits = scatter(host * 64 + tag), more = scatter(bits ^ 0x5bd1e995);
    memset(out, 0, 16);
    memcpy(out, tag ? (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8} : (const uint8_t[]){0x2a, 0, 0, 1},
           4);
    out[4] = (uint8_t)(tag >> 8);
    out[5] = (uint8_t)tag;
    out[6] = bits >> 27 == 0 ? NESTED_SUBNET : (uint8_t)(bits >> 8 & 0x7f);
    out[7] = (uint8_t)bits;
    memcpy(out + 8, &more, 4);
    memcpy(out + 12, &bits, 4);
    bool nested = tag && tags > 1 && out[6] == NESTED_SUBNET;
    return nested ? next_tag(tags, tag) : tag;
}
