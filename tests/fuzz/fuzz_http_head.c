/* fuzz_http_head.c - any octets as the head of an HTTP request. What is accepted must point into
 * the input. */
#include "http_head.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct text t, const char *data, size_t size)
{
    if (t.length && (t.at < data || t.at + t.length > data + size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct http_head h;
    int status = http_head_read(bytes, size, &h);
    if (status == HTTP_DONE) {
        const struct text texts[] = {h.path,         h.query,       h.host,
                                     h.content_type, h.soap_action, h.boundary};
        if (h.length > size || h.length > HTTP_HEAD_MOST || h.path.length == 0)
            abort();
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            inside(texts[i], bytes, h.length);
    } else if (status == HTTP_MORE && size > HTTP_HEAD_MOST) {
        abort(); /* would wait for ever */
    }
    return 0;
}
