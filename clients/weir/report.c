/* report.c - sheets and notes in an arena; see report.h. */
#include "weir/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Doubles an array that lives in the arena; what it leaves behind goes with the arena. */
static void *grow(struct arena *arena, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return old;
    size_t more = *room ? *room * 2 : 16;
    void *new = arena_zero(arena, more * size);
    if (!new)
        return NULL;
    if (count)
        memcpy(new, old, count * size);
    *room = more;
    return new;
}

void sheet_column(struct sheet *s, const char *title, unsigned flags)
{
    if (!s->columns)
        s->columns = arena_zero(s->arena, SHEET_COLUMNS_MOST * sizeof *s->columns);
    const char *copy = arena_copy(s->arena, title, strlen(title));
    if (!s->columns || !copy || s->column_count == SHEET_COLUMNS_MOST) {
        s->failed = true;
        return;
    }
    s->columns[s->column_count++] = (struct sheet_column){.title = copy, .flags = flags};
}

static void add_cell(struct sheet *s, struct cell cell)
{
    struct cell *cells = grow(s->arena, s->cells, s->cell_count, &s->cell_room, sizeof *cells);
    if (!cells) {
        s->failed = true;
        return;
    }
    s->cells = cells;
    s->cells[s->cell_count++] = cell;
}

void sheet_text(struct sheet *s, const char *text)
{
    if (!text) {
        add_cell(s, (struct cell){.kind = CELL_EMPTY});
        return;
    }
    const char *copy = arena_copy(s->arena, text, strlen(text));
    s->failed = s->failed || !copy;
    add_cell(s, (struct cell){.kind = CELL_TEXT, .text = copy ? copy : ""});
}

static const char *print_into(struct arena *arena, const char *format, va_list arguments)
{
    char text[512];
    int length = vsnprintf(text, sizeof text, format, arguments);
    size_t kept = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    return arena_copy(arena, text, kept);
}

void sheet_print(struct sheet *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = print_into(s->arena, format, arguments);
    va_end(arguments);
    s->failed = s->failed || !text;
    add_cell(s, (struct cell){.kind = CELL_TEXT, .text = text ? text : ""});
}

void sheet_number(struct sheet *s, uint64_t number)
{
    add_cell(s, (struct cell){.kind = CELL_NUMBER, .number = number});
}

void sheet_decimal(struct sheet *s, double decimal)
{
    add_cell(s, (struct cell){.kind = CELL_DECIMAL, .decimal = decimal});
}

void sheet_row_flags(struct sheet *s, unsigned flags)
{
    size_t row = s->column_count ? s->cell_count / s->column_count : 0;
    while (row >= s->flag_room) {
        uint8_t *all = grow(s->arena, s->row_flags, s->flag_room, &s->flag_room, sizeof *all);
        if (!all) {
            s->failed = true;
            return;
        }
        s->row_flags = all;
    }
    s->row_flags[row] = (uint8_t)flags;
}

size_t sheet_rows(const struct sheet *s)
{
    return s->column_count ? s->cell_count / s->column_count : 0;
}

const struct cell *sheet_cell(const struct sheet *s, size_t row, size_t column)
{
    return &s->cells[row * s->column_count + column];
}

unsigned sheet_flags_of(const struct sheet *s, size_t row)
{
    return row < s->flag_room ? s->row_flags[row] : 0;
}

void report_open(struct report *r)
{
    *r = (struct report){.elapsed_us = -1, .cpu_us = -1};
    r->sheet.arena = &r->arena;
}

void report_close(struct report *r)
{
    arena_free(&r->arena);
    *r = (struct report){.elapsed_us = -1, .cpu_us = -1};
}

static void add_note(struct report *r, const char *name, bool alert, const char *text)
{
    struct note *notes = grow(&r->arena, r->notes, r->note_count, &r->note_room, sizeof *notes);
    const char *copy = arena_copy(&r->arena, name, strlen(name));
    if (!notes || !copy || !text) {
        r->failed = true;
        return;
    }
    r->notes = notes;
    r->notes[r->note_count++] = (struct note){.name = copy, .text = text, .alert = alert};
}

void report_note(struct report *r, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_note(r, name, false, print_into(&r->arena, format, arguments));
    va_end(arguments);
}

void report_alert(struct report *r, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_note(r, name, true, print_into(&r->arena, format, arguments));
    va_end(arguments);
}

bool report_failed(const struct report *r)
{
    return r->failed || r->sheet.failed;
}

char *print_grouped(uint64_t number, char out[GROUPED_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    char *p = out;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}
