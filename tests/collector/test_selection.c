/* Selection on batches made at random, against a recomputation a row at a time: which rule decides,
 * what is counted as dropped, what aggregation makes. (Policies: test_anonymise.c.) */
#include "cells.h"
#include "select/selection.h"
#include <stdio.h>
#include <stdlib.h>

#define ROWS   3000u
#define MINUTE INT64_C(60000)

static uint64_t state = 88172645463325252u;
static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 20) % n);
}

/* ---- records, as structs and as a batch ---- */

struct row {
    uint32_t exporter, domain, ingress, egress, src, dst, tag;
    uint8_t protocol, direction;
    bool has_src, has_ingress, has_direction;
    uint16_t port;
    uint64_t octets, packets, start, end;
};
static struct row rows[ROWS];

static void make_rows(void)
{
    struct row r = {0};
    for (unsigned i = 0; i < ROWS; i++) {
        if (below(20) == 0 || i == 0) { /* runs, as datagrams make them */
            r.exporter = 0x0a000001 + below(3);
            r.domain = below(2);
        }
        r.ingress = below(4);
        r.egress = below(4);
        r.has_ingress = below(8) != 0;
        r.has_direction = below(2) != 0;
        r.direction = (uint8_t)below(2);
        r.has_src = below(10) != 0;
        r.src = r.has_src ? 0xc0a80000 + below(5) : 0;
        r.dst = 0x08080000 + below(3);
        r.tag = below(3);
        r.protocol = (uint8_t)(below(2) ? 6 : 17);
        r.port = (uint16_t)(below(2) ? 443 : 53);
        r.octets = below(1000) + 1;
        r.packets = below(10) + 1;
        r.end = (uint64_t)(1700000000000 + below(150000));
        r.start = r.end - below(9000);
        rows[i] = r;
    }
}

static void unset(struct batch *b, ie_key key, uint32_t row)
{
    for (size_t i = 0; i < batch_column_count(b); i++) {
        struct column *c = batch_column_at(b, i);
        if (c->key != key)
            continue;
        c->present[row / 64] &= ~(UINT64_C(1) << row % 64);
        c->present_rows--;
    }
}

#define FILL(key, type, width, expression)                                                         \
    do {                                                                                           \
        type *values_ = cells_fill(b, key, width);                                                 \
        for (unsigned i = 0; i < ROWS; i++)                                                        \
            values_[i] = (type)(expression);                                                       \
    } while (0)

static struct batch *make_batch(void)
{
    struct batch *b = batch_new((ROWS + 63) / 64 * 64, RECORD_FLOW);
    selection_reserve(b);
    batch_append(b, ROWS);
    uint8_t(*exporters)[16] = cells_fill(b, WEIR_EXPORTER, 16);
    for (unsigned i = 0; i < ROWS; i++) {
        struct address a = address_from_ipv4(rows[i].exporter);
        memcpy(exporters[i], a.octets, 16);
    }
    FILL(WEIR_DOMAIN, uint32_t, 4, rows[i].domain);
    FILL(WEIR_EXPORTER_PORT, uint16_t, 2, 2055);
    FILL(WEIR_PROTOCOL_VERSION, uint8_t, 1, 9);
    FILL(WEIR_EXPORT_TIME, uint64_t, 8, 1700000200000);
    FILL(WEIR_FLOW_START, uint64_t, 8, rows[i].start);
    FILL(WEIR_FLOW_END, uint64_t, 8, rows[i].end);
    FILL(WEIR_OCTETS, uint64_t, 8, rows[i].octets);
    FILL(WEIR_PACKETS, uint64_t, 8, rows[i].packets);
    FILL(WEIR_SRC_TAG, uint32_t, 4, rows[i].tag);
    FILL(WEIR_DST_TAG, uint32_t, 4, 0);
    FILL(IANA(1), uint32_t, 4, rows[i].octets); /* narrower than sums may need */
    FILL(IANA(4), uint8_t, 1, rows[i].protocol);
    FILL(IANA(8), uint32_t, 4, rows[i].src);
    FILL(IANA(11), uint16_t, 2, rows[i].port);
    FILL(IANA(12), uint32_t, 4, rows[i].dst);
    FILL(IANA(10), uint32_t, 4, rows[i].ingress);
    FILL(IANA(14), uint32_t, 4, rows[i].egress);
    FILL(IANA(61), uint8_t, 1, rows[i].direction);
    FILL(IANA(148), uint64_t, 8, i); /* who it is, for the test */
    for (unsigned i = 0; i < ROWS; i++) {
        if (!rows[i].has_src)
            unset(b, IANA(8), i);
        if (!rows[i].has_ingress)
            unset(b, IANA(10), i);
        if (!rows[i].has_direction)
            unset(b, IANA(61), i);
    }
    return b;
}

static bool text_is(struct batch *b, uint32_t row, const char *expected)
{
    return cells_octets_are(b, WEIR_ANONYMISATION, row, expected, strlen(expected));
}

static struct address device(uint32_t ipv4)
{
    return address_from_ipv4(ipv4);
}

/* Carries out a snapshot on a new batch; the book is the caller's. */
static struct batch *carry_out(const struct catalogue_snapshot *snapshot, struct account_book *book)
{
    struct selection *s;
    struct weir_error error = {0};
    struct selection_work *w = selection_work_new();
    struct batch *b = make_batch();
    CU_ASSERT_EQUAL_FATAL(selection_new(snapshot, &s, &error), WEIR_OK);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(selection_apply(s, w, b, 0, book, &(struct account_counts){0}), WEIR_OK);
    selection_work_free(w);
    selection_free(s);
    return b;
}

/* ---- rules ---- */

static bool is_tcp(const struct row *r)
{
    return r->protocol == 6;
}
static bool is_web(const struct row *r)
{
    return r->port == 443;
}
static bool is_tag(const struct row *r)
{
    return r->tag == 2;
}
static bool is_gone(const struct row *r)
{
    (void)r;
    return false;
}
static bool is_large(const struct row *r)
{
    return r->octets > 500;
}
static bool is_any(const struct row *r)
{
    (void)r;
    return true;
}
static const struct {
    const char *text;
    bool (*matches)(const struct row *r);
} choices[] = {
    {"proto tcp", is_tcp},     {"dst port 443", is_web},  {"src tag here", is_tag},
    {"src tag left", is_gone}, {"bytes > 500", is_large}, {"", is_any},
};
#define CHOICES (sizeof choices / sizeof *choices)

static const struct named_tag names[] = {{"here", 2}};

static void test_rules(void)
{
    for (int round = 0; round < 60; round++) {
        struct flow_type types[5];
        unsigned which[5], count = 1 + below(5);
        char text[32];
        make_rows();
        for (unsigned i = 0; i < count; i++) {
            which[i] = below(round % 3 ? CHOICES - 1 : CHOICES);
            types[i] = (struct flow_type){
                .name = "x",
                .priority = i,
                .filter = choices[which[i]].text,
                .action = (enum flow_action)(below(3) == 2 ? ACTION_ANONYMISE : below(2)),
                .keys = "",
                .anonymisation = {.method = ANONYMISE_TRUNCATE,
                                  .ipv4_length = (uint8_t)i,
                                  .ipv6_length = 0,
                                  .fields = "",
                                  .key = ""}};
        }
        struct catalogue_snapshot snapshot = {
            .names = names, .name_count = 1, .flow_types = types, .flow_type_count = count};
        struct account_book *book = account_book_new();
        struct batch *b = carry_out(&snapshot, book);
        struct account account;
        uint64_t dropped = 0, counted = 0;
        uint32_t at = 0;
        bool right = true;
        for (unsigned i = 0; i < ROWS; i++) {
            unsigned rule = 0;
            while (rule < count && !choices[which[rule]].matches(&rows[i]))
                rule++;
            if (rule < count && types[rule].action == ACTION_DROP) {
                dropped++;
                continue;
            }
            bool hidden = rule < count && types[rule].action == ACTION_ANONYMISE;
            snprintf(text, sizeof text, "truncate/%u,0", rule);
            uint32_t dst =
                hidden ? rule ? rows[i].dst & UINT32_MAX << (32 - rule) : 0 : rows[i].dst;
            right = right && cells_number(b, IANA(148), at) == i &&
                    text_is(b, at, hidden ? text : "") && cells_number(b, IANA(12), at) == dst &&
                    cells_number(b, WEIR_OCTETS, at) == rows[i].octets;
            at++;
        }
        CU_ASSERT_TRUE(right);
        CU_ASSERT_EQUAL(batch_rows(b), at);
        CU_ASSERT_EQUAL(account_book_take(book, &account), WEIR_OK);
        for (size_t i = 0; i < account.row_count; i++) {
            counted += account.rows[i].counts.deselected_records;
            CU_ASSERT_EQUAL(account.rows[i].key.port, 2055);
            CU_ASSERT_EQUAL(account.rows[i].key.protocol, 9);
        }
        CU_ASSERT_EQUAL(counted, dropped);
        account_free(&account);
        account_book_free(book);
        batch_free(b);
    }
}

/* ---- aggregation ---- */

struct sum {
    struct row key;
    unsigned first; /* row */
    uint64_t octets, packets, flows, start, end;
};

static bool agree(const struct row *a, const struct row *b, unsigned keys)
{
    return a->exporter == b->exporter && a->domain == b->domain && a->tag == b->tag &&
           a->end / (uint64_t)MINUTE == b->end / (uint64_t)MINUTE &&
           (!(keys & 1) || (a->has_src == b->has_src && a->src == b->src)) &&
           (!(keys & 2) || a->port == b->port) && (!(keys & 4) || a->protocol == b->protocol);
}

static size_t naive_sums(struct sum *sums, unsigned keys)
{
    size_t count = 0, k;
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        if (!is_web(r))
            continue;
        for (k = 0; k < count && !agree(&sums[k].key, r, keys); k++)
            ;
        if (k == count)
            sums[count++] = (struct sum){*r, i, 0, 0, 0, r->start, r->end};
        sums[k].octets += r->octets;
        sums[k].packets += r->packets;
        sums[k].flows++;
        sums[k].start = r->start < sums[k].start ? r->start : sums[k].start;
        sums[k].end = r->end > sums[k].end ? r->end : sums[k].end;
    }
    return count;
}

static bool is_sum(struct batch *b, uint32_t row, const struct sum *s, unsigned keys)
{
    return cells_number(b, WEIR_OCTETS, row) == s->octets &&
           cells_number(b, IANA(1), row) == s->octets &&
           cells_number(b, WEIR_PACKETS, row) == s->packets &&
           cells_number(b, WEIR_FLOW_COUNT, row) == s->flows &&
           cells_number(b, WEIR_FLOW_START, row) == s->start &&
           cells_number(b, WEIR_FLOW_END, row) == s->end &&
           cells_has(b, IANA(8), row) == ((keys & 1) && s->key.has_src) &&
           cells_number(b, IANA(8), row) == (keys & 1 ? s->key.src : 0) &&
           cells_number(b, IANA(11), row) == (keys & 2 ? s->key.port : 0) &&
           cells_number(b, IANA(4), row) == (keys & 4 ? s->key.protocol : 0) &&
           !cells_has(b, IANA(12), row) && !cells_has(b, WEIR_EXPORTER_PORT, row) &&
           cells_number(b, WEIR_DOMAIN, row) == s->key.domain &&
           cells_number(b, WEIR_SRC_TAG, row) == s->key.tag;
}

static void test_aggregation(void)
{
    static const char *const lists[8] = {
        "",
        "sourceIPv4Address",
        "destinationTransportPort",
        "sourceIPv4Address,destinationTransportPort",
        "protocolIdentifier",
        "protocolIdentifier,sourceIPv4Address",
        "destinationTransportPort,protocolIdentifier",
        "sourceIPv4Address,destinationTransportPort,protocolIdentifier",
    };
    struct sum *sums = calloc(ROWS, sizeof *sums);
    for (unsigned keys = 0; keys < 8; keys++) {
        struct flow_type type = {.name = "x",
                                 .filter = "dst port 443",
                                 .action = ACTION_AGGREGATE,
                                 .keys = lists[keys],
                                 .anonymisation = {.fields = "", .key = ""}};
        struct catalogue_snapshot snapshot = {.flow_types = &type, .flow_type_count = 1};
        struct account_book *book = account_book_new();
        make_rows();
        struct batch *b = carry_out(&snapshot, book);
        size_t count = naive_sums(sums, keys), met = 0;
        uint32_t plain = 0, at = 0;
        /* A group stands where its first record stood; the others are where they were. */
        for (unsigned i = 0; i < ROWS; i++) {
            bool first = met < count && sums[met].first == i;
            if (is_web(&rows[i]) && !first)
                continue;
            if (first && is_web(&rows[i])) {
                CU_ASSERT_TRUE(is_sum(b, at, &sums[met++], keys));
            } else {
                plain += cells_number(b, IANA(148), at) == i &&
                         !cells_has(b, WEIR_FLOW_COUNT, at) &&
                         cells_number(b, IANA(12), at) == rows[i].dst;
            }
            at++;
        }
        CU_ASSERT_EQUAL(met, count);
        CU_ASSERT_EQUAL(batch_rows(b), at);
        CU_ASSERT_EQUAL(plain, at - count);
        CU_ASSERT_TRUE(account_book_empty(book)); /* merged is not dropped */
        account_book_free(book);
        batch_free(b);
    }
    free(sums);
}

/* ---- roles ---- */

static void test_roles(void)
{
    struct observation_point points[] = {
        {device(0x0a000001), 0, 1, ROLE_EDGE_IN, ""},
        {device(0x0a000001), 0, 2, ROLE_CORE, ""},
        {device(0x0a000001), 1, 1, ROLE_EDGE_OUT, ""},
        {device(0x0a000002), 0, 0, ROLE_EDGE_IN, ""},
    };
    struct catalogue_snapshot snapshot = {.points = points, .point_count = 4};
    struct account_book *book = account_book_new();
    make_rows();
    struct batch *b = carry_out(&snapshot, book);
    unsigned roles[ROLE_COUNT] = {0};
    for (unsigned i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        bool egress = r->has_direction && r->direction == 1;
        uint32_t interface = egress ? r->egress : r->ingress;
        uint64_t role = ROLE_UNKNOWN;
        for (size_t k = 0; k < 4 && (egress || r->has_ingress); k++)
            if (address_ipv4(&points[k].device) == r->exporter && points[k].domain == r->domain &&
                points[k].interface == interface)
                role = points[k].role;
        CU_ASSERT_EQUAL(cells_number(b, WEIR_OBSERVATION_ROLE, i), role);
        CU_ASSERT_EQUAL(cells_has(b, WEIR_OBSERVATION_ROLE, i), role != ROLE_UNKNOWN);
        roles[role]++;
    }
    CU_ASSERT(roles[1] && roles[2] && roles[3] && roles[0]);
    account_book_free(book);
    batch_free(b);
}

UNIT_MAIN("selection", {"rules in order", test_rules}, {"aggregation", test_aggregation},
          {"roles", test_roles})
