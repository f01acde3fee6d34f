/* keys.c - names of keys into elements; see keys.h. What is read from the columns is layout.c's. */
#include "query/keys.h"

#include "base/suggest.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    ie_key key;
} own_names[] = {
    {"srcTag", WEIR_SRC_TAG}, {"dstTag", WEIR_DST_TAG}, {"exporter", WEIR_EXPORTER},
    {"domain", WEIR_DOMAIN},  {"srcIP", WEIR_SRC_IP},   {"dstIP", WEIR_DST_IP},
    /* What filters call them, for those who know nfdump's words better than IANA's. */
    {"srcPort", IANA(7)},     {"dstPort", IANA(11)},    {"srcAS", IANA(16)},
    {"dstAS", IANA(17)},      {"proto", IANA(4)},       {"tos", IANA(5)},
};
#define OWN_NAMES (sizeof own_names / sizeof own_names[0])

bool key_is_on_every_record(ie_key key)
{
    static const ie_key always[] = {WEIR_EXPORTER, WEIR_DOMAIN,        WEIR_SRC_TAG,
                                    WEIR_DST_TAG,  WEIR_SAMPLING_RATE, WEIR_SAMPLING_ORIGIN};
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        if (always[i] == key)
            return true;
    return false;
}

bool key_holds_both_families(ie_key key)
{
    return key == WEIR_EXPORTER || key == WEIR_SRC_IP || key == WEIR_DST_IP;
}

static bool is_mapped(const uint8_t octets[16])
{
    static const uint8_t start[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(octets, start, sizeof start) == 0;
}

void key_mask(uint8_t octets[16], int length, bool both)
{
    if (length < 0)
        return;
    if (both && is_mapped(octets))
        length = length > 32 ? 128 : 96 + length;
    for (int i = 0; i < 16; i++, length -= 8)
        octets[i] = (uint8_t)(octets[i] & (length >= 8   ? 0xff
                                           : length <= 0 ? 0
                                                         : 0xff00 >> length));
}

static bool find_own(const char *name, size_t length, ie_key *out)
{
    for (size_t i = 0; i < OWN_NAMES; i++)
        if (strlen(own_names[i].name) == length && !memcmp(own_names[i].name, name, length)) {
            *out = own_names[i].key;
            return true;
        }
    return false;
}

static enum weir_status unknown_key(const char *name, size_t length, struct weir_error *error)
{
    char wrong[64];
    size_t kept = length < sizeof wrong - 1 ? length : sizeof wrong - 1;
    memcpy(wrong, name, kept);
    wrong[kept] = '\0';
    struct suggestion s = {0};
    for (size_t i = 0; i < OWN_NAMES; i++)
        suggest_consider(&s, wrong, own_names[i].name);
    for (size_t i = 0; i < ie_count(); i++)
        if (ie_at(i)->pen == 0 || ie_at(i)->pen == WEIR_PEN)
            suggest_consider(&s, wrong, ie_at(i)->name);
    if (s.name)
        return weir_fail(error, WEIR_EARGUMENT, "by", "unknown key \"%s\"; did you mean %s?", wrong,
                         s.name);
    return weir_fail(
        error, WEIR_EARGUMENT, "by",
        "unknown key \"%s\"; expected an IPFIX element name, srcTag, dstTag, srcIP, dstIP, "
        "srcPort, dstPort, srcAS, dstAS, proto, tos, exporter or domain, with /LEN for prefixes of "
        "addresses",
        wrong);
}

static int bits_of(enum ie_type type)
{
    return type == IE_IPV4 ? 32 : type == IE_IPV6 ? 128 : 0;
}

static enum weir_status parse_length(const char *name, const char *text, struct totals_key *out,
                                     struct weir_error *error)
{
    int most = bits_of((enum ie_type)out->type);
    if (most == 0)
        return weir_fail(error, WEIR_EARGUMENT, "by",
                         "\"%s\": only addresses have prefixes, and this is of type %s", name,
                         ie_type_name((enum ie_type)out->type));
    char *end;
    long length = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    if (length < 0 || *end || length > most)
        return weir_fail(error, WEIR_EARGUMENT, "by",
                         "\"%s\": expected a prefix length from 0 to %d after the slash", name,
                         most);
    out->prefix_length = (int16_t)length;
    return WEIR_OK;
}

enum weir_status key_parse(const char *name, struct totals_key *out, struct weir_error *error)
{
    *out = (struct totals_key){.prefix_length = -1, .name = name};
    if (!name || !*name)
        return weir_fail(error, WEIR_EARGUMENT, "by", "a key is empty; expected an element name");
    const char *slash = strchr(name, '/');
    size_t length = slash ? (size_t)(slash - name) : strlen(name);
    if (!find_own(name, length, &out->key) && !ie_key_parse(name, length, &out->key))
        return unknown_key(name, length, error);
    out->type = (uint8_t)ie_storage_type(out->key);
    return slash ? parse_length(name, slash + 1, out, error) : WEIR_OK;
}

enum weir_status keys_parse(const char *const *names, size_t count, struct totals_key *out,
                            struct weir_error *error)
{
    if (count > TOTALS_KEYS_MOST)
        return weir_fail(error, WEIR_EARGUMENT, "by", "%zu keys; at most %d are allowed", count,
                         TOTALS_KEYS_MOST);
    for (size_t i = 0; i < count; i++) {
        enum weir_status status = key_parse(names[i], &out[i], error);
        if (status != WEIR_OK)
            return status;
        for (size_t j = 0; j < i; j++)
            if (out[j].key == out[i].key && out[j].prefix_length == out[i].prefix_length)
                return weir_fail(error, WEIR_EARGUMENT, "by", "the key \"%s\" is named twice",
                                 names[i]);
    }
    return WEIR_OK;
}
