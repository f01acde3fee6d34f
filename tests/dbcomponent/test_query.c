/* test_query.c - totals against a row-at-a-time recomputation, over random flows, keys, filters,
 * intervals, steps and tops: blocks, roll-ups, one thread and two must all say the same. */
#include "dbcomponent/query_data.h"

#define BLOCKS 14u
#define ROWS_MOST 3000u

static struct flow *flows;
static uint32_t flow_count;
static struct store *store;

static void make_store(void)
{
    struct weir_error error = {0};
    flows = calloc(BLOCKS * ROWS_MOST, sizeof *flows);
    CU_ASSERT_FATAL(flows != NULL);
    CU_ASSERT_EQUAL_FATAL(store_open(folder_make(), STORE_CREATE, &store, &error), WEIR_OK);
    flow_count = 0;
    for (uint32_t b = 0; b < BLOCKS; b++) {
        struct flavour f = random_flavour(b, BLOCKS);
        uint32_t n = b == 3 ? 1 : b == 4 ? 64 : 1 + random_below(ROWS_MOST);
        for (uint32_t i = 0; i < n; i++)
            random_flow(&flows[flow_count + i], &f);
        append_block(store, flows + flow_count, n, b + 1, NULL);
        flow_count += n;
    }
}

static void drop_store(void)
{
    store_close(store);
    folder_remove();
    free(flows);
}

/* ---- keys, said twice: by name, and as text of a flow ---- */

static void mask_text(const uint8_t octets[16], int length, bool both, char *out)
{
    uint8_t o[16];
    memcpy(o, octets, 16);
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (both && !memcmp(o, mapped, 12))
        length = length < 0 || length > 32 ? 128 : 96 + length;
    if (length < 0)
        length = 128;
    for (int bit = length; bit < 128; bit++)
        o[bit / 8] &= (uint8_t)~(0x80 >> (bit % 8));
    for (int i = 0; i < 16; i++)
        sprintf(out + 2 * i, "%02x", o[i]);
}

static void ip_text(const struct flow *w, bool source, int length, char *out)
{
    static const uint8_t none[16];
    uint32_t v4 = source ? w->src4 : w->dst4;
    const uint8_t *v6 = source ? w->src6 : w->dst6;
    struct address mapped = address_from_ipv4(v4);
    bool use6 = w->has6 && (!w->has4 || (v4 == 0 && memcmp(v6, none, 16)));
    if (use6)
        mask_text(v6, length, true, out);
    else if (w->has4)
        mask_text(mapped.octets, length, true, out);
    else
        strcpy(out, "-");
}

static void number_text(bool has, uint64_t n, char *out)
{
    if (has)
        sprintf(out, "%llu", (unsigned long long)n);
    else
        strcpy(out, "-");
}

enum test_key {
    K_SRC_TAG, K_DST_TAG, K_EXPORTER, K_DOMAIN, K_PROTOCOL, K_SRC_IP, K_SRC_IP24, K_DST_IP8, K_SRC4,
    K_SRC4_16, K_SRC4_0, K_SRC6, K_SRC6_32, K_SPORT, K_DPORT, K_TOS, K_AS, K_NAME, K_RATE, K_ORIGIN,
    K_EXPORTER_28, K_PACKETS, K_ABSENT, KEYS
};
static const char *const key_names[KEYS] = {
    "srcTag", "dstTag", "exporter", "domain", "protocolIdentifier", "srcIP", "srcIP/24", "dstIP/8",
    "sourceIPv4Address", "sourceIPv4Address/16", "sourceIPv4Address/0", "sourceIPv6Address",
    "sourceIPv6Address/32", "sourceTransportPort", "destinationTransportPort", "ipClassOfService",
    "bgpSourceAsNumber", "interfaceName", "samplingRate", "samplingOrigin", "exporter/28",
    "packets", "vlanId"};
static const enum test_key rollup_keys[] = {K_SRC_TAG, K_DST_TAG,  K_EXPORTER, K_DOMAIN,
                                            K_PROTOCOL, K_RATE, K_ORIGIN, K_EXPORTER_28};

static void key_text(const struct flow *w, enum test_key k, char *out)
{
    uint64_t rate;
    memcpy(&rate, &w->rate, 8);
    switch (k) {
    case K_SRC_TAG: number_text(true, w->src_tag, out); return;
    case K_DST_TAG: number_text(true, w->dst_tag, out); return;
    case K_EXPORTER: mask_text(w->exporter.octets, -1, true, out); return;
    case K_EXPORTER_28: mask_text(w->exporter.octets, 28, true, out); return;
    case K_DOMAIN: number_text(true, w->domain, out); return;
    case K_PROTOCOL: number_text(w->has_protocol, w->protocol, out); return;
    case K_SRC_IP: ip_text(w, true, -1, out); return;
    case K_SRC_IP24: ip_text(w, true, 24, out); return;
    case K_DST_IP8: ip_text(w, false, 8, out); return;
    case K_SRC4: number_text(w->has4, w->src4, out); return;
    case K_SRC4_16: number_text(w->has4, w->src4 & 0xffff0000u, out); return;
    case K_SRC4_0: number_text(w->has4, 0, out); return;
    case K_SRC6: w->has6 ? mask_text(w->src6, -1, false, out) : (void)strcpy(out, "-"); return;
    case K_SRC6_32: w->has6 ? mask_text(w->src6, 32, false, out) : (void)strcpy(out, "-"); return;
    case K_SPORT: number_text(w->has_ports, w->src_port, out); return;
    case K_DPORT: number_text(w->has_ports, w->dst_port, out); return;
    case K_TOS: number_text(true, w->tos, out); return;
    case K_AS: number_text(w->has_as, w->src_as, out); return;
    case K_NAME: sprintf(out, "%s", w->has_name ? w->name : "-"); return;
    case K_RATE: number_text(true, rate, out); return;
    case K_ORIGIN: number_text(true, w->origin, out); return;
    case K_PACKETS: number_text(true, w->packets, out); return;
    default: strcpy(out, "-"); return;
    }
}

static void value_text(const struct key_value *v, char *out)
{
    if (v->absent)
        strcpy(out, "-");
    else if (v->width == 16)
        for (int i = 0; i < 16; i++)
            sprintf(out + 2 * i, "%02x", v->octets[i]);
    else if (v->width == 0)
        sprintf(out, "%.*s", (int)v->text.length, (const char *)v->text.bytes);
    else
        sprintf(out, "%llu", (unsigned long long)v->number);
}

/* ---- filters, said twice ---- */

static bool f_tcp(const struct flow *w) { return w->has_protocol && w->protocol == 6; }
static bool f_net(const struct flow *w)
{
    return w->has4 && (w->src4 & 0xfff80000u) == 0x0a080000u;
}
static bool f_host6(const struct flow *w)
{
    static const uint8_t a[16] = {0x20, 1, 0x0d, 0xb8, 0, 2, [15] = 7};
    return w->has6 && !memcmp(w->src6, a, 16);
}
static bool f_port(const struct flow *w) { return w->has_ports && w->dst_port == 443; }
static bool f_packets(const struct flow *w) { return w->packets > 15; }
static bool f_tag(const struct flow *w) { return w->src_tag == 2; }
static bool f_dtag(const struct flow *w) { return w->dst_tag == 4; }
static bool f_domain(const struct flow *w) { return w->domain == 1; }
static bool f_exporter(const struct flow *w)
{
    struct address a = address_from_ipv4(0xc0000202);
    return !memcmp(&a, &w->exporter, sizeof a);
}
static bool f_tos(const struct flow *w) { return w->tos == 64; }
static bool f_never(const struct flow *w) { return w->packets > 1000000000; }
static bool f_as(const struct flow *w) { return w->has_as && w->src_as == 64503; }
static const struct {
    const char *text;
    bool (*holds)(const struct flow *w);
    bool rollup;
} filters[] = {
    {"proto tcp", f_tcp, true},        {"src tag 2", f_tag, true},
    {"dst tag 4", f_dtag, true},       {"domain 1", f_domain, true},
    {"exporter 192.0.2.2", f_exporter, true}, {"src net 10.8.0.0/13", f_net, false},
    {"src host 2001:db8:2::7", f_host6, false}, {"dst port 443", f_port, false},
    {"packets > 15", f_packets, false}, {"tos 64", f_tos, false},
    {"octetDeltaCount > 400000000000", f_never, false}, {"src as 64503", f_as, false},
};
#define FILTERS (sizeof filters / sizeof filters[0])

/* Up to three terms: a, a op b, a op (not b op c). */
struct test_filter {
    unsigned terms, a, b, c;
    bool or_first, or_second, not_second;
    char text[256];
};

static struct test_filter random_filter(bool rollup)
{
    uint32_t most = rollup ? 5 : (uint32_t)FILTERS;
    struct test_filter f = {.terms = random_below(4), .a = random_below(most),
                            .b = random_below(most), .c = random_below(most),
                            .or_first = random_below(2), .or_second = random_below(2),
                            .not_second = random_below(2)};
    const char *first = f.or_first ? "or" : "and", *second = f.or_second ? "or" : "and";
    const char *no = f.not_second ? "not " : "";
    if (f.terms == 1)
        sprintf(f.text, "%s", filters[f.a].text);
    else if (f.terms == 2)
        sprintf(f.text, "%s %s %s(%s)", filters[f.a].text, first, no, filters[f.b].text);
    else if (f.terms == 3)
        sprintf(f.text, "(%s) %s (%s(%s) %s (%s))", filters[f.a].text, first, no, filters[f.b].text,
                second, filters[f.c].text);
    return f;
}

static bool filter_holds(const struct test_filter *f, const struct flow *w)
{
    if (f->terms == 0)
        return true;
    bool a = filters[f->a].holds(w), b = filters[f->b].holds(w) != f->not_second;
    bool c = filters[f->c].holds(w);
    if (f->terms == 1)
        return a;
    if (f->terms == 3)
        b = f->or_second ? b || c : b && c;
    return f->or_first ? a || b : a && b;
}

/* ---- the recomputation ---- */

struct naive_row {
    char key[320];
    struct counts raw;
    struct counts halves; /* estimate in halves: every rate here is a multiple of 0.5 */
    struct counts unknown;
};
static struct naive_row *naive;
static size_t naive_count;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct naive_row *)a)->key, ((const struct naive_row *)b)->key);
}

static void counts_plus(struct counts *to, const struct counts *c)
{
    to->octets += c->octets;
    to->packets += c->packets;
    to->flows += c->flows;
}

struct question_text {
    enum test_key keys[4];
    size_t key_count;
    struct test_filter filter;
    struct interval when;
    int64_t step_ms;
};

static void naive_one(const struct question_text *q, const struct flow *w, struct naive_row *row)
{
    char *to = row->key;
    memset(row, 0, sizeof *row);
    for (size_t k = 0; k < q->key_count; k++) {
        key_text(w, q->keys[k], to);
        to += strlen(to);
        *to++ = '|';
    }
    int64_t bin = q->when.from_ms;
    if (q->step_ms)
        bin += (w->end_ms - q->when.from_ms) / q->step_ms * q->step_ms;
    sprintf(to, "%lld", (long long)bin);
    uint64_t halves = w->rate > 0 ? (uint64_t)(w->rate * 2) : 2;
    row->raw = (struct counts){w->octets, w->packets, 1};
    row->halves = (struct counts){w->octets * halves, w->packets * halves, halves};
    if (w->rate <= 0)
        row->unknown = row->raw;
}

static void recompute(const struct question_text *q, struct naive_row *sum)
{
    naive_count = 0;
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < flow_count; i++) {
        const struct flow *w = &flows[i];
        if (w->end_ms < q->when.from_ms || w->end_ms >= q->when.to_ms ||
            !filter_holds(&q->filter, w))
            continue;
        struct naive_row *row = &naive[naive_count++];
        naive_one(q, w, row);
        counts_plus(&sum->raw, &row->raw);
        counts_plus(&sum->halves, &row->halves);
        counts_plus(&sum->unknown, &row->unknown);
    }
    qsort(naive, naive_count, sizeof *naive, by_key);
    size_t used = 0;
    for (size_t i = 0; i < naive_count; i++) {
        if (used && !strcmp(naive[used - 1].key, naive[i].key)) {
            counts_plus(&naive[used - 1].raw, &naive[i].raw);
            counts_plus(&naive[used - 1].halves, &naive[i].halves);
        } else {
            if (used != i)
                naive[used] = naive[i];
            used++;
        }
    }
    naive_count = used;
}

static bool counts_equal(const struct counts *a, const struct counts *b)
{
    return a->octets == b->octets && a->packets == b->packets && a->flows == b->flows;
}

static bool halves_equal(const struct counts *estimated, const struct counts *halves)
{
    const struct counts rounded = {(halves->octets + 1) / 2, (halves->packets + 1) / 2,
                                   (halves->flows + 1) / 2};
    return counts_equal(estimated, &rounded);
}

/* ---- comparing ---- */

static uint64_t measure_of(const struct totals_row *r, enum measure m)
{
    return m == MEASURE_OCTETS    ? r->raw.octets
           : m == MEASURE_PACKETS ? r->raw.packets
                                  : r->raw.flows;
}

static int order_of_values(const struct key_value *a, const struct key_value *b)
{
    if (a->absent || b->absent)
        return (int)a->absent - (int)b->absent;
    if (a->width == 16)
        return memcmp(a->octets, b->octets, 16);
    if (a->width == 0) {
        char x[64], y[64];
        value_text(a, x);
        value_text(b, y);
        return strcmp(x, y);
    }
    return (a->number > b->number) - (a->number < b->number);
}

static bool in_order(const struct totals *t, size_t i, enum measure m, bool by_time)
{
    const struct totals_row *a = &t->rows[i - 1], *b = &t->rows[i];
    if (by_time && a->bin_ms != b->bin_ms)
        return a->bin_ms < b->bin_ms;
    if (measure_of(a, m) != measure_of(b, m))
        return measure_of(a, m) > measure_of(b, m);
    for (size_t k = 0; k < t->key_count; k++) {
        int order = order_of_values(&a->keys[k], &b->keys[k]);
        if (order)
            return order < 0;
    }
    return false;
}

static void row_text(const struct totals *t, const struct totals_row *r, char *out)
{
    for (size_t k = 0; k < t->key_count; k++) {
        value_text(&r->keys[k], out);
        out += strlen(out);
        *out++ = '|';
    }
    sprintf(out, "%lld", (long long)r->bin_ms);
}

static size_t differences(const struct totals *t, const struct naive_row *sum, enum measure m,
                          bool by_time)
{
    size_t wrong = t->row_count != naive_count || t->groups != naive_count;
    for (size_t i = 0; i < t->row_count; i++) {
        struct naive_row wanted;
        row_text(t, &t->rows[i], wanted.key);
        const struct naive_row *is = bsearch(&wanted, naive, naive_count, sizeof *naive, by_key);
        wrong += !is || !counts_equal(&t->rows[i].raw, &is->raw) ||
                 !halves_equal(&t->rows[i].estimated, &is->halves);
        wrong += i && !in_order(t, i, m, by_time);
    }
    wrong += !counts_equal(&t->account.raw, &sum->raw);
    wrong += !counts_equal(&t->account.unknown_rate, &sum->unknown);
    wrong += !halves_equal(&t->account.estimated, &sum->halves);
    return wrong;
}

static bool same_row(const struct totals *t, const struct totals_row *a, const struct totals_row *b)
{
    char x[320], y[320];
    row_text(t, a, x);
    row_text(t, b, y);
    return !strcmp(x, y) && counts_equal(&a->raw, &b->raw) &&
           counts_equal(&a->estimated, &b->estimated);
}

static enum weir_status ask(const struct totals_request *r, struct totals *t)
{
    struct weir_error error = {0};
    enum weir_status status = store_totals(store, r, t, &error);
    if (status != WEIR_OK)
        fprintf(stderr, "asked by %s… filter \"%s\": %s: %s\n", r->by_count ? r->by[0] : "nothing",
                r->filter ? r->filter : "", error.field, error.message);
    return status;
}

/* The first `top` of everything, by rank: what a cut must keep. */
static void check_top(struct totals_request r, const struct totals *all)
{
    struct totals cut;
    if (r.step_ms) /* shown by time, so the cut is not a beginning; sizes tell enough */
        return;
    r.top = 1 + random_below(12);
    CU_ASSERT_EQUAL_FATAL(ask(&r, &cut), WEIR_OK);
    CU_ASSERT_EQUAL(cut.row_count, all->row_count < r.top ? all->row_count : r.top);
    CU_ASSERT_EQUAL(cut.groups, all->groups);
    for (size_t i = 0; i < cut.row_count && i < all->row_count; i++)
        CU_ASSERT(same_row(all, &cut.rows[i], &all->rows[i]));
    totals_free(&cut);
}

static void check_question(const struct question_text *q, enum answer_source source)
{
    const char *names[4];
    struct naive_row sum;
    struct totals t;
    for (size_t k = 0; k < q->key_count; k++)
        names[k] = key_names[q->keys[k]];
    struct totals_request r = {.by = names, .by_count = q->key_count, .filter = q->filter.text,
                               .when = q->when, .step_ms = q->step_ms, .source = source,
                               .order = (enum measure)random_below(3),
                               .threads = random_below(3)};
    recompute(q, &sum);
    if (naive_count == 0 && q->key_count == 0 && q->step_ms == 0)
        naive_count = 1, memset(naive, 0, sizeof *naive),
        sprintf(naive->key, "%lld", (long long)q->when.from_ms);
    CU_ASSERT_EQUAL_FATAL(ask(&r, &t), WEIR_OK);
    size_t wrong = differences(&t, &sum, r.order, q->step_ms != 0);
    if (wrong)
        fprintf(stderr,
                "%zu differences: by %zu keys (%s %s %s) filter \"%s\" step %lld source %s\n",
                wrong, q->key_count, q->key_count > 0 ? names[0] : "",
                q->key_count > 1 ? names[1] : "", q->key_count > 2 ? names[2] : "", q->filter.text,
                (long long)q->step_ms, t.account.source);
    CU_ASSERT_EQUAL(wrong, 0);
    check_top(r, &t);
    totals_free(&t);
}

/* ---- random questions ---- */

static struct interval random_interval(bool whole)
{
    if (random_below(6) == 0)
        return (struct interval){INT64_MIN, INT64_MAX};
    int64_t a = DATA_FROM_MS - 20 * MINUTE_MS + (int64_t)(random_u64() % (uint64_t)(DATA_MS));
    int64_t b = a + 1 + (int64_t)(random_u64() % (uint64_t)(DATA_MS));
    if (whole)
        return (struct interval){minute_of(a), minute_of(b) + MINUTE_MS};
    return (struct interval){a, b};
}

static struct question_text random_question(bool rollup)
{
    struct question_text q = {.key_count = random_below(4)};
    for (size_t k = 0; k < q.key_count; k++) {
        do
            q.keys[k] = rollup ? rollup_keys[random_below(8)] : (enum test_key)random_below(KEYS);
        while ((k > 0 && q.keys[k] == q.keys[0]) || (k > 1 && q.keys[k] == q.keys[1]));
    }
    q.filter = random_filter(rollup);
    q.when = random_interval(rollup);
    if (q.when.from_ms != INT64_MIN && random_below(3) == 0)
        q.step_ms = rollup ? MINUTE_MS * (1 + random_below(40))
                           : 1000 + (int64_t)(random_u64() % (uint64_t)DATA_MS);
    return q;
}

static void blocks_equal_recomputation(void)
{
    for (int i = 0; i < 400; i++) {
        struct question_text q = random_question(false);
        check_question(&q, SOURCE_BLOCKS);
    }
}

static void rollups_equal_recomputation(void)
{
    for (int i = 0; i < 200; i++) {
        struct question_text q = random_question(true);
        check_question(&q, SOURCE_ROLLUP);
        check_question(&q, SOURCE_BLOCKS);
    }
}

static void every_key_alone(void)
{
    for (enum test_key k = 0; k < KEYS; k++) {
        struct question_text q = {.keys = {k}, .key_count = 1, .when = INTERVAL_ALL};
        check_question(&q, SOURCE_BLOCKS);
        q.filter = random_filter(false);
        check_question(&q, SOURCE_AUTO);
    }
}

static void all_keys_of_a_flow(void)
{
    struct question_text q = {.keys = {K_SRC_IP, K_DST_IP8, K_SPORT, K_NAME}, .key_count = 4,
                              .when = INTERVAL_ALL};
    check_question(&q, SOURCE_BLOCKS);
    q.keys[1] = K_DPORT;
    check_question(&q, SOURCE_BLOCKS);
}

/* Merged and sorted blocks, and coarse roll-ups. */
static void upkeep_changes_nothing(void)
{
    struct upkeep_report report;
    CU_ASSERT_EQUAL(store_upkeep(store, &(struct upkeep_settings){0}, NULL, NULL, &report, NULL),
                    WEIR_OK);
    CU_ASSERT(report.blocks_made > 0);
    blocks_equal_recomputation();
    rollups_equal_recomputation();
}

static void sources_are_said(void)
{
    const char *tags[] = {"srcTag", "dstTag"}, *port[] = {"sourceTransportPort"};
    struct totals_request r = {.by = tags, .by_count = 2, .when = INTERVAL_ALL};
    struct totals t;
    CU_ASSERT_EQUAL_FATAL(ask(&r, &t), WEIR_OK);
    CU_ASSERT_STRING_EQUAL(t.account.source, "rollup");
    CU_ASSERT_EQUAL(t.account.blocks, 0);
    CU_ASSERT_STRING_EQUAL(t.keys[1].name, "dstTag");
    totals_free(&t);
    r.by = port;
    r.by_count = 1;
    CU_ASSERT_EQUAL_FATAL(ask(&r, &t), WEIR_OK);
    CU_ASSERT_STRING_EQUAL(t.account.source, "blocks");
    CU_ASSERT_EQUAL(t.account.blocks, BLOCKS);
    CU_ASSERT_EQUAL(t.account.rows_scanned, flow_count);
    CU_ASSERT(t.elapsed_us > 0 && t.cpu_us > 0);
    totals_free(&t);
    r.filter = "packets > 10000000";
    CU_ASSERT_EQUAL_FATAL(ask(&r, &t), WEIR_OK);
    CU_ASSERT_EQUAL(t.account.blocks_skipped, BLOCKS);
    CU_ASSERT_EQUAL(t.account.rows_scanned, 0);
    totals_free(&t);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"make a store", make_store},
        {"blocks equal a recomputation", blocks_equal_recomputation},
        {"roll-ups equal a recomputation", rollups_equal_recomputation},
        {"every key alone", every_key_alone},
        {"keys of every shape together", all_keys_of_a_flow},
        {"the answer says its source", sources_are_said},
        {"upkeep changes no answer", upkeep_changes_nothing},
        {"close it", drop_store},
    };
    naive = calloc(BLOCKS * ROWS_MOST, sizeof *naive);
    int code = naive ? unit_main("query", tests, sizeof tests / sizeof *tests) : 1;
    free(naive);
    return code;
}
