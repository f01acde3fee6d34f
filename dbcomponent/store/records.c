/* records.c - every stored record as a JSON line (store_records()). Neighbours: blocks.c decodes,
 * lib/flow's value.c prints values, filter.c selects.
 *
 * A line has, in this order: "type"; the elements of the record by name, IANA before enterprise;
 * the scopes of NetFlow v9 options; "_tid", the template; "_hdr", the fields of the message's
 * header as its protocol names them; "_weir", what Weir made of the record. */
#include "store/inside.h"
#include "flow/structured.h"
#include "flow/value.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct column_name { /* a column of the block at hand that prints at the top level */
    const struct vector *vector;
    enum ie_type type;
    enum ie_type list; /* of RFC 6313; IE_OCTET_ARRAY: none */
    char name[IE_NAME_SIZE];
};

struct writing {
    struct sql *sql;
    const struct filter *filter;
    struct interval when;
    store_line line;
    void *context;
    struct arena arena;
    struct buffer out;
    struct column_name names[BATCH_COLUMNS_MOST];
    uint32_t name_count;
    struct weir_error *error;
};

/* ---- header and Weir's own values: rows of tables ---- */

typedef void (*print_value)(struct buffer *out, const struct vector *v, uint32_t row);
struct member {
    const char *name;
    ie_key key;
    print_value print;
};

static void print_plain(struct buffer *out, const struct vector *v, uint32_t row)
{
    value_print_json(out, v, row, ie_storage_type(v->key));
}

static void print_address(struct buffer *out, const struct vector *v, uint32_t row)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address a;
    struct octets o = vector_octets(v, row);
    memcpy(a.octets, o.bytes, sizeof a.octets);
    buffer_print(out, "\"%s\"", address_print(&a, text));
}

static void print_seconds(struct buffer *out, const struct vector *v, uint32_t row)
{
    buffer_print(out, "%llu", (unsigned long long)(vector_u64(v, row) / 1000));
}

static void print_nanoseconds(struct buffer *out, const struct vector *v, uint32_t row)
{
    buffer_print(out, "%llu", (unsigned long long)(vector_u64(v, row) % 1000 * 1000000));
}

static const struct member header_v5[] = {
    {"sysUpTime", WEIR_SYS_UP_TIME, print_plain},
    {"unix_secs", WEIR_EXPORT_TIME, print_seconds},
    {"unix_nsecs", WEIR_EXPORT_TIME, print_nanoseconds},
    {NULL, 0, NULL},
};
static const struct member header_v9[] = {
    {"sysUpTime", WEIR_SYS_UP_TIME, print_plain},
    {"unix_secs", WEIR_EXPORT_TIME, print_seconds},
    {"source_id", WEIR_DOMAIN, print_plain},
    {NULL, 0, NULL},
};
static const struct member header_ipfix[] = {
    {"exportTime", WEIR_EXPORT_TIME, print_seconds},
    {"observationDomainId", WEIR_DOMAIN, print_plain},
    {NULL, 0, NULL},
};
static const struct member header_sflow[] = { /* it does not say what time it was */
    {"uptime", WEIR_SYS_UP_TIME, print_plain},
    {"sub_agent_id", WEIR_DOMAIN, print_plain},
    {NULL, 0, NULL},
};
static const struct member header_none[] = {{NULL, 0, NULL}}; /* files without messages */
static const struct {
    uint64_t version;
    const struct member *members;
} headers[] = {{1, header_v5}, {5, header_v5}, {7, header_v5}, {8, header_v5},
             {9, header_v9}, {105, header_sflow}, {0, header_none}, {6, header_v5}};

static const struct member weir_members[] = {
    {"exporter", WEIR_EXPORTER, print_address},
    {"port", WEIR_EXPORTER_PORT, print_plain},
    {"domain", WEIR_DOMAIN, print_plain},
    {"protocolVersion", WEIR_PROTOCOL_VERSION, print_plain},
    {"exportTime", WEIR_EXPORT_TIME, print_plain},
    {"flowStart", WEIR_FLOW_START, print_plain},
    {"flowEnd", WEIR_FLOW_END, print_plain},
    {"timeOrigin", WEIR_TIME_ORIGIN, print_plain},
    {"octets", WEIR_OCTETS, print_plain},
    {"packets", WEIR_PACKETS, print_plain},
    {"srcTag", WEIR_SRC_TAG, print_plain},
    {"dstTag", WEIR_DST_TAG, print_plain},
    {"samplingRate", WEIR_SAMPLING_RATE, print_plain},
    {"samplingOrigin", WEIR_SAMPLING_ORIGIN, print_plain},
    {"observationRole", WEIR_OBSERVATION_ROLE, print_plain},
    {"anonymisation", WEIR_ANONYMISATION, print_plain},
    {"flowCount", WEIR_FLOW_COUNT, print_plain},
    {NULL, 0, NULL},
};

static void print_members(struct buffer *out, const char *name, const struct member *members,
                          const struct frame *f, uint32_t row)
{
    const char *comma = "";
    buffer_print(out, ",\"%s\":{", name);
    for (const struct member *m = members; m->name; m++) {
        const struct vector *v = frame_find(f, m->key);
        if (!v || !vector_has(v, row))
            continue;
        buffer_print(out, "%s\"%s\":", comma, m->name);
        m->print(out, v, row);
        comma = ",";
    }
    buffer_put_u8(out, '}');
}

static const struct member *header_of(const struct frame *f, uint32_t row)
{
    const struct vector *v = frame_find(f, WEIR_PROTOCOL_VERSION);
    uint64_t version = v ? vector_u64(v, row) : 0;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i].version == version)
            return headers[i].members;
    return header_ipfix;
}

/* ---- one record ---- */

/* Elements that came on the wire: all but Weir's own, of which scopes of v9 options came too. */
static bool on_the_wire(ie_key key)
{
    return ie_key_pen(key) != WEIR_PEN || (key >= WEIR_V9_SCOPE(0) && key < WEIR_SRC_IP);
}

static void name_columns(struct writing *w, const struct frame *f)
{
    w->name_count = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!on_the_wire(f->vectors[i].key))
            continue;
        struct column_name *n = &w->names[w->name_count++];
        n->vector = &f->vectors[i];
        n->type = ie_storage_type(n->vector->key);
        n->list = n->vector->width == 0 ? structured_type(n->vector->key) : IE_OCTET_ARRAY;
        ie_key_print(n->vector->key, n->name);
    }
}

/* A list that can not be read prints as the octets it is. */
static void print_column(struct buffer *out, const struct column_name *n,
                         const struct vector *templates, uint32_t row)
{
    struct octets none = {0};
    bool has = n->list != IE_OCTET_ARRAY && templates && vector_has(templates, row);
    if (n->list == IE_OCTET_ARRAY ||
        !structured_print_json(out, n->list, vector_octets(n->vector, row),
                               has ? vector_octets(templates, row) : none))
        value_print_json(out, n->vector, row, n->type);
}

static void print_record(struct writing *w, const struct frame *f, uint32_t row, uint8_t kind)
{
    struct buffer *out = &w->out;
    const struct vector *templates = frame_find(f, WEIR_LIST_TEMPLATES);
    buffer_clear(out);
    buffer_print(out, "{\"type\":\"%s\"", kind == RECORD_OPTIONS ? "options" : "flow");
    for (uint32_t i = 0; i < w->name_count; i++) {
        if (!vector_has(w->names[i].vector, row))
            continue;
        buffer_put(out, ",", 1);
        buffer_put_json(out, w->names[i].name, strlen(w->names[i].name));
        buffer_put(out, ":", 1);
        print_column(out, &w->names[i], templates, row);
    }
    const struct vector *template = frame_find(f, WEIR_TEMPLATE);
    if (template && vector_has(template, row))
        buffer_print(out, ",\"_tid\":%llu", (unsigned long long)vector_u64(template, row));
    print_members(out, "_hdr", header_of(f, row), f, row);
    print_members(out, "_weir", weir_members, f, row);
    buffer_put(out, "}\n", 2);
}

/* ---- blocks ---- */

static bool is_inside(const struct vector *end, uint32_t row, struct interval when)
{
    int64_t at = end ? (int64_t)vector_u64(end, row) : 0;
    return at >= when.from_ms && at < when.to_ms;
}

static enum weir_status write_rows(struct writing *w, const struct block_record *b,
                                   const struct frame *f)
{
    enum weir_status status = WEIR_OK;
    const struct vector *end = frame_find(f, WEIR_FLOW_END);
    uint64_t *selected = arena_alloc(&w->arena, (f->rows + 63) / 64 * sizeof *selected);
    if (!selected || filter_select(w->filter, f, &w->arena, selected) == UINT32_MAX)
        return weir_fail(w->error, WEIR_ENOMEM, "", "out of memory for a block of %u rows",
                         f->rows);
    const struct vector *direction = frame_find(f, WEIR_DIRECTION);
    name_columns(w, f);
    for (uint32_t row = 0; status == WEIR_OK && row < f->rows; row++) {
        if (!(selected[row / 64] >> (row % 64) & 1) || !is_inside(end, row, w->when) ||
            (direction && vector_has(direction, row))) /* made from a record, and none itself */
            continue;
        print_record(w, f, row, b->head.kind);
        if (w->out.failed)
            return weir_fail(w->error, WEIR_ENOMEM, "", "out of memory for a line");
        status = w->line(w->context, (const char *)w->out.bytes, w->out.length);
    }
    return status;
}

static bool bounds_in_block(void *context, ie_key key, struct column_bounds *out)
{
    const struct block_record *b = context;
    for (uint32_t i = 0; i < b->count; i++)
        if (b->columns[i].key == key) {
            column_bounds_of(&b->columns[i], out);
            return true;
        }
    *out = (struct column_bounds){.key = key};
    return true;
}

static enum weir_status write_block(struct writing *w, int64_t id)
{
    struct block_record b;
    struct frame f;
    arena_reset(&w->arena);
    enum weir_status status = block_record_read(w->sql, id, &w->arena, &b, w->error);
    if (status != WEIR_OK || filter_judge(w->filter, bounds_in_block, &b) == FILTER_NONE)
        return status;
    status = block_decode(w->sql, &b, NULL, 0, &w->arena, &f, w->error);
    return status == WEIR_OK ? write_rows(w, &b, &f) : status;
}

/* Flow and option blocks, merged into the order they were stored in. */
static enum weir_status write_blocks(struct writing *w, struct reader *r, store_progress progress)
{
    struct arena a = {0};
    struct stored_block *blocks[2];
    size_t counts[2] = {0, 0}, at[2] = {0, 0};
    enum weir_status status = WEIR_OK;
    for (int kind = RECORD_FLOW; status == WEIR_OK && kind <= RECORD_OPTIONS; kind++)
        status = reader_blocks(r, (enum record_kind)kind, w->when, &a, &blocks[kind], &counts[kind],
                               w->error);
    while (status == WEIR_OK && (at[0] < counts[0] || at[1] < counts[1])) {
        int kind = at[0] == counts[0] ||
                   (at[1] < counts[1] && blocks[1][at[1]].rowid < blocks[0][at[0]].rowid);
        status = write_block(w, blocks[kind][at[kind]++].rowid);
        if (status == WEIR_OK && progress)
            progress(w->context, at[0] + at[1], counts[0] + counts[1]);
    }
    arena_free(&a);
    return status;
}

enum weir_status store_records(struct store *s, const char *filter, struct interval when,
                               store_line line, store_progress progress, void *context,
                               struct weir_error *error)
{
    struct reader *r;
    struct filter *parsed = NULL;
    if (when.from_ms >= when.to_ms)
        return weir_fail(error, WEIR_EARGUMENT, "to",
                         "an interval that ends after it starts is expected");
    enum weir_status status = reader_open(s, &r, error);
    if (status != WEIR_OK)
        return status;
    struct writing *w = calloc(1, sizeof *w);
    if (!w)
        status = weir_fail(error, WEIR_ENOMEM, "", "out of memory");
    else
        status = filter_parse(filter ? filter : "", reader_tag, r, &parsed, error);
    if (status == WEIR_OK) {
        w->sql = &r->sql;
        w->filter = parsed;
        w->when = when;
        w->line = line;
        w->context = context;
        w->error = error;
        status = write_blocks(w, r, progress);
        arena_free(&w->arena);
        buffer_free(&w->out);
        filter_free(parsed);
    }
    free(w);
    return reader_end(r, status, error);
}
