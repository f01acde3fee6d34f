/* test_query_parts.c - the pieces of dbcomponent/query alone: names of keys, masks, interned
 * values, group tables, the packing of keys, and the inner loops, plain against vectorised. */
#include "query/groups.h"
#include "query/intern.h"
#include "query/keys.h"
#include "query/layout.h"
#include "query/loops.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

static uint64_t state = 7;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* ---- keys ---- */

static void names_of_keys(void)
{
    static const struct {
        const char *name;
        ie_key key;
        int prefix, type;
    } good[] = {
        {"srcTag", WEIR_SRC_TAG, -1, IE_UNSIGNED32},
        {"dstTag", WEIR_DST_TAG, -1, IE_UNSIGNED32},
        {"exporter", WEIR_EXPORTER, -1, IE_IPV6},
        {"domain", WEIR_DOMAIN, -1, IE_UNSIGNED32},
        {"srcIP", WEIR_SRC_IP, -1, IE_IPV6},
        {"dstIP/24", WEIR_DST_IP, 24, IE_IPV6},
        {"sourceIPv4Address/16", IANA(8), 16, IE_IPV4},
        {"sourceIPv6Address/128", IANA(27), 128, IE_IPV6},
        {"protocolIdentifier", IANA(4), -1, IE_UNSIGNED8},
        {"srcPort", IANA(7), -1, IE_UNSIGNED16},
        {"dstPort", IANA(11), -1, IE_UNSIGNED16},
        {"srcAS", IANA(16), -1, IE_UNSIGNED32},
        {"dstAS", IANA(17), -1, IE_UNSIGNED32},
        {"proto", IANA(4), -1, IE_UNSIGNED8},
        {"tos", IANA(5), -1, IE_UNSIGNED8},
        {"interfaceName", IANA(82), -1, IE_OCTET_ARRAY},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct totals_key k;
        CU_ASSERT_EQUAL(key_parse(good[i].name, &k, NULL), WEIR_OK);
        CU_ASSERT_EQUAL(k.key, good[i].key);
        CU_ASSERT_EQUAL(k.prefix_length, good[i].prefix);
        CU_ASSERT_PTR_EQUAL(k.name, good[i].name);
    }
}

static void wrong_keys(void)
{
    static const struct {
        const char *name, *says;
    } bad[] = {
        {"srcTga", "srcTag"},
        {"sourceIPv4Adress", "sourceIPv4Address"},
        {"nothingLikeThisAtAll", "expected an IPFIX element"},
        {"", "empty"},
        {"sourceIPv4Address/33", "0 to 32"},
        {"srcPort/8", "only addresses"},
        {"sourceIPv6Address/129", "0 to 128"},
        {"sourceIPv4Address/", "0 to 32"},
        {"sourceIPv4Address/8x", "0 to 32"},
        {"sourceIPv4Address/-1", "0 to 32"},
        {"protocolIdentifier/4", "only addresses"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct totals_key k;
        struct weir_error e = {0};
        CU_ASSERT_EQUAL(key_parse(bad[i].name, &k, &e), WEIR_EARGUMENT);
        CU_ASSERT_STRING_EQUAL(e.field, "by");
        CU_ASSERT_PTR_NOT_NULL(strstr(e.message, bad[i].says));
    }
    const char *twice[] = {"srcTag", "dstTag", "srcTag"};
    const char *in_other_words[] = {"proto", "protocolIdentifier"};
    const char *prefixes[] = {"srcIP", "srcIP/24"};
    struct totals_key keys[TOTALS_KEYS_MOST];
    CU_ASSERT_EQUAL(keys_parse(twice, 3, keys, NULL), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(keys_parse(twice, TOTALS_KEYS_MOST + 1, keys, NULL), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(keys_parse(in_other_words, 2, keys, NULL), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(keys_parse(prefixes, 2, keys, NULL), WEIR_OK);
}

static void masks(void)
{
    uint8_t a[16] = {[10] = 0xff, 0xff, 10, 1, 2, 3}, b[16], full[16];
    memset(full, 0xff, 16);
    memcpy(b, a, 16);
    key_mask(b, 16, true);
    CU_ASSERT_EQUAL(b[11], 0xff);
    CU_ASSERT_EQUAL(b[13], 1);
    CU_ASSERT_EQUAL(b[14], 0);
    memcpy(b, a, 16);
    key_mask(b, 64, true);
    CU_ASSERT_EQUAL(memcmp(a, b, 16), 0);
    key_mask(b, 64, false);
    CU_ASSERT_EQUAL(b[10], 0);
    for (int length = 0; length <= 128; length++) {
        memcpy(b, full, 16);
        key_mask(b, length, false);
        for (int bit = 0; bit < 128; bit++)
            CU_ASSERT_EQUAL(b[bit / 8] >> (7 - bit % 8) & 1, bit < length);
    }
}

/* ---- interned values ---- */

static void numbers_of_values(void)
{
    struct budget budget = {.most = 64 << 20};
    struct intern t;
    uint32_t numbers[5000];
    intern_init(&t, &budget, 99);
    for (uint32_t i = 0; i < 5000; i++)
        numbers[i] = intern_number(&t, i * UINT64_C(0x100000001));
    for (uint32_t i = 0; i < 5000; i++) {
        CU_ASSERT_EQUAL(intern_number(&t, i * UINT64_C(0x100000001)), numbers[i]);
        CU_ASSERT_EQUAL(numbers[i], i + 1);
    }
    uint8_t wide[16] = {1}, octets[300] = {2};
    uint32_t of_wide = intern_wide(&t, wide), of_octets = intern_octets(&t, wide, 16);
    CU_ASSERT_NOT_EQUAL(of_wide, of_octets); /* same bytes, another form */
    CU_ASSERT_EQUAL(intern_octets(&t, octets, 300), intern_octets(&t, octets, 300));
    CU_ASSERT_NOT_EQUAL(intern_octets(&t, octets, 299), intern_octets(&t, octets, 300));
    CU_ASSERT_EQUAL(intern_octets(&t, NULL, 0), intern_octets(&t, octets, 0));
    intern_free(&t);
    CU_ASSERT_EQUAL(budget.used, 0);
}

static void interning_within_the_budget(void)
{
    struct budget budget = {.most = 20000};
    struct weir_error e;
    struct intern t;
    uint32_t i = 0;
    intern_init(&t, &budget, 1);
    while (i < 100000 && intern_number(&t, i) != INTERN_FAILED)
        i++;
    CU_ASSERT(i > 50 && i < 1000);
    CU_ASSERT(budget.used <= budget.most);
    CU_ASSERT_EQUAL(budget_error(&budget, &e), WEIR_ELIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.message, "--query-memory"));
    intern_free(&t);
    CU_ASSERT_EQUAL(budget.used, 0);
}

/* ---- group tables ---- */

static void check_groups(unsigned words, unsigned direct_bits, uint32_t keys)
{
    struct budget budget = {.most = UINT64_C(1) << 30};
    struct groups g;
    uint64_t column[5][LOOP_ROWS], octets[LOOP_ROWS], packets[LOOP_ROWS], flows[LOOP_ROWS];
    const uint64_t *arrays[5];
    uint64_t *want = calloc(keys, 3 * sizeof *want);
    CU_ASSERT_FATAL(want && groups_init(&g, &budget, loops_best(), 5, words, 0, direct_bits));
    for (int round = 0; round < 300; round++) {
        uint32_t n = 1 + (uint32_t)(next() % LOOP_ROWS);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t k = (next() >> 13) % keys;
            for (unsigned w = 0; w < words; w++) /* the last word tells most keys apart */
                column[w][i] = w + 1 == words ? k : k % 3;
            octets[i] = next() >> 40;
            packets[i] = next() >> 50;
            flows[i] = 1 + (i & 1);
            want[3 * k] += octets[i];
            want[3 * k + 1] += packets[i];
            want[3 * k + 2] += flows[i];
        }
        for (unsigned w = 0; w < words; w++)
            arrays[w] = column[w];
        CU_ASSERT_FATAL(groups_add(&g, arrays, octets, packets, flows, n));
    }
    size_t count, used = 0, wrong = 0;
    const uint64_t *record = groups_compact(&g, &count);
    for (uint32_t k = 0; k < keys; k++)
        used += want[3 * k + 2] != 0;
    CU_ASSERT_EQUAL(count, used);
    for (size_t i = 0; i < count; i++, record += g.stride) {
        uint64_t k = record[GROUP_SUMS + words - 1];
        wrong += k >= keys || memcmp(record, &want[3 * k], 3 * sizeof *want) != 0;
        wrong += words > 1 && record[GROUP_SUMS] != k % 3;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    groups_free(&g);
    CU_ASSERT_EQUAL(budget.used, 0);
    free(want);
}

static void groups_hashed_and_direct(void)
{
    check_groups(1, 0, 10);
    check_groups(1, 0, 70000);
    check_groups(2, 0, 70000);
    check_groups(5, 0, 30000);
    check_groups(1, 4, 16);
    check_groups(1, 16, 65536);
}

static void groups_within_the_budget(void)
{
    struct budget budget = {.most = 3 << 20};
    struct groups g;
    uint64_t i = 0, word;
    struct cell one = {1, 1, 1, 0};
    CU_ASSERT_FATAL(groups_init(&g, &budget, loops_best(), 5, 1, 0, 0));
    do
        word = i * 7919;
    while (groups_add_one(&g, &word, &one) && ++i < 1000000);
    CU_ASSERT(i > 10000 && i < 200000);
    CU_ASSERT(budget.used <= budget.most);
    CU_ASSERT_EQUAL(budget_error(&budget, NULL), WEIR_ELIMIT);
    groups_free(&g);
    CU_ASSERT_FALSE(groups_init(&g, &budget, loops_best(), 5, 1, 0, 18));
    CU_ASSERT_EQUAL(budget.used, 0);
}

/* ---- packing ---- */

static void layouts(void)
{
    struct totals_key keys[3];
    struct layout l;
    const char *names[] = {"sourceIPv4Address/16", "sourceTransportPort", "srcTag"};
    CU_ASSERT_EQUAL_FATAL(keys_parse(names, 3, keys, NULL), WEIR_OK);
    layout_start(&l, keys, 3, 100);
    survey_number(&l.components[0], 4, 0x0a000000, 0x0a3fffff);
    survey_number(&l.components[1], 2, 0, 65535);
    l.components[1].seen.lacking = true;
    survey_number(&l.components[2], 4, 1, 8);
    survey_number(&l.components[l.rate], 8, 0, 0);
    layout_finish(&l);
    CU_ASSERT_EQUAL(l.components[0].bits, 6);  /* 0x0a00 … 0x0a3f */
    CU_ASSERT_EQUAL(l.components[1].bits, 17); /* and absent */
    CU_ASSERT_EQUAL(l.components[2].bits, 3);
    CU_ASSERT_EQUAL(l.components[3].bits, 7);  /* the bin */
    CU_ASSERT_EQUAL(l.rate, -1);
    CU_ASSERT_EQUAL(l.words, 1);
    CU_ASSERT_EQUAL(l.bits, 33);
    CU_ASSERT_EQUAL(l.components[0].shift, 27);
    CU_ASSERT_EQUAL(l.components[3].shift, 0);
    struct key_value v;
    uint64_t word = UINT64_C(5) << 27 | UINT64_C(65536) << 10 | 2 << 7;
    component_value(&l.components[0], NULL, &word, &v);
    CU_ASSERT_EQUAL(v.number, 0x0a050000);
    component_value(&l.components[1], NULL, &word, &v);
    CU_ASSERT(v.absent);
    component_value(&l.components[2], NULL, &word, &v);
    CU_ASSERT(v.number == 3 && v.width == 4);
}

static void layouts_of_many_words(void)
{
    struct totals_key keys[2];
    struct layout l;
    const char *names[] = {"octetDeltaCount", "exporter"};
    CU_ASSERT_EQUAL_FATAL(keys_parse(names, 2, keys, NULL), WEIR_OK);
    layout_start(&l, keys, 2, 1);
    survey_number(&l.components[0], 8, 0, UINT64_MAX); /* 64 bits */
    survey_anything(&l.components[1], 16);
    survey_number(&l.components[l.rate], 8, 0, 99);
    layout_finish(&l);
    CU_ASSERT_EQUAL(l.components[0].bits, 64);
    CU_ASSERT_EQUAL(l.words, 2);
    CU_ASSERT_EQUAL(l.rate, 2);
    CU_ASSERT_EQUAL(l.components[1].word, 1);
    CU_ASSERT(l.interned);
    layout_start(&l, keys, 1, 1);
    survey_anything(&l.components[0], 8); /* 64 bits and absent: a number no more */
    layout_finish(&l);
    CU_ASSERT_EQUAL(l.components[0].kind, COMPONENT_INTERNED);
}

/* ---- loops ---- */

static void loops_equal(void)
{
    const struct loops *best = loops_best();
    uint64_t values[LOOP_ROWS], a[LOOP_ROWS], b[LOOP_ROWS], bits[LOOP_ROWS / 64];
    uint16_t codes[LOOP_ROWS];
    uint32_t index[LOOP_ROWS], n = LOOP_ROWS - 3;
    for (uint32_t i = 0; i < LOOP_ROWS; i++) {
        values[i] = next();
        codes[i] = (uint16_t)(next() % 60);
        index[i] = (uint32_t)(next() % LOOP_ROWS);
    }
    for (int w = 0; w < 4; w++)
        for (int indexed = 0; indexed < 2; indexed++) {
            const uint32_t *x = indexed ? index : NULL;
            loops_plain.widen[w](values, x, n, a);
            best->widen[w](values, x, n, b);
            CU_ASSERT_EQUAL(memcmp(a, b, n * sizeof *a), 0);
            loops_plain.look_up[w](values, codes, x, n, a);
            best->look_up[w](values, codes, x, n, b);
            CU_ASSERT_EQUAL(memcmp(a, b, n * sizeof *a), 0);
            loops_plain.widen[w](values, x, n, a);
            loops_plain.rebase(a, n, 3, 11);
            uint64_t word[LOOP_ROWS] = {0}, want[LOOP_ROWS] = {0};
            uint64_t all = loops_plain.combine(want, a, n, 5);
            CU_ASSERT_EQUAL(best->encode[w](values, x, n, 3, 11, 5, word), all);
            CU_ASSERT_EQUAL(memcmp(word, want, sizeof word), 0);
            CU_ASSERT_EQUAL(loops_plain.encode[w](values, x, n, 3, 11, 5, word), all);
            CU_ASSERT_EQUAL(memcmp(word, want, sizeof word), 0);
        }
    for (int density = 0; density < 5; density++) {
        unsigned __int128 all = 0;
        for (uint32_t w = 0; w < LOOP_ROWS / 64; w++) {
            bits[w] = density == 0   ? 0
                      : density == 1 ? next() & next() & next()
                      : density == 2 ? next()
                      : density == 3 ? next() | next() | next()
                                     : UINT64_MAX;
            if (w == LOOP_ROWS / 64 - 1)
                bits[w] &= UINT64_MAX >> 3;
        }
        for (uint32_t i = 0; i < n; i++)
            all += bits[i / 64] >> (i % 64) & 1 ? values[i] : 0;
        uint64_t want = all > UINT64_MAX ? UINT64_MAX : (uint64_t)all;
        CU_ASSERT_EQUAL(loops_plain.sum_selected(values, bits, n), want);
        CU_ASSERT_EQUAL(best->sum_selected(values, bits, n), want);
        uint32_t picked = loop_index(bits, 0, n, index);
        for (uint32_t i = 0; i < picked; i++)
            all -= values[index[i]];
        CU_ASSERT(all == 0);
    }
}

/* Capped at the top, to the unit; halves carry. */
static void sums_at_the_top(void)
{
    const struct loops *sets[] = {&loops_plain, loops_best()};
    uint64_t values[LOOP_ROWS], bits[LOOP_ROWS / 64];
    memset(bits, 0xff, sizeof bits);
    for (size_t s = 0; s < 2; s++)
        for (unsigned over = 0; over < 3; over++) {
            for (uint32_t i = 0; i < LOOP_ROWS; i++)
                values[i] = UINT64_MAX / LOOP_ROWS; /* 511 short of the top */
            values[7] += LOOP_ROWS - 1 + over;
            uint64_t want = UINT64_MAX;
            CU_ASSERT_EQUAL(sets[s]->sum(values, LOOP_ROWS), want);
            CU_ASSERT_EQUAL(sets[s]->sum_selected(values, bits, LOOP_ROWS), want);
            values[7] -= over + 1;
            CU_ASSERT_EQUAL(sets[s]->sum(values, LOOP_ROWS), want - 1);
            CU_ASSERT_EQUAL(sets[s]->sum_selected(values, bits, LOOP_ROWS), want - 1);
        }
    CU_ASSERT_EQUAL(add_capped(UINT64_MAX - 5, 5), UINT64_MAX);
    CU_ASSERT_EQUAL(add_capped(UINT64_MAX - 5, 6), UINT64_MAX);
    CU_ASSERT_EQUAL(add_capped(UINT64_MAX - 5, 4), UINT64_MAX - 1);
    CU_ASSERT_EQUAL(multiply_capped(UINT64_MAX, 2), UINT64_MAX);
}

static void times_and_bins(void)
{
    const struct loops *best = loops_best();
    uint64_t v[LOOP_ROWS], a[LOOP_ROWS], b[LOOP_ROWS], x[LOOP_ROWS / 64], y[LOOP_ROWS / 64];
    const uint64_t from = (uint64_t)INT64_C(-5000), steps[] = {1, 7, 60000, 86400000, 999999937};
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        for (uint32_t i = 0; i < LOOP_ROWS; i++) /* many at the edges of bins */
            v[i] = from + (next() % 100000) * steps[s] +
                   (i % 3   ? next() % steps[s]
                    : i % 2 ? steps[s] - 1
                            : 0);
        memcpy(a, v, sizeof v);
        memcpy(b, v, sizeof v);
        loops_plain.divide(a, LOOP_ROWS, from, steps[s]);
        best->divide(b, LOOP_ROWS, from, steps[s]);
        for (uint32_t i = 0; i < LOOP_ROWS; i++)
            CU_ASSERT(a[i] == (v[i] - from) / steps[s] && b[i] == a[i]);
        uint64_t width = 50000 * steps[s];
        uint32_t count = 0, n = LOOP_ROWS - 30;
        for (uint32_t i = 0; i < n; i++)
            count += v[i] - from < width;
        CU_ASSERT_EQUAL(loops_plain.inside(v, n, from, width, x), count);
        CU_ASSERT_EQUAL(best->inside(v, n, from, width, y), count);
        CU_ASSERT_EQUAL(memcmp(x, y, (n + 63) / 64 * 8), 0);
        CU_ASSERT_EQUAL(x[(n - 1) / 64] >> (n % 64), 0);
    }
}

static void codes_and_cells(void)
{
    const struct loops *sets[] = {&loops_plain, loops_best()};
    struct cell cells[2][4 * 16];
    for (int s = 0; s < 2; s++) {
        uint64_t v[LOOP_ROWS], word[LOOP_ROWS] = {0}, one[LOOP_ROWS], all;
        uint64_t sums[16] = {0};
        for (uint32_t i = 0; i < LOOP_ROWS; i++) {
            v[i] = 1000 + (i * 37 % 16) * 4 + i % 4;
            one[i] = i;
            sums[i * 37 % 16] += i;
        }
        sets[s]->rebase(v, LOOP_ROWS, 2, 250);
        all = sets[s]->combine(word, v, LOOP_ROWS, 0);
        CU_ASSERT_EQUAL(all, 15);
        memset(cells[s], 0, sizeof cells[s]);
        sets[s]->direct(cells[s], 16, word, one, one, one, LOOP_ROWS - 1);
        sums[(LOOP_ROWS - 1) * 37 % 16] -= LOOP_ROWS - 1;
        for (int c = 0; c < 16; c++)
            CU_ASSERT_EQUAL(cells[s][c].octets + cells[s][16 + c].octets + cells[s][32 + c].octets +
                                cells[s][48 + c].octets, sums[c]);
        memset(word, 0, sizeof word);
        CU_ASSERT_EQUAL(sets[s]->combine(word, v, 3, 60) & 15, v[0] | v[1] | v[2]);
    }
    CU_ASSERT_EQUAL(memcmp(cells[0], cells[1], sizeof cells[0]), 0);
}

UNIT_MAIN("query parts", {"names of keys", names_of_keys}, {"wrong keys", wrong_keys},
          {"masks", masks}, {"numbers of values", numbers_of_values},
          {"interning within the budget", interning_within_the_budget},
          {"groups, hashed and direct", groups_hashed_and_direct},
          {"groups within the budget", groups_within_the_budget}, {"layouts", layouts},
          {"layouts of many words", layouts_of_many_words}, {"loops, plain and best", loops_equal},
          {"sums at the top", sums_at_the_top}, {"times and bins", times_and_bins},
          {"codes and cells", codes_and_cells})
