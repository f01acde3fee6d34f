/* test_block_kernels.c - the inner loops of the codecs: known vectors, a bit-by-bit recomputation,
 * and the AVX2 set against the plain one. */
#include "block/block.h"
#include "block/crc32c.h"
#include "block/kernels.h"
#include "block/packed.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t state = 42;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
static uint64_t below(unsigned bits)
{
    return bits == 0 ? 0 : next() >> (64 - bits);
}

static void crc_known(void)
{
    /* RFC 3720 appendix B.4, and the usual check value. */
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, 32);
    for (int i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    CU_ASSERT_EQUAL(crc32c(0, "123456789", 9), 0xe3069283);
    CU_ASSERT_EQUAL(crc32c(0, zeros, 32), 0x8a9136aa);
    CU_ASSERT_EQUAL(crc32c(0, ones, 32), 0x62a8ab43);
    CU_ASSERT_EQUAL(crc32c(0, up, 32), 0x46dd794e);
    CU_ASSERT_EQUAL(crc32c(0, "", 0), 0);
    CU_ASSERT_EQUAL(crc32c_tables(0, "123456789", 9), 0xe3069283);
}

static void crc_ways_agree(void)
{
    static uint8_t bytes[8000]; /* several long lanes, and what they leave */
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next();
    for (size_t from = 0; from < 9; from++)
        for (size_t length = 0; from + length <= sizeof bytes; length += length < 800 ? 1 : 83) {
            uint32_t whole = crc32c_tables(7, bytes + from, length);
            if (crc32c_have_hardware())
                CU_ASSERT_EQUAL(crc32c_hardware(7, bytes + from, length), whole);
            size_t cut = length / 3;
            uint32_t first = crc32c(7, bytes + from, cut);
            CU_ASSERT_EQUAL(crc32c(first, bytes + from + cut, length - cut), whole);
        }
}

static void pack_known(void)
{
    /* 3-bit values 1 2 3 4 5 6 7 0: bit string, lowest first, 0xd1 0x58 0x1f. */
    const uint64_t values[8] = {1, 2, 3, 4, 5, 6, 7, 0};
    uint8_t out[16];
    CU_ASSERT_PTR_EQUAL(pack_bits(values, 8, 3, out), out + 3);
    CU_ASSERT_EQUAL(out[0], 0xd1);
    CU_ASSERT_EQUAL(out[1], 0x58);
    CU_ASSERT_EQUAL(out[2], 0x1f);
}

/* Bit by bit, as the format says it. */
static uint64_t slow_value(const uint8_t *run, size_t index, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned k = 0; k < bits; k++) {
        size_t bit = index * bits + k;
        v |= (uint64_t)(run[bit / 8] >> (bit % 8) & 1) << k;
    }
    return v;
}

static void pack_widths(void)
{
    static uint64_t values[PACK_GROUP];
    static uint8_t out[PACK_GROUP * 8 + PACK_SLACK];
    for (unsigned bits = 0; bits <= 64; bits++)
        for (unsigned count = 1; count <= PACK_GROUP; count += count < 20 ? 1 : 59) {
            for (unsigned i = 0; i < count; i++)
                values[i] = below(bits);
            memset(out, 0, sizeof out);
            CU_ASSERT_PTR_EQUAL(pack_bits(values, count, bits, out),
                                out + packed_size(count, bits));
            for (unsigned i = 0; i < count; i++) {
                CU_ASSERT_EQUAL(slow_value(out, i, bits), values[i]);
                CU_ASSERT_EQUAL(packed_value(out, i, bits), values[i]);
            }
        }
}

static void pack_all_widths(void)
{
    kernels_force(&kernels_plain);
    pack_widths();
    kernels_force(NULL);
    pack_widths();
}

static void unpack_with(const struct kernels *k)
{
    static uint64_t values[PACK_GROUP], wide[PACK_GROUP];
    static uint32_t narrow[PACK_GROUP];
    static uint8_t run[PACK_GROUP * 8 + PACK_SLACK];
    for (int round = 0; round < 8; round++)
        for (unsigned bits = 0; bits <= 64; bits++) {
            for (unsigned i = 0; i < PACK_GROUP; i++)
                values[i] =
                    round == 0 ? below(bits) | (bits ? UINT64_C(1) << (bits - 1) : 0) : below(bits);
            memset(run, 0xa5, sizeof run); /* what lies behind must not matter */
            pack_bits(values, PACK_GROUP, bits, run);
            k->unpack64(run, bits, wide);
            CU_ASSERT_EQUAL(memcmp(wide, values, sizeof wide), 0);
            if (bits > 32)
                continue;
            k->unpack32(run, bits, narrow);
            for (unsigned i = 0; i < PACK_GROUP; i++)
                CU_ASSERT_EQUAL(narrow[i], values[i]);
        }
}

static void unpack_plain(void)
{
    unpack_with(&kernels_plain);
}

static void unpack_avx2(void)
{
    if (kernels_have_avx2())
        unpack_with(&kernels_avx2);
}

static void sets_agree(void)
{
    if (!kernels_have_avx2())
        return;
    static uint64_t a[999], b[999], x[999], y[999];
    const struct kernels *p = &kernels_plain, *v = &kernels_avx2;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 999; i++)
            a[i] = next(), b[i] = next() >> (next() & 63);
        for (unsigned w = 0; w < 4; w++) {
            uint64_t add = next(), least[2], most[2];
            memset(x, 0, sizeof x), memset(y, 0, sizeof y);
            p->store32[w]((uint32_t *)a, add, x), v->store32[w]((uint32_t *)a, add, y);
            CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
            p->store64[w](a, add, x), v->store64[w](a, add, y);
            CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
            p->load[w](a, add, x), v->load[w](a, add, y);
            CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
            size_t count = 1 + next() % 999;
            p->range[w](b, count, &least[0], &most[0]), v->range[w](b, count, &least[1], &most[1]);
            CU_ASSERT(least[0] == least[1] && most[0] == most[1]);
            for (unsigned other = 0; other < 4; other++) {
                p->rebase[w][other](a, b, count, x), v->rebase[w][other](a, b, count, y);
                CU_ASSERT_EQUAL(memcmp(x, y, sizeof x), 0);
            }
            CU_ASSERT_EQUAL(p->most_code((uint16_t *)b, count), v->most_code((uint16_t *)b, count));
        }
    }
}

/* Against the definition: row i takes the next of its part. */
static void merges(void)
{
    static uint64_t bits[16], out[1000];
    static uint8_t common[8016], rare[8016];
    const struct kernels *sets[] = {&kernels_plain,
                                    kernels_have_avx2() ? &kernels_avx2 : &kernels_plain};
    for (size_t i = 0; i < sizeof common; i++)
        common[i] = (uint8_t)next(), rare[i] = (uint8_t)next();
    for (int round = 0; round < 40; round++) {
        uint32_t count = 1 + (uint32_t)(next() % 1000);
        for (size_t i = 0; i < 16; i++)
            bits[i] = round == 0   ? 0
                      : round == 1 ? UINT64_MAX
                                   : next() & (round % 2 ? next() : UINT64_MAX);
        for (unsigned w = 0; w < 8; w++) {
            size_t size = 1u << w / 2, c = 0, r = 0;
            memset(out, 0, sizeof out);
            sets[w % 2]->merge[w / 2](bits, common, rare, count, out);
            for (uint32_t i = 0; i < count; i++) {
                const uint8_t *want =
                    bits[i / 64] >> (i % 64) & 1 ? common + size * c++ : rare + size * r++;
                CU_ASSERT_EQUAL(memcmp((uint8_t *)out + i * size, want, size), 0);
            }
        }
    }
}

static void range_is_true(void)
{
    for (size_t count = 1; count < 300; count++) {
        uint32_t v[300];
        uint64_t least, most, lo = UINT64_MAX, hi = 0;
        for (size_t i = 0; i < count; i++) {
            v[i] = (uint32_t)next();
            lo = v[i] < lo ? v[i] : lo;
            hi = v[i] > hi ? v[i] : hi;
        }
        kernels_best()->range[2](v, count, &least, &most);
        CU_ASSERT(least == lo && most == hi);
    }
}

/* What packed_sum() adds up against the values themselves; also cut short. */
static void sums_agree(const uint8_t *bytes, size_t length, const uint64_t *values, uint32_t count)
{
    static uint64_t selected[5000 / 64 + 2];
    uint64_t got, sum;
    for (unsigned kind = 0; kind < 5; kind++) {
        memset(selected, 0, sizeof selected);
        sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            bool hit = kind == 0 || (kind == 1 ? next() % 40 == 0 : kind == 2 ? next() % 2
                                                                  : kind == 3 && i % 256 == 255);
            selected[i / 64] |= (uint64_t)hit << (i % 64);
            sum += hit ? values[i] : 0;
        }
        for (unsigned set = 0; set < 2; set++) {
            kernels_force(set ? &kernels_plain : NULL);
            struct cursor in = cursor_over(bytes, length);
            CU_ASSERT_EQUAL(packed_sum(&in, count, kind ? selected : NULL, &got), WEIR_OK);
            CU_ASSERT_EQUAL(cursor_left(&in), 0);
            CU_ASSERT_EQUAL(got, sum);
        }
    }
    kernels_force(NULL);
    for (size_t cut = 0; cut < length && count < 400; cut++) {
        struct cursor in = cursor_over(bytes, cut);
        CU_ASSERT_EQUAL(packed_sum(&in, count, NULL, &got), WEIR_ETRUNCATED);
    }
}

/* Values of every shape through a packed run that sits flush at the end of its memory. */
static void packed_both_ways(unsigned width, uint32_t count, unsigned shape)
{
    uint64_t least, most;
    uint8_t *values = calloc(packed_room(count), 8), *back = calloc(packed_room(count), 8);
    struct packed_plan plan;
    struct buffer out = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t v = shape == 0   ? next()
                     : shape == 1 ? 1000 + next() % 16
                     : shape == 2 ? (next() % 40 ? next() % 8 : next())
                     : shape == 3 ? UINT64_C(1700000000000) + i * 50 + next() % 64
                     : shape == 4 ? next() >> (next() & 63)
                                  : (uint64_t)(next() % 50 == 0);
        memcpy(values + (size_t)i * width, &v, width);
    }
    kernels_best()->range[width_index(width)](values, count, &least, &most);
    packed_plan(values, count, width, least, most, &plan);
    packed_write(&plan, values, count, width, &out);
    uint8_t *flush = malloc(out.length);
    memcpy(flush, out.bytes, out.length);
    struct cursor in = cursor_over(flush, out.length);
    CU_ASSERT_EQUAL(packed_read(&in, count, width, back), WEIR_OK);
    CU_ASSERT_EQUAL(cursor_left(&in), 0);
    CU_ASSERT_EQUAL(memcmp(values, back, (size_t)count * width), 0);
    for (size_t cut = 0; cut < out.length && count < 400; cut++) {
        in = cursor_over(flush, cut);
        CU_ASSERT_EQUAL(packed_read(&in, count, width, back), WEIR_ETRUNCATED);
    }
    if (width == 8)
        sums_agree(flush, out.length, (const uint64_t *)(const void *)values, count);
    free(flush), free(values), free(back), buffer_free(&out);
}

static void packed_shapes(void)
{
    static const uint32_t counts[] = {1, 2, 63, 64, 65, 255, 256, 257, 1000, 5000};
    for (unsigned width = 1; width <= 8; width *= 2)
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            for (unsigned shape = 0; shape < 6; shape++)
                packed_both_ways(width, counts[i], shape);
}

static void packed_known(void)
{
    /* Reference 100, own references of 0 octets; 5 values, 2 bits, one exception at place 3 whose
     * high part is 5 in 3 bits: 100 101 102 100+3+(5<<2) 100. */
    static const uint8_t bytes[] = {100, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 0xe4, 0x00, 3, 5};
    uint16_t out[PACK_GROUP];
    struct cursor in = cursor_over(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(packed_read(&in, 5, 2, out), WEIR_OK);
    CU_ASSERT(out[0] == 100 && out[1] == 101 && out[2] == 102 && out[3] == 123 && out[4] == 100);
}

static void packed_refuses(void)
{
    /* The bytes of packed_known() with one of them wrong. */
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{8, 9}, {9, 15}, {11, 0}, {11, 15}, {14, 5}, {14, 255}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[64] = {100, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 3, 0xe4, 0x00, 3, 5};
        uint16_t out[PACK_GROUP];
        bytes[wrong[i].at] = wrong[i].value;
        struct cursor in = cursor_over(bytes, sizeof bytes);
        CU_ASSERT_EQUAL(packed_read(&in, 5, 2, out), WEIR_EMALFORMED);
    }
}

/* By both sets; values of all lengths, few of them long. */
static void finds_above(void)
{
    uint64_t values[PACK_GROUP], found[PACK_GROUP / 64];
    for (unsigned round = 0; round < 400; round++) {
        unsigned bits = round % 64, wrong = 0;
        for (unsigned i = 0; i < PACK_GROUP; i++) {
            values[i] = below(i % 16 ? bits : i % 65);
        }
        values[round % PACK_GROUP] = UINT64_C(1) << bits;     /* one bit more */
        values[(round + 9) % PACK_GROUP] = (UINT64_C(1) << bits) - 1; /* just not */
        for (unsigned set = 0; set < (kernels_have_avx2() ? 2 : 1); set++) {
            kernels_force(set ? &kernels_avx2 : &kernels_plain);
            find_above(values, bits, found);
            for (unsigned i = 0; i < PACK_GROUP; i++)
                wrong += (found[i / 64] >> (i % 64) & 1) != (values[i] >> bits != 0);
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
    kernels_force(NULL);
}

UNIT_MAIN("block kernels", {"crc known", crc_known}, {"crc ways agree", crc_ways_agree},
          {"pack known", pack_known}, {"pack all widths", pack_all_widths},
          {"unpack plain", unpack_plain}, {"unpack avx2", unpack_avx2}, {"sets agree", sets_agree},
          {"merges", merges}, {"range is true", range_is_true}, {"packed shapes", packed_shapes},
          {"packed known", packed_known}, {"packed refuses", packed_refuses},
          {"what is too long", finds_above})
