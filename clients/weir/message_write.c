/* message_write.c - from name=value words to a SOAP request, and the help that says which there
 * are. */
#include "base/suggest.h"
#include "base/time.h"
#include "weir/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE     512
#define DEPTH_MOST    16
#define FILE_MOST     ((size_t)256 << 20)
#define REQUEST_MOST  ((size_t)512 << 20)
#define NAMES_MOST    5000 /* looked at for help and suggestions: a schema may nest without end */
#define WEIR_TYPES_NS "urn:weir:types:1"

enum weir_status message_parameters(struct arena *a, char **words, size_t count,
                                    struct parameter **out, struct weir_error *error)
{
    *out = arena_zero(a, (count + 1) * sizeof **out);
    for (size_t i = 0; *out && i < count; i++) {
        const char *equals = strchr(words[i], '=');
        if (!equals || equals == words[i])
            return weir_fail(error, WEIR_EARGUMENT, "parameter", "\"%.64s\" is not NAME=VALUE",
                             words[i]);
        (*out)[i].path = arena_copy(a, words[i], (size_t)(equals - words[i]));
        (*out)[i].value = equals + 1;
        if (!(*out)[i].path)
            *out = NULL;
    }
    return *out ? WEIR_OK : weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
}

/* ---- values ---------------------------------------------------------------------------------- */

static void put_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        if (entity)
            buffer_put(out, entity, strlen(entity));
        else
            buffer_put_u8(out, (uint8_t)*text);
    }
}

static void put_base64(struct buffer *out, const uint8_t *p, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        buffer_put(out, four, sizeof four);
    }
}

static enum weir_status put_file(struct buffer *out, const char *path, const char *field,
                                 struct weir_error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return weir_fail(error, WEIR_ENOTFOUND, field, "%.256s: %s", path, strerror(errno));
    struct buffer bytes = {0};
    uint8_t *here;
    size_t n = 1;
    while (n > 0 && bytes.length <= FILE_MOST && (here = buffer_extend(&bytes, (size_t)1 << 20))) {
        n = fread(here, 1, (size_t)1 << 20, file);
        bytes.length -= ((size_t)1 << 20) - n;
    }
    enum weir_status status = WEIR_OK;
    if (ferror(file) || bytes.failed || bytes.length > FILE_MOST)
        status = weir_fail(error, WEIR_EIO, field,
                           "%.256s cannot be read, or is longer than %zu octets", path, FILE_MOST);
    else
        put_base64(out, bytes.bytes, bytes.length);
    buffer_free(&bytes);
    (void)fclose(file);
    return status;
}

/* Text that XML 1.0 can carry: UTF-8 without control characters. */
static bool carriable(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r')
            return false;
    return xmlCheckUTF8((const unsigned char *)text);
}

static enum weir_status put_value(struct buffer *out, const struct declaration *d,
                                  const struct parameter *p, struct weir_error *error)
{
    int64_t ms;
    bool weirs = strcmp(d->type_ns, WEIR_TYPES_NS) == 0;
    enum weir_status status = WEIR_OK;
    if (weirs && strcmp(d->type, "EpochMs") == 0) {
        status = time_parse(p->value, p->path, &ms, error);
        buffer_print(out, "%lld", status ? 0LL : (long long)ms);
    } else if (weirs && strcmp(d->type, "DurationMs") == 0) {
        status = duration_parse(p->value, p->path, &ms, error);
        buffer_print(out, "%lld", status ? 0LL : (long long)ms);
    } else if (d->base && strcmp(d->base, "base64Binary") == 0 && p->value[0] == '@') {
        status = put_file(out, p->value + 1, p->path, error);
    } else if (!carriable(p->value)) {
        status = weir_fail(error, WEIR_ESYNTAX, p->path,
                           "%.64s: the value is not text that XML can carry", p->path);
    } else {
        put_escaped(out, p->value);
    }
    return status;
}

/* ---- elements -------------------------------------------------------------------------------- */

struct writer {
    struct wsdl *w;
    struct parameter *parameters;
    size_t count;
    struct buffer *out;
    struct weir_error *error;
};

/* Does any parameter lie at or below this path? */
static bool given_below(const struct writer *w, const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < w->count; i++)
        if (strncmp(w->parameters[i].path, path, length) == 0 &&
            (w->parameters[i].path[length] == '\0' || w->parameters[i].path[length] == '.'))
            return true;
    return false;
}

static struct parameter *next_given(const struct writer *w, const char *path)
{
    for (size_t i = 0; i < w->count; i++)
        if (!w->parameters[i].used && strcmp(w->parameters[i].path, path) == 0)
            return &w->parameters[i];
    return NULL;
}

static enum weir_status refuse_missing(const struct writer *w, const struct declaration *d,
                                       const char *path)
{
    const char *choices = schema_choices(&w->w->schemas, d);
    return weir_fail(w->error, WEIR_EARGUMENT, path, "%.64s is missing (%s%s%s)%s%.160s", path,
                     *d->type ? d->type : "text", choices ? ": " : "", choices ? choices : "",
                     *d->doc ? ": " : "", d->doc);
}

/* Every element says its own namespace: longer than prefixes, and nothing can go wrong. */
static void open_tag(const struct writer *w, const struct declaration *d)
{
    buffer_print(w->out, "<%s xmlns=\"", d->name);
    put_escaped(w->out, d->ns);
    buffer_print(w->out, "\"");
}

static enum weir_status write_element(struct writer *w, struct declaration *d, const char *path,
                                      int depth);

static enum weir_status write_attributes(struct writer *w, struct declaration *d, const char *path)
{
    char below[PATH_SIZE];
    for (size_t i = 0; i < d->member_count; i++) {
        const struct declaration *m = &d->members[i];
        (void)snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", m->name);
        struct parameter *p = m->attribute ? next_given(w, below) : NULL;
        if (m->attribute && !p && m->least)
            return refuse_missing(w, m, below);
        if (!p)
            continue;
        p->used = true;
        buffer_print(w->out, " %s=\"", m->name);
        enum weir_status status = put_value(w->out, m, p, w->error);
        buffer_print(w->out, "\"");
        if (status)
            return status;
    }
    return WEIR_OK;
}

/* Every occurrence that was given of one member. */
static enum weir_status write_member(struct writer *w, struct declaration *m, const char *path,
                                     int depth)
{
    char indexed[PATH_SIZE + 16];
    enum weir_status status = WEIR_OK;
    unsigned written = 0;
    bool simple = schema_members(&w->w->schemas, m) == 0;
    for (; !status && simple && written < m->most && next_given(w, path); written++)
        status = write_element(w, m, path, depth);
    if (!status && !simple && given_below(w, path)) {
        status = write_element(w, m, path, depth);
        written++;
    }
    for (unsigned i = 0; !status && !simple && i < m->most; i++) {
        (void)snprintf(indexed, sizeof indexed, "%s[%u]", path, i);
        if (!given_below(w, indexed))
            break;
        status = write_element(w, m, indexed, depth);
        written++;
    }
    if (status || written >= m->least)
        return status;
    /* An element that is required and has only optional members is written empty. */
    return simple ? refuse_missing(w, m, path) : write_element(w, m, path, depth);
}

static enum weir_status write_element(struct writer *w, struct declaration *d, const char *path,
                                      int depth)
{
    char below[PATH_SIZE];
    if (depth > DEPTH_MOST || w->out->length > REQUEST_MOST)
        return weir_fail(w->error, WEIR_ELIMIT, path, "%.64s: types nest too deep", path);
    (void)schema_members(&w->w->schemas, d);
    open_tag(w, d);
    enum weir_status status = write_attributes(w, d, path);
    buffer_print(w->out, ">");
    struct parameter *text = d->base ? next_given(w, path) : NULL;
    if (!status && text) {
        text->used = true;
        status = put_value(w->out, d, text, w->error);
    }
    for (size_t i = 0; !status && i < d->member_count; i++) {
        struct declaration *m = &d->members[i];
        (void)snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", m->name);
        if (!m->attribute)
            status = write_member(w, m, below, depth + 1);
    }
    buffer_print(w->out, "</%s>", d->name);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* "id" becomes "tag.id" where tag is the only element and has members. */
static bool complete_paths(struct wsdl *w, struct declaration *root, struct parameter *parameters,
                           size_t count)
{
    if (schema_members(&w->schemas, root) != 1 ||
        schema_members(&w->schemas, &root->members[0]) == 0)
        return true;
    const char *only = root->members[0].name;
    size_t length = strlen(only);
    for (size_t i = 0; i < count; i++) {
        const char *path = parameters[i].path;
        if (strncmp(path, only, length) == 0 &&
            (path[length] == '.' || path[length] == '[' || !path[length]))
            continue;
        parameters[i].path = arena_print(&w->arena, "%s.%s", only, path);
        if (!parameters[i].path)
            return false;
    }
    return true;
}

static void consider_names(struct wsdl *w, struct declaration *d, const char *path,
                           struct suggestion *near, const char *wrong, int *budget)
{
    for (size_t i = 0; *budget > 0 && i < schema_members(&w->schemas, d); i++) {
        --*budget;
        if (strlen(path) > PATH_SIZE)
            return;
        const char *below =
            arena_print(&w->arena, "%s%s%s", path, *path ? "." : "", d->members[i].name);
        if (!below)
            return;
        suggest_consider(near, wrong, below);
        consider_names(w, &d->members[i], below, near, wrong, budget);
    }
}

/* "a[3].b" as "a.b": the name as the schema knows it. */
static const char *without_indexes(struct wsdl *w, const char *path)
{
    char *name = arena_copy(&w->arena, path, strlen(path));
    char *to = name;
    for (const char *p = name; p && *p; p++) {
        size_t digits = *p == '[' ? strspn(p + 1, "0123456789") : 0;
        if (digits && p[1 + digits] == ']')
            p += 1 + digits;
        else
            *to++ = *p;
    }
    if (to)
        *to = '\0';
    return name ? name : path;
}

/* A parameter that was not used, and why. With `missing`, another one is missing: then only a name
 * that the operation does not know is worth saying instead. WEIR_OK: nothing to say. */
static enum weir_status refuse_unused(struct wsdl *w, const struct wsdl_operation *o,
                                      struct declaration *root, const struct parameter *p,
                                      bool missing, struct weir_error *error)
{
    struct suggestion near = {0};
    int budget = NAMES_MOST;
    const char *name = without_indexes(w, p->path);
    consider_names(w, root, "", &near, name, &budget);
    if (near.name && near.distance == 0 && missing)
        return WEIR_OK;
    if (near.name && near.distance == 0)
        return weir_fail(error, WEIR_EARGUMENT, p->path,
                         "%.64s is given more often than %s takes it", p->path, o->name);
    return weir_fail(error, WEIR_EARGUMENT, p->path, "%s takes no parameter \"%.64s\"%s%s%s",
                     o->name, p->path, near.name ? "; did you mean \"" : "",
                     near.name ? near.name : "", near.name ? "\"?" : "");
}

static enum weir_status root_declaration(struct wsdl *w, const struct wsdl_operation *o,
                                         struct declaration *out, struct weir_error *error)
{
    if (schema_element(&w->schemas, &o->input, out))
        return WEIR_OK;
    return weir_fail(error, WEIR_EMALFORMED, "wsdl",
                     "the schema has no element %.64s, which %.64s takes", o->input.name, o->name);
}

enum weir_status message_write(struct wsdl *w, const struct wsdl_operation *o,
                               struct parameter *parameters, size_t count, struct buffer *out,
                               struct weir_error *error)
{
    struct declaration root;
    struct writer writer = {w, parameters, count, out, error};
    enum weir_status status = root_declaration(w, o, &root, error);
    if (status)
        return status;
    if (!complete_paths(w, &root, parameters, count))
        return weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
    buffer_print(out,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"%s\"><s:Body>",
                 w->soap12 ? SOAP12_NS : SOAP11_NS);
    status = write_element(&writer, &root, "", 0);
    buffer_print(out, "</s:Body></s:Envelope>\n");
    /* A name that is wrong explains better than the one that is missing because of it. */
    bool missing = status == WEIR_EARGUMENT;
    for (size_t i = 0; (!status || missing) && i < count; i++) {
        enum weir_status unused = parameters[i].used
                                      ? WEIR_OK
                                      : refuse_unused(w, o, &root, &parameters[i], missing, error);
        if (unused)
            return unused;
    }
    if (!status && out->failed)
        status = weir_fail(error, WEIR_ENOMEM, NULL, "out of memory");
    return status;
}

/* ---- help ------------------------------------------------------------------------------------ */

static void help_members(struct wsdl *w, struct declaration *d, const char *path,
                         struct buffer *out, int depth, int *budget)
{
    for (size_t i = 0; depth < 6 && --*budget > 0 && i < schema_members(&w->schemas, d); i++) {
        struct declaration *m = &d->members[i];
        const char *below = arena_print(&w->arena, "%s%s%s", path, *path ? "." : "", m->name);
        const char *choices = schema_choices(&w->schemas, m);
        const char *often = m->most > 1 ? (m->least ? ", once or more" : ", any number")
                            : m->least  ? ""
                                        : ", optional";
        if (!below)
            return;
        if (m->base)
            buffer_print(out, "  %s=  %s%s%s%s\n", below,
                         choices    ? choices
                         : *m->type ? m->type
                                    : m->base,
                         often, *m->doc ? "\n      " : "", m->doc);
        else if (m->most > 1)
            below = arena_print(&w->arena, "%s[0]", below);
        if (below && !m->base)
            help_members(w, m, below, out, depth + 1, budget);
    }
}

void message_help(struct wsdl *w, const struct wsdl_operation *o, struct buffer *out)
{
    struct declaration root;
    int budget = NAMES_MOST;
    buffer_print(out, "%s", o->name);
    if (*o->doc)
        buffer_print(out, ": %s", o->doc);
    buffer_print(out, "\n");
    if (root_declaration(w, o, &root, NULL) == WEIR_OK)
        help_members(w, &root, "", out, 0, &budget);
}
