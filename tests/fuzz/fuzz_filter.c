/* fuzz_filter.c - any text as a filter; what parses is evaluated and judged on a small frame. */
#include "flow/filter.h"
#include "fuzz_text.h"

static const uint8_t addresses[2][16] = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1},
                                         {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};
static const uint32_t ipv4[3] = {0x0a000001, 0x0a010203, 0xc0000201};
static const uint16_t ports[3] = {53, 443, 50000}, codes[3] = {1, 0, 1};
static const uint8_t protocol[1] = {6};
static const uint64_t numbers[3] = {0, 1000, UINT64_MAX}, present[1] = {5};
static const struct octets octets[3] = {
    {NULL, 0}, {(const uint8_t *)"dns", 3}, {(const uint8_t *)"\1\2", 2}};
static const struct vector vectors[] = {
    {.key = IANA(8), .width = 4, .form = VECTOR_FLAT, .rows = 3, .values = ipv4},
    {.key = IANA(27),
     .width = 16,
     .form = VECTOR_DICTIONARY,
     .rows = 3,
     .code_count = 2,
     .values = addresses,
     .codes = codes,
     .present = present},
    {.key = IANA(7), .width = 2, .form = VECTOR_FLAT, .rows = 3, .values = ports},
    {.key = IANA(4), .width = 1, .form = VECTOR_CONSTANT, .rows = 3, .values = protocol},
    {.key = IANA(96),
     .width = 0,
     .form = VECTOR_FLAT,
     .rows = 3,
     .values = octets,
     .present = present},
    {.key = IANA(6), .width = 2, .form = VECTOR_FLAT, .rows = 3, .values = ports},
    {.key = WEIR_OCTETS, .width = 8, .form = VECTOR_FLAT, .rows = 3, .values = numbers},
    {.key = WEIR_PACKETS, .width = 8, .form = VECTOR_FLAT, .rows = 3, .values = numbers},
    {.key = WEIR_FLOW_START, .width = 8, .form = VECTOR_FLAT, .rows = 3, .values = numbers},
    {.key = WEIR_FLOW_END, .width = 8, .form = VECTOR_FLAT, .rows = 3, .values = numbers},
};

static bool tag_of(void *context, const char *name, uint32_t *tag)
{
    (void)context;
    *tag = (uint32_t)strlen(name);
    return *tag < 9;
}

static bool bounds_of(void *context, ie_key key, struct column_bounds *out)
{
    (void)context;
    *out = (struct column_bounds){.key = key, .width = 8, .any = true, .most = 1000};
    return key % 2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct frame frame = {3, sizeof vectors / sizeof vectors[0], vectors};
    struct arena arena = {0};
    struct filter *f;
    struct weir_error error;
    uint64_t selected[1];
    if (!text)
        return 0;
    if (filter_parse(text, tag_of, NULL, &f, &error) == WEIR_OK) {
        uint32_t n = filter_select(f, &frame, &arena, selected);
        if (n > 3 || selected[0] > 7 || (filter_is_all(f) && n != 3))
            abort();
        (void)filter_judge(f, bounds_of, NULL);
        filter_free(f);
    }
    arena_free(&arena);
    free(text);
    return 0;
}
