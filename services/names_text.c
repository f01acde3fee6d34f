/* names_text.c - see names_text.h. Used by weird_names.c and names_service.c. */
#include "names_text.h"
#include <stdio.h>

const char *const name_kinds[NAME_KIND_COUNT] = {"interface", "vrf", "application", "sampler"};

void name_id_print(const struct name_entry *e, struct name_id *out)
{
    unsigned long long number = e->number;
    *out = (struct name_id){.is_application =
                                e->kind == NAME_APPLICATION && e->octets >= 2 && e->octets <= 8};
    if (!out->is_application) {
        snprintf(out->text, sizeof out->text, "%llu", number);
        return;
    }
    unsigned selector_bits = 8 * (e->octets - 1);
    snprintf(out->text, sizeof out->text, "0x%0*llx", (int)(2 * e->octets), number);
    out->engine = number >> selector_bits;
    out->selector = number & ((1ull << selector_bits) - 1);
}
