/* account.c - counting rows, and the account as bytes (account.h; schemas/block-format.md,
 * "Account section"). */
#include "flow/account.h"
#include <stdlib.h>
#include <string.h>

#define BOOK_ROWS_FULL (1u << 14) /* 5 MiB; several accounts are under way at once */
#define ROW_FIXED_SIZE 56u /* a row without its counters: what the row count is checked against */
#define CHECKPOINT_SIZE 40u

const struct counter_name account_counter_names[ACCOUNT_COUNTER_COUNT] = {
#define COUNTER_NAME(name, text, help) {#text, help},
    ACCOUNT_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

_Static_assert(ACCOUNT_COUNTER_COUNT < 64, "a row's bit map of counters has 64 bits");

void account_counts_add(struct account_counts *to, const struct account_counts *from)
{
    struct account_counts more = *from;
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        *account_counter(to, i) += *account_counter(&more, i);
}

/* ---- the book: an open hash of row indexes over an array of rows ---- */

struct account_book {
    struct account_row *rows;
    size_t count, room;
    uint32_t *slots; /* row index + 1; 0 empty */
    size_t slot_count; /* a power of two, at least twice the rows */
    size_t last; /* the row asked for last: most datagrams ask for it again */
};

struct account_book *account_book_new(void)
{
    return calloc(1, sizeof(struct account_book));
}

void account_book_free(struct account_book *book)
{
    if (!book)
        return;
    free(book->rows);
    free(book->slots);
    free(book);
}

static bool key_same(const struct account_key *a, const struct account_key *b)
{
    return a->minute_ms == b->minute_ms && a->domain == b->domain && a->port == b->port &&
           a->protocol == b->protocol && memcmp(&a->exporter, &b->exporter, 16) == 0;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t key_hash(const struct account_key *key)
{
    uint64_t hash = mix(0, load_le64(key->exporter.octets));
    hash = mix(hash, load_le64(key->exporter.octets + 8));
    hash = mix(hash, (uint64_t)key->domain << 32 | (uint64_t)key->port << 16 | key->protocol);
    return mix(hash, (uint64_t)key->minute_ms);
}

static uint32_t *book_slot(const struct account_book *book, const struct account_key *key)
{
    size_t slot = key_hash(key) & (book->slot_count - 1);
    while (book->slots[slot] && !key_same(&book->rows[book->slots[slot] - 1].key, key))
        slot = (slot + 1) & (book->slot_count - 1);
    return &book->slots[slot];
}

static bool book_grow(struct account_book *book)
{
    if (book->count < book->room)
        return true;
    size_t room = book->room ? 2 * book->room : 16;
    struct account_row *rows = realloc(book->rows, room * sizeof *rows);
    if (!rows)
        return false;
    book->rows = rows;
    uint32_t *slots = calloc(4 * room, sizeof *slots);
    if (!slots)
        return false;
    free(book->slots);
    book->slots = slots;
    book->slot_count = 4 * room;
    book->room = room;
    for (size_t i = 0; i < book->count; i++)
        *book_slot(book, &book->rows[i].key) = (uint32_t)i + 1;
    return true;
}

struct account_row *account_book_row(struct account_book *book, const struct account_key *key)
{
    if (book->last < book->count && key_same(&book->rows[book->last].key, key))
        return &book->rows[book->last];
    uint32_t *slot = book->slots ? book_slot(book, key) : NULL;
    if (!slot || !*slot) {
        if (!book_grow(book))
            return NULL;
        slot = book_slot(book, key);
        book->rows[book->count] = (struct account_row){.key = *key};
        *slot = (uint32_t)++book->count;
    }
    book->last = *slot - 1;
    return &book->rows[book->last];
}

bool account_book_full(const struct account_book *book)
{
    return book->count >= BOOK_ROWS_FULL;
}

bool account_book_empty(const struct account_book *book)
{
    return book->count == 0;
}

enum weir_status account_book_take(struct account_book *book, struct account *out)
{
    *out = (struct account){.rows = book->rows, .row_count = book->count};
    if (!book->count)
        free(book->rows), out->rows = NULL;
    free(book->slots);
    *book = (struct account_book){0};
    return WEIR_OK;
}

void account_free(struct account *a)
{
    free(a->rows);
    free(a->checkpoints);
    *a = (struct account){0};
}

/* ---- writing ---- */

static uint64_t counters_present(struct account_counts *counts)
{
    uint64_t present = 0;
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        if (*account_counter(counts, i))
            present |= UINT64_C(1) << i;
    return present;
}

static void write_row(struct buffer *out, struct account_row row)
{
    uint64_t present = counters_present(&row.counts);
    buffer_put(out, row.key.exporter.octets, 16);
    buffer_put_u32le(out, row.key.domain);
    buffer_put_u16le(out, row.key.port);
    buffer_put_u16le(out, row.key.protocol);
    buffer_put_u64le(out, (uint64_t)row.key.minute_ms);
    buffer_put_u64le(out, (uint64_t)row.first_heard_ms);
    buffer_put_u64le(out, (uint64_t)row.last_heard_ms);
    buffer_put_u64le(out, present);
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        if (present >> i & 1)
            buffer_put_u64le(out, *account_counter(&row.counts, i));
}

static void write_checkpoint(struct buffer *out, const struct account_checkpoint *c)
{
    buffer_put(out, c->exporter.octets, 16);
    buffer_put_u32le(out, c->domain);
    buffer_put_u16le(out, c->port);
    buffer_put_u16le(out, c->protocol);
    buffer_put_u32le(out, c->next_sequence);
    buffer_put_u32le(out, c->sys_up_time_ms);
    buffer_put_u64le(out, (uint64_t)c->export_ms);
}

void account_write(struct buffer *out, const struct account *a)
{
    buffer_put_u32le(out, (uint32_t)a->row_count);
    buffer_put_u32le(out, (uint32_t)a->checkpoint_count);
    for (size_t i = 0; i < a->row_count; i++)
        write_row(out, a->rows[i]);
    for (size_t i = 0; i < a->checkpoint_count; i++)
        write_checkpoint(out, &a->checkpoints[i]);
}

/* ---- reading ---- */

static void read_address(struct cursor *in, struct address *out)
{
    const uint8_t *octets = cursor_bytes(in, 16);
    if (octets)
        memcpy(out->octets, octets, 16);
}

static enum weir_status read_row(struct cursor *in, struct account_row *row,
                                 struct weir_error *error)
{
    read_address(in, &row->key.exporter);
    row->key.domain = cursor_u32_le(in);
    row->key.port = cursor_u16_le(in);
    row->key.protocol = cursor_u16_le(in);
    row->key.minute_ms = (int64_t)cursor_u64_le(in);
    row->first_heard_ms = (int64_t)cursor_u64_le(in);
    row->last_heard_ms = (int64_t)cursor_u64_le(in);
    uint64_t present = cursor_u64_le(in);
    if (present >> ACCOUNT_COUNTER_COUNT)
        return weir_fail(error, WEIR_EMALFORMED, "account",
                         "a row has counter %d; this version knows %zu",
                         64 - __builtin_clzll(present), ACCOUNT_COUNTER_COUNT);
    for (size_t i = 0; i < ACCOUNT_COUNTER_COUNT; i++)
        if (present >> i & 1)
            *account_counter(&row->counts, i) = cursor_u64_le(in);
    return WEIR_OK;
}

static void read_checkpoint(struct cursor *in, struct account_checkpoint *c)
{
    read_address(in, &c->exporter);
    c->domain = cursor_u32_le(in);
    c->port = cursor_u16_le(in);
    c->protocol = cursor_u16_le(in);
    c->next_sequence = cursor_u32_le(in);
    c->sys_up_time_ms = cursor_u32_le(in);
    c->export_ms = (int64_t)cursor_u64_le(in);
}

static bool allocate(struct account *out, uint32_t rows, uint32_t checkpoints)
{
    out->rows = rows ? calloc(rows, sizeof *out->rows) : NULL;
    out->checkpoints = checkpoints ? calloc(checkpoints, sizeof *out->checkpoints) : NULL;
    out->row_count = rows;
    out->checkpoint_count = checkpoints;
    return (out->rows || !rows) && (out->checkpoints || !checkpoints);
}

static enum weir_status read_all(struct cursor *in, struct account *out, struct weir_error *error)
{
    uint32_t rows = cursor_u32_le(in), checkpoints = cursor_u32_le(in);
    /* Both counts are believed only as far as there are octets for them. */
    if (in->failed || (uint64_t)rows * ROW_FIXED_SIZE + (uint64_t)checkpoints * CHECKPOINT_SIZE >
                          cursor_left(in))
        return weir_fail(error, WEIR_ETRUNCATED, "account",
                         "%u rows and %u checkpoints do not fit into what is there", rows,
                         checkpoints);
    if (!allocate(out, rows, checkpoints))
        return weir_fail(error, WEIR_ENOMEM, "account", "no memory for %u rows", rows);
    enum weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < rows && !status; i++)
        status = read_row(in, &out->rows[i], error);
    for (uint32_t i = 0; i < checkpoints && !status; i++)
        read_checkpoint(in, &out->checkpoints[i]);
    if (!status && in->failed)
        status = weir_fail(error, WEIR_ETRUNCATED, "account", "the section ends within a row");
    return status;
}

enum weir_status account_read(struct cursor *in, struct account *out, struct weir_error *error)
{
    *out = (struct account){0};
    enum weir_status status = read_all(in, out, error);
    if (status)
        account_free(out);
    return status;
}
