/* learned.c - `weir names`: what exporters call their interfaces, VRFs, applications and samplers.
 */
#include "dbStub.h"
#include "base/time.h"
#include "weir/listing.h"

extern struct Namespace db_namespaces[];

static const char *const kinds[] = {"interface", "vrf", "application", "sampler"};
static const struct shape_field name_fields[] = {
    FIELD(wt__LearnedName, exporter, SHAPE_TEXT),
    FIELD(wt__LearnedName, domain, SHAPE_U32),
    FIELD_NAME(wt__LearnedName, kind, kinds),
    FIELD(wt__LearnedName, id, SHAPE_TEXT),
    FIELD_OPTIONAL(wt__LearnedName, engine, SHAPE_U64),
    FIELD_OPTIONAL(wt__LearnedName, selector, SHAPE_U64),
    FIELD(wt__LearnedName, name, SHAPE_TEXT),
    FIELD(wt__LearnedName, description, SHAPE_TEXT),
    FIELD(wt__LearnedName, option, SHAPE_TEXT),
    FIELD(wt__LearnedName, first, SHAPE_TIME),
    FIELD(wt__LearnedName, last, SHAPE_TIME),
};
static const struct shape shape_name = SHAPE(wt__LearnedName, name_fields);

static void put_name(struct sheet *sheet, const struct wt__LearnedName *name)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    time_print(name->first, first);
    time_print(name->last, last);
    sheet_text(sheet, name->exporter);
    sheet_number(sheet, name->domain);
    sheet_text(sheet,
               (size_t)name->kind < sizeof kinds / sizeof *kinds ? kinds[name->kind] : "unknown");
    sheet_text(sheet, name->id);
    sheet_text(sheet, name->name);
    sheet_text(sheet, name->description);
    sheet_text(sheet, name->option);
    sheet_text(sheet, first);
    sheet_text(sheet, last);
}

static enum outcome show(struct request *r, const struct _db__ListNamesResponse *answer)
{
    static const char *const columns[] = {"exporter",    "domain", "kind",       "id",       "name",
                                          "description", "option", "first told", "last told"};
    struct report report;
    listing_report(&report, columns, sizeof columns / sizeof *columns);
    for (int i = 0; i < answer->__sizename; i++)
        put_name(&report.sheet, &answer->name[i]);
    const struct listing l = {"names", &shape_name, answer->name, answer->__sizename};
    return listing_answer(r, &report, &l);
}

enum outcome word_names(struct request *r)
{
    struct session s;
    size_t chosen = 0;
    const struct settings *o = r->settings;
    if (o->kind &&
        !request_choice(r, "kind", o->kind, kinds, sizeof kinds / sizeof *kinds, &chosen))
        return OUTCOME_USAGE;
    if (!session_open(&s, r, "/db", db_namespaces))
        return OUTCOME_FAILED;
    LONG64 from = o->from_ms, to = o->to_ms;
    enum wt__NameKind kind = (enum wt__NameKind)chosen;
    struct _db__ListNames question = {.kind = o->kind ? &kind : NULL,
                                      .from = &from,
                                      .to = &to,
                                      .exporter = o->exporter ? listing_lend(o->exporter) : NULL};
    struct _db__ListNamesResponse answer = {0};
    enum outcome outcome = soap_call___db__ListNames(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : show(r, &answer);
    session_close(&s);
    return outcome;
}
