/* flow_table.c - the module `flow`, as SQLite calls it: connect, open, filter, next, column. See
 * sqlext.h; columns.c knows values, constraints.c what is asked of them. */
#include "sqlext/sqlext.h"
#include "store/seal.h"

#include <stdlib.h>
#include <string.h>

#define UNDECODED 255
#define ROWID_BITS 20
_Static_assert(BLOCK_ROWS_MOST <= 1u << ROWID_BITS, "a rowid is a block and a row in it");

const sqlite3_api_routines *sqlite3_api;

static int fail(struct flow_table *t, int code, const struct weir_error *error)
{
    sqlite3_free(t->base.zErrMsg);
    t->base.zErrMsg = sqlite3_mprintf("%s", error->message[0] ? error->message : "out of memory");
    return code;
}

/* ---- the table ---- */

static void let_go(struct flow_table *t)
{
    sql_release_column(&t->reader.sql);
    for (size_t i = 0; i < SQL_STATEMENT_COUNT; i++)
        sqlite3_finalize(t->reader.sql.statements[i]);
    memset(t->reader.sql.statements, 0, sizeof t->reader.sql.statements);
}

static int disconnect(sqlite3_vtab *base)
{
    struct flow_table *t = (struct flow_table *)base;
    let_go(t);
    free(t->columns);
    sqlite3_free(t);
    return SQLITE_OK;
}

static int refuse(struct flow_table *t, int code, const struct weir_error *error, char **message)
{
    *message = sqlite3_mprintf("flow: %s", error->message[0]
                                               ? error->message
                                               : "this database is not a store of Weir");
    t->base.zErrMsg = NULL;
    disconnect(&t->base);
    return code;
}

static int connect(sqlite3 *db, void *unused, int argc, const char *const *argv,
                   sqlite3_vtab **out, char **message)
{
    struct weir_error error = {0};
    char *declaration = NULL;
    (void)unused;
    (void)argc;
    (void)argv;
    struct flow_table *t = sqlite3_malloc(sizeof *t);
    if (!t)
        return SQLITE_NOMEM;
    *t = (struct flow_table){.db = db};
    const char *path = sqlite3_db_filename(db, "main");
    t->reader.sql = (struct sql){.db = db, .path = path && *path ? path : "main"};
    int code = flow_columns_find(t, &declaration, &error);
    if (code == SQLITE_OK)
        code = sqlite3_declare_vtab(db, declaration);
    sqlite3_free(declaration);
    if (code != SQLITE_OK)
        return refuse(t, code, &error, message);
    let_go(t); /* until it is asked: an open statement would be in the way of others */
    *out = &t->base;
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    return flow_best_index((struct flow_table *)base, info);
}

/* ---- cursors ---- */

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    struct flow_cursor *c = sqlite3_malloc(sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    *c = (struct flow_cursor){.eof = true};
    ((struct flow_table *)base)->cursors++;
    *out = &c->base;
    return SQLITE_OK;
}

static void rest(struct flow_cursor *c)
{
    sqlite3_finalize(c->hold);
    c->hold = NULL;
    c->in_block = false;
    c->eof = true;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    struct flow_cursor *c = (struct flow_cursor *)base;
    struct flow_table *t = (struct flow_table *)base->pVtab;
    rest(c);
    filter_free(c->filter);
    arena_free(&c->list);
    arena_free(&c->arena);
    sqlite3_free(c);
    if (--t->cursors == 0)
        let_go(t);
    return SQLITE_OK;
}

/* A statement that stands at a row keeps the connection's read transaction, and with it the state
 * that blocks were listed in, until it is finalized. */
static int hold_state(struct flow_table *t, struct flow_cursor *c, struct weir_error *error)
{
    int code = sqlite3_prepare_v2(t->db, "SELECT name FROM main.meta", -1, &c->hold, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(c->hold);
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return SQLITE_OK;
    (void)sql_fail(&t->reader.sql, code, error);
    return code;
}

/* Room for the columns of the table, and the four that srcIP and dstIP are made of. */
static bool make_room(struct flow_table *t, struct flow_cursor *c)
{
    size_t count = (size_t)t->column_count + 4;
    c->block.vectors = arena_alloc(&c->arena, count * sizeof *c->block.vectors);
    c->block.absent = arena_zero(&c->arena, count * sizeof *c->block.absent);
    c->selected = arena_alloc(&c->arena, (c->block.record.head.rows + 63) / 64 * 8 + 8);
    if (!c->block.vectors || !c->block.absent || !c->selected)
        return false;
    for (size_t i = 0; i < count; i++)
        c->block.vectors[i].width = UNDECODED;
    return true;
}

/* Opens the next block; *any says whether a row of it matches. */
static enum weir_status take_block(struct flow_table *t, struct flow_cursor *c, bool *any,
                                   struct weir_error *error)
{
    struct block_record *b = &c->block.record;
    struct frame f;
    size_t count;
    arena_reset(&c->arena);
    *any = false;
    enum weir_status status =
        block_record_read(&t->reader.sql, c->blocks[c->next++].rowid, &c->arena, b, error);
    if (status != WEIR_OK || b->head.rows == 0)
        return status;
    enum filter_verdict verdict = filter_judge(c->filter, block_bounds, b);
    if (verdict == FILTER_NONE)
        return WEIR_OK;
    const ie_key *keys = filter_keys(c->filter, &count);
    if (!make_room(t, c))
        return weir_fail(error, WEIR_ENOMEM, "", "out of memory for a block");
    static const ie_key none;
    status = block_decode(&t->reader.sql, b, count ? keys : &none,
                          verdict == FILTER_ALL ? 0 : count, &c->arena, &f, error);
    if (status != WEIR_OK)
        return status;
    if (verdict == FILTER_ALL) {
        memset(c->selected, 0xff, (b->head.rows + 63) / 64 * 8);
        *any = true;
        return WEIR_OK;
    }
    uint32_t rows = filter_select(c->filter, &f, &c->arena, c->selected);
    *any = rows > 0;
    return rows == UINT32_MAX ? weir_fail(error, WEIR_ENOMEM, "", "out of memory for a block")
                              : WEIR_OK;
}

/* The first selected row from `row` on; the number of the block's rows when there is none. */
static uint32_t next_selected(const struct flow_cursor *c, uint32_t row)
{
    uint32_t rows = c->block.record.head.rows;
    while (row < rows) {
        uint64_t bits = c->selected[row / 64] >> (row % 64);
        if (bits) {
            row += (uint32_t)__builtin_ctzll(bits);
            return row < rows ? row : rows;
        }
        row = (row / 64 + 1) * 64;
    }
    return rows;
}

static int advance(struct flow_table *t, struct flow_cursor *c, uint32_t from)
{
    struct weir_error error = {0};
    for (;; from = 0) {
        c->row = c->in_block ? next_selected(c, from) : 0;
        if (c->in_block && c->row < c->block.record.head.rows)
            return SQLITE_OK;
        if (c->next == c->block_count)
            break;
        enum weir_status status = take_block(t, c, &c->in_block, &error);
        if (status != WEIR_OK) {
            rest(c);
            return fail(t, status == WEIR_ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT_VTAB, &error);
        }
    }
    rest(c);
    return SQLITE_OK;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count,
                  sqlite3_value **values)
{
    struct flow_cursor *c = (struct flow_cursor *)base;
    struct flow_table *t = (struct flow_table *)base->pVtab;
    struct weir_error error = {0};
    struct interval when = INTERVAL_ALL;
    (void)number;
    rest(c);
    int code = hold_state(t, c, &error);
    if (code == SQLITE_OK)
        code = flow_read_constraints(t, plan, count, values, c, &when, &error);
    arena_reset(&c->list);
    c->blocks = NULL;
    c->next = c->block_count = 0;
    if (code == SQLITE_OK && when.from_ms < when.to_ms &&
        reader_blocks(&t->reader, RECORD_FLOW, when, &c->list, &c->blocks, &c->block_count,
                      &error) != WEIR_OK)
        code = SQLITE_ERROR;
    if (code != SQLITE_OK) {
        rest(c);
        return fail(t, code, &error);
    }
    c->eof = false;
    return advance(t, c, 0);
}

static int next(sqlite3_vtab_cursor *base)
{
    struct flow_cursor *c = (struct flow_cursor *)base;
    return advance((struct flow_table *)base->pVtab, c, c->row + 1);
}

static int is_end(sqlite3_vtab_cursor *base)
{
    return ((struct flow_cursor *)base)->eof;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int which)
{
    struct flow_table *t = (struct flow_table *)base->pVtab;
    struct weir_error error = {0};
    int code = flow_column_result(t, (struct flow_cursor *)base, which, context, &error);
    return code == SQLITE_OK ? code : fail(t, code, &error);
}

static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out)
{
    const struct flow_cursor *c = (const struct flow_cursor *)base;
    *out = c->block.record.head.rowid << ROWID_BITS | c->row;
    return SQLITE_OK;
}

/* No xCreate: the table is there without CREATE VIRTUAL TABLE, and never in a schema. */
static const sqlite3_module module = {
    .xConnect = connect, .xBestIndex = best_index, .xDisconnect = disconnect,
    .xOpen = open_cursor, .xClose = close_cursor, .xFilter = filter, .xNext = next,
    .xEof = is_end, .xColumn = column, .xRowid = rowid,
};

int sqlite3_weirflow_init(sqlite3 *db, char **message, const sqlite3_api_routines *api);

__attribute__((visibility("default"))) int
sqlite3_weirflow_init(sqlite3 *db, char **message, const sqlite3_api_routines *api)
{
    (void)message;
    SQLITE_EXTENSION_INIT2(api);
    int code = seal_register(db);
    if (code == SQLITE_OK)
        code = sqlite3_create_collation(db, "ADDRESS", SQLITE_UTF8, NULL, flow_compare_addresses);
    if (code == SQLITE_OK)
        code = sqlite3_create_module(db, "flow", &module, NULL);
    return code;
}
