/* catalogue.c - `weir tag|device|db add|del|list`: what administrators know, kept by the collector.
 * The questions are those of collector.wsdl. */
#include "colStub.h"
#include "base/address.h"
#include "base/time.h"
#include "weir/listing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern struct Namespace col_namespaces[];

static const struct shape_field tag_fields[] = {
    FIELD(wt__Tag, id, SHAPE_U32),
    FIELD(wt__Tag, name, SHAPE_TEXT),
    FIELD_LIST(wt__Tag, prefix, SHAPE_TEXTS, NULL),
    FIELD_LIST(wt__Tag, as, SHAPE_U32S, NULL),
};
static const struct shape shape_tag = SHAPE(wt__Tag, tag_fields);

static const struct shape_field device_fields[] = {
    FIELD(wt__MDev, address, SHAPE_TEXT),
    FIELD(wt__MDev, name, SHAPE_TEXT),
    FIELD(wt__MDev, description, SHAPE_TEXT),
    FIELD_OPTIONAL(wt__MDev, samplingRate, SHAPE_DOUBLE),
    FIELD_OPTIONAL(wt__MDev, unknown, SHAPE_FLAG),
    FIELD_OPTIONAL(wt__MDev, lastHeard, SHAPE_TIME),
    FIELD_OPTIONAL(wt__MDev, refused, SHAPE_U64),
};
static const struct shape shape_device = SHAPE(wt__MDev, device_fields);

static const struct shape_field db_fields[] = {
    FIELD(wt__CompDB, url, SHAPE_TEXT),
    FIELD(wt__CompDB, name, SHAPE_TEXT),
};
static const struct shape shape_db = SHAPE(wt__CompDB, db_fields);

static void listing_json(struct buffer *out, const void *context)
{
    const struct listing *l = context;
    buffer_print(out, "{\"%s\":[", l->name);
    for (int i = 0; i < l->count; i++) {
        buffer_print(out, i ? ",\n" : "\n");
        shape_json(out, l->shape, (const char *)l->items + (size_t)i * l->shape->size);
    }
    buffer_print(out, "]}");
}

enum outcome listing_answer(struct request *r, struct report *report, const struct listing *l)
{
    report->json = listing_json;
    report->json_context = l;
    enum outcome outcome = request_answer(r, report);
    report_close(report);
    return outcome;
}

void listing_report(struct report *report, const char *const *columns, size_t count)
{
    report_open(report);
    for (size_t i = 0; i < count; i++)
        sheet_column(&report->sheet, columns[i], 0);
}

bool listing_open(struct session *s, struct request *r)
{
    return session_open(s, r, "/collector", col_namespaces);
}

char *listing_lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* ---- tags ------------------------------------------------------------------------------------ */

/* "AS64500" or "as64500". */
static bool read_as(const char *text, unsigned *out)
{
    if (strncasecmp(text, "as", 2) != 0 || text[2] < '0' || text[2] > '9')
        return false;
    char *end;
    unsigned long v = strtoul(text + 2, &end, 10);
    *out = (unsigned)v;
    return *end == '\0' && v <= UINT32_MAX;
}

static bool read_tag_id(struct request *r, const char *text, unsigned *out)
{
    char *end;
    unsigned long v = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    if (v == 0 || v > UINT32_MAX || *end) {
        (void)request_usage(r, "id", "\"%.64s\" is not the number of a tag; 1 to 4294967295", text);
        return false;
    }
    *out = (unsigned)v;
    return true;
}

/* Sorts the operands into prefixes and ASes; what is neither is an error that names both. */
static bool read_tag_members(struct request *r, struct session *s, struct wt__Tag *tag)
{
    size_t most = (size_t)r->operand_count;
    tag->prefix = session_alloc(s, most * sizeof *tag->prefix);
    tag->as = session_alloc(s, most * sizeof *tag->as);
    for (int i = 2; tag->prefix && tag->as && i < r->operand_count; i++) {
        struct prefix prefix;
        struct weir_error error;
        if (read_as(r->operands[i], &tag->as[tag->__sizeas]))
            tag->__sizeas++;
        else if (prefix_parse(r->operands[i], "prefix", &prefix, &error) == WEIR_OK)
            tag->prefix[tag->__sizeprefix++] = r->operands[i];
        else {
            (void)request_usage(r, "prefix", "%.300s; an AS is written AS64500", error.message);
            return false;
        }
    }
    return true;
}

enum outcome word_tag_add(struct request *r)
{
    struct session s;
    struct wt__Tag tag = {.name = r->operands[1]};
    if (!read_tag_id(r, r->operands[0], &tag.id))
        return OUTCOME_USAGE;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    enum outcome outcome = OUTCOME_USAGE;
    if (read_tag_members(r, &s, &tag)) {
        struct _col__AddTag question = {.tag = &tag};
        struct _col__AddTagResponse answer;
        outcome = soap_call___col__AddTag(s.soap, s.url, NULL, &question, &answer)
                      ? session_fail(&s, r->error)
                      : OUTCOME_DONE;
    }
    session_close(&s);
    return outcome;
}

enum outcome word_tag_del(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__DelTag question = {.tag = r->operands[0]};
    struct _col__DelTagResponse answer;
    enum outcome outcome = soap_call___col__DelTag(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : OUTCOME_DONE;
    session_close(&s);
    return outcome;
}

/* Prefixes and ASes of a tag in one cell: "10.1.0.0/16 AS64500". */
static void members_cell(struct sheet *sheet, const struct wt__Tag *tag)
{
    struct buffer text = {0};
    for (int i = 0; i < tag->__sizeprefix; i++)
        buffer_print(&text, "%s%s", text.length ? " " : "", tag->prefix[i]);
    for (int i = 0; i < tag->__sizeas; i++)
        buffer_print(&text, "%sAS%u", text.length ? " " : "", tag->as[i]);
    buffer_put_u8(&text, '\0');
    sheet_text(sheet, text.failed ? "" : (const char *)text.bytes);
    buffer_free(&text);
}

enum outcome word_tag_list(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListTags question = {}; /* no members */
    struct _col__ListTagsResponse answer = {0};
    enum outcome outcome;
    if (soap_call___col__ListTags(s.soap, s.url, NULL, &question, &answer)) {
        outcome = session_fail(&s, r->error);
    } else {
        struct report report;
        report_open(&report);
        sheet_column(&report.sheet, "tag", SHEET_RIGHT);
        sheet_column(&report.sheet, "name", 0);
        sheet_column(&report.sheet, "prefixes and ASes", 0);
        for (int i = 0; i < answer.__sizetag; i++) {
            sheet_print(&report.sheet, "%u", answer.tag[i].id);
            sheet_text(&report.sheet, answer.tag[i].name);
            members_cell(&report.sheet, &answer.tag[i]);
        }
        struct listing l = {"tags", &shape_tag, answer.tag, answer.__sizetag};
        outcome = listing_answer(r, &report, &l);
    }
    session_close(&s);
    return outcome;
}

/* ---- devices --------------------------------------------------------------------------------- */

static bool read_rate(struct request *r, double *rate, double **out)
{
    const char *text = r->settings->sampling_rate;
    char *end;
    if (!text)
        return true;
    *rate = strtod(text, &end);
    if (end == text || *end || !(*rate >= 1 && *rate <= 1e9)) {
        (void)request_usage(r, "sampling-rate",
                            "--sampling-rate: \"%.64s\" is not a number from 1 to 1e9", text);
        return false;
    }
    *out = rate;
    return true;
}

enum outcome word_device_add(struct request *r)
{
    struct session s;
    double rate;
    struct address address;
    struct weir_error error;
    struct wt__MDev device = {.address = r->operands[0],
                              .name = r->operand_count > 1 ? r->operands[1] : NULL,
                              .description = listing_lend(r->settings->description)};
    if (!read_rate(r, &rate, &device.samplingRate))
        return OUTCOME_USAGE;
    if (address_parse(r->operands[0], "address", &address, &error))
        return request_usage(r, "address", "%.400s", error.message);
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__AddMDev question = {.mdev = &device};
    struct _col__AddMDevResponse answer;
    enum outcome outcome = soap_call___col__AddMDev(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : OUTCOME_DONE;
    session_close(&s);
    return outcome;
}

enum outcome word_device_del(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__DelMDev question = {.address = r->operands[0]};
    struct _col__DelMDevResponse answer;
    enum outcome outcome = soap_call___col__DelMDev(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : OUTCOME_DONE;
    session_close(&s);
    return outcome;
}

static void device_row(struct sheet *sheet, const struct wt__MDev *d)
{
    sheet_text(sheet, d->address);
    sheet_text(sheet, d->name);
    if (d->samplingRate)
        sheet_print(sheet, "1 in %g", *d->samplingRate);
    else
        sheet_text(sheet, NULL);
    bool unknown = d->unknown && *d->unknown == xsd__boolean__true_;
    sheet_text(sheet, !unknown ? "described" : d->refused ? "unknown, refused" : "unknown");
    if (d->lastHeard) {
        char last[TIME_TEXT_SIZE];
        time_print(*d->lastHeard, last);
        sheet_text(sheet, last);
    } else {
        sheet_text(sheet, NULL);
    }
    sheet_text(sheet, d->description);
}

enum outcome word_device_list(struct request *r)
{
    static const char *const columns[] = {"address", "name",       "sampling",
                                          "state",   "last heard", "description"};
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListMDevs question = {}; /* no members */
    struct _col__ListMDevsResponse answer = {0};
    enum outcome outcome;
    if (soap_call___col__ListMDevs(s.soap, s.url, NULL, &question, &answer)) {
        outcome = session_fail(&s, r->error);
    } else {
        struct report report;
        report_open(&report);
        for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
            sheet_column(&report.sheet, columns[i], 0);
        for (int i = 0; i < answer.__sizemdev; i++)
            device_row(&report.sheet, &answer.mdev[i]);
        struct listing l = {"devices", &shape_device, answer.mdev, answer.__sizemdev};
        outcome = listing_answer(r, &report, &l);
    }
    session_close(&s);
    return outcome;
}

/* ---- DB components --------------------------------------------------------------------------- */

enum outcome word_db_add(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct wt__CompDB db = {.url = r->operands[0],
                            .name = r->operand_count > 1 ? r->operands[1] : NULL};
    struct _col__AddCompDB question = {.compDB = &db};
    struct _col__AddCompDBResponse answer;
    enum outcome outcome = soap_call___col__AddCompDB(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : OUTCOME_DONE;
    session_close(&s);
    return outcome;
}

enum outcome word_db_del(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__DelCompDB question = {.url = r->operands[0]};
    struct _col__DelCompDBResponse answer;
    enum outcome outcome = soap_call___col__DelCompDB(s.soap, s.url, NULL, &question, &answer)
                               ? session_fail(&s, r->error)
                               : OUTCOME_DONE;
    session_close(&s);
    return outcome;
}

enum outcome word_db_list(struct request *r)
{
    struct session s;
    if (!listing_open(&s, r))
        return OUTCOME_FAILED;
    struct _col__ListCompDBs question = {}; /* no members */
    struct _col__ListCompDBsResponse answer = {0};
    enum outcome outcome;
    if (soap_call___col__ListCompDBs(s.soap, s.url, NULL, &question, &answer)) {
        outcome = session_fail(&s, r->error);
    } else {
        struct report report;
        report_open(&report);
        sheet_column(&report.sheet, "url", 0);
        sheet_column(&report.sheet, "name", 0);
        for (int i = 0; i < answer.__sizecompDB; i++) {
            sheet_text(&report.sheet, answer.compDB[i].url);
            sheet_text(&report.sheet, answer.compDB[i].name);
        }
        struct listing l = {"dbs", &shape_db, answer.compDB, answer.__sizecompDB};
        outcome = listing_answer(r, &report, &l);
    }
    session_close(&s);
    return outcome;
}
