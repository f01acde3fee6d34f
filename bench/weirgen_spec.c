/* weirgen_spec.c - "name=PoP-BA,protocol=v5,loss=2": one exporter, from rows of one table that also
 * gives the help (weirgen.h). */
#include "weirgen.h"
#include "base/suggest.h"
#include "base/time.h"
#include <stdlib.h>
#include <string.h>

const char *const protocol_names[PROTOCOL_COUNT] = {"v5", "v9", "ipfix"};

enum key_type {
    KEY_NAME,
    KEY_PROTOCOL,
    KEY_ADDRESS,
    KEY_NUMBER,
    KEY_PERCENT,
    KEY_RUN,
    KEY_DURATION
};

struct key_row {
    const char *name;
    enum key_type type;
    size_t offset;
    int64_t least, most;
    const char *help;
};

#define AT(field) offsetof(struct spec, field)
static const struct key_row keys[] = {
    {"name", KEY_NAME, AT(name), 0, 0, "what the truth calls it"},
    {"protocol", KEY_PROTOCOL, AT(protocol), 0, 0, "v5, v9 or ipfix"},
    {"address", KEY_ADDRESS, AT(address), 0, 0, "its address (127.0.0.11, .12, …)"},
    {"port", KEY_NUMBER, AT(port), 0, 65535, "its source port (0: any)"},
    {"home", KEY_NUMBER, AT(home), 1, TAGS_MOST, "tag of the network it stands in (1, 2, …)"},
    {"domains", KEY_NUMBER, AT(domains), 1, 256, "observation domains, engines in v5 (1)"},
    {"domain", KEY_NUMBER, AT(first_domain), 0, UINT32_MAX - 256,
     "number of the first of them (0)"},
    {"weight", KEY_NUMBER, AT(weight), 1, 1000000, "its share of the flows (1)"},
    {"loss", KEY_PERCENT, AT(loss), 0, 0, "per cent of datagrams lost on the way"},
    {"loss-run", KEY_RUN, AT(loss_burst), 0, 0,
     "losses come in runs of this length on average (1)"},
    {"duplicate", KEY_PERCENT, AT(duplicate), 0, 0, "per cent of datagrams that arrive twice"},
    {"reorder", KEY_PERCENT, AT(reorder), 0, 0, "per cent of datagrams that are overtaken"},
    {"window", KEY_NUMBER, AT(reorder_window), 1, 64, "… by so many others at most (5)"},
    {"ipv6", KEY_PERCENT, AT(ipv6), 0, 0, "per cent of IPv6 flows; none in v5"},
    {"restarts", KEY_NUMBER, AT(restarts), 0, 1000,
     "times it starts anew, evenly over the duration"},
    {"sampling", KEY_NUMBER, AT(sampling), 0, 16383,
     "says that it samples one packet in this many"},
    {"uptime", KEY_DURATION, AT(uptime_ms), 0, 0, "how long it was up at the start (5d)"},
    {"sequence", KEY_NUMBER, AT(sequence), 0, UINT32_MAX, "its first sequence number (0)"},
};
#define KEYS (sizeof keys / sizeof *keys)

void spec_default(struct spec *s)
{
    *s = (struct spec){.domains = 1,
                       .weight = 1,
                       .loss_burst = 1,
                       .reorder_window = 5,
                       .uptime_ms = INT64_C(5) * 24 * 3600 * 1000};
}

/* ---- a reader a type ---- */

typedef enum weir_status (*key_reader)(const struct key_row *row, const char *text, void *target,
                                       struct weir_error *error);

static enum weir_status read_name(const struct key_row *row, const char *text, void *target,
                                  struct weir_error *error)
{
    if (strlen(text) >= sizeof((struct spec *)0)->name)
        return weir_fail(error, WEIR_EARGUMENT, row->name, "the name is longer than 63 octets");
    strcpy(target, text);
    return WEIR_OK;
}

static enum weir_status read_protocol(const struct key_row *row, const char *text, void *target,
                                      struct weir_error *error)
{
    for (int64_t p = 0; p < PROTOCOL_COUNT; p++)
        if (!strcmp(text, protocol_names[p])) {
            *(int64_t *)target = p;
            return WEIR_OK;
        }
    return weir_fail(error, WEIR_EARGUMENT, row->name, "\"%s\" is not v5, v9 or ipfix", text);
}

static enum weir_status read_address(const struct key_row *row, const char *text, void *target,
                                     struct weir_error *error)
{
    return address_parse(text, row->name, target, error);
}

static enum weir_status read_number(const struct key_row *row, const char *text, void *target,
                                    struct weir_error *error)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || n < row->least || n > row->most)
        return weir_fail(error, WEIR_EARGUMENT, row->name,
                         "\"%s\" is not a number from %lld to %lld", text, (long long)row->least,
                         (long long)row->most);
    *(int64_t *)target = n;
    return WEIR_OK;
}

static enum weir_status read_percent(const struct key_row *row, const char *text, void *target,
                                     struct weir_error *error)
{
    char *end;
    double percent = strtod(text, &end);
    if (*end == '%')
        end++;
    if (end == text || *end || !(percent >= 0 && percent <= 100))
        return weir_fail(error, WEIR_EARGUMENT, row->name, "\"%s\" is not a per cent from 0 to 100",
                         text);
    *(double *)target = percent / 100;
    return WEIR_OK;
}

static enum weir_status read_run(const struct key_row *row, const char *text, void *target,
                                 struct weir_error *error)
{
    char *end;
    double run = strtod(text, &end);
    if (end == text || *end || !(run >= 1 && run <= 1e6))
        return weir_fail(error, WEIR_EARGUMENT, row->name, "\"%s\" is not a length from 1 on",
                         text);
    *(double *)target = run;
    return WEIR_OK;
}

static enum weir_status read_duration(const struct key_row *row, const char *text, void *target,
                                      struct weir_error *error)
{
    return duration_parse(text, row->name, target, error);
}

static const key_reader readers[] = {
    [KEY_NAME] = read_name,     [KEY_PROTOCOL] = read_protocol, [KEY_ADDRESS] = read_address,
    [KEY_NUMBER] = read_number, [KEY_PERCENT] = read_percent,   [KEY_RUN] = read_run,
    [KEY_DURATION] = read_duration,
};

/* ---- the text ---- */

static enum weir_status unknown_key(const char *name, struct weir_error *error)
{
    struct suggestion near = {0};
    for (size_t i = 0; i < KEYS; i++)
        suggest_consider(&near, name, keys[i].name);
    return weir_fail(error, WEIR_EARGUMENT, "exporter", "\"%s\" is nothing an exporter has%s%s",
                     name, near.name ? "; did you mean " : "", near.name ? near.name : "");
}

static enum weir_status read_pair(char *pair, struct spec *s, struct weir_error *error)
{
    char *value = strchr(pair, '=');
    if (!value) /* a protocol alone: "v9,loss=2" */
        return read_protocol(&keys[1], pair, &s->protocol, error);
    *value++ = '\0';
    for (size_t i = 0; i < KEYS; i++)
        if (!strcmp(keys[i].name, pair))
            return readers[keys[i].type](&keys[i], value, (char *)s + keys[i].offset, error);
    return unknown_key(pair, error);
}

static enum weir_status spec_check(const struct spec *s, struct weir_error *error)
{
    if (s->protocol == PROTOCOL_V5 && s->first_domain + s->domains > 1 << 16)
        return weir_fail(error, WEIR_EARGUMENT, "domain", "v5 has engines 0 to 65535 only");
    return WEIR_OK;
}

enum weir_status spec_parse(const char *text, struct spec *s, struct weir_error *error)
{
    char copy[1024], *rest = copy;
    if (strlen(text) >= sizeof copy)
        return weir_fail(error, WEIR_EARGUMENT, "exporter", "longer than 1023 octets");
    strcpy(copy, text);
    for (char *pair; (pair = strsep(&rest, ","));) {
        enum weir_status status = *pair ? read_pair(pair, s, error) : WEIR_OK;
        if (status)
            return status;
    }
    return spec_check(s, error);
}

void spec_help(struct buffer *out)
{
    for (size_t i = 0; i < KEYS; i++)
        buffer_print(out, "  %-10s %s\n", keys[i].name, keys[i].help);
}
