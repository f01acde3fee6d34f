/* output.h - the ways a report can be written: a table for people, JSON as the services' contract
 * has it, CSV (RFC 4180, but lines end in \n) for spreadsheets and scripts. A driver is one row. */
#ifndef WEIR_CLIENT_OUTPUT_H
#define WEIR_CLIENT_OUTPUT_H

#include "base/status.h"
#include "weir/report.h"

struct output_style {
    bool colour;    /* the terminal can show bold and red */
    size_t columns; /* of the terminal; 0: none, lines may be of any length */
};

struct output {
    const char *name; /* what --format takes */
    void (*write)(struct buffer *out, const struct report *r, const struct output_style *style);
};

/* NULL when no driver has that name; output_names() is for the error message: "table, json
 * or csv". */
const struct output *output_find(const char *name);
const char *output_names(void);

/* The drivers (output_*.c). */
void output_table(struct buffer *out, const struct report *r, const struct output_style *style);
void output_json(struct buffer *out, const struct report *r, const struct output_style *style);
void output_csv(struct buffer *out, const struct report *r, const struct output_style *style);

/* Columns that `text` takes on a terminal: UTF-8, combining marks 0, East Asian wide letters 2. */
size_t display_width(const char *text);
/* Columns of a sheet's rows, as a table. */
size_t sheet_width(const struct sheet *s);

#endif
