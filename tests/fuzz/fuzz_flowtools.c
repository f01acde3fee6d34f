/* fuzz_flowtools.c - any octets as a flow-tools file (fuzz_record_files.h). */
#include "fuzz_record_files.h"
#include "ingest/flowtools.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_it(FILE *file, const struct record_sink *sink)
{
    (void)flowtools_read(file, "fuzz", sink, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_record_file(data, size, read_it);
}
