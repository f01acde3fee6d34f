/* columns.c - the columns of the table `flow`: finding them, and values as SQL sees them. See
 * sqlext.h. */
#include "sqlext/sqlext.h"
#include "flow/value.h"

#include <stdlib.h>
#include <string.h>

#define UNDECODED 255

/* ---- which there are ---- */

struct keys {
    ie_key *all; /* sorted */
    size_t count, room;
};

static bool add_key(struct keys *k, ie_key key)
{
    size_t at = 0;
    while (at < k->count && k->all[at] < key)
        at++;
    if (at < k->count && k->all[at] == key)
        return true;
    if (k->count == k->room) {
        size_t room = k->room ? 2 * k->room : 64;
        ie_key *more = realloc(k->all, room * sizeof *more);
        if (!more)
            return false;
        k->all = more;
        k->room = room;
    }
    memmove(k->all + at + 1, k->all + at, (k->count - at) * sizeof *k->all);
    k->all[at] = key;
    k->count++;
    return true;
}

static enum weir_status read_keys(struct flow_table *t, struct keys *keys, struct weir_error *error)
{
    struct arena list = {0}, a = {0};
    struct stored_block *blocks;
    size_t count;
    enum weir_status status =
        reader_blocks(&t->reader, RECORD_FLOW, INTERVAL_ALL, &list, &blocks, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        struct block_record b;
        arena_reset(&a);
        status = block_record_read(&t->reader.sql, blocks[i].rowid, &a, &b, error);
        for (uint32_t c = 0; status == WEIR_OK && c < b.count; c++)
            if (!add_key(keys, b.columns[c].key))
                status = weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    }
    arena_free(&list);
    arena_free(&a);
    return status;
}

/* Elements that a store without flows shows too. */
static const ie_key always[] = {
    IANA(1), IANA(2), IANA(4), IANA(7), IANA(8), IANA(11), IANA(12), WEIR_EXPORTER, WEIR_DOMAIN,
    WEIR_FLOW_START, WEIR_FLOW_END, WEIR_OCTETS, WEIR_PACKETS, WEIR_SRC_TAG, WEIR_DST_TAG,
    WEIR_SAMPLING_RATE,
};

/* Second columns of elements, called as among the keys of totals (store.h). */
static const struct {
    const char *name;
    ie_key key;
} short_names[] = {{"proto", IANA(4)},    {"srcPort", IANA(7)}, {"dstPort", IANA(11)},
                   {"srcAS", IANA(16)},   {"dstAS", IANA(17)},  {"tos", IANA(5)}};
#define SHORT_NAMES (sizeof short_names / sizeof short_names[0])

static const char *sql_type(const struct flow_column *c)
{
    static const char *const types[IE_TYPE_COUNT] = {
        [IE_FLOAT32] = "REAL", [IE_FLOAT64] = "REAL", [IE_MAC_ADDRESS] = "TEXT",
        [IE_STRING] = "TEXT",  [IE_IPV4] = "TEXT COLLATE ADDRESS",
        [IE_IPV6] = "TEXT COLLATE ADDRESS", [IE_OCTET_ARRAY] = "BLOB",
        [IE_BASIC_LIST] = "BLOB", [IE_SUBTEMPLATE_LIST] = "BLOB",
        [IE_SUBTEMPLATE_MULTILIST] = "BLOB", [IE_UNSIGNED256] = "BLOB",
    };
    return types[c->type] ? types[c->type] : "INTEGER";
}

static bool is_address(enum ie_type type)
{
    return type == IE_IPV4 || type == IE_IPV6;
}

static char *declare(const struct flow_table *t)
{
    struct buffer text = {0};
    char name[IE_NAME_SIZE];
    buffer_print(&text, "CREATE TABLE flow(");
    for (int i = 0; i < t->column_count; i++) {
        const struct flow_column *c = &t->columns[i];
        buffer_print(&text, i ? ", " : "");
        if (c->kind == COLUMN_FILTER)
            buffer_print(&text, "filter TEXT HIDDEN");
        else if (c->kind != COLUMN_ELEMENT)
            buffer_print(&text, "%s TEXT COLLATE ADDRESS",
                         c->kind == COLUMN_SRC_IP ? "srcIP" : "dstIP");
        else if (c->short_name)
            buffer_print(&text, "%s %s HIDDEN", c->short_name, sql_type(c));
        else
            buffer_print(&text, "\"%s\" %s", ie_key_print(c->key, name), sql_type(c));
    }
    buffer_print(&text, ")");
    char *copy = text.failed ? NULL : sqlite3_mprintf("%.*s", (int)text.length, text.bytes);
    buffer_free(&text);
    return copy;
}

/* The elements, what is made of them, and `filter`: the first hidden column, as it is the argument
 * of flow(…). */
static void list_columns(struct flow_table *t, const struct keys *keys)
{
    struct flow_column *next = t->columns;
    for (size_t i = 0; i < keys->count; i++) {
        enum ie_type type = ie_storage_type(keys->all[i]);
        *next++ = (struct flow_column){
            .key = keys->all[i], .type = type, .address = is_address(type)};
    }
    *next++ = (struct flow_column){
        .kind = COLUMN_SRC_IP, .key = WEIR_SRC_IP, .type = IE_IPV6, .address = true};
    *next++ = (struct flow_column){
        .kind = COLUMN_DST_IP, .key = WEIR_DST_IP, .type = IE_IPV6, .address = true};
    *next++ = (struct flow_column){.kind = COLUMN_FILTER};
    for (size_t i = 0; i < SHORT_NAMES; i++)
        *next++ = (struct flow_column){.key = short_names[i].key,
                                       .type = ie_storage_type(short_names[i].key),
                                       .short_name = short_names[i].name};
    t->column_count = (int)(next - t->columns);
}

int flow_columns_find(struct flow_table *t, char **declaration, struct weir_error *error)
{
    struct keys keys = {0};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < sizeof always / sizeof *always; i++)
        status = add_key(&keys, always[i]) ? WEIR_OK
                                           : weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    if (status == WEIR_OK)
        status = read_keys(t, &keys, error);
    /* SQLite has room for 2,000 columns. */
    if (keys.count > 1900)
        keys.count = 1900;
    t->columns = calloc(keys.count + 3 + SHORT_NAMES, sizeof *t->columns);
    if (status != WEIR_OK || !t->columns) {
        free(keys.all);
        return status == WEIR_ENOMEM || !t->columns ? SQLITE_NOMEM : SQLITE_ERROR;
    }
    list_columns(t, &keys);
    free(keys.all);
    *declaration = declare(t);
    return *declaration ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- values ---- */

/* The element's column in the cursor's block, decoded when it is first asked for; *out NULL: no row
 * has it. `at` is a place in block.vectors. */
static enum weir_status decode(struct flow_table *t, struct flow_cursor *c, int at, ie_key key,
                               const struct vector **out, struct weir_error *error)
{
    struct vector *v = &c->block.vectors[at];
    enum weir_status status = WEIR_OK;
    *out = NULL;
    if (v->width == UNDECODED) {
        struct frame f;
        status = block_decode(&t->reader.sql, &c->block.record, &key, 1, &c->arena, &f, error);
        const struct vector *found = status == WEIR_OK ? frame_find(&f, key) : NULL;
        if (status != WEIR_OK)
            return status;
        c->block.absent[at] = !found;
        *v = found ? *found : (struct vector){.key = key};
    }
    *out = c->block.absent[at] ? NULL : v;
    return WEIR_OK;
}

static void result_number(sqlite3_context *context, uint64_t v, enum ie_type type, unsigned width)
{
    char text[24];
    bool is_signed = type >= IE_SIGNED8 && type <= IE_SIGNED64;
    if (is_signed && width < 8)
        v = (uint64_t)((int64_t)(v << (64 - 8 * width)) >> (64 - 8 * width));
    if (v <= INT64_MAX || is_signed) {
        sqlite3_result_int64(context, (int64_t)v);
        return;
    }
    sqlite3_snprintf(sizeof text, text, "%llu", (sqlite3_uint64)v);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void result_float(sqlite3_context *context, uint64_t bits, enum ie_type type)
{
    uint32_t low = (uint32_t)bits;
    double d;
    float f;
    if (type == IE_FLOAT32) {
        memcpy(&f, &low, sizeof f);
        d = f;
    } else {
        memcpy(&d, &bits, sizeof d);
    }
    sqlite3_result_double(context, d);
}

static void result_address(sqlite3_context *context, const uint8_t octets[16])
{
    char text[ADDRESS_TEXT_SIZE];
    struct address a;
    memcpy(a.octets, octets, sizeof a.octets);
    sqlite3_result_text(context, address_print(&a, text), -1, SQLITE_TRANSIENT);
}

static void result_text(sqlite3_context *context, const struct vector *v, uint32_t row,
                        enum ie_type type)
{
    struct buffer text = {0};
    value_print_text(&text, v, row, type);
    if (text.failed)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text(context, text.length ? (const char *)text.bytes : "", (int)text.length,
                            SQLITE_TRANSIENT);
    buffer_free(&text);
}

static void result_value(sqlite3_context *context, const struct vector *v, uint32_t row,
                         enum ie_type type)
{
    if (v->width == 16) {
        result_address(context, vector_octets(v, row).bytes);
    } else if (v->width == 0) {
        struct octets o = vector_octets(v, row);
        if (type == IE_STRING)
            result_text(context, v, row, type);
        else
            sqlite3_result_blob(context, o.length ? (const void *)o.bytes : "", (int)o.length,
                                SQLITE_TRANSIENT);
    } else if (type == IE_IPV4 || type == IE_MAC_ADDRESS) {
        result_text(context, v, row, type);
    } else if (type == IE_FLOAT32 || type == IE_FLOAT64) {
        result_float(context, vector_u64(v, row), type);
    } else if (type == IE_BOOLEAN) { /* RFC 7011 section 6.1.5: 1 is true, 2 is false */
        sqlite3_result_int64(context, vector_u64(v, row) == 1);
    } else {
        result_number(context, vector_u64(v, row), type, v->width);
    }
}

static bool has(const struct vector *v, uint32_t row)
{
    return v && vector_has(v, row);
}

/* Of either family: keys.h, srcIP. Its two columns have the places after the table's. */
static enum weir_status result_either(struct flow_table *t, struct flow_cursor *c, bool source,
                                      sqlite3_context *context, struct weir_error *error)
{
    static const uint8_t none[16];
    const struct vector *four, *six;
    int at = t->column_count + (source ? 0 : 2);
    enum weir_status status = decode(t, c, at, source ? IANA(8) : IANA(12), &four, error);
    if (status == WEIR_OK)
        status = decode(t, c, at + 1, source ? IANA(27) : IANA(28), &six, error);
    if (status != WEIR_OK)
        return status;
    bool has4 = has(four, c->row), has6 = has(six, c->row) && six->width == 16;
    bool zero4 = has4 && four->width <= 8 && four->width && vector_u64(four, c->row) == 0;
    if (has6 && (!has4 || (zero4 && memcmp(vector_octets(six, c->row).bytes, none, 16))))
        result_value(context, six, c->row, IE_IPV6);
    else if (has4)
        result_value(context, four, c->row, IE_IPV4);
    return WEIR_OK;
}

int flow_column_result(struct flow_table *t, struct flow_cursor *c, int column,
                       sqlite3_context *context, struct weir_error *error)
{
    const struct flow_column *f = &t->columns[column];
    const struct vector *v = NULL;
    enum weir_status status = WEIR_OK;
    if (f->kind == COLUMN_SRC_IP || f->kind == COLUMN_DST_IP)
        status = result_either(t, c, f->kind == COLUMN_SRC_IP, context, error);
    else if (f->kind == COLUMN_ELEMENT)
        status = decode(t, c, column, f->key, &v, error);
    if (status != WEIR_OK)
        return SQLITE_CORRUPT;
    if (has(v, c->row))
        result_value(context, v, c->row, f->type);
    return SQLITE_OK;
}

/* ---- addresses ---- */

static bool read_address(int length, const void *text, struct address *out)
{
    char copy[ADDRESS_TEXT_SIZE];
    if (length <= 0 || (size_t)length >= sizeof copy)
        return false;
    memcpy(copy, text, (size_t)length);
    copy[length] = '\0';
    return address_parse(copy, "", out, NULL) == WEIR_OK;
}

/* What is no address comes after all that are, as text. IPv4 comes before IPv6. */
int flow_compare_addresses(void *unused, int a_length, const void *a, int b_length, const void *b)
{
    struct address x, y;
    bool is_x = read_address(a_length, a, &x), is_y = read_address(b_length, b, &y);
    (void)unused;
    if (is_x != is_y)
        return is_x ? -1 : 1;
    if (is_x) {
        bool four_x = address_is_ipv4(&x), four_y = address_is_ipv4(&y);
        return four_x != four_y ? (four_x ? -1 : 1) : memcmp(x.octets, y.octets, sizeof x.octets);
    }
    int least = a_length < b_length ? a_length : b_length;
    int order = memcmp(a, b, (size_t)least);
    return order ? order : a_length - b_length;
}
