/* tag_names.c - see tag_names.h. Used by db_views.c and collector_service.c. */
#include "tag_names.h"
#include "base/time.h"
#include "store.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct tag_names {
    struct store *store;
    pthread_mutex_t lock;
    struct catalogue catalogue; /* tags sorted by id */
    const struct tag **by_name;
    int64_t read_ms; /* 0: never, or forgotten */
};

struct tag_names *tag_names_new(struct store *store)
{
    struct tag_names *t = calloc(1, sizeof *t);
    if (t) {
        t->store = store;
        pthread_mutex_init(&t->lock, NULL);
    }
    return t;
}

static void drop(struct tag_names *t)
{
    if (t->read_ms)
        catalogue_free(&t->catalogue);
    free(t->by_name);
    t->by_name = NULL;
    t->catalogue = (struct catalogue){0};
    t->read_ms = 0;
}

void tag_names_free(struct tag_names *t)
{
    if (!t)
        return;
    drop(t);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tag_names_forget(struct tag_names *t)
{
    pthread_mutex_lock(&t->lock);
    drop(t);
    pthread_mutex_unlock(&t->lock);
}

static int order_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tag *const *)a)->name, (*(const struct tag *const *)b)->name);
}

static int order_name_to_tag(const void *name, const void *tag)
{
    return strcmp(name, (*(const struct tag *const *)tag)->name);
}

static int order_id_to_tag(const void *id, const void *tag)
{
    uint32_t a = *(const uint32_t *)id, b = ((const struct tag *)tag)->id;
    return a < b ? -1 : a > b;
}

/* Reads the catalogue when what is remembered is old. Called with the lock held. */
static enum weir_status refresh(struct tag_names *t, struct weir_error *error)
{
    int64_t now = (int64_t)(clock_monotonic_us() / 1000) + 1;
    if (t->read_ms && now - t->read_ms < TAG_NAMES_AGE_MS)
        return WEIR_OK;
    drop(t);
    enum weir_status status = store_catalogue(t->store, &t->catalogue, error);
    if (status != WEIR_OK)
        return status;
    t->read_ms = now;
    size_t n = t->catalogue.tag_count;
    t->by_name = calloc(n ? n : 1, sizeof *t->by_name);
    if (!t->by_name) {
        drop(t);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for %zu tags", n);
    }
    for (size_t i = 0; i < n; i++)
        t->by_name[i] = &t->catalogue.tags[i];
    qsort(t->by_name, n, sizeof *t->by_name, order_by_name);
    return WEIR_OK;
}

static enum weir_status find_number(struct tag_names *t, const char *text, const char *field,
                                    uint32_t *tag, struct weir_error *error)
{
    uint64_t number = 0;
    for (const char *p = text; *p && number <= UINT32_MAX; p++)
        number = number * 10 + (uint64_t)(*p - '0');
    if (number > UINT32_MAX)
        return weir_fail(error, WEIR_EARGUMENT, field, "%s is out of range: expected 0 to %u", text,
                         UINT32_MAX);
    *tag = (uint32_t)number;
    if (number == 0 || t->catalogue.tag_count == 0 ||
        bsearch(tag, t->catalogue.tags, t->catalogue.tag_count, sizeof *t->catalogue.tags,
                order_id_to_tag))
        return WEIR_OK;
    return weir_fail(error, WEIR_ENOTFOUND, field, "there is no tag with the number %s", text);
}

static enum weir_status find_name(struct tag_names *t, const char *text, const char *field,
                                  uint32_t *tag, struct weir_error *error)
{
    const struct tag *const *found =
        bsearch(text, t->by_name, t->catalogue.tag_count, sizeof *t->by_name, order_name_to_tag);
    if (!found)
        return weir_fail(error, WEIR_ENOTFOUND, field, "there is no tag named \"%.63s\"", text);
    *tag = (*found)->id;
    return WEIR_OK;
}

enum weir_status tag_names_resolve(struct tag_names *t, const char *text, const char *field,
                                   uint32_t *tag, struct weir_error *error)
{
    static const char name_characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(text);
    if (length == 0 || length > 63 || strspn(text, name_characters) != length)
        return weir_fail(error, WEIR_EARGUMENT, field,
                         "expected a tag's number or its name (1 to 63 of A-Z a-z 0-9 . _ -)");
    bool is_number = strspn(text, "0123456789") == length;
    pthread_mutex_lock(&t->lock);
    enum weir_status status = refresh(t, error);
    if (status == WEIR_OK)
        status = (is_number ? find_number : find_name)(t, text, field, tag, error);
    pthread_mutex_unlock(&t->lock);
    return status;
}
