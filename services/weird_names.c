/* weird_names.c - `weird names`: what exporters call things, one JSON object a line:
 *   {"exporter":"…","domain":…,"kind":"interface","number":…,"name":"…","description":"…","told":…}
 * An application has "id", as records and totals print it, and "engine" and "selector" (RFC 6759),
 * instead of "number". */
#include "weird.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[NAME_KIND_COUNT] = {"interface", "vrf", "application", "sampler"};

static void put_number(struct buffer *out, const struct name_entry *e)
{
    unsigned long long number = e->number;
    if (e->kind != NAME_APPLICATION || e->octets < 2 || e->octets > 8) {
        buffer_print(out, ",\"number\":%llu", number);
        return;
    }
    unsigned selector_bits = 8 * (e->octets - 1);
    buffer_print(out, ",\"id\":\"0x%0*llx\",\"engine\":%llu,\"selector\":%llu",
                 (int)(2 * e->octets), number, number >> selector_bits,
                 number & ((1ull << selector_bits) - 1));
}

static void put_text(struct buffer *out, const char *member, const char *text)
{
    buffer_print(out, ",\"%s\":", member);
    buffer_put_json(out, text, strlen(text));
}

static void put_entry(struct buffer *out, const struct name_entry *e)
{
    char text[ADDRESS_TEXT_SIZE];
    buffer_print(out, "{\"exporter\":\"%s\",\"domain\":%u,\"kind\":\"%s\"",
                 address_print(&e->exporter, text), e->domain, kinds[e->kind]);
    put_number(out, e);
    put_text(out, "name", e->name);
    if (*e->description)
        put_text(out, "description", e->description);
    buffer_print(out, ",\"told\":%lld}\n", (long long)e->told_ms);
}

static enum weir_status print(const struct names *names, struct weir_error *error)
{
    struct buffer out = {0};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < names->count && status == WEIR_OK; i++) {
        buffer_clear(&out);
        put_entry(&out, &names->list[i]);
        if (out.failed)
            status = weir_fail(error, WEIR_ENOMEM, NULL, "out of memory for a line");
        else if (fwrite(out.bytes, 1, out.length, stdout) != out.length)
            status = weir_fail(error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    }
    buffer_free(&out);
    if (status == WEIR_OK && fflush(stdout) != 0)
        status = weir_fail(error, WEIR_EIO, NULL, "cannot write: %s", strerror(errno));
    return status;
}

int weird_names(struct weird_settings *s, int operands, char **operand)
{
    struct weir_error error = {0};
    struct store *store;
    struct names names;
    struct interval when = {s->from_ms, s->to_ms};
    if (operands > 0)
        return weird_usage("names: '%s' is too much", operand[0]);
    if (store_open(s->data, STORE_READ_ONLY, &store, &error) != WEIR_OK)
        return weird_complain(&error, 1);
    enum weir_status status = store_names(store, when, &names, &error);
    if (status == WEIR_OK) {
        status = print(&names, &error);
        names_free(&names);
    }
    store_close(store);
    return status == WEIR_OK ? 0 : weird_complain(&error, 1);
}
