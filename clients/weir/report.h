/* report.h - what a word answers, before it is known how it will be written.
 *
 * A report has a sheet (rows and columns of cells), notes below it (lines of name and text), and a
 * function that writes the answer as JSON: JSON follows the service's contract and nests, so it is
 * not made from the sheet. Output drivers (output.h) pick what they need.
 *
 * Fill a sheet column by column, then cell by cell, row after row:
 *
 *     sheet_column(&r->sheet, "exporter", 0);
 *     sheet_column(&r->sheet, "records", SHEET_RIGHT);
 *     sheet_text(&r->sheet, "192.0.2.1");
 *     sheet_number(&r->sheet, 12345);
 *
 * Memory that ends is remembered (`failed`), looked at once by report_write(). Texts are copied.
 *
 * Threads: a report belongs to one thread. */
#ifndef WEIR_CLIENT_REPORT_H
#define WEIR_CLIENT_REPORT_H

#include "base/arena.h"
#include "base/buffer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sheet_flag {
    SHEET_RIGHT = 1, /* column: numbers */
    SHEET_SUM = 2,   /* column or row: a sum of the others; left out of CSV, set apart in tables */
    SHEET_ALERT = 4, /* row: something is wrong with what it shows */
};

enum cell_kind { CELL_EMPTY, CELL_TEXT, CELL_NUMBER, CELL_DECIMAL };

struct cell {
    enum cell_kind kind;
    union {
        const char *text;
        uint64_t number;
        double decimal; /* two places in tables */
    };
};

struct sheet_column {
    const char *title;
    unsigned flags;
};

#define SHEET_COLUMNS_MOST 4096u

struct sheet {
    struct arena *arena;
    struct sheet_column *columns;
    size_t column_count;
    struct cell *cells; /* row after row */
    size_t cell_count, cell_room;
    uint8_t *row_flags; /* one a row, as far as `flag_room` */
    size_t flag_room;
    bool failed;
};

void sheet_column(struct sheet *s, const char *title, unsigned flags);
void sheet_text(struct sheet *s, const char *text); /* NULL: an empty cell */
void sheet_print(struct sheet *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sheet_number(struct sheet *s, uint64_t number);
void sheet_decimal(struct sheet *s, double decimal);
/* Flags of the row that the next cell begins or continues. */
void sheet_row_flags(struct sheet *s, unsigned flags);
size_t sheet_rows(const struct sheet *s);
const struct cell *sheet_cell(const struct sheet *s, size_t row, size_t column);
unsigned sheet_flags_of(const struct sheet *s, size_t row);

struct note {
    const char *name; /* "" continues the note above */
    const char *text;
    bool alert;
};

struct report {
    struct arena arena;
    struct sheet sheet;
    struct note *notes;
    size_t note_count, note_room;
    void (*json)(struct buffer *out, const void *context);
    const void *json_context;
    /* Server's elapsed and processor time; negative: not known or not asked for (--time). */
    int64_t elapsed_us, cpu_us;
    bool failed;
};

void report_open(struct report *r);
void report_close(struct report *r);
void report_note(struct report *r, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, marked: this is what a reader must not overlook. */
void report_alert(struct report *r, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool report_failed(const struct report *r);

/* 1234567 as "1,234,567"; returns `out`. */
#define GROUPED_SIZE 32
char *print_grouped(uint64_t number, char out[GROUPED_SIZE]);

#endif
