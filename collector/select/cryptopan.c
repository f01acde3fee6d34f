/* cryptopan.c - see cryptopan.h. Neighbours: policy.c uses it, keyfile.c has the keys. */
#include "select/cryptopan.h"
#include "base/cursor.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK      16u
#define BITS_MOST  128u
#define IPV4_SLOTS (1u << 15)
#define IPV6_SLOTS (1u << 13)
#define NET_SLOTS  (1u << 12)

/* What is flipped, by what it was asked for; direct-mapped. */
struct ipv4_slot {
    uint32_t address, flips;
};
struct ipv6_slot {
    uint8_t address[16], flips[16];
};
struct net_slot {
    uint64_t net, flips; /* the first 64 bits, as in memory */
};

struct cryptopan {
    EVP_CIPHER_CTX *aes;
    uint8_t pad[BLOCK];
    bool failed;                  /* AES failed once: pseudonyms are all zero from then on */
    uint16_t top_flips[1u << 16]; /* of the first 16 bits of IPv4 addresses */
    uint64_t top_known[(1u << 16) / 64];
    struct ipv4_slot ipv4[IPV4_SLOTS];
    struct ipv6_slot ipv6[IPV6_SLOTS];
    struct net_slot nets[NET_SLOTS];
    uint64_t ipv4_used[IPV4_SLOTS / 64], ipv6_used[IPV6_SLOTS / 64], nets_used[NET_SLOTS / 64];
    uint8_t in[BITS_MOST * BLOCK], out[BITS_MOST * BLOCK];
};

/* ---- life ---- */

static bool encrypt(struct cryptopan *c, const uint8_t *in, uint8_t *out, unsigned blocks)
{
    int length = 0;
    bool done = EVP_EncryptUpdate(c->aes, out, &length, in, (int)(blocks * BLOCK)) == 1 &&
                length == (int)(blocks * BLOCK);
    c->failed |= !done;
    return done;
}

struct cryptopan *cryptopan_new(const uint8_t key[CRYPTOPAN_KEY_SIZE])
{
    struct cryptopan *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->aes = EVP_CIPHER_CTX_new();
    if (c->aes && EVP_EncryptInit_ex(c->aes, EVP_aes_128_ecb(), NULL, key, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(c->aes, 0) == 1 && encrypt(c, key + BLOCK, c->pad, 1))
        return c;
    cryptopan_free(c);
    return NULL;
}

void cryptopan_free(struct cryptopan *c)
{
    if (!c)
        return;
    EVP_CIPHER_CTX_free(c->aes);
    OPENSSL_cleanse(c, sizeof *c);
    free(c);
}

/* ---- the mapping ---- */

/* Bits [first, end) of the flips of `address`, whose first `end` bits count; other bits of *flips
 * stay. */
static void find_flips(struct cryptopan *c, const uint8_t address[BLOCK], unsigned first,
                       unsigned end, uint8_t flips[BLOCK])
{
    uint8_t prefix[BLOCK]; /* the first i bits of the address, then padding */
    memcpy(prefix, c->pad, BLOCK);
    memcpy(prefix, address, first / 8);
    for (unsigned i = first; i < end; i++) {
        memcpy(c->in + (i - first) * BLOCK, prefix, BLOCK);
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        prefix[i / 8] = (uint8_t)((prefix[i / 8] & ~bit) | (address[i / 8] & bit));
    }
    if (!encrypt(c, c->in, c->out, end - first))
        return;
    for (unsigned i = first; i < end; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        if (c->out[(i - first) * BLOCK] & 0x80)
            flips[i / 8] |= bit;
    }
}

static bool is_used(const uint64_t *used, uint32_t slot)
{
    return used[slot / 64] >> slot % 64 & 1;
}

static void use(uint64_t *used, uint32_t slot)
{
    used[slot / 64] |= UINT64_C(1) << slot % 64;
}

/* ---- IPv4 ---- */

static void put_ipv4(uint8_t out[BLOCK], uint32_t address)
{
    memset(out, 0, BLOCK);
    address = __builtin_bswap32(address);
    memcpy(out, &address, 4);
}

static uint32_t flips_of_ipv4(struct cryptopan *c, uint32_t address)
{
    uint8_t octets[BLOCK], flips[BLOCK] = {0};
    uint32_t top = address >> 16;
    put_ipv4(octets, address);
    if (is_used(c->top_known, top)) {
        flips[0] = (uint8_t)(c->top_flips[top] >> 8);
        flips[1] = (uint8_t)c->top_flips[top];
    } else {
        find_flips(c, octets, 0, 16, flips);
        c->top_flips[top] = load_be16(flips);
        use(c->top_known, top);
    }
    find_flips(c, octets, 16, 32, flips);
    return load_be32(flips);
}

uint32_t cryptopan_ipv4(struct cryptopan *c, uint32_t host_order)
{
    uint32_t slot = (host_order * UINT32_C(0x9e3779b1)) >> 17;
    struct ipv4_slot *s = &c->ipv4[slot];
    if (!is_used(c->ipv4_used, slot) || s->address != host_order) {
        *s = (struct ipv4_slot){host_order, flips_of_ipv4(c, host_order)};
        use(c->ipv4_used, slot);
    }
    return c->failed ? 0 : host_order ^ s->flips;
}

/* ---- IPv6 ---- */

static uint32_t hash64(uint64_t v)
{
    v = (v ^ v >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(v >> 32);
}

static void flips_of_ipv6(struct cryptopan *c, const uint8_t address[16], uint8_t flips[16])
{
    uint64_t net;
    memcpy(&net, address, 8);
    uint32_t slot = hash64(net) % NET_SLOTS;
    struct net_slot *s = &c->nets[slot];
    memset(flips, 0, 16);
    if (!is_used(c->nets_used, slot) || s->net != net) {
        find_flips(c, address, 0, 64, flips);
        s->net = net;
        memcpy(&s->flips, flips, 8);
        use(c->nets_used, slot);
    }
    memcpy(flips, &s->flips, 8);
    find_flips(c, address, 64, 128, flips);
}

void cryptopan_ipv6(struct cryptopan *c, uint8_t octets[16])
{
    uint64_t halves[2];
    memcpy(halves, octets, 16);
    uint32_t slot = hash64(halves[0] ^ halves[1] * UINT64_C(0x9e3779b97f4a7c15)) % IPV6_SLOTS;
    struct ipv6_slot *s = &c->ipv6[slot];
    if (!is_used(c->ipv6_used, slot) || memcmp(s->address, octets, 16) != 0) {
        memcpy(s->address, octets, 16);
        flips_of_ipv6(c, octets, s->flips);
        use(c->ipv6_used, slot);
    }
    for (unsigned i = 0; i < 16; i++)
        octets[i] = c->failed ? 0 : octets[i] ^ s->flips[i];
}

/* ---- MAC ---- */

uint64_t cryptopan_mac(struct cryptopan *c, uint64_t mac)
{
    uint8_t octets[BLOCK] = {0}, flips[BLOCK] = {0};
    uint64_t high = __builtin_bswap64(mac << 16);
    memcpy(octets, &high, 8);
    find_flips(c, octets, 0, 48, flips);
    return c->failed ? 0 : (mac ^ load_be64(flips) >> 16) & UINT64_C(0xffffffffffff);
}
