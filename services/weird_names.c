/* weird_names.c - `weird names`: what exporters call things, one JSON object a line:
 *   {"exporter":"…","domain":…,"kind":"interface","number":…,"name":"…","description":"…",
 *    "option":"interfaceName","first":…,"told":…}
 * An application has "id", as records and totals print it, and "engine" and "selector" (RFC 6759),
 * instead of "number". */
#include "names_text.h"
#include "weird.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void put_number(struct buffer *out, const struct name_entry *e)
{
    struct name_id id;
    name_id_print(e, &id);
    if (id.is_application)
        buffer_print(out, ",\"id\":\"%s\",\"engine\":%llu,\"selector\":%llu", id.text,
                     (unsigned long long)id.engine, (unsigned long long)id.selector);
    else
        buffer_print(out, ",\"number\":%s", id.text);
}

static void put_text(struct buffer *out, const char *member, const char *text)
{
    buffer_print(out, ",\"%s\":", member);
    buffer_put_json(out, text, strlen(text));
}

static void put_entry(struct buffer *out, const struct name_entry *e)
{
    char text[ADDRESS_TEXT_SIZE], element[IE_NAME_SIZE];
    buffer_print(out, "{\"exporter\":\"%s\",\"domain\":%u,\"kind\":\"%s\"",
                 address_print(&e->exporter, text), e->domain, name_kinds[e->kind]);
    put_number(out, e);
    put_text(out, "name", e->name);
    if (*e->description)
        put_text(out, "description", e->description);
    buffer_print(out, ",\"option\":\"%s\",\"first\":%lld,\"told\":%lld}\n",
                 ie_key_print(e->element, element), (long long)e->first_told_ms,
                 (long long)e->told_ms);
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
    weird_reader_may_leave();
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
