/* settings.c - the rows of settings.h as an option table, whole or cut to what a word accepts. */
#include "weir/settings.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

struct settings settings;

static const struct option_row rows[SETTING_COUNT] = {
#define SETTING_ROW(member, name, value, type, least, most, help)                                  \
    {name, value, help, type, &settings.member, least, most},
    SETTINGS_ROWS(SETTING_ROW)
#undef SETTING_ROW
};

static size_t pick_rows(unsigned accepted, struct option_row out[SETTING_COUNT])
{
    size_t count = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (accepted & (1u << i))
            out[count++] = rows[i];
    return count;
}

static void set_defaults(void)
{
    const char *url = getenv("WEIR_URL");
    settings = (struct settings){
        .url = url && *url ? url : URL_DEFAULT,
        .format = "table",
        .order = "octets",
        .measure = "octets",
        .source = "auto",
        .spread = "end",
        .from_ms = INTERVAL_ALL.from_ms,
        .to_ms = INTERVAL_ALL.to_ms,
    };
}

static bool known_option(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return true;
    return false;
}

enum weir_status settings_parse(int argc, char **argv, unsigned accepted, const char *word,
                                int *operands, struct weir_error *error)
{
    struct option_row picked[SETTING_COUNT];
    size_t count = pick_rows(accepted, picked);
    struct weir_error inner = {0};
    set_defaults();
    enum weir_status status = options_parse(picked, count, argc, argv, operands, &inner);
    if (status && known_option(inner.field) && strncmp(inner.message, "unknown", 7) == 0)
        return weir_fail(error, status, inner.field,
                         "%s takes no --%s; `weir %s --help` lists what it takes", word,
                         inner.field, word);
    if (status)
        return weir_fail(error, status, inner.field, "%s", inner.message);
    return WEIR_OK;
}

void settings_help(unsigned accepted, char *out, size_t size)
{
    struct option_row picked[SETTING_COUNT];
    options_help(picked, pick_rows(accepted, picked), out, size);
}
