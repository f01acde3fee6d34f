/* sql.h - SQLite as this room uses it: a connection with its prepared statements, one short-lived
 * query at a time, and SQLite's errors as weir_status.
 *
 * Every SQL text of the room is a row of SQL_STATEMENTS. A query binds its parameters in order, is
 * stepped, and is ended:
 *
 *     struct query q = query_start(sql, SQL_TAG_FIND);
 *     query_bind_i64(&q, id);
 *     while (query_row(&q))
 *         … query_i64(&q, 0) …
 *     return query_end(&q, error);
 *
 * Its error is sticky: after a failure nothing is bound, query_row() is false, and query_end()
 * tells. A statement can be used by one query at a time; query_end() must always be called.
 *
 * Threads: a struct sql belongs to one thread at a time. */
#ifndef WEIR_DB_SQL_H
#define WEIR_DB_SQL_H

#include "base/arena.h"
#include "base/status.h"
#include "flow/account.h"
#include "store/changes.h"
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* "Weir" - how file(1) and SQLite's shell tell our files from others. Before the first release it
 * was "weir", with schemas that no release reads. */
#define SQL_APPLICATION_ID 0x57656972
#define SQL_APPLICATION_ID_UNRELEASED 0x77656972

/* How long a writer waits for another process's transaction; readers hardly ever wait. */
#define SQL_BUSY_MS 10000

/* Table account by its list of counters. Parameters have names because they stand in a statement
 * twice; SQLite numbers them as it meets them, so :minute_ms is 1, and values are bound in
 * order. */
#define ACCOUNT_SQL_NAME(name, text, help) ", " #name
#define ACCOUNT_SQL_PARAMETER(name, text, help) ", :" #name
#define ACCOUNT_SQL_KEY "minute_ms, exporter, domain, port, protocol"
#define ACCOUNT_SQL_ALL                                                                            \
    ACCOUNT_SQL_KEY ", first_heard_ms, last_heard_ms" ACCOUNT_COUNTERS(ACCOUNT_SQL_NAME)
#define ACCOUNT_SQL_VALUES                                                                         \
    ":minute_ms, :exporter, :domain, :port, :protocol, :first_heard_ms, :last_heard_ms"            \
    ACCOUNT_COUNTERS(ACCOUNT_SQL_PARAMETER)

/* Blocks of fewer rows wait to be merged (compact.c). The schema has this number too. */
#define BLOCK_SMALL 131072
#define SQL_TEXT_OF(number) SQL_TEXT_OF_(number)
#define SQL_TEXT_OF_(number) #number

#define CHECKPOINT_SQL_ALL                                                                         \
    "collector, exporter, domain, port, protocol, sequence, next_sequence, sys_up_time_ms, "       \
    "export_ms"

#define FLOW_TYPE_SQL_ALL                                                                          \
    "name, priority, filter, action, keys, method, ipv4_length, ipv6_length, fields, macs, key"
#define POLICY_EVERY_DOMAIN INT64_C(-1) /* as the number of a domain, which is none */
#define POLICY_SQL_ALL                                                                             \
    "device, domain, method, ipv4_length, ipv6_length, fields, macs, key"

/* name, text. Statements that read sealed rows give `seal = seal(…)` as their last column. */
#define SQL_STATEMENTS(X)                                                                          \
    X(SQL_BEGIN, "BEGIN")                                                                          \
    X(SQL_BEGIN_IMMEDIATE, "BEGIN IMMEDIATE")                                                      \
    X(SQL_COMMIT, "COMMIT")                                                                        \
    X(SQL_ROLLBACK, "ROLLBACK")                                                                    \
    X(SQL_META_READ, "SELECT value, seal = seal(name, value) FROM meta WHERE name = ?1")           \
    X(SQL_META_WRITE, "INSERT OR REPLACE INTO meta VALUES (?1, ?2, seal(?1, ?2))")                 \
    X(SQL_SCHEMA_DIGEST, "SELECT digest(type, name, tbl_name, sql) FROM sqlite_schema")            \
    X(SQL_COLLECTOR_FIND,                                                                          \
      "SELECT id, seal = seal(id, identity) FROM collector WHERE identity = ?1")                   \
    X(SQL_COLLECTOR_ADD, "INSERT INTO collector SELECT n, ?1, seal(n, ?1) FROM"                    \
                         " (SELECT 1 + coalesce(max(id), 0) AS n FROM collector) RETURNING id")    \
    X(SQL_DELIVERY_FIND,                                                                           \
      "SELECT digest, seal = seal(collector, sequence, received_ms, block, rows, digest, account)" \
      " FROM delivery WHERE collector = ?1 AND sequence = ?2")                                     \
    X(SQL_DELIVERY_ADD, "INSERT INTO delivery VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, seal(?1, ?2, "   \
                        "?3, ?4, ?5, ?6, ?7))")                                                    \
    X(SQL_DELIVERIES, "SELECT collector, sequence, block, rows, account,"                          \
                      " seal = seal(collector, sequence, received_ms, block, rows, digest, "       \
                      "account) FROM delivery")                                                    \
    X(SQL_BLOCK_NEXT, "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM block),"                   \
                      " (SELECT coalesce(max(newest), 0) FROM removed))")                          \
    X(SQL_BLOCK_SEAL, "SELECT seal FROM block WHERE id = ?1")                                      \
    X(SQL_BLOCK_DELETE, "DELETE FROM block WHERE id = ?1")                                         \
    X(SQL_BLOCKS_SMALL,                                                                            \
      "SELECT id, rows, last_ms, first_ms FROM block INDEXED BY block_small"                       \
      " WHERE rows < " SQL_TEXT_OF(BLOCK_SMALL) " AND kind = ?1 ORDER BY last_ms, id")             \
    X(SQL_BLOCK_EXPIRED,                                                                           \
      "SELECT id FROM block INDEXED BY block_time WHERE kind = ?1 AND first_ms < ?2"               \
      " AND last_ms < ?2 ORDER BY first_ms, last_ms LIMIT 1")                                      \
    X(SQL_BLOCK_OLDEST, "SELECT id, first_ms FROM block INDEXED BY block_time WHERE kind = ?1"     \
                        " ORDER BY first_ms, last_ms LIMIT 1")                                     \
    X(SQL_REMOVED, "SELECT blocks, rows, flows, first_ms, last_ms, newest,"                        \
                   " seal = seal(kind, blocks, rows, flows, first_ms, last_ms, newest)"            \
                   " FROM removed WHERE kind = ?1")                                                \
    X(SQL_REMOVED_PUT, "INSERT OR REPLACE INTO removed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"        \
                       " seal(?1, ?2, ?3, ?4, ?5, ?6, ?7))")                                       \
    X(SQL_DELIVERED_FIND,                                                                          \
      "SELECT first, last, rows, account, seal = seal(collector, first, last, rows, account)"      \
      " FROM delivered WHERE collector = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1")          \
    X(SQL_DELIVERED_PUT,                                                                           \
      "INSERT OR REPLACE INTO delivered VALUES (?1, ?2, ?3, ?4, ?5, seal(?1, ?2, ?3, ?4, ?5))")    \
    X(SQL_DELIVERED, "SELECT collector, last, rows, account, first,"                               \
                     " seal = seal(collector, first, last, rows, account) FROM delivered")         \
    X(SQL_DELIVERY_RUN,                                                                            \
      "SELECT sequence, rows, account,"                                                            \
      " seal = seal(collector, sequence, received_ms, block, rows, digest, account)"               \
      " FROM delivery WHERE collector = ?1 AND sequence >= ?2 AND received_ms < ?3"                \
      " ORDER BY sequence LIMIT ?4")                                                               \
    X(SQL_DELIVERY_FORGET,                                                                         \
      "DELETE FROM delivery WHERE collector = ?1 AND sequence >= ?2 AND sequence <= ?3")           \
    X(SQL_CHECKPOINT_MOVE, "UPDATE checkpoint SET sequence = ?3, seal = seal(collector, "          \
                           "exporter, domain, port, protocol,"                                     \
                           " ?3, next_sequence, sys_up_time_ms, export_ms)"                        \
                           " WHERE collector = ?1 AND sequence >= ?2 AND sequence <= ?3")          \
    X(SQL_ROWS_DELIVERED, "SELECT (SELECT coalesce(sum(rows), 0) FROM delivery) +"                 \
                          " (SELECT coalesce(sum(rows), 0) FROM delivered)")                       \
    X(SQL_ROWS_STORED, "SELECT coalesce(sum(rows), 0) FROM block INDEXED BY block_time")           \
    X(SQL_ROLLUP_KEPT_OLDEST, "SELECT period_ms FROM rollup WHERE resolution_ms = 60000 AND tier " \
                              "= ?1 ORDER BY period_ms LIMIT 1")                                   \
    X(SQL_ROLLUPS_KEPT,                                                                            \
      "SELECT DISTINCT period_ms FROM rollup WHERE resolution_ms = ?1 AND tier = 100 ORDER BY 1")  \
    X(SQL_LEVEL_RANGE,                                                                             \
      "SELECT period_ms, segment, groups,"                                                         \
      " seal = seal(resolution_ms, period_ms, tier, serial, groups, segment) FROM rollup"          \
      " WHERE resolution_ms = ?1 AND period_ms >= ?2 AND period_ms <= ?3 ORDER BY period_ms")      \
    X(SQL_LEVEL_STARTS,                                                                            \
      "SELECT DISTINCT period_ms FROM rollup WHERE resolution_ms = ?1 AND period_ms >= ?2"         \
      " AND period_ms <= ?3 ORDER BY period_ms")                                                   \
    X(SQL_LEVELS,                                                                                  \
      "SELECT DISTINCT period_ms FROM rollup WHERE resolution_ms = ?1 ORDER BY period_ms")         \
    X(SQL_LEVEL_DELETE, "DELETE FROM rollup WHERE resolution_ms = ?1 AND period_ms = ?2")          \
    X(SQL_LEVEL_WORTH, /* a segment has a group at least: few rows are read */                     \
      "SELECT coalesce(sum(groups), 0) FROM"                                                       \
      " (SELECT groups FROM rollup WHERE resolution_ms = ?1 LIMIT ?2)")                            \
    X(SQL_LEVEL_MISSING,                                                                           \
      "SELECT DISTINCT period_ms - period_ms % ?2 FROM rollup"                                     \
      " WHERE resolution_ms = ?1 AND period_ms >= 0 AND period_ms <= ?3"                           \
      " EXCEPT SELECT period_ms FROM rollup WHERE resolution_ms = ?2 ORDER BY 1")                  \
    X(SQL_BLOCK_ADD,                                                                               \
      "INSERT INTO block VALUES (?1, ?2, ?3, ?4, ?5, ?6, seal(?1, ?2, ?3, ?4, ?5, ?6), ?7,"        \
      " seal(?1, ?2, ?3, ?4, ?5, ?6, ?7))")                                                        \
    X(SQL_BLOCK_DIRECTORY_SET,                                                                     \
      "UPDATE block SET octets = ?2, directory = ?3,"                                              \
      " head_seal = seal(id, kind, rows, first_ms, last_ms, ?2),"                                  \
      " seal = seal(id, kind, rows, first_ms, last_ms, ?2, ?3) WHERE id = ?1")                     \
    X(SQL_BLOCK_READ,                                                                              \
      "SELECT kind, rows, first_ms, last_ms, directory, octets,"                                   \
      " seal = seal(id, kind, rows, first_ms, last_ms, octets, directory)"                         \
      " AND head_seal = seal(id, kind, rows, first_ms, last_ms, octets) FROM block WHERE id = ?1") \
    X(SQL_BLOCKS,                                                                                  \
      "SELECT id, kind, rows, first_ms, last_ms,"                                                  \
      " head_seal = seal(id, kind, rows, first_ms, last_ms, octets)"                               \
      " FROM block INDEXED BY block_time WHERE kind = ?1 AND first_ms < ?3 AND last_ms >= ?2"      \
      " ORDER BY id")                                                                              \
    X(SQL_BLOCK_IDS, "SELECT id FROM block ORDER BY kind, first_ms, id")                           \
    X(SQL_BLOCK_STATUS, "SELECT count(*), coalesce(sum(rows), 0), coalesce(min(first_ms), 0),"     \
                        " coalesce(max(last_ms), 0), coalesce(sum(octets), 0)"                     \
                        " FROM block INDEXED BY block_time WHERE kind = ?1")                       \
    X(SQL_COLUMN_ADD, "INSERT INTO block_column VALUES (?1, ?2)")                                  \
    X(SQL_COLUMN_SET, "INSERT OR REPLACE INTO block_column VALUES (?1, ?2)")                       \
    X(SQL_COLUMN_DELETE, "DELETE FROM block_column WHERE id >= ?1 AND id < ?2")                    \
    X(SQL_COLUMN_COUNT, "SELECT count(*) FROM block_column")                                       \
    X(SQL_ROLLUP_ADD,                                                                              \
      "INSERT INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, ?6, seal(?1, ?2, ?3, ?4, ?5, ?6))")          \
    X(SQL_ROLLUP_SERIALS,                                                                          \
      "SELECT count(*), coalesce(max(serial), 0), coalesce(sum(groups), 0) FROM rollup"            \
      " WHERE resolution_ms = ?1 AND period_ms = ?2 AND tier = ?3")                                \
    X(SQL_ROLLUP_TIER,                                                                             \
      "SELECT period_ms, segment, groups,"                                                         \
      " seal = seal(resolution_ms, period_ms, tier, serial, groups, segment) FROM rollup"          \
      " WHERE resolution_ms = ?1 AND period_ms = ?2 AND tier >= ?3 AND tier <= ?4"                 \
      " AND serial <= ?5")                                                                         \
    X(SQL_ROLLUP_TIER_DELETE, "DELETE FROM rollup WHERE resolution_ms = ?1 AND period_ms = ?2 "    \
                              "AND tier >= ?3 AND tier <= ?4 AND serial <= ?5")                    \
    X(SQL_ROLLUP_GROUPS, /* sum() stops where a number is damaged */                               \
      "SELECT CAST(total(groups) AS INTEGER), coalesce(max(serial), 0) FROM rollup"                \
      " WHERE resolution_ms = ?1 AND period_ms = ?2 AND tier >= ?3 AND tier <= ?4")                \
    X(SQL_ROLLUP_RANGE,                                                                            \
      "SELECT period_ms, segment, groups,"                                                         \
      " seal = seal(resolution_ms, period_ms, tier, serial, groups, segment) FROM rollup"          \
      " WHERE resolution_ms = ?1 AND period_ms >= ?2 AND period_ms <= ?3")                         \
    X(SQL_ROLLUP_PERIODS,                                                                          \
      "SELECT DISTINCT period_ms FROM rollup WHERE resolution_ms = ?1 AND tier <= 60 ORDER BY 1")  \
    X(SQL_VERIFY_STEPS,                                                                            \
      "SELECT (SELECT count(*) FROM block INDEXED BY block_time) + (SELECT count(*) FROM"          \
      " (SELECT DISTINCT resolution_ms, period_ms FROM rollup WHERE tier <= 60))")                 \
    X(SQL_ROLLUP_STATUS, "SELECT coalesce(sum(groups), 0) FROM rollup")                            \
    X(SQL_ACCOUNT_FIND,                                                                            \
      "SELECT " ACCOUNT_SQL_ALL ", seal = seal(" ACCOUNT_SQL_ALL ") FROM account"                  \
      " WHERE minute_ms = ?1 AND exporter = ?2 AND domain = ?3 AND port = ?4 AND protocol = ?5")   \
    X(SQL_ACCOUNT_PUT, "INSERT OR REPLACE INTO account (" ACCOUNT_SQL_ALL ", seal)"                \
                       " VALUES (" ACCOUNT_SQL_VALUES ", seal(" ACCOUNT_SQL_VALUES "))")           \
    X(SQL_ACCOUNT_RANGE,                                                                           \
      "SELECT " ACCOUNT_SQL_ALL ", seal = seal(" ACCOUNT_SQL_ALL ") FROM account"                  \
      " WHERE minute_ms >= ?1 AND minute_ms < ?2 ORDER BY " ACCOUNT_SQL_KEY)                       \
    X(SQL_ACCOUNT_NEXT,                                                                            \
      "SELECT minute_ms FROM account WHERE minute_ms >= ?1 ORDER BY minute_ms LIMIT 1")            \
    X(SQL_ACCOUNT_LAST, "SELECT minute_ms FROM account ORDER BY minute_ms DESC LIMIT 1")           \
    X(SQL_CHECKPOINT_FIND,                                                                         \
      "SELECT sequence, seal = seal(" CHECKPOINT_SQL_ALL ") FROM checkpoint WHERE collector = ?1"  \
      " AND exporter = ?2 AND domain = ?3 AND port = ?4 AND protocol = ?5")                        \
    X(SQL_CHECKPOINT_PUT,                                                                          \
      "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"              \
      " seal(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9))")                                                \
    X(SQL_CHECKPOINTS,                                                                             \
      "SELECT " CHECKPOINT_SQL_ALL ", seal = seal(" CHECKPOINT_SQL_ALL ") FROM checkpoint"         \
      " WHERE collector = ?1 ORDER BY sequence")                                                   \
    X(SQL_CHECKPOINT_COUNT, "SELECT count(*) FROM checkpoint WHERE collector = ?1")                \
    X(SQL_CHECKPOINT_RANK, "SELECT sequence FROM checkpoint WHERE collector = ?1"                  \
                           " ORDER BY sequence LIMIT 1 OFFSET ?2")                                 \
    X(SQL_CHECKPOINT_FORGET, "DELETE FROM checkpoint WHERE collector = ?1 AND sequence < ?2")      \
    X(SQL_COLLECTORS, "SELECT id, identity, seal = seal(id, identity) FROM collector ORDER BY id") \
    X(SQL_COLLECTOR_COUNT, "SELECT count(*) FROM collector")                                       \
    X(SQL_TAG_ADD, "INSERT INTO tag VALUES (?1, ?2, seal(?1, ?2))")                                \
    X(SQL_TAG_FIND, "SELECT name, seal = seal(id, name) FROM tag WHERE id = ?1")                   \
    X(SQL_TAG_BY_NAME, "SELECT id, seal = seal(id, name) FROM tag WHERE name = ?1")                \
    X(SQL_TAG_DELETE, "DELETE FROM tag WHERE id = ?1")                                             \
    X(SQL_TAGS, "SELECT id, name, seal = seal(id, name) FROM tag ORDER BY id")                     \
    X(SQL_TAG_PREFIX_ADD,                                                                          \
      "INSERT INTO tag_prefix VALUES (?1, ?2, ?3, seal(?1, ?2, ?3)) ON CONFLICT DO NOTHING")       \
    X(SQL_TAG_PREFIX_OWNER,                                                                        \
      "SELECT p.tag, t.name, p.seal = seal(p.address, p.length, p.tag) FROM tag_prefix p"          \
      " JOIN tag t ON t.id = p.tag WHERE p.address = ?1 AND p.length = ?2")                        \
    X(SQL_TAG_PREFIX_DELETE, "DELETE FROM tag_prefix WHERE tag = ?1")                              \
    X(SQL_TAG_PREFIXES,                                                                            \
      "SELECT tag, address, length, seal = seal(address, length, tag) FROM tag_prefix"             \
      " ORDER BY +tag, address, length") /* + : by the table, whose rows are sealed */             \
    X(SQL_TAG_AS_ADD, "INSERT INTO tag_as VALUES (?1, ?2, seal(?1, ?2)) ON CONFLICT DO NOTHING")   \
    X(SQL_TAG_AS_OWNER, "SELECT a.tag, t.name, a.seal = seal(a.number, a.tag) FROM tag_as a"       \
                        " JOIN tag t ON t.id = a.tag WHERE a.number = ?1")                         \
    X(SQL_TAG_AS_DELETE, "DELETE FROM tag_as WHERE tag = ?1")                                      \
    X(SQL_TAG_ASES,                                                                                \
      "SELECT tag, number, seal = seal(number, tag) FROM tag_as ORDER BY +tag, number")            \
    X(SQL_DEVICE_ADD, "INSERT INTO device VALUES (?1, ?2, ?3, ?4, seal(?1, ?2, ?3, ?4))")          \
    X(SQL_DEVICE_DELETE, "DELETE FROM device WHERE address = ?1")                                  \
    X(SQL_DEVICES,                                                                                 \
      "SELECT address, name, description, sampling_rate,"                                          \
      " seal = seal(address, name, description, sampling_rate) FROM device ORDER BY address")      \
    X(SQL_DB_ADD, "INSERT INTO db_component VALUES (?1, ?2, seal(?1, ?2))")                        \
    X(SQL_DB_DELETE, "DELETE FROM db_component WHERE url = ?1")                                    \
    X(SQL_DBS, "SELECT url, name, seal = seal(url, name) FROM db_component ORDER BY url")          \
    X(SQL_FLOW_TYPE_ADD,                                                                           \
      "INSERT INTO flow_type VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"                \
      " seal(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11))")                                      \
    X(SQL_FLOW_TYPE_DELETE, "DELETE FROM flow_type WHERE name = ?1")                               \
    X(SQL_FLOW_TYPE_AT,                                                                            \
      "SELECT name, seal = seal(" FLOW_TYPE_SQL_ALL ") FROM flow_type WHERE priority = ?1")        \
    X(SQL_FLOW_TYPE_COUNT, "SELECT count(*) FROM flow_type")                                       \
    X(SQL_FLOW_TYPES,                                                                              \
      "SELECT " FLOW_TYPE_SQL_ALL ", seal = seal(" FLOW_TYPE_SQL_ALL ") FROM flow_type"            \
      " ORDER BY priority")                                                                        \
    X(SQL_DOMAIN_ADD,                                                                              \
      "INSERT INTO observation_domain VALUES (?1, ?2, ?3, ?4, seal(?1, ?2, ?3, ?4))")              \
    X(SQL_DOMAIN_FIND,                                                                             \
      "SELECT name, seal = seal(device, domain, name, description) FROM observation_domain"        \
      " WHERE device = ?1 AND domain = ?2")                                                        \
    X(SQL_DOMAIN_USES,                                                                             \
      "SELECT (SELECT count(*) FROM observation_point WHERE device = ?1 AND domain = ?2),"         \
      " (SELECT count(*) FROM anonymisation WHERE device = ?1 AND domain = ?2)")                   \
    X(SQL_DOMAIN_DELETE, "DELETE FROM observation_domain WHERE device = ?1 AND domain = ?2")       \
    X(SQL_DOMAINS,                                                                                 \
      "SELECT device, domain, name, description, seal = seal(device, domain, name, description)"   \
      " FROM observation_domain ORDER BY device, domain")                                          \
    X(SQL_POINT_ADD,                                                                               \
      "INSERT INTO observation_point VALUES (?1, ?2, ?3, ?4, ?5, seal(?1, ?2, ?3, ?4, ?5))")       \
    X(SQL_POINT_DELETE,                                                                            \
      "DELETE FROM observation_point WHERE device = ?1 AND domain = ?2 AND interface = ?3")        \
    X(SQL_POINTS, "SELECT device, domain, interface, name, role,"                                  \
                  " seal = seal(device, domain, interface, name, role) FROM observation_point"     \
                  " ORDER BY device, domain, interface")                                           \
    X(SQL_POLICY_SET,                                                                              \
      "INSERT OR REPLACE INTO anonymisation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"               \
      " seal(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8))")                                                    \
    X(SQL_POLICY_DELETE, "DELETE FROM anonymisation WHERE device = ?1 AND domain = ?2")            \
    X(SQL_POLICIES,                                                                                \
      "SELECT " POLICY_SQL_ALL ", seal = seal(" POLICY_SQL_ALL ") FROM anonymisation"              \
      " ORDER BY device, domain")                                                                  \
    X(SQL_AUDIT_ADD,                                                                               \
      "INSERT INTO audit SELECT n, ?1, ?2, ?3, ?4, ?5, seal(n, ?1, ?2, ?3, ?4, ?5) FROM"           \
      " (SELECT 1 + coalesce(max(id), 0) AS n FROM audit)")                                        \
    X(SQL_AUDITS, "SELECT id, seal = seal(id, time_ms, who, action, subject, detail) FROM audit")  \
    X(SQL_CHECKPOINT_DIGEST,                                                                       \
      "SELECT digest(" CHECKPOINT_SQL_ALL ") FROM checkpoint WHERE collector = ?1")                \
    X(SQL_PAGES, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")         \
    X(SQL_INTEGRITY, "PRAGMA integrity_check(1000)")

enum sql_statement {
#define SQL_ENUM(name, text) name,
    SQL_STATEMENTS(SQL_ENUM)
#undef SQL_ENUM
    SQL_STATEMENT_COUNT
};

struct sql {
    sqlite3 *db;
    const char *path; /* of the file, for messages; the store's memory */
    sqlite3_stmt *statements[SQL_STATEMENT_COUNT];
    sqlite3_blob *column; /* open on block_column, moved from row to row; NULL at first */
    struct vfs_file *file; /* what sql_open() opened; NULL: somebody else's connection */
    atomic_bool *cut;      /* set when the file turns out to have been made shorter; may be NULL */
    struct changes_noted changed; /* by the transaction that goes on */
};

/* Opens `path` (or a file: URI) with SQLite's open flags, watched (vfs.h), and gives the connection
 * our functions:
 *     seal(…)    CRC-32C of its arguments with their types and lengths
 *     digest(…)  aggregate: sum of the rows' seals, whatever their order
 * `name` is the path for messages and must outlive the connection. */
enum weir_status sql_open(struct sql *sql, const char *path, const char *name, int flags,
                          struct weir_error *error);
void sql_close(struct sql *sql);
/* Runs statements that give no rows we want, separated by ';'. */
enum weir_status sql_script(struct sql *sql, const char *text, struct weir_error *error);
/* First column of the first row of a text outside the table (pragmas at opening). */
enum weir_status sql_number(struct sql *sql, const char *text, int64_t *out,
                            struct weir_error *error);
/* What a call of SQLite that reads the file gave, or an error in its place when octets of the file
 * were missed meanwhile (vfs.h): what it read is not to be believed then. query_row() and
 * query_end() have asked already. */
int sql_checked(struct sql *sql, int code);
/* SQLite's result code as a status, with what SQLite says and the file in the message. */
enum weir_status sql_fail(struct sql *sql, int code, struct weir_error *error);
/* A statement without parameters or rows. */
enum weir_status sql_run(struct sql *sql, enum sql_statement which, struct weir_error *error);
/* Ends the reading of a column, so that the transaction can end. */
void sql_release_column(struct sql *sql);

struct query {
    struct sql *sql;
    sqlite3_stmt *statement;
    int code;  /* SQLITE_OK, SQLITE_ROW, SQLITE_DONE, or the first error */
    int bound;
    const char *table; /* whose row does not match its seal; NULL: none */
};

struct query query_start(struct sql *sql, enum sql_statement which);
void query_bind_i64(struct query *q, int64_t v);
void query_bind_u64(struct query *q, uint64_t v); /* as its bit pattern */
void query_bind_f64(struct query *q, double v);
void query_bind_text(struct query *q, const char *text);
/* The octets stay the caller's and must live until query_end(). */
void query_bind_blob(struct query *q, const void *bytes, size_t length);
void query_bind_address(struct query *q, const struct address *a);
bool query_row(struct query *q);

int64_t query_i64(struct query *q, int column);
uint64_t query_u64(struct query *q, int column);
double query_f64(struct query *q, int column);
/* Valid until the next query_row() or query_end(). */
const char *query_text(struct query *q, int column);
const uint8_t *query_blob(struct query *q, int column, size_t *length);
/* Exactly `size` octets into `out`; false (and a sticky error: the row is damaged) when it has
 * another size. */
bool query_octets(struct query *q, int column, void *out, size_t size);
/* The last column, `seal = seal(…)`: when it is not true the query fails with SQLITE_CORRUPT. */
bool query_sealed(struct query *q);
enum weir_status query_end(struct query *q, struct weir_error *error);
/* The first column of every row that is left, from `a`; the query is ended. */
enum weir_status query_numbers(struct query *q, struct arena *a, int64_t **out, size_t *count,
                               struct weir_error *error);

#endif
