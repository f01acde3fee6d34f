/* fuzz_dissect.c - any octets as the head of a packet; the first one picks the link. What is set
 * points into the packet. */
#include "wire/dissect.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t links[] = {DISSECT_ETHERNET, DISSECT_PPP, DISSECT_IPV4, DISSECT_IPV6,
                                    DISSECT_MPLS, DISSECT_POS, 99};
    struct wire_values v;
    if (!size)
        return 0;
    wire_values_clear(&v);
    (void)dissect_packet(&v, links[data[0] % sizeof links], cursor_over(data + 1, size - 1));
    for (unsigned i = 0; i < WIRE_VALUE_COUNT; i++) {
        uint8_t width = ie_storage_width(wire_value_key((enum wire_value)i));
        if (!wire_has(&v, (enum wire_value)i) || (width && width < 16))
            continue;
        const struct octets *o = &v.at[i].octets;
        if (o->bytes < data || o->bytes + o->length > data + size || (width && o->length != width))
            abort();
    }
    return 0;
}
