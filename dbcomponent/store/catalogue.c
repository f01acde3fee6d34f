/* catalogue.c - changes of the catalogue: checked, one transaction each, audited (store.h).
 * Neighbours: catalogue_read.c reads it. The names of fields in errors are those of the services.
 */
#include "store/catalogue.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- checks ---- */

static enum weir_status check_name(const char *name, struct weir_error *error)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = name ? strlen(name) : 0;
    if (length < 1 || length > 63 || strspn(name, allowed) != length)
        return weir_fail(error, WEIR_EARGUMENT, "name",
                         "'%.80s' is no name: 1 to 63 of A-Z a-z 0-9 . _ - are expected",
                         name ? name : "");
    return WEIR_OK;
}

/* Text for people: bounded, no control characters. */
enum weir_status catalogue_check_text(const char *text, const char *field, struct weir_error *error)
{
    size_t length = text ? strlen(text) : 0;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return weir_fail(error, WEIR_EARGUMENT, field, "control characters are not expected");
    if (length > CATALOGUE_TEXT_MOST)
        return weir_fail(error, WEIR_EARGUMENT, field, "%zu octets, at most %d are expected",
                         length, CATALOGUE_TEXT_MOST);
    return WEIR_OK;
}

static bool host_bits_clear(const struct prefix *p)
{
    for (unsigned bit = p->length; bit < 128; bit++)
        if (p->address.octets[bit / 8] >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static enum weir_status check_prefix(const struct prefix *p, struct weir_error *error)
{
    char text[PREFIX_TEXT_SIZE];
    if (p->length > 128)
        return weir_fail(error, WEIR_EARGUMENT, "prefix", "length %u, at most 128 is expected",
                         p->length);
    if (!host_bits_clear(p))
        return weir_fail(error, WEIR_EARGUMENT, "prefix", "%s has host bits set",
                         prefix_print(p, text));
    return WEIR_OK;
}

static enum weir_status check_tag(const struct tag *tag, struct weir_error *error)
{
    if (tag->id == 0 || tag->id > PREFIX_TAG_MOST)
        return weir_fail(error, WEIR_EARGUMENT, "tag", "number %u, 1 to %u is expected", tag->id,
                         (unsigned)PREFIX_TAG_MOST);
    enum weir_status status = check_name(tag->name, error);
    for (size_t i = 0; status == WEIR_OK && i < tag->prefix_count; i++)
        status = check_prefix(&tag->prefixes[i], error);
    return status;
}

static enum weir_status check_url(const char *url, struct weir_error *error)
{
    const char *host = NULL;
    if (url && strncmp(url, "http://", 7) == 0)
        host = url + 7;
    else if (url && strncmp(url, "https://", 8) == 0)
        host = url + 8;
    if (!host || !*host || *host == '/' || *host == ':' || strlen(url) > CATALOGUE_TEXT_MOST)
        return weir_fail(error, WEIR_EARGUMENT, "url", "'%.80s' is no URL: http://host:port/db or "
                         "https://… is expected", url ? url : "");
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || strchr("\"<>\\^`{|}", *c))
            return weir_fail(error, WEIR_EARGUMENT, "url",
                             "'%.80s' has a character that must be escaped", url);
    return WEIR_OK;
}

/* ---- audit ---- */

enum weir_status catalogue_audit(struct sql *sql, const char *who, const char *action,
                                 const char *subject, const char *detail, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_AUDIT_ADD);
    query_bind_i64(&q, clock_now_ms());
    query_bind_text(&q, who ? who : "");
    query_bind_text(&q, action);
    query_bind_text(&q, subject);
    query_bind_text(&q, detail);
    query_row(&q);
    return query_end(&q, error);
}

/* Ends an INSERT: a row that is there already becomes WEIR_EEXISTS with the given words. */
enum weir_status catalogue_end_insert(struct query *q, const char *field, const char *what,
                                      struct weir_error *error)
{
    query_row(q);
    bool exists = (q->code & 0xff) == SQLITE_CONSTRAINT;
    enum weir_status status = query_end(q, error);
    return exists ? weir_fail(error, WEIR_EEXISTS, field, "%.200s exists already", what) : status;
}

/* Ends a DELETE: nothing deleted becomes WEIR_ENOTFOUND. */
enum weir_status catalogue_end_delete(struct query *q, const char *field, const char *what,
                                      struct weir_error *error)
{
    query_row(q);
    enum weir_status status = query_end(q, error);
    if (status == WEIR_OK && sqlite3_changes64(q->sql->db) == 0)
        status = weir_fail(error, WEIR_ENOTFOUND, field, "there is no %.200s", what);
    return status;
}

/* ---- tags ---- */

/* Runs a query of (tag, its name) and says who has the row that we wanted to add. */
static enum weir_status owner(struct query *q, uint32_t tag, const char *field, const char *what,
                              const struct tag *wanted, struct weir_error *error)
{
    char name[64] = "";
    int64_t other = 0;
    if (query_row(q) && query_sealed(q)) {
        other = query_i64(q, 0);
        snprintf(name, sizeof name, "%s", query_text(q, 1));
    }
    enum weir_status status = query_end(q, error);
    if (status != WEIR_OK || other == tag)
        return status; /* given twice to one tag: once is enough */
    return weir_fail(error, WEIR_EEXISTS, field,
                     "%s has tag %lld (%s) already; tag %u (%s) can not have it too", what,
                     (long long)other, name, wanted->id, wanted->name);
}

static enum weir_status add_prefix(struct sql *sql, const struct tag *tag, const struct prefix *p,
                                   struct weir_error *error)
{
    char text[PREFIX_TEXT_SIZE];
    struct query q = query_start(sql, SQL_TAG_PREFIX_ADD);
    query_bind_address(&q, &p->address);
    query_bind_i64(&q, p->length);
    query_bind_i64(&q, tag->id);
    query_row(&q);
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK || sqlite3_changes64(sql->db))
        return status;
    q = query_start(sql, SQL_TAG_PREFIX_OWNER);
    query_bind_address(&q, &p->address);
    query_bind_i64(&q, p->length);
    return owner(&q, tag->id, "prefix", prefix_print(p, text), tag, error);
}

static enum weir_status add_as(struct sql *sql, const struct tag *tag, uint32_t number,
                               struct weir_error *error)
{
    char text[32];
    struct query q = query_start(sql, SQL_TAG_AS_ADD);
    query_bind_i64(&q, number);
    query_bind_i64(&q, tag->id);
    query_row(&q);
    enum weir_status status = query_end(&q, error);
    if (status != WEIR_OK || sqlite3_changes64(sql->db))
        return status;
    snprintf(text, sizeof text, "AS %u", number);
    q = query_start(sql, SQL_TAG_AS_OWNER);
    query_bind_i64(&q, number);
    return owner(&q, tag->id, "as", text, tag, error);
}

static enum weir_status tag_exists(struct sql *sql, const struct tag *tag, struct weir_error *error)
{
    struct query q = query_start(sql, SQL_TAG_FIND);
    query_bind_i64(&q, tag->id);
    if (query_row(&q)) {
        weir_fail(error, WEIR_EEXISTS, "tag", "tag %u exists already, its name is %s", tag->id,
                  query_text(&q, 0));
        query_end(&q, NULL);
        return WEIR_EEXISTS;
    }
    query_end(&q, NULL);
    q = query_start(sql, SQL_TAG_BY_NAME);
    query_bind_text(&q, tag->name);
    if (query_row(&q)) {
        weir_fail(error, WEIR_EEXISTS, "name", "%s is the name of tag %lld already", tag->name,
                  (long long)query_i64(&q, 0));
        query_end(&q, NULL);
        return WEIR_EEXISTS;
    }
    return query_end(&q, error);
}

static enum weir_status add_tag(struct sql *sql, const struct tag *tag, const char *who,
                                struct weir_error *error)
{
    char subject[96], detail[96];
    enum weir_status status = tag_exists(sql, tag, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(sql, SQL_TAG_ADD);
    query_bind_i64(&q, tag->id);
    query_bind_text(&q, tag->name);
    status = catalogue_end_insert(&q, "tag", tag->name, error);
    for (size_t i = 0; status == WEIR_OK && i < tag->prefix_count; i++)
        status = add_prefix(sql, tag, &tag->prefixes[i], error);
    for (size_t i = 0; status == WEIR_OK && i < tag->as_count; i++)
        status = add_as(sql, tag, tag->ases[i], error);
    snprintf(subject, sizeof subject, "%u %s", tag->id, tag->name);
    snprintf(detail, sizeof detail, "%zu prefixes, %zu AS", tag->prefix_count, tag->as_count);
    return status == WEIR_OK ? catalogue_audit(sql, who, "tag add", subject, detail, error)
                             : status;
}

enum weir_status store_tag_add(struct store *s, const struct tag *tag, const char *who,
                               struct weir_error *error)
{
    enum weir_status status = check_tag(tag, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, add_tag(&s->writer, tag, who, error), error);
}

static enum weir_status delete_of_tag(struct sql *sql, enum sql_statement which, uint32_t id,
                                      struct weir_error *error)
{
    struct query q = query_start(sql, which);
    query_bind_i64(&q, id);
    query_row(&q);
    return query_end(&q, error);
}

static enum weir_status delete_tag(struct sql *sql, uint32_t id, const char *who,
                                   struct weir_error *error)
{
    char what[32];
    snprintf(what, sizeof what, "tag %u", id);
    enum weir_status status = delete_of_tag(sql, SQL_TAG_PREFIX_DELETE, id, error);
    if (status == WEIR_OK)
        status = delete_of_tag(sql, SQL_TAG_AS_DELETE, id, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(sql, SQL_TAG_DELETE);
    query_bind_i64(&q, id);
    status = catalogue_end_delete(&q, "tag", what, error);
    return status == WEIR_OK ? catalogue_audit(sql, who, "tag delete", what + 4, "", error)
                             : status;
}

enum weir_status store_tag_delete(struct store *s, uint32_t id, const char *who,
                                  struct weir_error *error)
{
    enum weir_status status = store_begin(s, error);
    return status == WEIR_OK ? store_end(s, delete_tag(&s->writer, id, who, error), error) : status;
}

/* ---- devices ---- */

static enum weir_status check_device(const struct device_entry *d, struct weir_error *error)
{
    if (!isfinite(d->sampling_rate) || (d->sampling_rate != 0 && d->sampling_rate < 1))
        return weir_fail(error, WEIR_EARGUMENT, "samplingRate",
                         "%g: one packet in N, N at least 1, or 0 for not configured, is expected",
                         d->sampling_rate);
    enum weir_status status = catalogue_check_text(d->name, "name", error);
    return status == WEIR_OK ? catalogue_check_text(d->description, "description", error) : status;
}

static enum weir_status add_device(struct sql *sql, const struct device_entry *d, const char *who,
                                   struct weir_error *error)
{
    char address[ADDRESS_TEXT_SIZE], detail[64];
    address_print(&d->address, address);
    struct query q = query_start(sql, SQL_DEVICE_ADD);
    query_bind_address(&q, &d->address);
    query_bind_text(&q, d->name ? d->name : "");
    query_bind_text(&q, d->description ? d->description : "");
    query_bind_f64(&q, d->sampling_rate);
    enum weir_status status = catalogue_end_insert(&q, "address", address, error);
    snprintf(detail, sizeof detail, "sampling rate %g", d->sampling_rate);
    return status == WEIR_OK ? catalogue_audit(sql, who, "device add", address, detail, error)
                             : status;
}

enum weir_status store_device_add(struct store *s, const struct device_entry *device,
                                  const char *who, struct weir_error *error)
{
    enum weir_status status = check_device(device, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    return store_end(s, add_device(&s->writer, device, who, error), error);
}

enum weir_status store_device_delete(struct store *s, const struct address *address,
                                     const char *who, struct weir_error *error)
{
    char text[ADDRESS_TEXT_SIZE], what[ADDRESS_TEXT_SIZE + 8];
    snprintf(what, sizeof what, "device %s", address_print(address, text));
    enum weir_status status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&s->writer, SQL_DEVICE_DELETE);
    query_bind_address(&q, address);
    status = catalogue_end_delete(&q, "address", what, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "device delete", text, "", error);
    return store_end(s, status, error);
}

/* ---- DB components ---- */

enum weir_status store_db_add(struct store *s, const struct db_entry *db, const char *who,
                              struct weir_error *error)
{
    enum weir_status status = check_url(db->url, error);
    if (status == WEIR_OK)
        status = catalogue_check_text(db->name, "name", error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&s->writer, SQL_DB_ADD);
    query_bind_text(&q, db->url);
    query_bind_text(&q, db->name ? db->name : "");
    status = catalogue_end_insert(&q, "url", db->url, error);
    if (status == WEIR_OK)
        status =
            catalogue_audit(&s->writer, who, "db add", db->url, db->name ? db->name : "", error);
    return store_end(s, status, error);
}

enum weir_status store_db_delete(struct store *s, const char *url, const char *who,
                                 struct weir_error *error)
{
    enum weir_status status = check_url(url, error);
    if (status == WEIR_OK)
        status = store_begin(s, error);
    if (status != WEIR_OK)
        return status;
    struct query q = query_start(&s->writer, SQL_DB_DELETE);
    query_bind_text(&q, url);
    status = catalogue_end_delete(&q, "url", url, error);
    if (status == WEIR_OK)
        status = catalogue_audit(&s->writer, who, "db delete", url, "", error);
    return store_end(s, status, error);
}
