/* sqlext.h - build/weir_flow.so, a loadable extension that shows stored flows as the table `flow`:
 *
 *     $ sqlite3 /var/lib/weir/weir.db
 *     sqlite> .load build/weir_flow
 *     sqlite> SELECT sourceIPv4Address, sum(octets) FROM flow
 *        ...>  WHERE flowEnd >= 1767225600000 AND protocolIdentifier = 6
 *        ...>  GROUP BY 1 ORDER BY 2 DESC;
 *
 * A column an element that some block has, by the names of `weird records`: IANA's, enterprise ones
 * as "e9.12345", Weir's own (exporter, flowStart, flowEnd, octets, srcTag, …); also srcIP and
 * dstIP, the address of either family. A record that lacks an element has NULL. Numbers and times
 * (as stored: milliseconds, or what the element's type says) are INTEGER; numbers past 2^63 are
 * text, since SQLite's integers end there; floating point is REAL; octets are BLOBs; addresses, MAC
 * addresses and strings are TEXT. Addresses compare as addresses, not as text (collation ADDRESS).
 *
 * What a query asks of numbers, addresses and times with = < <= > >= and BETWEEN decides which
 * blocks and rows are looked at; only the columns that it reads are decoded. There is a hidden
 * column more, `filter`, which takes nfdump's language: SELECT … FROM flow('src net 10.0.0.0/8') or
 * WHERE filter = 'src net 10.0.0.0/8'; and the short names of totals' keys (proto, srcPort,
 * dstPort, srcAS, dstAS, tos) are hidden columns, too: the same values as their elements'.
 *
 * It reads the database of the connection it is loaded into (main), one consistent state a query,
 * and checks every seal and checksum on the way. It never writes. Columns are those of the moment
 * the table is first named on a connection.
 *
 * It opens no file and handles no signal: both are the program's that loads it. SQLite maps
 * nothing of the file unless that program says PRAGMA mmap_size; then a file that is made shorter
 * under it is a SIGBUS to that program, with or without this table.
 *
 * Threads: as the connection. */
#ifndef WEIR_SQLEXT_H
#define WEIR_SQLEXT_H

#include "flow/filter.h"
#include "store/inside.h"

enum flow_column_kind { COLUMN_ELEMENT, COLUMN_SRC_IP, COLUMN_DST_IP, COLUMN_FILTER };
struct flow_column {
    enum flow_column_kind kind;
    ie_key key;
    enum ie_type type;
    bool address;           /* compares as one */
    const char *short_name; /* of an element's second column, which "*" leaves out; NULL: none */
};

struct flow_table {
    sqlite3_vtab base;
    sqlite3 *db;
    struct reader reader; /* its sql is the connection's; store NULL */
    struct flow_column *columns;
    int column_count;
    unsigned cursors;
};

/* A block that a cursor is in. */
struct flow_block {
    struct block_record record;
    struct vector *vectors; /* by column of the table; width 255: not decoded yet */
    bool *absent;           /* no row of the block has it */
};

struct flow_cursor {
    sqlite3_vtab_cursor base;
    struct filter *filter;
    sqlite3_stmt *hold; /* an open read: keeps the state */
    struct arena list, arena; /* of the block list; of a block */
    struct stored_block *blocks;
    size_t block_count, next;
    struct flow_block block;
    uint64_t *selected;
    uint32_t row;
    bool in_block, eof;
};

/* columns.c: which columns there are, and the statement that declares them (sqlite3_free() it). */
int flow_columns_find(struct flow_table *t, char **declaration, struct weir_error *error);
/* The value of a column in the cursor's row, as the result of `context`. */
int flow_column_result(struct flow_table *t, struct flow_cursor *c, int column,
                       sqlite3_context *context, struct weir_error *error);
/* The collation ADDRESS. */
int flow_compare_addresses(void *unused, int a_length, const void *a, int b_length, const void *b);

/* constraints.c: what a query asks of columns, as a filter and an interval. */
int flow_best_index(struct flow_table *t, sqlite3_index_info *info);
int flow_read_constraints(struct flow_table *t, const char *plan, int count, sqlite3_value **values,
                          struct flow_cursor *c, struct interval *when, struct weir_error *error);

#endif
