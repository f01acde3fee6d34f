/* fuzz_framing.c - any octets as a stream of messages, in pieces; the first octet says how long a
 * piece is. In pieces or at once must give the same messages, and the same end. */
#include "ingest/framing.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t messages, octets, mixed;
};

static void add(void *context, const uint8_t *message, size_t length)
{
    struct sum *s = context;
    s->messages++;
    s->octets += length;
    for (size_t i = 0; i < length; i++)
        s->mixed = s->mixed * 31 + message[i];
    if (length < 16 || length != (size_t)(message[2] << 8 | message[3]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct framing once = {0}, pieces = {0};
    struct sum a = {0}, b = {0};
    if (size < 1)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    const uint8_t *stream = data + 1;
    size_t length = size - 1;
    enum weir_status first = framing_feed(&once, stream, length, add, &a);
    enum weir_status second = WEIR_OK;
    for (size_t at = 0; at < length && second == WEIR_OK; at += piece)
        second = framing_feed(&pieces, stream + at, length - at < piece ? length - at : piece, add,
                              &b);
    if (first != second || memcmp(&a, &b, sizeof a) != 0 ||
        (first == WEIR_OK && once.have != pieces.have))
        abort();
    framing_free(&once);
    framing_free(&pieces);
    return 0;
}
