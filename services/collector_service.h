/* collector_service.h - what the files with the collector's operations share. Private to this room.
 *
 * Threads: handlers run in any of the workers' threads, several at a time; changes of the catalogue
 * one after the other (collector_change()). */
#ifndef WEIR_COLLECTOR_SERVICE_H
#define WEIR_COLLECTOR_SERVICE_H

#include "base/status.h"
#include "store.h"

struct soap;

/* Text that people read: short, and such as XML can give back. NULL is "". WEIR_EARGUMENT names
 * `field`. */
enum weir_status collector_check_text(const char *text, const char *field,
                                      struct weir_error *error);
/* Every change: made one at a time, then told to whoever uses the catalogue. The first waits for
 * its turn, the second ends it: between them nothing may return. What comes of it is SOAP_OK or a
 * fault: the store's, or Unavailable when the change is kept but not in force yet.
 *     struct store *store = collector_change(soap);
 *     if (!store)
 *         return soap->error; … too many wait for their turn
 *     return collector_changed(soap, store_…(store, …, &error), &error); */
struct store *collector_change(struct soap *soap);
int collector_changed(struct soap *soap, enum weir_status status, const struct weir_error *error);
/* The handler of an Add… or Del… operation: the fault `missing` unless the request is `whole` (q is
 * NULL when it was sent as nil); read(soap, q, &thing, &error) checks what is asked, apply(store,
 * &thing, who, &error) does it. */
#define COLLECTOR_CHANGE(name, missing, whole, type, read, apply)                                  \
    int __col__##name(struct soap *soap, struct _col__##name *q,                                   \
                      struct _col__##name##Response *answer)                                       \
    {                                                                                              \
        char who[WHO_SIZE];                                                                        \
        type thing;                                                                                \
        struct weir_error error;                                                                   \
        (void)answer;                                                                              \
        if (!q || !(whole))                                                                        \
            return fault_missing(soap, missing);                                                   \
        if (read(soap, q, &thing, &error) != WEIR_OK)                                              \
            return fault_error(soap, &error);                                                      \
        struct store *store = collector_change(soap);                                              \
        if (!store)                                                                                \
            return soap->error;                                                                    \
        return collector_changed(soap, apply(store, &thing, caller_who(soap, who), &error),        \
                                 &error);                                                          \
    }
/* The handler of a List… operation, of `items` and `count` of a struct catalogue: put(soap, &item,
 * &member[i]) is false when memory ends. */
#define COLLECTOR_LIST(name, member, items, count, put)                                            \
    int __col__##name(struct soap *soap, struct _col__##name *q,                                   \
                      struct _col__##name##Response *answer)                                       \
    {                                                                                              \
        struct catalogue catalogue;                                                                \
        (void)q;                                                                                   \
        if (collector_read_catalogue(soap, &catalogue) != SOAP_OK)                                 \
            return soap->error;                                                                    \
        answer->__size##member = (int)catalogue.count;                                             \
        answer->member = collector_zeroed(soap, catalogue.count, sizeof *answer->member);          \
        bool ok = answer->member;                                                                  \
        for (size_t i = 0; ok && i < catalogue.count; i++)                                         \
            ok = put(soap, &catalogue.items[i], &answer->member[i]);                               \
        catalogue_free(&catalogue);                                                                \
        return ok ? SOAP_OK : (soap->error = SOAP_EOM);                                            \
    }

/* The catalogue, freed by the caller; or a fault. */
int collector_read_catalogue(struct soap *soap, struct catalogue *catalogue);
/* From the request's memory; NULL when it ends. At least one is made. */
void *collector_zeroed(struct soap *soap, size_t count, size_t size);
/* A copy, or NULL for "". */
char *collector_optional(struct soap *soap, const char *text);

#endif
