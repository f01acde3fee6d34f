/* output.c - the table of output drivers, and the two short ones: JSON and CSV. */
#include "weir/output.h"

#include <string.h>

static const struct output drivers[] = {
    {"table", output_table},
    {"json", output_json},
    {"csv", output_csv},
};

const struct output *output_find(const char *name)
{
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++)
        if (strcmp(drivers[i].name, name) == 0)
            return &drivers[i];
    return NULL;
}

const char *output_names(void)
{
    return "table, json or csv";
}

void output_json(struct buffer *out, const struct report *r, const struct output_style *style)
{
    (void)style;
    if (r->json)
        r->json(out, r->json_context);
    else
        buffer_print(out, "{}");
    buffer_put_u8(out, '\n');
}

/* RFC 4180 section 2: quotes around a field with a comma, a quote or a line break,
 * quotes doubled. */
static void csv_text(struct buffer *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        buffer_put(out, text, strlen(text));
        return;
    }
    buffer_put_u8(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buffer_put_u8(out, '"');
        buffer_put_u8(out, (uint8_t)*text);
    }
    buffer_put_u8(out, '"');
}

static void csv_cell(struct buffer *out, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_EMPTY:
        break;
    case CELL_TEXT:
        csv_text(out, cell->text);
        break;
    case CELL_NUMBER:
        buffer_print(out, "%llu", (unsigned long long)cell->number);
        break;
    case CELL_DECIMAL:
        buffer_print(out, "%.17g", cell->decimal);
        break;
    }
}

/* Sums are left out: whoever reads CSV adds up, and would count them twice. */
void output_csv(struct buffer *out, const struct report *r, const struct output_style *style)
{
    (void)style;
    const struct sheet *s = &r->sheet;
    for (size_t row = 0; row <= sheet_rows(s); row++) {
        bool header = row == 0, first = true;
        if (!header && (sheet_flags_of(s, row - 1) & SHEET_SUM))
            continue;
        for (size_t c = 0; c < s->column_count; c++) {
            if (s->columns[c].flags & SHEET_SUM)
                continue;
            if (!first)
                buffer_put_u8(out, ',');
            first = false;
            if (header)
                csv_text(out, s->columns[c].title);
            else
                csv_cell(out, sheet_cell(s, row - 1, c));
        }
        if (!first)
            buffer_put_u8(out, '\n');
    }
}
