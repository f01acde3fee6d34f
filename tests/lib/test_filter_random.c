/* test_filter_random.c - random filters on random records, against an evaluator of this file that
 * knows no columns, no ranges and no parser: it walks its own tree, one record at a time. The text
 * of that tree is what the library gets. And the judge, against what was really selected.
 *
 * The seed is fixed; a failure prints the filter. */
#include "flow/filter.h"
#include "flow/filter_private.h"
#include "filter_grid.h"
#include "unit.h"

#include <stdio.h>

#define ROUNDS    3000
#define TEXT_MOST 16384

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void) /* xorshift64 */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n)
{
    return rnd() % n;
}

/* ---- the columns ---- */

static const struct {
    const char *name;
    ie_key key;
    uint8_t width;
    uint64_t values; /* drawn from [first, first + values) */
    uint64_t first;
} numbers[] = {
    {"src port", IANA(7), 2, 40, 30},
    {"destinationTransportPort", IANA(11), 2, 40, 65500},
    {"proto", IANA(4), 1, 30, 0},
    {"tos", IANA(5), 1, 256, 0},
    {"octetDeltaCount", IANA(1), 8, 60, UINT64_MAX - 60},
    {"packets", WEIR_PACKETS, 8, 20, 0},
    {"bytes", WEIR_OCTETS, 8, 3000, 0},
    {"src as", IANA(16), 4, 50, 0xfffffff0u - 40},
    {"in if", IANA(10), 4, 10, 0},
    {"ie4000", IE_KEY(0, 4000), 0, 300, 1 << 12}, /* unknown: octets, big-endian */
    {"mibObjectValueInteger", IANA(434), 4, 40, 0},
};
enum {
    NUMBERS = sizeof numbers / sizeof numbers[0],
    SIGNED_ONE = NUMBERS - 1,
    OCTETS_ONE = NUMBERS - 2
};

static uint8_t unknown_bytes[300][2];
static const char *const texts[] = {"a", "ab", "b", "ba", "bab", ""};

static uint64_t draw(int n)
{
    uint64_t v = numbers[n].first + below(numbers[n].values);
    return n == SIGNED_ONE ? (uint32_t)(v - 20) : v;
}

static void put_random(struct grid *g, uint32_t r, unsigned presence)
{
    for (int n = 0; n < NUMBERS; n++) {
        if (below(100) >= presence)
            continue;
        uint64_t v = draw(n);
        if (n == OCTETS_ONE)
            grid_octets(g, r, numbers[n].key, unknown_bytes[v - (1 << 12)], 2);
        else
            grid_number(g, r, numbers[n].key, numbers[n].width, v);
    }
    uint8_t v6[16] = {[10] = 0xff, [11] = 0xff, 10, 0, (uint8_t)below(3), (uint8_t)below(8)};
    if (below(3) == 0)
        v6[0] = 0x20;
    if (below(100) < presence)
        grid_put(g, r, IANA(27), 16, v6);
    if (below(100) < presence)
        grid_number(g, r, IANA(8), 4, 0x0a000000 | below(3) << 8 | below(8));
    uint64_t start = 1000 + below(20), end = start + below(5) * 1000 - 500;
    grid_number(g, r, WEIR_FLOW_START, 8, start);
    grid_number(g, r, WEIR_FLOW_END, 8, end);
    const char *t = texts[below(6)];
    if (below(100) < presence)
        grid_octets(g, r, IANA(96), t, (uint32_t)strlen(t));
}

/* ---- a tree of this file's own ---- */

enum what { W_NUMBER, W_LIST, W_NET, W_DURATION, W_PPS, W_TEXT, W_HAS, W_AND, W_OR, W_NOT };

struct tree {
    enum what what;
    int column, compare;
    uint64_t value;
    uint32_t count;
    uint64_t list[64];
    const char *text;
    struct tree *a, *b;
};

static struct tree pool[256];
static uint32_t pooled;

static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};

static bool compares(int sign, int order) /* order: -1, 0, 1 */
{
    switch (sign) {
    case 0:
        return order == 0;
    case 1:
        return order != 0;
    case 2:
        return order < 0;
    case 3:
        return order <= 0;
    case 4:
        return order > 0;
    default:
        return order >= 0;
    }
}

static struct tree *grow_leaf(struct tree *t)
{
    t->what = (enum what)below(7);
    t->column = (int)below(NUMBERS);
    t->compare = (int)below(6);
    t->value = draw(t->column);
    t->count = 1 + (uint32_t)below(below(2) ? 60 : 6);
    for (uint32_t i = 0; i < t->count; i++)
        t->list[i] = draw(t->column);
    t->text = texts[below(5)];
    if (t->what == W_NET)
        t->value = 22 + below(11); /* prefix length; list[0]: the address */
    if (t->what == W_NET)
        t->list[0] = 0x0a000000 | below(3) << 8 | below(8);
    if (t->what == W_DURATION)
        t->value = 500 + below(4) * 500;
    if (t->what == W_PPS)
        t->value = below(12);
    return t;
}

static struct tree *grow_tree(unsigned depth)
{
    struct tree *t = &pool[pooled++];
    *t = (struct tree){0};
    if (depth == 0 || below(4) == 0)
        return grow_leaf(t);
    t->what = (enum what)(W_AND + below(3));
    t->a = grow_tree(depth - 1);
    if (t->what != W_NOT)
        t->b = grow_tree(depth - 1);
    return t;
}

static char *print_number(char *at, int column, uint64_t v)
{
    if (column == SIGNED_ONE)
        return at + sprintf(at, "%d", (int32_t)(uint32_t)v);
    return at + sprintf(at, "%llu", (unsigned long long)v);
}

static char *print_list(char *at, const struct tree *t)
{
    at += sprintf(at, "%s in [", numbers[t->column].name);
    for (uint32_t i = 0; i < t->count; i++) {
        at = print_number(at, t->column, t->list[i]);
        *at++ = i % 3 ? ',' : ' ';
    }
    return at + sprintf(at, "]");
}

static char *print_tree(char *at, const struct tree *t)
{
    switch (t->what) {
    case W_NUMBER:
        at += sprintf(at, "%s %s ", numbers[t->column].name, signs[t->compare]);
        return print_number(at, t->column, t->value);
    case W_LIST:
        return print_list(at, t);
    case W_NET:
        return at + sprintf(at, "src net 10.0.%u.%u/%u", (unsigned)(t->list[0] >> 8 & 255),
                            (unsigned)(t->list[0] & 255), (unsigned)t->value);
    case W_DURATION:
        return at + sprintf(at, "duration %s %u", signs[t->compare], (unsigned)t->value);
    case W_PPS:
        return at + sprintf(at, "pps %s %u", signs[t->compare], (unsigned)t->value);
    case W_TEXT:
        return at + sprintf(at, "applicationName %s '%s'", signs[t->compare], t->text);
    case W_HAS:
        return at + sprintf(at, "has applicationName");
    case W_NOT:
        at = print_tree(at + sprintf(at, "not ("), t->a);
        return at + sprintf(at, ")");
    default:
        at = print_tree(at + sprintf(at, "("), t->a);
        at = print_tree(at + sprintf(at, t->what == W_AND ? ") and (" : ") or ("), t->b);
        return at + sprintf(at, ")");
    }
}

/* ---- its evaluator ---- */

static bool cell(const struct grid *g, uint32_t r, ie_key key, const uint8_t **value)
{
    for (uint32_t i = 0; i < g->columns; i++) {
        const struct grid_column *c = &g->column[i];
        *value = c->values + r * grid_size(c->width);
        if (c->key == key)
            return c->present[r / 64] >> (r % 64) & 1;
    }
    return false;
}

static bool cell_number(const struct grid *g, uint32_t r, int column, int64_t *out)
{
    const uint8_t *value;
    uint64_t n = 0;
    struct octets o;
    if (!cell(g, r, numbers[column].key, &value))
        return false;
    memcpy(&n, value, numbers[column].width);
    if (column == OCTETS_ONE) {
        memcpy(&o, value, sizeof o);
        n = (uint64_t)o.bytes[0] << 8 | o.bytes[1];
    }
    /* Signed order for all: the unsigned ones are moved down by 2^63. */
    *out = column == SIGNED_ONE ? (int32_t)(uint32_t)n : (int64_t)(n ^ UINT64_C(1) << 63);
    return true;
}

static int64_t as_ordered(int column, uint64_t v)
{
    return column == SIGNED_ONE ? (int32_t)(uint32_t)v : (int64_t)(v ^ UINT64_C(1) << 63);
}

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static bool holds_number(const struct tree *t, const struct grid *g, uint32_t r)
{
    int64_t n;
    if (!cell_number(g, r, t->column, &n))
        return false;
    if (t->what == W_NUMBER)
        return compares(t->compare, order_of(n, as_ordered(t->column, t->value)));
    for (uint32_t i = 0; i < t->count; i++)
        if (n == as_ordered(t->column, t->list[i]))
            return true;
    return false;
}

static bool holds_net(const struct tree *t, const struct grid *g, uint32_t r)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *value;
    uint32_t a;
    unsigned drop = 32 - (unsigned)t->value;
    if (cell(g, r, IANA(8), &value)) {
        memcpy(&a, value, 4);
        if (a >> drop == (uint32_t)t->list[0] >> drop)
            return true;
    }
    if (!cell(g, r, IANA(27), &value) || memcmp(value, mapped, 12) != 0)
        return false;
    a = (uint32_t)value[12] << 24 | (uint32_t)value[13] << 16 | (uint32_t)value[14] << 8 |
        value[15];
    return a >> drop == (uint32_t)t->list[0] >> drop;
}

static bool holds_rate(const struct tree *t, const struct grid *g, uint32_t r)
{
    const uint8_t *value;
    uint64_t start = 0, end = 0, packets = 0;
    bool all = true;
    if (cell(g, r, WEIR_FLOW_START, &value))
        memcpy(&start, value, 8);
    if (cell(g, r, WEIR_FLOW_END, &value))
        memcpy(&end, value, 8);
    if (t->what == W_PPS && (all = cell(g, r, WEIR_PACKETS, &value)))
        memcpy(&packets, value, 8);
    uint64_t duration = end > start ? end - start : 0;
    uint64_t n = t->what == W_DURATION ? duration : duration ? packets * 1000 / duration : 0;
    return all && compares(t->compare, order_of((int64_t)n, (int64_t)t->value));
}

static bool holds_text(const struct tree *t, const struct grid *g, uint32_t r)
{
    const uint8_t *value;
    struct octets o;
    char text[8] = "";
    if (!cell(g, r, IANA(96), &value))
        return false;
    memcpy(&o, value, sizeof o);
    memcpy(text, o.bytes, o.length);
    return t->what == W_HAS || compares(t->compare, strcmp(text, t->text));
}

static bool holds(const struct tree *t, const struct grid *g, uint32_t r)
{
    switch (t->what) {
    case W_NUMBER:
    case W_LIST:
        return holds_number(t, g, r);
    case W_NET:
        return holds_net(t, g, r);
    case W_DURATION:
    case W_PPS:
        return holds_rate(t, g, r);
    case W_TEXT:
    case W_HAS:
        return holds_text(t, g, r);
    case W_AND:
        return holds(t->a, g, r) && holds(t->b, g, r);
    case W_OR:
        return holds(t->a, g, r) || holds(t->b, g, r);
    default:
        return !holds(t->a, g, r);
    }
}

/* ---- bounds, as a block would keep them ---- */

struct known {
    const struct grid *grid;
    bool silent; /* every third column is not known */
};

static bool bounds_of(void *context, ie_key key, struct column_bounds *out)
{
    const struct known *k = context;
    *out = (struct column_bounds){.key = key, .all_present = true, .least = UINT64_MAX};
    memset(out->least_octets, 0xff, 16);
    if (k->silent && key % 3 == 0)
        return false;
    for (uint32_t i = 0; i < k->grid->columns; i++) {
        const struct grid_column *c = &k->grid->column[i];
        if (c->key != key)
            continue;
        out->width = c->width;
        for (uint32_t r = 0; r < k->grid->rows; r++) {
            const uint8_t *at = c->values + r * grid_size(c->width);
            uint64_t n = 0;
            if (!(c->present[r / 64] >> (r % 64) & 1)) {
                out->all_present = false;
                continue;
            }
            out->any = true;
            memcpy(&n, at, c->width <= 8 ? c->width : 0);
            out->least = n < out->least ? n : out->least;
            out->most = n > out->most ? n : out->most;
            if (c->width == 16 && memcmp(at, out->least_octets, 16) < 0)
                memcpy(out->least_octets, at, 16);
            if (c->width == 16 && memcmp(at, out->most_octets, 16) > 0)
                memcpy(out->most_octets, at, 16);
        }
    }
    out->all_present &= out->any;
    return true;
}

/* ---- the comparison ---- */

static unsigned verdicts[3];

static void check_judge(const char *text, const struct filter *f, const struct grid *g,
                        uint32_t count)
{
    for (int silent = 0; silent < 2; silent++) {
        struct known k = {g, silent};
        enum filter_verdict v = filter_judge(f, bounds_of, &k);
        bool right = v == FILTER_SOME || (v == FILTER_NONE ? count == 0 : count == g->rows);
        verdicts[v] += !silent;
        CU_ASSERT_TRUE(right);
        if (!right)
            printf("\n  judged %d, selected %u of %u: %s", (int)v, count, g->rows, text);
    }
}

static uint32_t check_frame(const char *text, const struct filter *f, const struct tree *t,
                            const struct grid *g, const struct frame *frame)
{
    struct arena arena = {0};
    uint64_t *selected = grid_memory(grid_words(g->rows) * 8);
    uint32_t count = 0, wrong = 0, said = filter_select(f, frame, &arena, selected);
    for (uint32_t r = 0; r < g->rows; r++) {
        bool expected = holds(t, g, r);
        count += expected;
        wrong += expected != (selected[r / 64] >> (r % 64) & 1);
    }
    if (g->rows % 64)
        wrong += (selected[g->rows / 64] >> (g->rows % 64)) != 0;
    CU_ASSERT_EQUAL(said, count);
    CU_ASSERT_EQUAL(wrong, 0);
    if (wrong)
        printf("\n  %u of %u rows wrong: %s", wrong, g->rows, text);
    free(selected);
    arena_free(&arena);
    return count;
}

static void one_round(unsigned presence)
{
    static char text[TEXT_MOST];
    struct grid g = {.rows = 1 + (uint32_t)below(below(4) ? 200 : 3)};
    struct filter *f;
    struct weir_error error = {0};
    for (uint32_t r = 0; r < g.rows; r++)
        put_random(&g, r, presence);
    pooled = 0;
    struct tree *t = grow_tree((unsigned)below(5));
    print_tree(text, t);
    enum weir_status status = filter_parse(text, NULL, NULL, &f, &error);
    CU_ASSERT_EQUAL(status, WEIR_OK);
    if (status != WEIR_OK) {
        printf("\n  %s: %s", text, error.message);
        return;
    }
    struct frame flat = grid_flat(&g);
    uint32_t count = check_frame(text, f, t, &g, &flat);
    kernel_force_plain(true);
    check_frame(text, f, t, &g, &flat);
    kernel_force_plain(false);
    struct frame dictionary = grid_dictionary(&g);
    check_frame(text, f, t, &g, &dictionary);
    check_judge(text, f, &g, count);
    filter_free(f);
    grid_free(&g);
}

static void test_random(void)
{
    static const unsigned presences[] = {100, 90, 50, 0};
    for (int i = 0; i < 300; i++) {
        unknown_bytes[i][0] = (uint8_t)(((1 << 12) + i) >> 8);
        unknown_bytes[i][1] = (uint8_t)((1 << 12) + i);
    }
    for (int i = 0; i < ROUNDS; i++)
        one_round(presences[i % 4]);
    /* A judge that always shrugs would pass: it must decide often. */
    CU_ASSERT_TRUE(verdicts[FILTER_NONE] > ROUNDS / 20);
    CU_ASSERT_TRUE(verdicts[FILTER_ALL] > ROUNDS / 20);
    CU_ASSERT_TRUE(verdicts[FILTER_SOME] > ROUNDS / 20);
}

/* ---- judging by hand, where the order of storage is not the order of the element ---- */

static bool fixed_bounds(void *context, ie_key key, struct column_bounds *out)
{
    *out = *(const struct column_bounds *)context;
    out->key = key;
    return true;
}

static enum filter_verdict judged(const char *text, struct column_bounds b)
{
    struct filter *f;
    CU_ASSERT_EQUAL_FATAL(filter_parse(text, NULL, NULL, &f, NULL), WEIR_OK);
    enum filter_verdict v = filter_judge(f, fixed_bounds, &b);
    filter_free(f);
    return v;
}

static uint64_t bits_of(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static void test_judge_orders(void)
{
    struct column_bounds mixed = {
        .width = 4, .any = true, .all_present = true, .least = 1, .most = (uint32_t)-1};
    struct column_bounds minus = {
        .width = 4, .any = true, .all_present = true, .least = (uint32_t)-9, .most = (uint32_t)-2};
    struct column_bounds floats = {
        .width = 8, .any = true, .all_present = true, .least = bits_of(1.5), .most = bits_of(2.5)};
    struct column_bounds cold = {.width = 8,
                                 .any = true,
                                 .all_present = true,
                                 .least = bits_of(-1.5),
                                 .most = bits_of(-2.5)};
    struct column_bounds nan = {.width = 8,
                                .any = true,
                                .all_present = true,
                                .least = bits_of(1.5),
                                .most = bits_of(__builtin_nan(""))};
    struct column_bounds none = {.any = false};
    CU_ASSERT_EQUAL(judged("mibObjectValueInteger > 0", mixed), FILTER_SOME);
    CU_ASSERT_EQUAL(judged("mibObjectValueInteger < 0", minus), FILTER_ALL);
    CU_ASSERT_EQUAL(judged("mibObjectValueInteger > -2", minus), FILTER_NONE);
    CU_ASSERT_EQUAL(judged("samplingProbability > 1.4", floats), FILTER_ALL);
    CU_ASSERT_EQUAL(judged("samplingProbability > 2.5", floats), FILTER_NONE);
    CU_ASSERT_EQUAL(judged("samplingProbability < -1.6", cold), FILTER_SOME);
    CU_ASSERT_EQUAL(judged("samplingProbability < -1", cold), FILTER_ALL);
    CU_ASSERT_EQUAL(judged("samplingProbability > 0", cold), FILTER_NONE);
    CU_ASSERT_EQUAL(judged("samplingProbability > 1", nan), FILTER_SOME);
    CU_ASSERT_EQUAL(judged("samplingProbability > 1", none), FILTER_NONE);
    CU_ASSERT_EQUAL(judged("not samplingProbability > 1", none), FILTER_ALL);
    CU_ASSERT_EQUAL(judged("flags S", none), FILTER_NONE);
    CU_ASSERT_EQUAL(judged("applicationName = 'x'", (struct column_bounds){.any = true}),
                    FILTER_SOME);
}

UNIT_MAIN("filter, random", {"random", test_random}, {"judge orders", test_judge_orders})
