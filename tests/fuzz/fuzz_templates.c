/* fuzz_templates.c - any octets as the file that keeps templates (the checksum made right, or
 * nothing would get past it), into an ingest, and out again: what was kept is kept the same way
 * once more. */
#include "block/block.h"
#include "fuzz_ingest.h"
#include "ingest/keeper.h"
#include "ingest/recall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t recall_into(struct ingest *in, struct cursor entries, struct buffer *out)
{
    struct recalled r;
    while (recall_next(&entries, &r))
        recall_entry(in, &r);
    return recall_write(in, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t records = 0;
    const struct ingest_settings settings = {.batch_rows = 64, .exporters_most = 8};
    const struct ingest_output output = {fuzz_take, &records};
    struct buffer file = {0}, once = {0}, twice = {0};
    struct cursor entries;
    struct ingest *first = ingest_new(&settings, &output), *second = ingest_new(&settings, &output);
    buffer_put(&file, "WEIRTMPL", 8);
    buffer_put_u32le(&file, 1);
    buffer_put_u64le(&file, size);
    if (size)
        buffer_put(&file, data, size);
    buffer_put_u32le(&file, crc32c(0, file.bytes, file.length));
    if (keeper_open(file.bytes, file.length, &entries, NULL) != WEIR_OK)
        abort();
    if (first && second) {
        uint32_t n = recall_into(first, entries, &once);
        uint32_t m = recall_into(second, cursor_over(once.bytes, once.length), &twice);
        if (n != m || once.length != twice.length ||
            (n && memcmp(once.bytes, twice.bytes, once.length) != 0))
            abort();
    }
    (void)keeper_open(data, size, &entries, NULL); /* the checksum as it came */
    ingest_free(first);
    ingest_free(second);
    buffer_free(&file);
    buffer_free(&once);
    buffer_free(&twice);
    return 0;
}
