/* weird.h - what the words of the server program share. Private to services/weird_*.c.
 *
 * Threads: main thread. */
#ifndef WEIR_WEIRD_H
#define WEIR_WEIRD_H

#include "base/options.h"
#include "base/time.h"
#include "store.h"
#include <stdbool.h>

struct log_ring;
enum role { ROLE_COLLECTOR = 1, ROLE_DB = 2 };

struct weird_settings {
    const char *version;
    const char *data;
    const char *config;
    const char *http, *netflow, *sflow, *ipfix, *ipfix_tls;
    const char *tls_cert, *tls_key, *tls_ca;
    const char *roles;
    const char *filter, *format;
    int64_t from_ms, to_ms;
    int64_t threads, query_memory, spool_size, batch_rows;
    int64_t receivers, receive_buffer, connection_idle, template_lifetime;
    int64_t retain_days, retain_size, retain_rollups_days;
    bool check, insecure, verbose, compact, known_only, no_upkeep, asked;
    struct log_ring *log; /* the last lines */
    unsigned role_bits; /* enum role, from `roles` */
};

/* Each runs one word and returns the exit code: 0, 1 (failed), 2 (usage). Errors are on stderr. */
int weird_serve(struct weird_settings *s, int operands, char **operand);
int weird_import(struct weird_settings *s, int operands, char **operand);
int weird_records(struct weird_settings *s, int operands, char **operand);
int weird_names(struct weird_settings *s, int operands, char **operand);
int weird_export(struct weird_settings *s, int operands, char **operand);
int weird_verify(struct weird_settings *s, int operands, char **operand);
int weird_retag(struct weird_settings *s, int operands, char **operand);
int weird_compact(struct weird_settings *s, int operands, char **operand);
int weird_backup(struct weird_settings *s, int operands, char **operand);

/* What the options say of retention; and all upkeep at once, with its progress. */
struct upkeep_settings weird_upkeep_settings(const struct weird_settings *s);
enum weir_status weird_tidy(const struct weird_settings *s, struct store *store,
                            struct upkeep_report *report, struct weir_error *error);

/* weird_fault.c: from here on a store's files may break while they are read (store_may_map()).
 * Before any thread is made. */
void weird_guard_files(void);

/* Where keys of anonymisation are: DATA/keys. */
#define KEY_FOLDER_SIZE 4096
void weird_key_folder(const struct weird_settings *s, char out[KEY_FOLDER_SIZE]);

/* Prints "weird: MESSAGE" and returns `code`. */
int weird_complain(const struct weir_error *error, int code);
/* For words that only print: when who reads stdout goes away, as head does, they end silently. */
void weird_reader_may_leave(void);
int weird_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line that is drawn over itself while work goes on; nothing when stderr is no terminal. */
void progress_draw(const char *what, uint64_t done, uint64_t all, uint64_t start_us);
/* The same of a word whose output is long: not when that goes to a terminal, too. */
void progress_draw_beside_output(const char *what, uint64_t done, uint64_t all, uint64_t start_us);
void progress_clear(void);
/* The same as a store_progress. */
struct progress {
    const char *what;
    uint64_t start_us;
};
void progress_draw_store(void *context, uint64_t done, uint64_t all);

#endif
