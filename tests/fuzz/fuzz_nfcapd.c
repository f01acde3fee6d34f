/* fuzz_nfcapd.c - any octets as what nfdump prints of a file (fuzz_record_files.h). */
#include "fuzz_record_files.h"
#include "ingest/nfcapd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_it(FILE *file, const struct record_sink *sink)
{
    uint64_t records;
    (void)nfcapd_read_json(file, sink, &records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_record_file(data, size, read_it);
}
