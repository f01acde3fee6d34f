/* weird_export.c - `weird export`: stored flow records for other programs. json is the lines of
 * `weird records`, of flows alone; csv has a column an element; ipfix is a file of messages (RFC
 * 5655). */
#include "weird.h"
#include "base/buffer.h"
#include "flow/value.h"
#include "wire/ipfix_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct export {
    struct weir_error *error;
    struct buffer out;
    const ie_key *keys; /* of the header */
    size_t key_count;
    struct ipfix_writer *ipfix;
    uint64_t records, start_us;
};

static enum weir_status flush(struct export *e)
{
    if (e->out.failed)
        return weir_fail(e->error, WEIR_ENOMEM, NULL, "out of memory for an export");
    if (e->out.length && fwrite(e->out.bytes, 1, e->out.length, stdout) != e->out.length)
        return weir_fail(e->error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    buffer_clear(&e->out);
    return WEIR_OK;
}

/* ---- csv: RFC 4180 ---- */

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (strchr(",\"\r\n", text[i]) && text[i])
            return false;
    return length != 0; /* "" is a text without characters; nothing is no value */
}

static void put_cell(struct buffer *out, const char *text, size_t length)
{
    if (is_plain(text, length)) {
        buffer_put(out, text, length);
        return;
    }
    buffer_put_u8(out, '"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            buffer_put_u8(out, '"');
        buffer_put_u8(out, (uint8_t)text[i]);
    }
    buffer_put_u8(out, '"');
}

static enum weir_status csv_begin(void *context, const ie_key *keys, size_t count)
{
    struct export *e = context;
    char name[IE_NAME_SIZE];
    e->keys = keys;
    e->key_count = count;
    for (size_t i = 0; i < count; i++) {
        ie_key_print(keys[i], name);
        if (i)
            buffer_put_u8(&e->out, ',');
        put_cell(&e->out, name, strlen(name));
    }
    buffer_put(&e->out, "\r\n", 2);
    return flush(e);
}

static void csv_value(struct buffer *out, const struct vector *v, uint32_t row, struct buffer *text)
{
    buffer_clear(text);
    value_print_text(text, v, row, v->width == 16 ? IE_IPV6 : ie_storage_type(v->key));
    put_cell(out, (const char *)text->bytes, text->length);
    out->failed |= text->failed;
}

static enum weir_status csv_rows(void *context, const struct frame *f, const uint64_t *selected,
                                 uint32_t count)
{
    struct export *e = context;
    const struct vector *columns[1024];
    struct buffer text = {0};
    enum weir_status status = WEIR_OK;
    if (e->key_count > sizeof columns / sizeof *columns)
        return weir_fail(e->error, WEIR_ELIMIT, NULL,
                         "%zu elements occur; csv has room for 1024: narrow the filter",
                         e->key_count);
    for (size_t i = 0; i < e->key_count; i++)
        columns[i] = frame_find(f, e->keys[i]);
    for (uint32_t row = 0; row < f->rows && status == WEIR_OK; row++) {
        if (!(selected[row / 64] >> (row % 64) & 1))
            continue;
        for (size_t i = 0; i < e->key_count; i++) {
            if (i)
                buffer_put_u8(&e->out, ',');
            if (columns[i] && vector_has(columns[i], row))
                csv_value(&e->out, columns[i], row, &text);
        }
        buffer_put(&e->out, "\r\n", 2);
        if (e->out.length > 1 << 20)
            status = flush(e);
    }
    buffer_free(&text);
    e->records += count;
    return status == WEIR_OK ? flush(e) : status;
}

/* ---- ipfix ---- */

static enum weir_status ipfix_rows(void *context, const struct frame *f, const uint64_t *selected,
                                   uint32_t count)
{
    struct export *e = context;
    enum weir_status status = ipfix_write(e->ipfix, f, selected, &e->out, e->error);
    e->records += count;
    return status == WEIR_OK ? flush(e) : status;
}

/* ---- the word ---- */

static const struct format {
    const char *name;
    enum weir_status (*begin)(void *, const ie_key *, size_t);
    enum weir_status (*rows)(void *, const struct frame *, const uint64_t *, uint32_t);
} formats[] = {{"csv", csv_begin, csv_rows}, {"ipfix", NULL, ipfix_rows}};
#define FORMATS (sizeof formats / sizeof *formats)

static void draw(void *context, uint64_t done, uint64_t all)
{
    const struct export *e = context;
    progress_draw_beside_output("exporting", done, all, e->start_us);
}

static enum weir_status json_line(void *context, const char *text, size_t length)
{
    struct export *e = context;
    static const char flow[] = "{\"type\":\"flow\"";
    if (length < sizeof flow - 1 || memcmp(text, flow, sizeof flow - 1) != 0)
        return WEIR_OK;
    e->records++;
    buffer_put(&e->out, text, length);
    return e->out.length > 1 << 20 ? flush(e) : WEIR_OK;
}

static enum weir_status export_as(const struct weird_settings *s, struct store *store,
                                  const struct format *format, struct export *e)
{
    const struct interval when = {s->from_ms, s->to_ms};
    if (!format) {
        enum weir_status status =
            store_records(store, s->filter, when, json_line, draw, e, e->error);
        return status == WEIR_OK ? flush(e) : status;
    }
    const struct scan_request request = {.filter = s->filter, .when = when,
                                         .begin = format->begin, .rows = format->rows,
                                         .progress = draw, .context = e};
    e->ipfix = ipfix_writer_new();
    if (!e->ipfix)
        return weir_fail(e->error, WEIR_ENOMEM, NULL, "out of memory for an export");
    return store_scan(store, &request, e->error);
}

static int finish(struct export *e, enum weir_status status)
{
    struct ipfix_written written = {0};
    if (e->ipfix)
        written = ipfix_writer_report(e->ipfix);
    ipfix_writer_free(e->ipfix);
    buffer_free(&e->out);
    progress_clear();
    if (fflush(stdout) != 0 && status == WEIR_OK)
        status = weir_fail(e->error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    if (status == WEIR_ESYNTAX)
        return weird_usage("--filter: %s", e->error->message);
    if (status != WEIR_OK)
        return weird_complain(e->error, 1);
    if (written.too_long)
        fprintf(stderr, "weird: %" PRIu64 " records are longer than an IPFIX message can be: left "
                        "out\n", written.too_long);
    if (written.times_unsaid)
        fprintf(stderr, "weird: %" PRIu64 " records have times that IPFIX can not say (before 1970 "
                        "or exported past 2106): left out, or the nearest that it has\n",
                written.times_unsaid);
    return 0;
}

int weird_export(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct export e = {.error = &error, .start_us = clock_monotonic_us()};
    const struct format *format = NULL;
    struct store *store;
    if (operands > 0)
        return weird_usage("export: '%s' is too much", operand[0]);
    weird_reader_may_leave();
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(s->format, formats[i].name) == 0)
            format = &formats[i];
    if (!format && strcmp(s->format, "json") != 0)
        return weird_usage("--format: '%s' is none; there are csv, json and ipfix", s->format);
    if (store_open(s->data, STORE_READ_ONLY, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = export_as(s, store, format, &e);
    store_close(store);
    return finish(&e, status);
}
