/* An IP packet of any bytes gives a UDP payload inside it, or nothing. */
#include "ingest/capture.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct datagram d = {0};
    if (capture_udp(data, size, &d) && (d.bytes < data || d.bytes + d.length > data + size))
        abort();
    return 0;
}
