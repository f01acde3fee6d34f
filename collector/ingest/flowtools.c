/* flowtools.c - see flowtools.h. Neighbours: files.c tells files apart, ingest.c takes the records.
 *
 *   file ─▶ (inflate) ─▶ whole records ─▶ network byte order ─▶ runs with the same header ─▶ sink
 *
 * The layouts are tables of fields; from a table come the template that moves records into
 * columns, the places to swap, and where the header's fields are. */
#include "ingest/flowtools.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/time.h"
#include "wire/template.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROOM "import"
#define HEADER_MOST 16384u
#define COMPRESSED 2u /* flag */
#define FIELDS_MOST 40u
#define BUFFER_SIZE 65536u

/* ---- fields and layouts ---- */

enum field {
    END, SECS, NSECS, UP, EXADDR, FLOWS, PACKETS, OCTETS, FIRST, LAST, SRC, DST, HOP, IN, OUT,
    SPORT, DPORT, PROT, TOS, TCP, ETYPE, EID, SMASK, DMASK, SAS, DAS, PEER, ROUTER, SWITCH,
    PAD1, PAD2, PAD4, FIELD_COUNT,
};

static const struct {
    uint8_t length;
    ie_key key;
} fields[FIELD_COUNT] = {
    [SECS] = {4, WIRE_PADDING},
    [NSECS] = {4, WIRE_PADDING},
    [UP] = {4, WIRE_PADDING},
    [EXADDR] = {4, WIRE_PADDING},
    [FLOWS] = {4, IANA(3)},
    [PACKETS] = {4, IANA(2)},
    [OCTETS] = {4, IANA(1)},
    [FIRST] = {4, IANA(22)},
    [LAST] = {4, IANA(21)},
    [SRC] = {4, IANA(8)},
    [DST] = {4, IANA(12)},
    [HOP] = {4, IANA(15)},
    [IN] = {2, IANA(10)},
    [OUT] = {2, IANA(14)},
    [SPORT] = {2, IANA(7)},
    [DPORT] = {2, IANA(11)},
    [PROT] = {1, IANA(4)},
    [TOS] = {1, IANA(5)},
    [TCP] = {1, IANA(6)},
    [ETYPE] = {1, WIRE_PADDING},
    [EID] = {1, WIRE_PADDING},
    [SMASK] = {1, IANA(9)},
    [DMASK] = {1, IANA(13)},
    [SAS] = {2, IANA(16)},
    [DAS] = {2, IANA(17)},
    [PEER] = {4, IANA(18)},
    [ROUTER] = {4, WEIR_V7_BYPASSED_ROUTER},
    [SWITCH] = {1, WEIR_V7_FLAGS},
    [PAD1] = {1, WIRE_PADDING},
    [PAD2] = {2, WIRE_PADDING},
    [PAD4] = {4, WIRE_PADDING},
};

#define MESSAGE SECS, NSECS, UP, EXADDR
#define MESSAGE_OTHER SECS, NSECS, EXADDR, UP /* aggregations 3, 11 and 12 turn them around */
#define FLOW SRC, DST, HOP, IN, OUT, PACKETS, OCTETS, FIRST, LAST, SPORT, DPORT, PROT, TOS, TCP
#define ROUTE ETYPE, EID, SMASK, DMASK, SAS, DAS
#define SUMS FLOWS, PACKETS, OCTETS, FIRST, LAST
#define SUMS_NO_FLOWS PACKETS, OCTETS, FIRST, LAST

static const struct layout {
    uint16_t version;
    uint8_t method; /* of aggregation; version 8 only */
    uint8_t fields[FIELDS_MOST];
} layouts[] = {
    {1, 0, {MESSAGE, FLOW, PAD1, PAD4}},
    {5, 0, {MESSAGE, FLOW, PAD1, ROUTE}},
    {6, 0, {MESSAGE, FLOW, PAD1, ROUTE, PAD4, PEER}},
    {7, 0, {MESSAGE, FLOW, SWITCH, ROUTE, ROUTER}},
    {1005, 0, {MESSAGE, FLOW, PAD1, ROUTE, PAD4, PAD4}},
    {8, 1, {MESSAGE, SUMS, SAS, DAS, IN, OUT, ETYPE, EID, PAD2}},
    {8, 2, {MESSAGE, SUMS, PROT, PAD1, PAD2, SPORT, DPORT, ETYPE, EID, PAD2}},
    {8, 3, {MESSAGE_OTHER, SUMS, SRC, SMASK, PAD1, SAS, IN, ETYPE, EID}},
    {8, 4, {MESSAGE, SUMS, DST, DMASK, PAD1, ETYPE, EID, DAS, OUT}},
    {8, 5, {MESSAGE, SUMS, SRC, DST, DMASK, SMASK, ETYPE, EID, SAS, DAS, IN, OUT}},
    {8, 6, {MESSAGE, SUMS_NO_FLOWS, DST, PAD4, ROUTER, OUT, PAD2, TOS, PAD1, ETYPE, EID}},
    {8, 7, {MESSAGE, SUMS_NO_FLOWS, DST, SRC, PAD4, ROUTER, OUT, IN, TOS, PAD1, ETYPE, EID}},
    {8,
     8,
     {MESSAGE, SUMS_NO_FLOWS, DST, SRC, PAD4, ROUTER, DPORT, SPORT, OUT, IN, TOS, PAD1, ETYPE, EID,
      PROT, PAD1, PAD2}},
    {8, 9, {MESSAGE, SUMS, SAS, DAS, IN, OUT, ETYPE, EID, TOS, PAD1}},
    {8, 10, {MESSAGE, SUMS, SPORT, DPORT, IN, OUT, ETYPE, EID, PROT, TOS}},
    {8, 11, {MESSAGE_OTHER, SUMS, SRC, SMASK, TOS, SAS, IN, ETYPE, EID}},
    {8, 12, {MESSAGE_OTHER, SUMS, DST, OUT, DAS, DMASK, TOS, ETYPE, EID}},
    {8,
     13,
     {MESSAGE, SUMS, SRC, DST, SAS, DAS, IN, OUT, DMASK, SMASK, ETYPE, EID, TOS, PAD1, PAD2}},
    {8,
     14,
     {MESSAGE, SUMS, SRC, DST, SPORT, DPORT, IN, OUT, DMASK, SMASK, ETYPE, EID, TOS, PROT, PAD2}},
};

static const struct layout *find_layout(uint16_t version, uint8_t method)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].version == version && (version != 8 || layouts[i].method == method))
            return &layouts[i];
    return NULL;
}

/* ---- one file ---- */

struct reader {
    FILE *file;
    const char *path;
    const struct record_sink *sink;
    bool little, compressed;
    uint16_t version;
    uint8_t method;
    const struct layout *layout;
    struct ingest_layout *columns;
    size_t record;             /* octets of one */
    uint32_t at[FIELD_COUNT];  /* of the header's fields in a record */
    uint32_t filled;         /* octets of `records` */
    uint8_t input[BUFFER_SIZE], records[BUFFER_SIZE];
};

static uint32_t number(const struct reader *r, const uint8_t *p, unsigned length)
{
    if (length == 2)
        return r->little ? load_le16(p) : load_be16(p);
    return r->little ? load_le32(p) : load_be32(p);
}

bool flowtools_recognise(const uint8_t *first, size_t length)
{
    return length >= 4 && first[0] == 0xcf && first[1] == 0x10 && (first[2] == 1 || first[2] == 2);
}

static void read_field(struct reader *r, uint16_t type, const uint8_t *value, size_t length)
{
    if (type == 2 && length >= 2)
        r->version = (uint16_t)number(r, value, 2);
    else if (type == 4 && length >= 1)
        r->method = value[0];
    else if (type == 8 && length >= 4)
        r->compressed = (number(r, value, 4) & COMPRESSED) != 0;
}

static enum weir_status read_header(struct reader *r, struct weir_error *error)
{
    uint8_t *head = r->input;
    if (fread(head, 1, 8, r->file) != 8 || !flowtools_recognise(head, 8))
        return weir_fail(error, WEIR_EMALFORMED, "path", "%s: not a flow-tools file", r->path);
    if (head[3] != 3)
        return weir_fail(error, WEIR_EMALFORMED, "path",
                         "%s: a flow-tools stream of version %u; version 3 is understood", r->path,
                         head[3]);
    r->little = head[2] == 1;
    size_t length = number(r, head + 4, 4);
    if (length < 8 || length > HEADER_MOST || fread(head + 8, 1, length - 8, r->file) != length - 8)
        return weir_fail(error, WEIR_EMALFORMED, "path", "%s: the header is not whole", r->path);
    for (size_t at = 8; at + 4 <= length;) {
        uint16_t type = (uint16_t)number(r, head + at, 2);
        size_t octets = number(r, head + at + 2, 2);
        at += 4;
        if (octets > length - at)
            break;
        read_field(r, type, head + at, octets);
        at += octets;
    }
    return WEIR_OK;
}

static enum weir_status use_layout(struct reader *r, struct weir_error *error)
{
    struct wire_spec specs[FIELDS_MOST];
    size_t count = 0;
    r->layout = find_layout(r->version, r->method);
    if (!r->layout)
        return weir_fail(error, WEIR_EMALFORMED, "path",
                         "%s: flow-tools records of version %u (aggregation %u) are not understood",
                         r->path, r->version, r->method);
    for (const uint8_t *f = r->layout->fields; *f != END; f++) {
        r->at[*f] = (uint32_t)r->record;
        r->record += fields[*f].length;
        specs[count++] = (struct wire_spec){fields[*f].key, fields[*f].length};
    }
    r->columns = ingest_layout_new(specs, count);
    return r->columns ? WEIR_OK
                      : weir_fail(error, WEIR_ENOMEM, "path", "no memory for %s", r->path);
}

/* ---- records ---- */

/* In place, from little endian to network byte order. */
static void swap_record(const struct reader *r, uint8_t *p)
{
    for (const uint8_t *f = r->layout->fields; *f != END; p += fields[*f].length, f++) {
        uint32_t four;
        uint16_t two;
        if (fields[*f].length == 4) {
            four = load_be32(p);
            memcpy(p, &four, sizeof four);
        } else if (fields[*f].length == 2) {
            two = load_be16(p);
            memcpy(p, &two, sizeof two);
        }
    }
}

/* Do both records come from datagrams with the same header? */
static bool same_message(const struct reader *r, const uint8_t *a, const uint8_t *b)
{
    static const uint8_t header[] = {SECS, NSECS, UP, EXADDR, ETYPE, EID};
    size_t count = r->version == 1 ? 4 : 6;
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + r->at[header[i]], b + r->at[header[i]], fields[header[i]].length) != 0)
            return false;
    return true;
}

static enum weir_status hand_on(struct reader *r, const uint8_t *p, size_t count)
{
    struct ingest_origin from = {
        .exporter = address_from_ipv4(load_be32(p + r->at[EXADDR])),
        .protocol = r->version == 1005 ? 5 : r->version,
        .export_ms =
            (int64_t)load_be32(p + r->at[SECS]) * 1000 + load_be32(p + r->at[NSECS]) / 1000000,
        .has_up_time = true,
        .up_time_ms = load_be32(p + r->at[UP]),
        .received_ms = clock_now_ms(),
    };
    if (r->version != 1)
        from.domain = (uint32_t)p[r->at[ETYPE]] << 8 | p[r->at[EID]];
    return r->sink->records(r->sink->context, &from, r->columns, p, count * r->record);
}

/* Hands on the whole records there are, and keeps what is left of the last one. */
static enum weir_status take_records(struct reader *r)
{
    size_t count = r->filled / r->record, run = 0;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; r->little && i < count; i++)
        swap_record(r, r->records + i * r->record);
    for (size_t i = 0; i < count && status == WEIR_OK; i += run) {
        const uint8_t *first = r->records + i * r->record;
        for (run = 1; i + run < count && same_message(r, first, first + run * r->record);)
            run++;
        status = hand_on(r, first, run);
    }
    r->filled -= (uint32_t)(count * r->record);
    memmove(r->records, r->records + count * r->record, r->filled);
    return status;
}

static void warn(const struct reader *r, const char *what)
{
    log_warning(ROOM, "%s: %s before octet %ld; the rest is left out", r->path, what,
                ftell(r->file));
}

static enum weir_status read_plain(struct reader *r)
{
    enum weir_status status = WEIR_OK;
    for (size_t got = 1; status == WEIR_OK && got;) {
        got = fread(r->records + r->filled, 1, sizeof r->records - r->filled, r->file);
        r->filled += (uint32_t)got;
        status = take_records(r);
        if (r->sink->progress)
            r->sink->progress(r->sink->context, (uint64_t)ftell(r->file));
    }
    return status;
}

/* Inflates one input buffer; *code is zlib's last word. Streams may follow one another. */
static enum weir_status inflate_input(struct reader *r, z_stream *z, int *code)
{
    enum weir_status status = WEIR_OK;
    do {
        z->next_out = r->records + r->filled;
        z->avail_out = (uInt)(sizeof r->records - r->filled);
        uInt room = z->avail_out;
        *code = inflate(z, Z_NO_FLUSH);
        r->filled += room - z->avail_out;
        status = take_records(r);
        if (*code == Z_STREAM_END && z->avail_in)
            *code = inflateReset(z) == Z_OK ? Z_OK : Z_STREAM_ERROR;
        if (room == z->avail_out && *code == Z_OK && !z->avail_in)
            break;
    } while (status == WEIR_OK && *code == Z_OK && (z->avail_in || !z->avail_out));
    return status;
}

static enum weir_status read_compressed(struct reader *r)
{
    z_stream z = {0};
    int code = inflateInit(&z);
    enum weir_status status = code == Z_OK ? WEIR_OK : WEIR_ENOMEM;
    bool started = code == Z_OK;
    while (status == WEIR_OK && (code == Z_OK || code == Z_BUF_ERROR)) {
        z.next_in = r->input;
        z.avail_in = (uInt)fread(r->input, 1, sizeof r->input, r->file);
        if (!z.avail_in)
            break;
        status = inflate_input(r, &z, &code);
        if (r->sink->progress)
            r->sink->progress(r->sink->context, (uint64_t)ftell(r->file));
    }
    if (started)
        (void)inflateEnd(&z);
    if (status == WEIR_OK && code != Z_STREAM_END && code != Z_OK && code != Z_BUF_ERROR)
        warn(r, "the compressed octets are damaged");
    return code == Z_MEM_ERROR ? WEIR_ENOMEM : status;
}

enum weir_status flowtools_read(FILE *file, const char *path, const struct record_sink *sink,
                                struct weir_error *error)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return weir_fail(error, WEIR_ENOMEM, "path", "no memory for %s", path);
    r->file = file;
    r->path = path;
    r->sink = sink;
    enum weir_status status = read_header(r, error);
    if (status == WEIR_OK)
        status = use_layout(r, error);
    if (status == WEIR_OK)
        status = r->compressed ? read_compressed(r) : read_plain(r);
    if (status == WEIR_OK && r->filled)
        warn(r, "a record is not whole");
    ingest_layout_free(r->columns);
    free(r);
    return status;
}
