/* fuzz_address.c - addresses and prefixes from any text: what is accepted prints, and the print is
 * accepted and means the same. */
#include "base/address.h"
#include "fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), printed[PREFIX_TEXT_SIZE];
    if (!text)
        return 0;
    struct weir_error error;
    struct address a, a_back;
    if (address_parse(text, "address", &a, &error) == WEIR_OK &&
        (address_parse(address_print(&a, printed), NULL, &a_back, NULL) != WEIR_OK ||
         memcmp(&a, &a_back, sizeof a) != 0))
        abort();
    struct prefix p, p_back;
    if (prefix_parse(text, "prefix", &p, &error) == WEIR_OK &&
        (prefix_parse(prefix_print(&p, printed), NULL, &p_back, NULL) != WEIR_OK ||
         p.length != p_back.length || memcmp(&p.address, &p_back.address, sizeof p.address) != 0))
        abort();
    free(text);
    return 0;
}
