/* knowledge.c - a catalogue snapshot compiled for look-ups (knowledge.h). Neighbours: tag.c uses
 * the tags, ingest.c the devices. */
#include "select/knowledge.h"
#include "ingest/ingest.h"
#include "select/selection.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct known_device {
    struct device device;
    bool used;
};

struct knowledge {
    atomic_uint references;
    struct prefix_table *tags;
    bool has_tags;
    struct selection *selection; /* NULL: nothing to select */
    struct known_device *devices; /* open hash by address */
    size_t slot_count;            /* a power of two, at least twice the devices */
};

static size_t slot_of(const struct knowledge *k, const struct address *a)
{
    uint64_t high, low;
    memcpy(&high, a->octets, 8);
    memcpy(&low, a->octets + 8, 8);
    uint64_t hash = (high * UINT64_C(0x9e3779b97f4a7c15) ^ low) * UINT64_C(0xd6e8feb86659fd93);
    size_t slot = (hash >> 32) & (k->slot_count - 1);
    while (k->devices[slot].used && memcmp(&k->devices[slot].device.address, a, sizeof *a) != 0)
        slot = (slot + 1) & (k->slot_count - 1);
    return slot;
}

static bool add_devices(struct knowledge *k, const struct catalogue_snapshot *snapshot)
{
    k->slot_count = 16;
    while (k->slot_count < 2 * snapshot->device_count)
        k->slot_count *= 2;
    k->devices = calloc(k->slot_count, sizeof *k->devices);
    for (size_t i = 0; k->devices && i < snapshot->device_count; i++)
        k->devices[slot_of(k, &snapshot->devices[i].address)] =
            (struct known_device){snapshot->devices[i], true};
    return k->devices != NULL;
}

enum weir_status knowledge_new(const struct catalogue_snapshot *snapshot, struct knowledge **out,
                               struct weir_error *error)
{
    *out = NULL;
    struct knowledge *k = calloc(1, sizeof *k);
    if (!k || !add_devices(k, snapshot)) {
        free(k);
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for %zu devices",
                         snapshot->device_count);
    }
    atomic_init(&k->references, 1);
    k->has_tags = snapshot->prefix_count + snapshot->as_count > 0;
    enum weir_status status =
        prefix_table_new(snapshot->prefixes, snapshot->prefix_count, snapshot->ases,
                         snapshot->as_count, &k->tags, error);
    if (status == WEIR_OK)
        status = selection_new(snapshot, &k->selection, error);
    if (status != WEIR_OK) {
        knowledge_unref(k);
        return status;
    }
    *out = k;
    return WEIR_OK;
}

struct knowledge *knowledge_ref(struct knowledge *k)
{
    if (k)
        atomic_fetch_add_explicit(&k->references, 1, memory_order_relaxed);
    return k;
}

void knowledge_unref(struct knowledge *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->references, 1, memory_order_acq_rel) != 1)
        return;
    prefix_table_free(k->tags);
    selection_free(k->selection);
    free(k->devices);
    free(k);
}

const struct prefix_table *knowledge_tags(const struct knowledge *k)
{
    return k->tags;
}

bool knowledge_has_tags(const struct knowledge *k)
{
    return k->has_tags;
}

double knowledge_sampling_rate(const struct knowledge *k, const struct address *exporter)
{
    return k->devices[slot_of(k, exporter)].device.sampling_rate;
}

bool knowledge_is_device(const struct knowledge *k, const struct address *exporter)
{
    return k->devices[slot_of(k, exporter)].used;
}

const struct selection *knowledge_selection(const struct knowledge *k)
{
    return k->selection;
}
