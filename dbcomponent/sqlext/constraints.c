/* constraints.c - what a query asks of columns, turned into a filter (flow/filter.h) and an
 * interval: which blocks and rows are worth a look. SQLite checks every row once more, so all that
 * matters here is to leave out none that it would keep; a constraint that can not be put so is left
 * to it.
 *
 * The plan that flow_best_index() makes and flow_read_constraints() reads is text: for each
 * argument a letter for the comparison and the number of the column, "e4g17". */
#include "sqlext/sqlext.h"

#include <stdlib.h>
#include <string.h>

static const struct comparison {
    unsigned char op;
    char letter;
    const char *text;
} comparisons[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, 'e', "="},  {SQLITE_INDEX_CONSTRAINT_GT, 'g', ">"},
    {SQLITE_INDEX_CONSTRAINT_GE, 'G', ">="}, {SQLITE_INDEX_CONSTRAINT_LT, 'l', "<"},
    {SQLITE_INDEX_CONSTRAINT_LE, 'L', "<="},
};

static const struct comparison *find_op(unsigned char op)
{
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        if (comparisons[i].op == op)
            return &comparisons[i];
    return NULL;
}

static const struct comparison *find_letter(char letter)
{
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        if (comparisons[i].letter == letter)
            return &comparisons[i];
    return NULL;
}

/* Types whose stored numbers are what SQL shows, and whose filter compares them so. */
static bool is_number(enum ie_type type)
{
    return (type >= IE_UNSIGNED8 && type <= IE_UNSIGNED64) || type == IE_MILLISECONDS;
}

static bool can_push(const struct flow_column *c, unsigned char op)
{
    if (c->kind == COLUMN_SRC_IP || c->kind == COLUMN_DST_IP)
        return op == SQLITE_INDEX_CONSTRAINT_EQ;
    if (c->kind != COLUMN_ELEMENT || ie_key_nth(c->key) != 0)
        return false;
    /* A range of both families is in another order than their octets. */
    if (c->type == IE_IPV6)
        return op == SQLITE_INDEX_CONSTRAINT_EQ;
    return is_number(c->type) || c->type == IE_IPV4;
}

/* How much of the table a constraint leaves, roughly; for choosing among plans. */
static double share_of(const struct flow_column *c, unsigned char op)
{
    bool equal = op == SQLITE_INDEX_CONSTRAINT_EQ;
    return c->kind == COLUMN_FILTER ? 0.05 : c->address && equal ? 0.001 : equal ? 0.05 : 0.4;
}

int flow_best_index(struct flow_table *t, sqlite3_index_info *info)
{
    struct buffer plan = {0};
    double rows = 1e7;
    int arguments = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        const struct comparison *how = find_op(c->op);
        if (c->iColumn < 0 || !how)
            continue;
        const struct flow_column *column = &t->columns[c->iColumn];
        bool filter = column->kind == COLUMN_FILTER && c->op == SQLITE_INDEX_CONSTRAINT_EQ;
        if (filter && !c->usable) { /* its value comes later: not this way round */
            buffer_free(&plan);
            return SQLITE_CONSTRAINT;
        }
        if (!c->usable || !(filter || can_push(column, c->op)))
            continue;
        buffer_print(&plan, "%c%d", how->letter, c->iColumn);
        info->aConstraintUsage[i].argvIndex = ++arguments;
        info->aConstraintUsage[i].omit = filter;
        rows *= share_of(column, c->op);
    }
    buffer_put_u8(&plan, '\0');
    info->idxStr = plan.failed ? NULL : sqlite3_mprintf("%s", (const char *)plan.bytes);
    info->needToFreeIdxStr = 1;
    info->estimatedRows = (sqlite3_int64)(rows < 1 ? 1 : rows);
    info->estimatedCost = rows < 1 ? 1 : rows;
    buffer_free(&plan);
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- reading them ---- */

/* Flow ends of INT64_MIN and _MAX are nobody's. */
static void narrow(struct interval *when, char letter, int64_t v)
{
    bool from = letter == 'e' || letter == 'g' || letter == 'G';
    bool to = letter == 'e' || letter == 'l' || letter == 'L';
    if (from && v > when->from_ms)
        when->from_ms = v;
    if (to && v < INT64_MAX - 1 && v + 1 < when->to_ms)
        when->to_ms = v + 1;
}

/* "name op value" in the filter's language; false when the value is none that can be put so. */
static bool put_value(const struct flow_column *c, const struct comparison *how, sqlite3_value *v,
                      struct buffer *out)
{
    char name[IE_NAME_SIZE], text[ADDRESS_TEXT_SIZE];
    struct address a;
    ie_key_print(c->key, name);
    if (!c->address) {
        if (sqlite3_value_type(v) != SQLITE_INTEGER || sqlite3_value_int64(v) < 0)
            return false;
        buffer_print(out, "%s %s %lld", name, how->text, (long long)sqlite3_value_int64(v));
        return true;
    }
    const char *given = (const char *)sqlite3_value_text(v);
    if (sqlite3_value_type(v) != SQLITE_TEXT || !given ||
        address_parse(given, "", &a, NULL) != WEIR_OK)
        return false;
    if (c->type == IE_IPV4 && !address_is_ipv4(&a))
        return false;
    buffer_print(out, "%s %s %s", name, how->text, address_print(&a, text));
    return true;
}

struct reading {
    struct flow_table *table;
    struct buffer all;
    struct interval *when;
    struct weir_error *error;
};

static bool parses(struct reading *r, const char *text)
{
    struct filter *f;
    if (filter_parse(text, reader_tag, &r->table->reader, &f, NULL) != WEIR_OK)
        return false;
    filter_free(f);
    return true;
}

static int read_one(struct reading *r, const struct comparison *how, const struct flow_column *c,
                    sqlite3_value *v)
{
    struct buffer one = {0};
    bool known = false;
    if (c->kind == COLUMN_FILTER) {
        const char *text = (const char *)sqlite3_value_text(v);
        buffer_print(&one, "%s", text && *text ? text : "any");
        known = true;
    } else {
        known = put_value(c, how, v, &one);
        if (c->key == WEIR_FLOW_END && sqlite3_value_type(v) == SQLITE_INTEGER)
            narrow(r->when, how->letter, sqlite3_value_int64(v));
    }
    buffer_put_u8(&one, '\0');
    /* What the user wrote has to be right; what was made of a comparison is an extra. */
    if (known && !one.failed && (c->kind == COLUMN_FILTER || parses(r, (const char *)one.bytes)))
        buffer_print(&r->all, "%s(%s\n)", r->all.length ? " and " : "", (const char *)one.bytes);
    r->all.failed |= one.failed;
    buffer_free(&one);
    return r->all.failed ? SQLITE_NOMEM : SQLITE_OK;
}

int flow_read_constraints(struct flow_table *t, const char *plan, int count, sqlite3_value **values,
                          struct flow_cursor *c, struct interval *when, struct weir_error *error)
{
    struct reading r = {.table = t, .when = when, .error = error};
    int code = SQLITE_OK;
    const char *at = plan ? plan : "";
    for (int i = 0; code == SQLITE_OK && i < count && *at; i++) {
        const struct comparison *how = find_letter(*at);
        char *end;
        long column = strtol(at + 1, &end, 10);
        at = end;
        if (how && column >= 0 && column < t->column_count)
            code = read_one(&r, how, &t->columns[column], values[i]);
    }
    buffer_put_u8(&r.all, '\0');
    filter_free(c->filter);
    c->filter = NULL;
    if (code == SQLITE_OK && r.all.failed)
        code = SQLITE_NOMEM;
    if (code == SQLITE_OK && filter_parse((const char *)r.all.bytes, reader_tag, &t->reader,
                                          &c->filter, error) != WEIR_OK) {
        c->filter = NULL;
        code = SQLITE_ERROR;
    }
    buffer_free(&r.all);
    return code;
}
