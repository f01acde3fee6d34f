/* names.c - names of tags and devices from the collector's catalogue; see names.h. */
#include "colStub.h"
#include "weir/names.h"
#include "weir/session.h"

#include <stdlib.h>
#include <string.h>

extern struct Namespace col_namespaces[];

/* A session whose failures nobody hears. */
static bool open_quietly(struct session *s, const struct request *r, struct weir_error *ignored)
{
    struct request quiet = *r;
    quiet.error = ignored;
    return session_open(s, &quiet, "/collector", col_namespaces);
}

/* ---- tags ------------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    unsigned x = ((const struct wt__Tag *)a)->id, y = ((const struct wt__Tag *)b)->id;
    return (x > y) - (x < y);
}

static void keep_names(struct tag_names *out, struct wt__Tag *tags, size_t count)
{
    out->ids = arena_alloc(&out->arena, (count + 1) * sizeof *out->ids);
    out->names = arena_alloc(&out->arena, (count + 1) * sizeof *out->names);
    if (!out->ids || !out->names)
        return;
    qsort(tags, count, sizeof *tags, by_id);
    for (size_t i = 0; i < count; i++) {
        const char *name = tags[i].name ? tags[i].name : "";
        out->ids[i] = tags[i].id;
        out->names[i] = arena_copy(&out->arena, name, strlen(name));
        if (!out->names[i])
            return;
        out->count = i + 1;
    }
}

void tag_names_load(struct request *r, struct tag_names *out)
{
    struct session s;
    struct weir_error ignored;
    *out = (struct tag_names){0};
    if (!open_quietly(&s, r, &ignored))
        return;
    struct _col__ListTags question = {}; /* no members */
    struct _col__ListTagsResponse answer = {0};
    if (!soap_call___col__ListTags(s.soap, s.url, NULL, &question, &answer) && answer.__sizetag > 0)
        keep_names(out, answer.tag, (size_t)answer.__sizetag);
    session_close(&s);
}

void tag_names_free(struct tag_names *t)
{
    arena_free(&t->arena);
    *t = (struct tag_names){0};
}

const char *tag_name(const struct tag_names *t, uint32_t id)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->count && t->ids[low] == id ? t->names[low] : NULL;
}

/* ---- devices --------------------------------------------------------------------------------- */

static void keep_devices(struct device_names *out, const struct wt__MDev *devices, size_t count)
{
    out->addresses = arena_alloc(&out->arena, (count + 1) * sizeof *out->addresses);
    out->names = arena_alloc(&out->arena, (count + 1) * sizeof *out->names);
    for (size_t i = 0; out->addresses && out->names && i < count; i++) {
        const char *name = devices[i].name, *address = devices[i].address;
        if (!name || !*name || !address)
            continue;
        if (address_parse(address, NULL, &out->addresses[out->count], NULL))
            continue;
        out->names[out->count] = arena_copy(&out->arena, name, strlen(name));
        out->count += out->names[out->count] != NULL;
    }
}

void device_names_load(struct request *r, struct device_names *out)
{
    struct session s;
    struct weir_error ignored;
    *out = (struct device_names){0};
    if (!open_quietly(&s, r, &ignored))
        return;
    struct _col__ListMDevs question = {}; /* no members */
    struct _col__ListMDevsResponse answer = {0};
    if (!soap_call___col__ListMDevs(s.soap, s.url, NULL, &question, &answer) &&
        answer.__sizemdev > 0)
        keep_devices(out, answer.mdev, (size_t)answer.__sizemdev);
    session_close(&s);
}

void device_names_free(struct device_names *d)
{
    arena_free(&d->arena);
    *d = (struct device_names){0};
}

const char *device_name(const struct device_names *d, const char *address)
{
    struct address a;
    if (!address || address_parse(address, NULL, &a, NULL))
        return NULL;
    for (size_t i = 0; i < d->count; i++)
        if (memcmp(&d->addresses[i], &a, sizeof a) == 0)
            return d->names[i];
    return NULL;
}
