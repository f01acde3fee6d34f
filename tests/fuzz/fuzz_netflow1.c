/* fuzz_netflow1.c - any octets as NetFlow v1 datagrams (fuzz_ingest.h). */
#include "fuzz_ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_ingest(data, size, 1);
}
