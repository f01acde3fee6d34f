/* totals.h - asking the DB component for sums, for the words that show them. Include after
 * dbStub.h. */
#ifndef WEIR_CLIENT_TOTALS_H
#define WEIR_CLIENT_TOTALS_H

#include "weir/names.h"
#include "weir/session.h"

#define KEYS_MOST 8

struct totals_keys {
    char text[1024];
    char *names[KEYS_MOST];
    int count;
};

/* Splits "srcTag,dstTag" at its commas; usage error for an empty or a ninth key. */
bool totals_keys_read(struct request *r, const char *by, struct totals_keys *out);

/* One call of Aggregate with the request's options; the answer lives in the session. */
enum outcome totals_ask(struct request *r, struct session *s, struct totals_keys *keys,
                        struct _db__AggregateResponse *answer);

/* {"rows":[…],"groups":…,"account":{…},"elapsedMicroseconds":…,"cpuMicroseconds":…}; `context` is a
 * struct _db__AggregateResponse. Keys are numbers where their element is one. */
void totals_json(struct buffer *out, const void *context);

/* The sheet of `weir totals`, and its notes. */
void totals_report(struct request *r, struct report *report, const struct totals_keys *keys,
                   const struct _db__AggregateResponse *a);

/* Makes sheet and notes of an answer; memory for them is the report's arena. Anything but
 * OUTCOME_DONE ends the word without an answer. */
typedef enum outcome (*totals_fill)(struct request *r, struct report *report,
                                    const struct totals_keys *keys,
                                    const struct _db__AggregateResponse *a, const void *context);
/* What words about totals do, in a session with /db: ask as totals_ask(), have `fill` make a report
 * of the answer (not for JSON, which is the answer itself), and answer with it. */
enum outcome totals_show(struct request *r, struct session *s, struct totals_keys *keys,
                         totals_fill fill, const void *context);

/* Names for the keys of a table: those of tags, devices and protocols stand behind their numbers
 * and addresses. Only what the keys can use is asked for. */
struct key_names {
    struct tag_names tags;
    struct device_names devices;
};
void key_names_load(struct request *r, const struct totals_keys *keys, struct key_names *out);
void key_names_free(struct key_names *n);
/* The cell of a row's key number i, called `key`; `names` may be NULL: none. */
void totals_key_cell(struct sheet *sheet, const struct key_names *names, const char *key,
                     const struct wt__Row *row, int i);

/* The value of a row's key as an unsigned number; false when it is absent or something else. */
bool totals_key_number(const struct wt__Row *row, int key, uint32_t *out);

#endif
