/* selection.c - names and checks of what administrators say about records (selection.h).
 * Neighbours: the catalogue checks with them, collector/select carries out what passed. */
#include "flow/selection.h"
#include "flow/filter.h"
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static const char *const role_names[ROLE_COUNT] = {"", "edge-in", "edge-out", "core"};
static const char *const method_names[ANONYMISE_COUNT] = {"", "crypto-pan", "truncate", "remove",
                                                          "none"};
static const char *const action_names[ACTION_COUNT] = {"keep", "drop", "aggregate", "anonymise"};

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
    return value < count ? names[value] : "";
}

static bool find_name(const char *const *names, size_t count, const char *name, unsigned *out)
{
    for (*out = 0; *out < count; ++*out)
        if (strcmp(names[*out], name ? name : "") == 0)
            return true;
    return false;
}

const char *observation_role_name(enum observation_role r)
{
    return name_of(role_names, ROLE_COUNT, r);
}

const char *anonymise_method_name(enum anonymise_method m)
{
    return name_of(method_names, ANONYMISE_COUNT, m);
}

const char *flow_action_name(enum flow_action a)
{
    return name_of(action_names, ACTION_COUNT, a);
}

bool observation_role_parse(const char *name, enum observation_role *out)
{
    unsigned value;
    bool found = find_name(role_names, ROLE_COUNT, name, &value) && value != ROLE_UNKNOWN;
    *out = found ? (enum observation_role)value : ROLE_UNKNOWN;
    return found;
}

bool anonymise_method_parse(const char *name, enum anonymise_method *out)
{
    unsigned value;
    bool found = find_name(method_names, ANONYMISE_COUNT, name, &value);
    *out = found ? (enum anonymise_method)value : ANONYMISE_NONE;
    return found;
}

bool flow_action_parse(const char *name, enum flow_action *out)
{
    unsigned value;
    bool found = find_name(action_names, ACTION_COUNT, name, &value);
    *out = found ? (enum flow_action)value : ACTION_KEEP;
    return found;
}

bool selection_name_valid(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = name ? strlen(name) : 0;
    return length >= 1 && length <= 63 && name[0] != '.' && strspn(name, allowed) == length;
}

static enum weir_status check_name(const char *name, const char *field, struct weir_error *error)
{
    if (selection_name_valid(name))
        return WEIR_OK;
    return weir_fail(error, WEIR_EARGUMENT, field,
                     "'%.80s' is no name: 1 to 63 of A-Z a-z 0-9 . _ - are expected, no dot first",
                     name ? name : "");
}

/* ---- lists of elements ---- */

/* The next word of a list; its end is the comma behind it, or the end of the text. */
static const char *word_end(const char *at)
{
    return at + strcspn(at, ",");
}

enum weir_status elements_parse(const char *text, const char *field, ie_key *keys, size_t most,
                                size_t *count, struct weir_error *error)
{
    *count = 0;
    for (const char *at = text; at && *at;) {
        const char *end = word_end(at);
        if (*count == most)
            return weir_fail(error, WEIR_EARGUMENT, field, "more than %zu elements", most);
        if (!ie_key_parse(at, (size_t)(end - at), &keys[*count]))
            return weir_fail(error, WEIR_EARGUMENT, field,
                             "there is no element '%.*s'; IPFIX names with commas are expected",
                             (int)(end - at < 80 ? end - at : 80), at);
        ++*count;
        at = *end ? end + 1 : end;
        if (*end && !*at)
            return weir_fail(error, WEIR_EARGUMENT, field,
                             "a name is expected behind the last comma");
    }
    return WEIR_OK;
}

/* ---- anonymisation ---- */

/* What it would need, without the '\0'. */
static size_t print(const struct anonymisation *a, char *out, size_t size)
{
    char method[40] = "", fields[ANONYMISATION_TEXT_SIZE * 2] = "";
    bool list = a->fields && *a->fields;
    if (a->method == ANONYMISE_TRUNCATE)
        snprintf(method, sizeof method, "truncate/%u,%u", a->ipv4_length, a->ipv6_length);
    else if (a->method == ANONYMISE_CRYPTO_PAN)
        snprintf(method, sizeof method, "crypto-pan");
    if (list)
        snprintf(fields, sizeof fields, "remove(%s)", a->fields);
    int length = snprintf(out, size, "%s%s%s%s", method, a->macs ? "+mac" : "",
                          *method && list ? "+" : "", fields);
    return length > 0 ? (size_t)length : 0;
}

char *anonymisation_print(const struct anonymisation *a, char out[ANONYMISATION_TEXT_SIZE])
{
    out[0] = '\0';
    if (print(a, out, ANONYMISATION_TEXT_SIZE) == 0)
        strcpy(out, "none");
    return out;
}

static enum weir_status check_lengths(const struct anonymisation *a, struct weir_error *error)
{
    if (a->method != ANONYMISE_TRUNCATE)
        return WEIR_OK;
    if (a->ipv4_length > 32)
        return weir_fail(error, WEIR_EARGUMENT, "ipv4Length", "%u bits: 0 to 32 are expected",
                         a->ipv4_length);
    if (a->ipv6_length > 128)
        return weir_fail(error, WEIR_EARGUMENT, "ipv6Length", "%u bits: 0 to 128 are expected",
                         a->ipv6_length);
    return WEIR_OK;
}

/* Elements of which records or the account would not be what they are without. */
static bool is_indispensable(ie_key key)
{
    return ie_key_pen(key) == WEIR_PEN;
}

static enum weir_status check_fields(const struct anonymisation *a, struct weir_error *error)
{
    ie_key keys[ANONYMISE_FIELDS_MOST];
    size_t count;
    char name[IE_NAME_SIZE];
    enum weir_status status =
        elements_parse(a->fields, "fields", keys, ANONYMISE_FIELDS_MOST, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        if (is_indispensable(keys[i]))
            status =
                weir_fail(error, WEIR_EARGUMENT, "fields",
                          "%s is Weir's own and can not be removed; IPFIX elements are expected",
                          ie_key_print(keys[i], name));
    if (status == WEIR_OK && a->method == ANONYMISE_REMOVE && count == 0)
        return weir_fail(error, WEIR_EARGUMENT, "fields",
                         "remove what? names of elements are expected");
    return status;
}

/* An exception that takes something away after all is a mistake. */
static enum weir_status check_exempt(const struct anonymisation *a, struct weir_error *error)
{
    const char *field = a->fields && *a->fields ? "fields"
                        : a->macs               ? "macs"
                        : a->key && *a->key     ? "key"
                                                : NULL;
    return field ? weir_fail(error, WEIR_EARGUMENT, field,
                             "none leaves records as they come: nothing else is expected with it")
                 : WEIR_OK;
}

enum weir_status anonymisation_check(const struct anonymisation *a, struct weir_error *error)
{
    char text[1];
    if (a->method == ANONYMISE_NONE || a->method >= ANONYMISE_COUNT)
        return weir_fail(error, WEIR_EARGUMENT, "method",
                         "crypto-pan, truncate, remove or none is expected");
    if (a->method == ANONYMISE_EXEMPT)
        return check_exempt(a, error);
    if (a->method == ANONYMISE_REMOVE && a->macs)
        return weir_fail(error, WEIR_EARGUMENT, "macs",
                         "remove knows no MAC addresses but those that fields names");
    enum weir_status status = check_lengths(a, error);
    if (status == WEIR_OK)
        status = check_fields(a, error);
    if (status == WEIR_OK && a->key && *a->key)
        status = check_name(a->key, "key", error);
    if (status == WEIR_OK && print(a, text, sizeof text) >= ANONYMISATION_TEXT_SIZE)
        status = weir_fail(error, WEIR_EARGUMENT, "fields",
                           "the policy's text is longer than %d octets: fewer fields are expected",
                           ANONYMISATION_TEXT_SIZE - 1);
    return status;
}

enum weir_status policy_scope_check(const struct domain_policy *p, struct weir_error *error)
{
    static const struct address nobody;
    bool is_nobody = memcmp(&p->device, &nobody, sizeof nobody) == 0;
    if (p->scope == POLICY_ALL ? !is_nobody : is_nobody)
        return weir_fail(error, WEIR_EARGUMENT, "device",
                         "a device is expected; without one, the policy is for every exporter");
    if (p->scope != POLICY_DOMAIN && p->domain)
        return weir_fail(error, WEIR_EARGUMENT, "domain",
                         "a policy for every domain names none");
    if (p->scope == POLICY_ALL && p->anonymisation.method == ANONYMISE_EXEMPT)
        return weir_fail(error, WEIR_EARGUMENT, "method",
                         "none is an exception from a wider policy, and there is none wider than "
                         "that of every exporter: delete it instead");
    return WEIR_OK;
}

/* ---- flow types ---- */

/* Counters are summed, times become the whole span: they can not tell records apart as well. */
static bool is_measure(ie_key key)
{
    const struct ie *ie = ie_find(ie_key_pen(key), ie_key_id(key));
    return ie && (strcmp(ie->semantics, "deltaCounter") == 0 ||
                  strcmp(ie->semantics, "totalCounter") == 0 ||
                  (ie->type >= IE_SECONDS && ie->type <= IE_NANOSECONDS));
}

static enum weir_status check_keys(const struct flow_type *t, struct weir_error *error)
{
    ie_key keys[FLOW_TYPE_KEYS_MOST];
    size_t count;
    char name[IE_NAME_SIZE];
    enum weir_status status =
        elements_parse(t->keys, "keys", keys, FLOW_TYPE_KEYS_MOST, &count, error);
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        if (is_measure(keys[i]) || keys[i] == WEIR_SRC_IP || keys[i] == WEIR_DST_IP)
            status =
                weir_fail(error, WEIR_EARGUMENT, "keys",
                          "%s can be no key: it is a counter, a time, or no element of records",
                          ie_key_print(keys[i], name));
    if (status == WEIR_OK && t->action != ACTION_AGGREGATE && count)
        status = weir_fail(error, WEIR_EARGUMENT, "keys", "keys are for action aggregate only");
    return status;
}

/* Tag names are another's concern. */
static bool any_tag(void *context, const char *name, uint32_t *tag)
{
    (void)context;
    (void)name;
    *tag = 1;
    return true;
}

enum weir_status flow_type_check(const struct flow_type *t, struct weir_error *error)
{
    struct filter *filter = NULL;
    const struct anonymisation *a = &t->anonymisation;
    enum weir_status status = check_name(t->name, "name", error);
    if (status == WEIR_OK && t->action >= ACTION_COUNT)
        status = weir_fail(error, WEIR_EARGUMENT, "action",
                           "keep, drop, aggregate or anonymise is expected");
    if (status == WEIR_OK)
        status = filter_parse(t->filter ? t->filter : "", any_tag, NULL, &filter, error);
    if (status == WEIR_OK) {
        filter_free(filter);
        status = check_keys(t, error);
    }
    if (status != WEIR_OK)
        return status;
    if (t->action == ACTION_ANONYMISE && a->method == ANONYMISE_EXEMPT)
        return weir_fail(error, WEIR_EARGUMENT, "method",
                         "none is a policy of domains; a flow type that leaves records as they "
                         "come is one with action keep");
    if (t->action == ACTION_ANONYMISE)
        return a->method == ANONYMISE_NONE ? WEIR_OK : anonymisation_check(a, error);
    if (a->method != ANONYMISE_NONE || (a->fields && *a->fields) || a->macs)
        return weir_fail(error, WEIR_EARGUMENT, "method",
                         "how to anonymise is for action anonymise only");
    return WEIR_OK;
}
