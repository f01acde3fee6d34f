/* inside.h - what the files of the store room share: the store itself, its transactions and
 * readers. Private to dbcomponent/store.
 *
 *   struct store ── writer: one connection, one transaction at a time, behind `writing`
 *               └── idle readers: connections that wait for reader_open(), behind `pooling`
 *
 * Invariants:
 *  1. Whatever a call changes, it changes between store_begin() and store_end().
 *  2. No thread takes `pooling` and then `writing`.
 *  3. Nothing read from the file is remembered from one transaction to the next, so other processes
 *     may use the same file; but what a reader keeps with the stamp of the changes it knows of. */
#ifndef WEIR_DB_INSIDE_H
#define WEIR_DB_INSIDE_H

#include "store/container.h"
#include "store/sql.h"
#include <pthread.h>

struct rollups;
struct sums_kept;
struct scratch { /* what an append works with; kept from one to the next */
    struct arena arena;
    struct rollups *rollups;
    struct buffer bytes;
    struct scratch *next;
};

struct reader {
    struct store *store;
    struct sql sql;
    struct reader *next;
    void *kept; /* reader_keep() */
    void (*release)(void *);
    struct sums_kept *sums; /* sums.c; NULL: nothing yet */
    reader_go_on go_on;     /* reader_watch() */
    const void *go_on_context;
    /* reader_changes(): as of this version of the file. */
    bool changes_known;
    unsigned changes_version;
    struct changes changes;
    /* The directory read last: which place each key has. 0: none. */
    int64_t directory_of;
    uint32_t key_count;
    ie_key keys[BATCH_COLUMNS_MOST];
};

struct store {
    char *path;       /* data/weir.db */
    const char *open; /* what SQLite opens: path, or a file: URI that says immutable */
    char *uri;
    bool read_only;
    atomic_bool cut; /* somebody else made the file shorter while it was open: nothing goes on */
    pthread_mutex_t writing;
    struct sql writer;
    /* The log beside the file, in octets: as the last commit left it, and when to insist on folding
     * it in. Behind `writing`. */
    int64_t page_octets, log_octets, insist_at;
    pthread_mutex_t pooling;
    struct reader *idle;
    size_t idle_count;
    struct scratch *scratches;
    struct upkeeper *upkeeper; /* NULL: none; upkeep.c */
};

#define IDLE_READERS_MOST 8
#define COLUMN_ID(block, place) ((block) * 1024 + (int64_t)(place))
_Static_assert(BATCH_COLUMNS_MOST <= 1024, "COLUMN_ID has room for 1024 columns");

/* Takes the writer and begins; store_end() commits when `status` is WEIR_OK, else rolls back, lets
 * the writer go, and returns the status of the whole. After a failed store_begin() there is no
 * store_end(). WEIR_EDENIED when the store is read-only. */
enum weir_status store_begin(struct store *s, struct weir_error *error);
enum weir_status store_end(struct store *s, enum weir_status status, struct weir_error *error);

/* Folds the whole log into the file, as far as readers permit that are there for long: only then
 * does a file that was made shorter get shorter. */
void store_fold(struct store *s);

/* folder.c: makes the folder `data` and the file in it where they are missing (`make`; else that is
 * WEIR_ENOTFOUND), and says what to do when they can not be written. */
enum weir_status folder_make(const char *data, const char *file, bool make,
                             struct weir_error *error);
/* May the file be read, and is it one? */
enum weir_status folder_look(const char *file, struct weir_error *error);
/* The file, which is ours, and those beside it are not for every user of the machine. */
void folder_close_to_others(const char *file);

/* explain.c: says of a file without tables why that may be (WEIR_ENOTFOUND). */
enum weir_status explain_empty(struct sql *sql, struct weir_error *error);
/* The same in the log, of one that becomes a new store; silent of a new file. */
void explain_new(struct sql *sql);
/* After an error of opening: says more of it, where more can be seen. Returns `status`. */
enum weir_status explain_damage(struct sql *sql, enum weir_status status, struct weir_error *error);

/* page_size.c: octets of a page of a store that is written to. A small one that is put away has
 * smaller ones. */
#define PAGE_OCTETS 8192
/* Gives a small store (others: nothing happens) small pages, or a store large ones. If that can not
 * be, because somebody else has it open, or for want of space or permission, the file stays as it
 * is, and that is all right. This process may not have it open. */
void pages_make_small(const char *path);
void pages_make_large(const char *path);
/* Has this connection's file, whose writer comes now, pages of another size, or of unknown
 * checksums? */
bool pages_are_wrong(struct sql *sql);
/* Is there a journal beside the file, of somebody who changes its pages, or died in that? */
bool pages_journal(const char *path);
/* Then undoes what he did, if he died, for those who open the file only to read can not. */
void pages_roll_back(const char *path);

/* reader.c: a reader that is not pooled any more. */
void reader_free(struct reader *r);

/* Scratch from the pool; NULL when memory ends. */
struct scratch *append_room_take(struct store *s);
void append_room_give(struct store *s, struct scratch *scratch);

/* migrate.c: brings an open connection's file to the present schema. */
enum weir_status store_check_file(struct sql *sql, int64_t *version, bool *empty,
                                  struct weir_error *error);
enum weir_status store_migrate(struct sql *sql, struct weir_error *error);
int64_t store_schema_version(void);

/* Reads the blob `name` of table meta, exactly `size` octets. WEIR_ENOTFOUND, WEIR_ECORRUPT. */
enum weir_status meta_read(struct sql *sql, const char *name, void *out, size_t size,
                           struct weir_error *error);
/* The same of at most `size` octets; what is after them in `out` stays. */
enum weir_status meta_read_most(struct sql *sql, const char *name, void *out, size_t size,
                                struct weir_error *error);
enum weir_status meta_write(struct sql *sql, const char *name, const void *bytes, size_t size,
                            struct weir_error *error);

/* blocks.c */
/* A row of table block with its directory opened; or a block that just came. */
struct block_record {
    struct stored_block head;
    uint64_t octets;
    struct block_column *columns; /* `bytes` NULL until loaded */
    uint32_t count;
};
/* WEIR_ECORRUPT names the block: a seal, a head or the order of columns is wrong. */
enum weir_status block_record_read(struct sql *sql, int64_t id, struct arena *a,
                                   struct block_record *out, struct weir_error *error);
/* Where the block has the column; UINT32_MAX: it has none. */
uint32_t block_place(const struct block_record *b, ie_key key);
/* Loads the bytes of column `place` into memory from `a`. */
enum weir_status block_column_load(struct sql *sql, int64_t id, uint32_t place,
                                   struct block_column *c, struct arena *a,
                                   struct weir_error *error);
/* Decodes the columns of `keys` that the block has (all of them when keys is NULL), and those they
 * are relative to. Bytes that are not there yet are loaded; `sql` may be NULL when none are
 * missing. */
enum weir_status block_decode(struct sql *sql, struct block_record *b, const ie_key *keys,
                              size_t count, struct arena *a, struct frame *out,
                              struct weir_error *error);
/* What a column of the block (`context`, a struct block_record) is known to hold: for
 * filter_judge(). */
bool block_bounds(void *context, ie_key key, struct column_bounds *out);
/* The columns' heads as they are stored; NULL: no memory. */
uint8_t *block_directory(const struct block_record *b, struct arena *a, size_t *length);

/* block_write.c, inside a transaction */
/* Stores a block of at least one row, whose columns have their bytes, under an id that no block
 * ever had. */
enum weir_status block_insert(struct sql *sql, const struct block_record *b,
                              const uint8_t *directory, size_t directory_length, int64_t *id,
                              struct weir_error *error);
/* Binds the directory of a block of so many rows, packed if that is worth it. *packed is to be
 * empty, and freed after query_end(). */
void block_bind_directory(struct query *q, uint32_t rows, const uint8_t *directory, size_t length,
                          struct buffer *packed);
enum weir_status block_delete(struct sql *sql, int64_t id, struct weir_error *error);
/* What changes when anything of the block does (-1: there is no such block), unchecked: for whoever
 * has read the block and wants to know whether it is still the same. */
enum weir_status block_seal(struct sql *sql, int64_t id, int64_t *seal, struct weir_error *error);

/* retain.c: a row of table removed; all zero but for first_ms > last_ms when there is none. */
struct removed {
    uint64_t blocks, rows, flows; /* a row may stand for several flows, or none */
    int64_t first_ms, last_ms, newest;
};
enum weir_status removed_read(struct sql *sql, int kind, struct removed *out,
                              struct weir_error *error);
/* What the roll-ups of removed blocks count in a period: `flows`, and their first and last
 * minute. */
enum weir_status rollups_kept_count(struct sql *sql, int64_t period_ms, struct removed *out,
                                    struct weir_error *error);

/* account.c: adds a block's account to the tables. Inside a transaction. */
enum weir_status account_store(struct sql *sql, int64_t collector, uint64_t sequence,
                               const struct account *account, struct weir_error *error);
/* positions.c: the highest sequence of the collector's blocks whose positions are forgotten; 0:
 * none are. Positions of blocks up to it are neither kept nor summed up again. */
enum weir_status positions_forgotten(struct sql *sql, int64_t collector, uint64_t *through,
                                     struct weir_error *error);
/* Writes that down, inside a transaction. */
enum weir_status positions_forget(struct sql *sql, int64_t collector, uint64_t through,
                                  struct weir_error *error);
/* Columns 0… of a row read by SQL_ACCOUNT_RANGE or SQL_ACCOUNT_FIND. */
void account_row_read(struct query *q, struct account_row *row);

/* catalogue_read.c: the catalogue as this connection's transaction sees it. */
enum weir_status catalogue_read(struct sql *sql, struct catalogue *out, struct weir_error *error);

#endif
