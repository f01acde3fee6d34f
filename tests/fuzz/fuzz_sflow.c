/* fuzz_sflow.c - any octets as sFlow datagrams (fuzz_ingest.h). */
#include "fuzz_ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_ingest(data, size, 105);
}
