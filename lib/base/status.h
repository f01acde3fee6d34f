/* status.h - every way a call can fail, and the one-line message that goes with it.
 *
 * A function that can fail returns `enum weir_status`: WEIR_OK (0) or a negative value.
 * Functions that can say more than a code take a `struct weir_error *`, the last argument; it may
 * be NULL. On failure they fill it with what was wrong, where, and what was expected; on success
 * they leave it alone. Nobody owns anything: the struct holds its text.
 *
 * Bytes from outside never trip an assert(); they end here.
 *
 * Threads: any; a struct weir_error belongs to its caller. */
#ifndef WEIR_BASE_STATUS_H
#define WEIR_BASE_STATUS_H

/* One row an error: the enumerator and its text cannot drift apart. */
#define WEIR_STATUS_MAP(X)                                                                         \
    X(WEIR_OK, 0, "no error")                                                                      \
    X(WEIR_ENOMEM, -1, "out of memory")                                                            \
    X(WEIR_EARGUMENT, -2, "bad argument")                                                          \
    X(WEIR_ESYNTAX, -3, "syntax error")                                                            \
    X(WEIR_ENOTFOUND, -4, "not found")                                                             \
    X(WEIR_EEXISTS, -5, "exists already")                                                          \
    X(WEIR_EMALFORMED, -6, "malformed bytes")                                                      \
    X(WEIR_ETRUNCATED, -7, "bytes end too early")                                                  \
    X(WEIR_ECHECKSUM, -8, "checksum does not match")                                               \
    X(WEIR_EVERSION, -9, "unknown version")                                                        \
    X(WEIR_ELIMIT, -10, "over a limit")                                                            \
    X(WEIR_EIO, -11, "input or output failed")                                                     \
    X(WEIR_EFULL, -12, "no space left")                                                            \
    X(WEIR_EBUSY, -13, "busy; try again")                                                          \
    X(WEIR_EDENIED, -14, "not permitted")                                                          \
    X(WEIR_EUNAVAILABLE, -15, "peer not reachable")                                                \
    X(WEIR_ECANCELLED, -16, "cancelled")                                                           \
    X(WEIR_ECORRUPT, -17, "stored data is damaged")                                                \
    X(WEIR_EINTERNAL, -18, "internal error")

enum weir_status {
#define WEIR_STATUS_ENUM(name, value, text) name = (value),
    WEIR_STATUS_MAP(WEIR_STATUS_ENUM)
#undef WEIR_STATUS_ENUM
};

struct weir_error {
    enum weir_status status;
    char field[64];    /* which argument, column or file; "" when it does not apply */
    char message[1024]; /* one line, no full stop: what was wrong and what was expected; paths may
                         * be long, and the reason comes after them */
};

/* The fixed text of a status; never NULL, static storage. */
const char *weir_status_text(enum weir_status status);

/* Fills *error (if not NULL) and returns `status`, so that a caller can `return weir_fail(…)`.
 * `field` may be NULL. The message is cut, never overrun; control characters become '?'. */
enum weir_status weir_fail(struct weir_error *error, enum weir_status status, const char *field,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
