/* policy.c - see policy.h. Neighbours: selection.c says which rows; cryptopan.c makes pseudonyms.
 */
#include "select/policy.h"
#include "base/cursor.h"
#include "select/keyfile.h"
#include "wire/template.h"
#include "wire/values.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- compiling ---- */

enum weir_status policy_compile(const struct anonymisation *how, const char *key_folder,
                                struct policy *out, struct weir_error *error)
{
    *out = (struct policy){.how = *how};
    enum weir_status status = elements_parse(how->fields, "fields", out->fields,
                                             ANONYMISE_FIELDS_MOST, &out->field_count, error);
    anonymisation_print(how, out->text);
    out->how.fields = NULL;
    if (status == WEIR_OK && how->method == ANONYMISE_CRYPTO_PAN)
        status = key_read(key_folder, how->key, out->key, error);
    out->how.key = NULL;
    return status;
}

/* ---- two in one ---- */

static bool is_field(const struct policy *p, ie_key key)
{
    for (size_t i = 0; i < p->field_count; i++)
        if (ie_key_pen(key) == ie_key_pen(p->fields[i]) &&
            ie_key_id(key) == ie_key_id(p->fields[i]))
            return true;
    return false;
}

static uint8_t less(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* An exception hides nothing, and removal leaves addresses as they are, so the other method hides
 * more. Pseudonyms hide the host
 * and show the prefix's shape, truncation the reverse: of the two, and of two keys, nothing
 * stays. */
static void join_methods(struct policy *p, const struct policy *other)
{
    struct anonymisation *how = &p->how;
    bool macs = how->macs || other->how.macs;
    if (how->method == ANONYMISE_EXEMPT || how->method == ANONYMISE_REMOVE) {
        *how = other->how;
        memcpy(p->key, other->key, sizeof p->key);
    } else if (how->method == ANONYMISE_TRUNCATE && other->how.method == ANONYMISE_TRUNCATE) {
        how->ipv4_length = less(how->ipv4_length, other->how.ipv4_length);
        how->ipv6_length = less(how->ipv6_length, other->how.ipv6_length);
    } else if (other->how.method != ANONYMISE_REMOVE &&
               (how->method != other->how.method || memcmp(p->key, other->key, sizeof p->key))) {
        *how = (struct anonymisation){.method = ANONYMISE_TRUNCATE};
        explicit_bzero(p->key, sizeof p->key);
    }
    how->macs = macs;
}

static void print_joined(struct policy *p)
{
    char fields[ANONYMISATION_TEXT_SIZE] = "", name[IE_NAME_SIZE];
    struct anonymisation how = p->how;
    how.fields = fields;
    for (size_t i = 0, at = 0; i < p->field_count; i++) {
        at += (size_t)snprintf(fields + at, sizeof fields - at, "%s%s", i ? "," : "",
                               ie_key_print(p->fields[i], name));
        if (at >= sizeof fields - sizeof "truncate/32,128+mac+remove()") {
            snprintf(fields, sizeof fields, "several");
            break;
        }
    }
    anonymisation_print(&how, p->text);
}

enum weir_status policy_join(struct policy *p, const struct policy *other,
                             struct weir_error *error)
{
    bool same = strcmp(p->text, other->text) == 0;
    if (other->how.method == ANONYMISE_EXEMPT)
        return WEIR_OK;
    join_methods(p, other);
    for (size_t i = 0; i < other->field_count; i++) {
        if (is_field(p, other->fields[i]))
            continue;
        if (p->field_count == POLICY_FIELDS_MOST)
            return weir_fail(error, WEIR_ELIMIT, "fields",
                             "the policies of one device remove more than %u elements together",
                             POLICY_FIELDS_MOST);
        p->fields[p->field_count++] = other->fields[i];
    }
    if (!same || p->how.method != other->how.method)
        print_joined(p);
    return WEIR_OK;
}

/* ---- the mappings of this thread, one a key ---- */

struct mapping {
    struct mapping *next;
    uint8_t key[CRYPTOPAN_KEY_SIZE];
    struct cryptopan *pan;
};

struct policy_work {
    struct mapping *mappings; /* the one used last comes first */
    unsigned count;
};
#define MAPPINGS_MOST 16u /* each has tables of a megabyte; keys of old policies leave */

struct policy_work *policy_work_new(void)
{
    return calloc(1, sizeof(struct policy_work));
}

static void mapping_free(struct mapping *m)
{
    cryptopan_free(m->pan);
    explicit_bzero(m->key, sizeof m->key);
    free(m);
}

void policy_work_free(struct policy_work *w)
{
    if (!w)
        return;
    for (struct mapping *m = w->mappings, *next; m; m = next) {
        next = m->next;
        mapping_free(m);
    }
    free(w);
}

static struct mapping *mapping_make(const uint8_t key[CRYPTOPAN_KEY_SIZE])
{
    struct mapping *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    memcpy(m->key, key, sizeof m->key);
    m->pan = cryptopan_new(key);
    if (m->pan)
        return m;
    mapping_free(m);
    return NULL;
}

static void drop_last(struct policy_work *w)
{
    struct mapping **at = &w->mappings;
    while ((*at)->next)
        at = &(*at)->next;
    mapping_free(*at);
    *at = NULL;
    w->count--;
}

/* NULL: no memory. */
static struct cryptopan *mapping_of(struct policy_work *w, const struct policy *p)
{
    struct mapping **at = &w->mappings;
    while (*at && memcmp((*at)->key, p->key, sizeof p->key) != 0)
        at = &(*at)->next;
    struct mapping *m = *at;
    if (m) {
        *at = m->next;
    } else {
        if (w->count == MAPPINGS_MOST)
            drop_last(w);
        if (!(m = mapping_make(p->key)))
            return NULL;
        w->count++;
    }
    m->next = w->mappings;
    w->mappings = m;
    return m->pan;
}

/* ---- one value ---- */

struct change {
    const struct policy *policy;
    struct cryptopan *pan;
};

static uint32_t change_ipv4(const struct change *c, uint32_t address)
{
    unsigned kept = c->policy->how.ipv4_length;
    if (address == 0)
        return 0;
    if (c->pan)
        return cryptopan_ipv4(c->pan, address);
    return kept ? address & UINT32_MAX << (32 - kept) : 0;
}

static void change_ipv6(const struct change *c, uint8_t octets[16])
{
    static const uint8_t zero[16];
    struct address a;
    memcpy(a.octets, octets, 16);
    if (memcmp(octets, zero, 16) == 0)
        return;
    if (address_is_ipv4(&a)) {
        a = address_from_ipv4(change_ipv4(c, address_ipv4(&a)));
        memcpy(octets, a.octets, 16);
    } else if (c->pan) {
        cryptopan_ipv6(c->pan, octets);
    } else {
        for (unsigned bit = c->policy->how.ipv6_length; bit < 128; bit++)
            octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    }
}

/* Truncation keeps who made the interface. */
static uint64_t change_mac(const struct change *c, uint64_t mac)
{
    if (mac == 0)
        return 0;
    return c->pan ? cryptopan_mac(c->pan, mac) : mac & UINT64_C(0xffffff000000);
}

/* ---- one column ---- */

#define FOR_ROWS(row, rows, count)                                                                 \
    for (uint32_t word_ = 0; word_ < ((count) + 63) / 64; word_++)                                 \
        for (uint64_t bits_ = (rows)[word_];                                                       \
             bits_ && ((row) = word_ * 64 + (uint32_t)__builtin_ctzll(bits_)) < (count);           \
             bits_ &= bits_ - 1)

void rows_clear(struct column *c, const uint64_t *rows, uint32_t count)
{
    size_t size = c->width ? c->width : sizeof(struct octets);
    uint32_t row;
    FOR_ROWS(row, rows, count)
    {
        memset((uint8_t *)c->values + row * size, 0, size);
        uint64_t bit = UINT64_C(1) << row % 64;
        c->present_rows -= (c->present[row / 64] & bit) != 0;
        c->present[row / 64] &= ~bit;
    }
}

static bool has(const struct column *c, uint32_t row)
{
    return c->present[row / 64] >> row % 64 & 1;
}

static void clear_row(struct column *c, uint32_t row)
{
    ((struct octets *)c->values)[row] = (struct octets){0};
    c->present[row / 64] &= ~(UINT64_C(1) << row % 64);
    c->present_rows--;
}

/* Addresses that are kept as octets: vendors' elements. Values may share their octets, so the new
 * ones are put beside. */
static void change_octets(const struct change *c, struct batch *b, size_t index,
                          const uint64_t *rows)
{
    struct column *column = batch_column_at(b, index);
    uint32_t row;
    FOR_ROWS(row, rows, batch_rows(b))
    {
        struct octets value = ((struct octets *)column->values)[row];
        uint8_t octets[16];
        if (!has(column, row))
            continue;
        if (value.length == 4) {
            uint32_t v = __builtin_bswap32(change_ipv4(c, load_be32(value.bytes)));
            memcpy(octets, &v, 4);
        } else if (value.length == 16) {
            memcpy(octets, value.bytes, 16);
            change_ipv6(c, octets);
        }
        if ((value.length != 4 && value.length != 16) ||
            batch_put_octets(b, index, row, octets, value.length) != WEIR_OK)
            clear_row(column, row);
    }
}

static void change_addresses(const struct change *c, struct batch *b, size_t index,
                             const uint64_t *rows)
{
    struct column *column = batch_column_at(b, index);
    uint32_t row, count = batch_rows(b), *v4 = column->values;
    uint8_t(*v6)[16] = column->values;
    if (column->width == 4) {
        FOR_ROWS(row, rows, count)
        if (v4[row])
            v4[row] = change_ipv4(c, v4[row]);
    } else if (column->width == 16) {
        FOR_ROWS(row, rows, count)
        change_ipv6(c, v6[row]);
    } else if (column->width == 0) {
        change_octets(c, b, index, rows);
    } else {
        rows_clear(column, rows, count);
    }
}

static void change_macs(const struct change *c, struct batch *b, size_t index, const uint64_t *rows)
{
    struct column *column = batch_column_at(b, index);
    uint64_t *macs = column->values;
    uint32_t row;
    if (column->width != 8) { /* a vendor's, or of another length */
        rows_clear(column, rows, batch_rows(b));
        return;
    }
    FOR_ROWS(row, rows, batch_rows(b))
    macs[row] = change_mac(c, macs[row]);
}

/* ---- which columns ---- */

/* Elements that carry packets, or parts of them with addresses in it. */
static bool carries_packets(ie_key key)
{
    static const uint16_t ids[] = {104, 313, 314, 315, 317, 497, 498, 499, 504};
    uint32_t pen = ie_key_pen(key);
    for (size_t i = 0; (pen == 0 || pen == REVERSE_PEN) && i < sizeof ids / sizeof *ids; i++)
        if (ids[i] == ie_key_id(key))
            return true;
    return false;
}

/* May a packet, or what was dissected of it, have the element? */
static bool is_of_packets(ie_key key)
{
    const struct ie *ie = ie_find(ie_key_pen(key), ie_key_id(key));
    if (ie && (ie->type == IE_IPV4 || ie->type == IE_IPV6 || ie->type == IE_MAC_ADDRESS))
        return true;
    for (unsigned which = 0; which < WIRE_VALUE_COUNT; which++)
        if (wire_value_key(which) == key)
            return true;
    return false;
}

enum treatment { LEAVE, ADDRESS, MAC, REMOVE };

/* Of a method that only removes: what it names must not be found in the packet beside it, either,
 * or in a list, which may hold anything. */
static enum treatment treatment_beside(const struct policy *p, ie_key key)
{
    uint32_t pen = ie_key_pen(key);
    key = pen == WIRE_MISFIT_PEN ? IE_KEY(0, ie_key_id(key)) : key;
    const struct ie *ie = ie_find(ie_key_pen(key), ie_key_id(key));
    if (ie && (ie->type == IE_BASIC_LIST || ie->type == IE_SUBTEMPLATE_LIST ||
               ie->type == IE_SUBTEMPLATE_MULTILIST))
        return REMOVE;
    for (size_t i = 0; carries_packets(key) && i < p->field_count; i++)
        if (is_of_packets(p->fields[i]))
            return REMOVE;
    return LEAVE;
}

/* Of a method that changes addresses. An element of a length that its type can not have is kept
 * under a number of its own (wire/template.h), and is what it would have been. Of one that no table
 * knows nobody can say that it is no address: vendors have elements for hosts, of four octets as
 * counters are. */
static enum treatment treatment_of(ie_key key, bool macs)
{
    uint32_t pen = ie_key_pen(key);
    bool misfit = pen == WIRE_MISFIT_PEN;
    const struct ie *ie = ie_find(misfit ? 0 : pen, ie_key_id(key));
    if (key == WEIR_EXPORTER)
        return LEAVE;
    if (carries_packets(misfit ? IE_KEY(0, ie_key_id(key)) : key))
        return REMOVE;
    if (!ie)
        return pen == WEIR_PEN ? LEAVE : REMOVE;
    switch (ie->type) {
    case IE_IPV4:
    case IE_IPV6:
        return misfit ? REMOVE : ADDRESS;
    case IE_MAC_ADDRESS:
        return !macs ? LEAVE : misfit ? REMOVE : MAC;
    case IE_BASIC_LIST:
    case IE_SUBTEMPLATE_LIST:
    case IE_SUBTEMPLATE_MULTILIST:
        return REMOVE;
    default:
        return LEAVE;
    }
}

static void treat(const struct change *c, struct batch *b, size_t index, const uint64_t *rows)
{
    const struct policy *p = c->policy;
    struct column *column = batch_column_at(b, index);
    enum treatment t = p->how.method == ANONYMISE_REMOVE ? treatment_beside(p, column->key)
                                                         : treatment_of(column->key, p->how.macs);
    if (is_field(p, column->key))
        t = REMOVE;
    /* Without a mapping there is no pseudonym. */
    if ((t == ADDRESS || t == MAC) && p->how.method == ANONYMISE_CRYPTO_PAN && !c->pan)
        t = REMOVE;
    if (t == ADDRESS)
        change_addresses(c, b, index, rows);
    else if (t == MAC)
        change_macs(c, b, index, rows);
    else if (t == REMOVE)
        rows_clear(column, rows, batch_rows(b));
}

/* The text once, and every row points to it. */
static enum weir_status sign(const struct policy *p, struct batch *b, const uint64_t *rows)
{
    size_t index;
    struct octets *texts = NULL, text = {0};
    uint32_t row;
    enum weir_status status = batch_column(b, WEIR_ANONYMISATION, 0, &index);
    if (status != WEIR_OK)
        return status == WEIR_ENOMEM ? status : WEIR_OK;
    FOR_ROWS(row, rows, batch_rows(b))
    {
        if (!texts) {
            if (batch_put_octets(b, index, row, p->text, (uint32_t)strlen(p->text)) != WEIR_OK)
                return WEIR_ENOMEM;
            texts = batch_column_at(b, index)->values;
            text = texts[row];
        }
        texts[row] = text;
        batch_mark(b, index, row, 1);
    }
    return WEIR_OK;
}

enum weir_status policy_apply(const struct policy *p, struct policy_work *w, struct batch *b,
                              const uint64_t *rows)
{
    struct change change = {.policy = p};
    if (p->how.method == ANONYMISE_CRYPTO_PAN)
        change.pan = mapping_of(w, p);
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->present_rows)
            treat(&change, b, i, rows);
    return sign(p, b, rows);
}
