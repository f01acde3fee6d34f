/* output_table.c - a report for people: columns aligned by what a terminal shows, numbers to the
 * right with their thousands grouped, sums set apart, and what is wrong plainly marked. */
#include "weir/output.h"

#include <stdio.h>
#include <string.h>

/* ---- widths ---------------------------------------------------------------------------------- */

/* Ranges of code points that take no column or two (Unicode: Mn and Cf; East Asian W and F). */
static const struct {
    uint32_t first, last;
    uint8_t width;
} odd_widths[] = {
    {0x0300, 0x036f, 0}, {0x0483, 0x0489, 0}, {0x0591, 0x05bd, 0},   {0x064b, 0x065f, 0},
    {0x1100, 0x115f, 2}, {0x1ab0, 0x1aff, 0}, {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},
    {0x20d0, 0x20ff, 0}, {0x2e80, 0x303e, 2}, {0x3041, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},
    {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0}, {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},
    {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
};

/* The code point at *p, and past it. An octet that begins no sequence stands for itself. */
static uint32_t take_code_point(const unsigned char **p)
{
    unsigned char lead = *(*p)++;
    int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    uint32_t code = more == 3 ? lead & 7u : more == 2 ? lead & 15u : more == 1 ? lead & 31u : lead;
    for (; more > 0 && (**p & 0xc0) == 0x80; more--)
        code = code << 6 | (*(*p)++ & 63u);
    return code;
}

static size_t width_of(const char *text, size_t length)
{
    size_t width = 0;
    const unsigned char *end = (const unsigned char *)text + length;
    for (const unsigned char *p = (const unsigned char *)text; p < end;) {
        uint32_t code = take_code_point(&p);
        size_t w = 1;
        for (size_t i = 0; code >= 0x300 && i < sizeof odd_widths / sizeof odd_widths[0]; i++)
            if (code >= odd_widths[i].first && code <= odd_widths[i].last)
                w = odd_widths[i].width;
        width += w;
    }
    return width;
}

size_t display_width(const char *text)
{
    return width_of(text, strlen(text));
}

#define CELL_TEXT_SIZE 64

/* What a table shows of a cell; may use `space`. */
static const char *cell_text(const struct cell *cell, char space[CELL_TEXT_SIZE])
{
    switch (cell->kind) {
    case CELL_TEXT:
        return cell->text;
    case CELL_NUMBER:
        return print_grouped(cell->number, space);
    case CELL_DECIMAL:
        (void)snprintf(space, CELL_TEXT_SIZE, "%.2f", cell->decimal);
        return space;
    case CELL_EMPTY:
        break;
    }
    return "";
}

static size_t column_width(const struct sheet *s, size_t column)
{
    char space[CELL_TEXT_SIZE];
    size_t width = display_width(s->columns[column].title);
    for (size_t row = 0; row < sheet_rows(s); row++) {
        size_t w = display_width(cell_text(sheet_cell(s, row, column), space));
        width = w > width ? w : width;
    }
    return width;
}

size_t sheet_width(const struct sheet *s)
{
    size_t width = 0;
    for (size_t c = 0; c < s->column_count; c++)
        width += column_width(s, c) + (c ? 2 : 0);
    return width;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void put_spaces(struct buffer *out, size_t n)
{
    uint8_t *here = buffer_extend(out, n);
    if (here)
        memset(here, ' ', n);
}

/* Names come from outside: what drives a terminal is shown as '?'. */
static void put_clean_part(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        buffer_put_u8(out, c < 0x20 || c == 0x7f ? '?' : c);
    }
}

static void put_clean(struct buffer *out, const char *text)
{
    put_clean_part(out, text, strlen(text));
}

/* From column `indent` on; what does not fit a terminal goes on below, at the same column. */
static void put_wrapped(struct buffer *out, const char *text, size_t indent, size_t columns)
{
    size_t at = indent;
    for (const char *word = text; *word;) {
        size_t blanks = strspn(word, " "), length = blanks + strcspn(word + blanks, " ");
        if (columns && at > indent && at + width_of(word, length) > columns) {
            buffer_put_u8(out, '\n');
            put_spaces(out, indent);
            at = indent;
            word += blanks;
            length -= blanks;
        }
        put_clean_part(out, word, length);
        at += width_of(word, length);
        word += length;
    }
}

struct layout {
    const struct sheet *sheet;
    const size_t *widths;
    bool colour;
};

static void put_field(struct buffer *out, const struct layout *l, size_t column, const char *text)
{
    size_t width = display_width(text), pad = l->widths[column] - width;
    bool right = l->sheet->columns[column].flags & SHEET_RIGHT;
    bool last = column + 1 == l->sheet->column_count;
    if (right)
        put_spaces(out, pad);
    put_clean(out, text);
    if (!right && !last)
        put_spaces(out, pad);
    if (!last)
        put_spaces(out, 2);
}

static void put_header(struct buffer *out, const struct layout *l)
{
    if (l->colour)
        buffer_print(out, "\033[1m");
    for (size_t c = 0; c < l->sheet->column_count; c++)
        put_field(out, l, c, l->sheet->columns[c].title);
    buffer_print(out, "%s\n", l->colour ? "\033[0m" : "");
}

/* Under a last column of texts, which may be long, the rule is as long as the title. */
static void put_rule(struct buffer *out, const struct layout *l)
{
    for (size_t c = 0; c < l->sheet->column_count; c++) {
        bool last = c + 1 == l->sheet->column_count,
             right = l->sheet->columns[c].flags & SHEET_RIGHT;
        size_t width = last && !right ? display_width(l->sheet->columns[c].title) : l->widths[c];
        uint8_t *here = buffer_extend(out, width);
        if (here)
            memset(here, '-', width);
        if (!last)
            put_spaces(out, 2);
    }
    buffer_put_u8(out, '\n');
}

static void put_row(struct buffer *out, const struct layout *l, size_t row)
{
    char space[CELL_TEXT_SIZE];
    unsigned flags = sheet_flags_of(l->sheet, row);
    bool first_sum =
        (flags & SHEET_SUM) && (row == 0 || !(sheet_flags_of(l->sheet, row - 1) & SHEET_SUM));
    if (first_sum)
        put_rule(out, l);
    bool red = l->colour && (flags & SHEET_ALERT);
    if (red)
        buffer_print(out, "\033[31m");
    for (size_t c = 0; c < l->sheet->column_count; c++)
        put_field(out, l, c, cell_text(sheet_cell(l->sheet, row, c), space));
    buffer_print(out, "%s\n", red ? "\033[0m" : "");
}

static void put_sheet(struct buffer *out, const struct sheet *s, struct arena *arena, bool colour)
{
    size_t *widths = arena_alloc(arena, s->column_count * sizeof *widths);
    if (!widths) {
        out->failed = true;
        return;
    }
    for (size_t c = 0; c < s->column_count; c++)
        widths[c] = column_width(s, c);
    struct layout l = {.sheet = s, .widths = widths, .colour = colour};
    put_header(out, &l);
    put_rule(out, &l);
    for (size_t row = 0; row < sheet_rows(s); row++)
        put_row(out, &l, row);
    if (sheet_rows(s) == 0)
        buffer_print(out, "(nothing)\n");
}

/* Of names of notes; `time` is one, when it is told. */
static size_t notes_width(const struct report *r)
{
    size_t width = r->elapsed_us >= 0 ? strlen("time") : 0;
    for (size_t i = 0; i < r->note_count; i++) {
        size_t w = display_width(r->notes[i].name);
        width = w > width ? w : width;
    }
    return width;
}

static void put_notes(struct buffer *out, const struct report *r, const struct output_style *style)
{
    size_t width = notes_width(r);
    for (size_t i = 0; i < r->note_count; i++) {
        const struct note *n = &r->notes[i];
        bool red = style->colour && n->alert;
        buffer_print(out, "%s", red ? "\033[31m" : "");
        put_clean(out, n->name);
        if (*n->text)
            put_spaces(out, width - display_width(n->name) + 2);
        put_wrapped(out, n->text, width + 2, style->columns);
        buffer_print(out, "%s\n", red ? "\033[0m" : "");
    }
}

void output_table(struct buffer *out, const struct report *r, const struct output_style *style)
{
    struct arena scratch = {0};
    if (r->sheet.column_count)
        put_sheet(out, &r->sheet, &scratch, style->colour);
    if (r->sheet.column_count && r->note_count)
        buffer_put_u8(out, '\n');
    put_notes(out, r, style);
    if (r->elapsed_us >= 0) {
        char elapsed[GROUPED_SIZE], cpu[GROUPED_SIZE];
        buffer_print(out, "%-*s  %s us elapsed, %s us processor (the server's)\n",
                     (int)notes_width(r), "time", print_grouped((uint64_t)r->elapsed_us, elapsed),
                     print_grouped((uint64_t)r->cpu_us, cpu));
    }
    arena_free(&scratch);
}
