/* fuzz_query_key.c - names of keys, as questions give them: any text is a key or an error that says
 * what was expected, and a key has the prefix length that its type allows. */
#include "fuzz_text.h"
#include "query/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct totals_key key;
    struct weir_error error = {0};
    char *name = fuzz_text(data, size);
    if (!name)
        return 0;
    if (key_parse(name, &key, &error) == WEIR_OK) {
        int most = key.type == IE_IPV4 ? 32 : key.type == IE_IPV6 ? 128 : -1;
        if (key.prefix_length < -1 || key.prefix_length > most)
            abort();
    } else if (strcmp(error.field, "by") != 0 || !error.message[0]) {
        abort();
    }
    free(name);
    return 0;
}
