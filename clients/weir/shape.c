/* shape.c - walks a generated struct by its table of fields; see shape.h. */
#include "weir/shape.h"
#include "base/time.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The field's place, after the pointer of an optional scalar; NULL when the field is absent. */
static const void *field_at(const struct shape_field *f, const void *value)
{
    const char *at = (const char *)value + f->offset;
    bool indirect = f->pointer || f->kind == SHAPE_STRUCT || f->kind == SHAPE_LIST ||
                    f->kind == SHAPE_TEXTS || f->kind == SHAPE_U32S || f->kind == SHAPE_TEXT;
    if (!indirect)
        return at;
    const void *pointer;
    memcpy(&pointer, at, sizeof pointer);
    return pointer;
}

static size_t list_count(const struct shape_field *f, const void *value)
{
    int count;
    memcpy(&count, (const char *)value + f->count, sizeof count);
    return count > 0 && field_at(f, value) ? (size_t)count : 0;
}

static const char *enum_name(const struct shape_field *f, const void *at)
{
    unsigned v;
    memcpy(&v, at, sizeof v);
    return v < f->name_count ? f->names[v] : "unknown";
}

/* Numbers that JSON has no form for (NaN, infinities) become null. */
static void put_double(struct buffer *out, double v)
{
    if (isfinite(v))
        buffer_print(out, "%.17g", v);
    else
        buffer_print(out, "null");
}

static void put_text(struct buffer *out, const char *text)
{
    buffer_put_json(out, text, strlen(text));
}

static void put_list(struct buffer *out, const struct shape_field *f, const void *value)
{
    const char *items = field_at(f, value);
    size_t count = list_count(f, value);
    buffer_put_u8(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buffer_put_u8(out, ',');
        if (f->kind == SHAPE_LIST)
            shape_json(out, f->of, items + i * f->of->size);
        else if (f->kind == SHAPE_TEXTS)
            put_text(out, ((char *const *)(const void *)items)[i]);
        else
            buffer_print(out, "%u", ((const unsigned *)(const void *)items)[i]);
    }
    buffer_put_u8(out, ']');
}

static void put_value(struct buffer *out, const struct shape_field *f, const void *at)
{
    switch (f->kind) {
    case SHAPE_U16:
        buffer_print(out, "%u", *(const uint16_t *)at);
        break;
    case SHAPE_U32:
        buffer_print(out, "%u", *(const uint32_t *)at);
        break;
    case SHAPE_U64:
        buffer_print(out, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case SHAPE_I64:
    case SHAPE_TIME:
        buffer_print(out, "%lld", (long long)*(const int64_t *)at);
        break;
    case SHAPE_DOUBLE:
        put_double(out, *(const double *)at);
        break;
    case SHAPE_FLAG:
        buffer_print(out, "%s", *(const unsigned *)at == 1 ? "true" : "false");
        break;
    case SHAPE_NAME:
        put_text(out, enum_name(f, at));
        break;
    case SHAPE_TEXT:
        put_text(out, at);
        break;
    case SHAPE_STRUCT:
        shape_json(out, f->of, at);
        break;
    case SHAPE_LIST:
    case SHAPE_TEXTS:
    case SHAPE_U32S:
        break; /* put_list() */
    }
}

static bool is_list(const struct shape_field *f)
{
    return f->kind == SHAPE_LIST || f->kind == SHAPE_TEXTS || f->kind == SHAPE_U32S;
}

void shape_json(struct buffer *out, const struct shape *s, const void *value)
{
    bool first = true;
    buffer_put_u8(out, '{');
    for (size_t i = 0; value && i < s->field_count; i++) {
        const struct shape_field *f = &s->fields[i];
        const void *at = field_at(f, value);
        if (!at && !is_list(f))
            continue;
        buffer_print(out, "%s\"%s\":", first ? "" : ",", f->name);
        first = false;
        if (is_list(f))
            put_list(out, f, value);
        else
            put_value(out, f, at);
    }
    buffer_put_u8(out, '}');
}

static void note_field(struct report *r, const struct shape_field *f, const void *at)
{
    char grouped[GROUPED_SIZE], time[TIME_TEXT_SIZE];
    struct buffer text = {0};
    switch (f->kind) {
    case SHAPE_U64:
        report_note(r, f->name, "%s", print_grouped(*(const uint64_t *)at, grouped));
        break;
    case SHAPE_TIME:
        time_print(*(const int64_t *)at, time);
        report_note(r, f->name, "%s", time);
        break;
    case SHAPE_FLAG:
        report_note(r, f->name, "%s", *(const unsigned *)at == 1 ? "yes" : "no");
        break;
    case SHAPE_TEXT:
        report_note(r, f->name, "%s", (const char *)at);
        break;
    default:
        put_value(&text, f, at);
        buffer_put_u8(&text, '\0');
        if (!text.failed)
            report_note(r, f->name, "%s", (const char *)text.bytes);
        buffer_free(&text);
    }
}

void shape_notes(struct report *r, const struct shape *s, const void *value)
{
    for (size_t i = 0; value && i < s->field_count; i++) {
        const struct shape_field *f = &s->fields[i];
        const void *at = field_at(f, value);
        if (!at || is_list(f))
            continue;
        if (f->kind == SHAPE_STRUCT)
            shape_notes(r, f->of, at);
        else
            note_field(r, f, at);
    }
}
