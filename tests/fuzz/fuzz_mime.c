/* fuzz_mime.c - any octets as a multipart body; the first octet says how long its boundary is. The
 * parts must be the body, in order, with nothing lost. */
#include "mime.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size < 1u + data[0])
        return 0;
    const char *body = (const char *)data + 1 + data[0];
    size_t length = size - 1 - data[0];
    struct mime_message m;
    struct weir_error error;
    if (mime_split(body, length, (struct text){(const char *)data + 1, data[0]}, &m, &error) !=
        WEIR_OK)
        return 0;
    if (m.root.at != body || m.root.length > length)
        abort();
    if (!m.has_attachment)
        return 0;
    if (m.root.at + m.root.length != m.attachment.at ||
        m.attachment.at + m.attachment.length != m.closing.at ||
        m.closing.at + m.closing.length != body + length)
        abort();
    return 0;
}
