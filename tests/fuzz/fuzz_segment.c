/* fuzz_segment.c - a roll-up segment: added to a table, walked, and written again where it is
 * whole. */
#include "store/segment.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum weir_status count(void *context, const struct rollup_key *key,
                              const struct counts *counts)
{
    *(uint64_t *)context += counts->flows ^ key->domain;
    return WEIR_OK;
}

/* What can be read is read the same after it was written. */
static void write_again(struct rollups *r)
{
    size_t groups, again;
    struct buffer bytes = {0};
    const struct rollup_group *sorted = rollups_sorted(r, &groups);
    segment_write(&bytes, r, 0, sorted, groups);
    struct rollups *other = rollups_new();
    if (!bytes.failed && other) {
        if (segment_add(other, 0, bytes.bytes, bytes.length, 1, NULL) != WEIR_OK)
            abort();
        rollups_sorted(other, &again);
        if (again != groups)
            abort();
    }
    rollups_free(other);
    buffer_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {.limit = 64u << 20};
    uint64_t sum = 0;
    struct rollups *r = rollups_new();
    if (r && segment_add(r, 0, data, size, 1, NULL) == WEIR_OK)
        write_again(r);
    (void)segment_walk(0, data, size, INTERVAL_ALL, count, &sum, &a, NULL);
    rollups_free(r);
    arena_free(&a);
    return 0;
}
