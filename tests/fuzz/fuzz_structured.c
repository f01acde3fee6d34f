/* fuzz_structured.c - any octets as an RFC 6313 list on any definitions: the list is walked to
 * gather what it needs, and printed; the two walks must agree. Input: list type, length of the
 * definitions (2), those, the list. */
#include "base/cursor.h"
#include "flow/structured.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that could be gathered is there already. */
static bool nobody_knows(void *context, uint16_t id, struct buffer *definitions)
{
    (void)context;
    (void)id;
    (void)definitions;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);
    enum ie_type type = (enum ie_type)(IE_BASIC_LIST + cursor_u8(&c) % 3);
    struct cursor definitions = cursor_sub(&c, cursor_u16(&c));
    struct buffer out = {0}, known = {0};
    if (c.failed)
        return 0;
    struct octets of = {definitions.at, (uint32_t)cursor_left(&definitions)};
    struct octets list = {c.at, (uint32_t)cursor_left(&c)};
    buffer_put(&known, of.bytes, of.length);
    enum weir_status status = structured_collect(type, list, nobody_knows, NULL, &known);
    bool printed = structured_print_json(&out, type, list, of);
    if (printed != (status == WEIR_OK) || known.length != of.length ||
        (out.length > 0) != printed)
        abort();
    buffer_free(&out);
    buffer_free(&known);
    return 0;
}
