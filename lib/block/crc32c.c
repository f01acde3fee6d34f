/* crc32c.c - CRC-32C (Castagnoli polynomial, reflected 0x82f63b78), as iSCSI and ext4 use it (RFC
 * 3720 section 12.1). Two ways to the same number: the processor's instruction, and eight tables.
 */
#include "base/cursor.h"
#include "block/block.h"
#include "block/crc32c.h"

/* A CRC is linear: the entry of an octet is the XOR of the entries of its bits, so eight numbers
 * define a table of 256. Table k advances an octet past k further octets. */
#define BIT(n, k, v) ((n) >> (k)&1 ? UINT32_C(v) : 0)
#define E1(n, a, b, c, d, e, f, g, h)                                                              \
    (BIT(n, 0, a) ^ BIT(n, 1, b) ^ BIT(n, 2, c) ^ BIT(n, 3, d) ^ BIT(n, 4, e) ^ BIT(n, 5, f) ^     \
     BIT(n, 6, g) ^ BIT(n, 7, h))
#define E4(n, ...)                                                                                 \
    E1(n, __VA_ARGS__), E1((n) + 1, __VA_ARGS__), E1((n) + 2, __VA_ARGS__), E1((n) + 3, __VA_ARGS__)
#define E16(n, ...)                                                                                \
    E4(n, __VA_ARGS__), E4((n) + 4, __VA_ARGS__), E4((n) + 8, __VA_ARGS__),                        \
        E4((n) + 12, __VA_ARGS__)
#define E64(n, ...)                                                                                \
    E16(n, __VA_ARGS__), E16((n) + 16, __VA_ARGS__), E16((n) + 32, __VA_ARGS__),                   \
        E16((n) + 48, __VA_ARGS__)
#define SLICE(...)                                                                                 \
    {                                                                                              \
        E64(0, __VA_ARGS__), E64(64, __VA_ARGS__), E64(128, __VA_ARGS__), E64(192, __VA_ARGS__)    \
    }

static const uint32_t table[8][256] = {
    SLICE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
          0x82f63b78),
    SLICE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
          0xfbc3faf9),
    SLICE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
          0x8b277743),
    SLICE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
          0x52a0c93f),
    SLICE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
          0x6ea2d55c),
    SLICE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
          0x1c08b7d6),
    SLICE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
          0xf56e0ef4),
    SLICE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
          0x34019664),
};

uint32_t crc32c_tables(uint32_t seed, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    uint32_t crc = ~seed;
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t v = load_le64(p) ^ crc;
        crc = table[7][v & 255] ^ table[6][v >> 8 & 255] ^ table[5][v >> 16 & 255] ^
              table[4][v >> 24 & 255] ^ table[3][v >> 32 & 255] ^ table[2][v >> 40 & 255] ^
              table[1][v >> 48 & 255] ^ table[0][v >> 56];
    }
    while (length--)
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The instruction takes three cycles and another can begin in each, so three lanes of LANE octets
 * run side by side. Putting n octets of zero behind a message multiplies its CRC by x^(8n); here by
 * carry-less multiplication with x^(8n - 33), since a product of reflected numbers is short of
 * one x, and the instruction multiplies by x^32. */
#define LANES(name, lane, one, two)                                                                \
    __attribute__((target("sse4.2,pclmul"))) static uint64_t name(                                 \
        uint64_t crc, const uint8_t **bytes, size_t *length)                                       \
    {                                                                                              \
        const __m128i by_one = _mm_cvtsi64_si128(one), by_two = _mm_cvtsi64_si128(two);            \
        for (; *length >= 3 * (lane); *bytes += 3 * (lane), *length -= 3 * (lane)) {               \
            const uint8_t *p = *bytes;                                                             \
            uint64_t second = 0, third = 0;                                                        \
            for (size_t i = 0; i < (lane); i += 8) {                                               \
                crc = _mm_crc32_u64(crc, load_le64(p + i));                                        \
                second = _mm_crc32_u64(second, load_le64(p + (lane) + i));                         \
                third = _mm_crc32_u64(third, load_le64(p + 2 * (lane) + i));                       \
            }                                                                                      \
            __m128i a = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), by_two, 0);          \
            __m128i b = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)second), by_one, 0);       \
            crc = third ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(a, b)));      \
        }                                                                                          \
        return crc;                                                                                \
    }
LANES(long_lanes, 1024, 0x170076fa, 0xa51b6135)
LANES(short_lanes, 128, 0x0d3b6092, 0xb9e02b86)

__attribute__((target("sse4.2"))) uint32_t crc32c_hardware(uint32_t seed, const void *bytes,
                                                           size_t length)
{
    const uint8_t *p = bytes;
    uint64_t crc = (uint32_t)~seed;
    if (length >= 3 * 128 && __builtin_cpu_supports("pclmul")) {
        crc = long_lanes(crc, &p, &length);
        crc = short_lanes(crc, &p, &length);
    }
    for (; length >= 8; p += 8, length -= 8)
        crc = _mm_crc32_u64(crc, load_le64(p));
    uint32_t last = (uint32_t)crc;
    while (length--)
        last = _mm_crc32_u8(last, *p++);
    return ~last;
}

bool crc32c_have_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#else
uint32_t crc32c_hardware(uint32_t seed, const void *bytes, size_t length)
{
    return crc32c_tables(seed, bytes, length);
}

bool crc32c_have_hardware(void)
{
    return false;
}
#endif

uint32_t crc32c(uint32_t seed, const void *bytes, size_t length)
{
    return crc32c_have_hardware() ? crc32c_hardware(seed, bytes, length)
                                  : crc32c_tables(seed, bytes, length);
}
