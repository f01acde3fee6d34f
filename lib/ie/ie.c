/* ie.c - look-ups in the table of information elements. The table itself is generated
 * (ietable.awk -> ie_table.c); this file holds only the questions that are asked of it. */
#include "ie/ie.h"
#include "ie/ie_table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One row a type: its registry name and the octets a stored value takes (0: kept as octets). A MAC
 * address is a 48-bit number in 8 octets, a boolean 1 (true) or 2 (false) as on the wire. */
static const struct {
    const char *name;
    uint8_t width;
} types[IE_TYPE_COUNT] = {
    [IE_OCTET_ARRAY] = {"octetArray", 0},
    [IE_UNSIGNED8] = {"unsigned8", 1},
    [IE_UNSIGNED16] = {"unsigned16", 2},
    [IE_UNSIGNED32] = {"unsigned32", 4},
    [IE_UNSIGNED64] = {"unsigned64", 8},
    [IE_SIGNED8] = {"signed8", 1},
    [IE_SIGNED16] = {"signed16", 2},
    [IE_SIGNED32] = {"signed32", 4},
    [IE_SIGNED64] = {"signed64", 8},
    [IE_FLOAT32] = {"float32", 4},
    [IE_FLOAT64] = {"float64", 8},
    [IE_BOOLEAN] = {"boolean", 1},
    [IE_MAC_ADDRESS] = {"macAddress", 8},
    [IE_STRING] = {"string", 0},
    [IE_SECONDS] = {"dateTimeSeconds", 4},
    [IE_MILLISECONDS] = {"dateTimeMilliseconds", 8},
    [IE_MICROSECONDS] = {"dateTimeMicroseconds", 8},
    [IE_NANOSECONDS] = {"dateTimeNanoseconds", 8},
    [IE_IPV4] = {"ipv4Address", 4},
    [IE_IPV6] = {"ipv6Address", 16},
    [IE_BASIC_LIST] = {"basicList", 0},
    [IE_SUBTEMPLATE_LIST] = {"subTemplateList", 0},
    [IE_SUBTEMPLATE_MULTILIST] = {"subTemplateMultiList", 0},
    [IE_UNSIGNED256] = {"unsigned256", 0},
};

const struct ie *ie_find(uint32_t pen, uint16_t id)
{
    for (size_t slot = ie_slot_of(pen, id); ie_slots[slot]; slot = (slot + 1) % IE_SLOTS) {
        const struct ie *row = &ie_table[ie_slots[slot] - 1];
        if (row->pen == pen && row->id == id)
            return row;
    }
    return NULL;
}

size_t ie_count(void)
{
    return ie_table_count;
}

const struct ie *ie_at(size_t i)
{
    return i < ie_table_count ? &ie_table[i] : NULL;
}

const char *ie_type_name(enum ie_type type)
{
    return (unsigned)type < IE_TYPE_COUNT ? types[type].name : "unknown";
}

/* Only what a standard registry defines is read by its type; see "Storage" in ie.h. */
static bool stored_by_type(const struct ie *row)
{
    return row && row->registry != IE_REGISTRY_ENTERPRISE;
}

enum ie_type ie_storage_type(ie_key key)
{
    const struct ie *row = ie_find(ie_key_pen(key), ie_key_id(key));
    return stored_by_type(row) ? (enum ie_type)row->type : IE_OCTET_ARRAY;
}

uint8_t ie_storage_width(ie_key key)
{
    return types[ie_storage_type(key)].width;
}

char *ie_key_print(ie_key key, char out[IE_NAME_SIZE])
{
    uint32_t pen = ie_key_pen(key);
    uint16_t id = ie_key_id(key);
    const struct ie *row = ie_find(pen, id);
    int n;
    if (stored_by_type(row))
        n = snprintf(out, IE_NAME_SIZE, "%s", row->name);
    else if (pen)
        n = snprintf(out, IE_NAME_SIZE, "e%u.%u", pen, id);
    else
        n = snprintf(out, IE_NAME_SIZE, "ie%u", id);
    if (ie_key_nth(key) && n > 0 && n < IE_NAME_SIZE)
        (void)snprintf(out + n, IE_NAME_SIZE - (size_t)n, "#%u", ie_key_nth(key) + 1u);
    return out;
}

/* ---- names to keys --------------------------------------------------------------------------- */

/* Order of row `row`'s name and `name`, letter case aside. */
static int compare_name(size_t row, const char *name, size_t length)
{
    const char *have = ie_table[row].name;
    int order = strncasecmp(have, name, length);
    return order ? order : have[length] != '\0';
}

/* The first place in ie_by_name whose name is not before `name`. */
static size_t name_lower_bound(const char *name, size_t length)
{
    size_t low = 0, high = ie_table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_name(ie_by_name[middle], name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The row called `name`. Equal names lie side by side, standard registries first; an exact match
 * of letter case is better than a standard registry. */
static const struct ie *find_name(const char *name, size_t length)
{
    size_t first = name_lower_bound(name, length);
    const struct ie *best = NULL;
    for (size_t i = first; i < ie_table_count; i++) {
        const struct ie *row = &ie_table[ie_by_name[i]];
        if (compare_name(ie_by_name[i], name, length) != 0)
            break;
        if (memcmp(row->name, name, length) == 0)
            return row;
        if (!best)
            best = row;
    }
    return best;
}

/* A decimal number of at most `most`, all of text[0, length). */
static bool read_number(const char *text, size_t length, uint64_t most, uint64_t *out)
{
    if (length == 0 || length > 10)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *out = v;
    return v <= most;
}

/* "e<PEN>.<id>" and "ie<id>". */
static bool read_numbered(const char *name, size_t length, uint64_t *pen, uint64_t *id)
{
    if (length > 2 && name[0] == 'i' && name[1] == 'e') {
        *pen = 0;
        return read_number(name + 2, length - 2, UINT16_MAX, id);
    }
    const char *dot = length > 1 && name[0] == 'e' ? memchr(name, '.', length) : NULL;
    return dot && read_number(name + 1, (size_t)(dot - name) - 1, UINT32_MAX, pen) &&
           read_number(dot + 1, length - (size_t)(dot - name) - 1, UINT16_MAX, id);
}

bool ie_key_parse(const char *name, size_t length, ie_key *out)
{
    uint64_t nth = 1, pen, id;
    const char *mark = length ? memchr(name, '#', length) : NULL;
    if (mark) {
        size_t digits = length - (size_t)(mark - name) - 1;
        if (!read_number(mark + 1, digits, UINT16_MAX + 1u, &nth) || nth < 1)
            return false;
        length = (size_t)(mark - name);
    }
    if (length == 0 || length >= IE_NAME_SIZE || memchr(name, 0, length))
        return false;
    const struct ie *row = find_name(name, length);
    if (row) {
        pen = row->pen;
        id = row->id;
    } else if (!read_numbered(name, length, &pen, &id)) {
        return false;
    }
    *out = IE_KEY_NTH(pen, id, nth - 1);
    return true;
}
