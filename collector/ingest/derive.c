/* derive.c - fills Weir's own columns (derive.h; plan.h has the rules). Works in strides of rows
 * that fit the first cache, a loop an element. Neighbours: sampling.c, ingest.c. */
#include "ingest/derive.h"
#include "ingest/time_encoding.h"

#define STRIDE 512u
#define NO_TIME INT64_MIN
#define FUTURE_MOST_MS 300000 /* an end may be so far after its export: clocks and roundings */
#define NTP_UNIX_S INT64_C(2208988800)
#define TIME_MOST_MS (INT64_C(1) << 60)

static const struct {
    ie_key key;
    uint8_t width;
} derived_elements[D_COUNT] = {
    [D_EXPORTER] = {WEIR_EXPORTER, 16},       [D_DOMAIN] = {WEIR_DOMAIN, 4},
    [D_EXPORT_TIME] = {WEIR_EXPORT_TIME, 8},  [D_VERSION] = {WEIR_PROTOCOL_VERSION, 1},
    [D_PORT] = {WEIR_EXPORTER_PORT, 2},       [D_START] = {WEIR_FLOW_START, 8},
    [D_END] = {WEIR_FLOW_END, 8},             [D_TIME_ORIGIN] = {WEIR_TIME_ORIGIN, 1},
    [D_OCTETS] = {WEIR_OCTETS, 8},            [D_PACKETS] = {WEIR_PACKETS, 8},
    [D_RATE] = {WEIR_SAMPLING_RATE, 8},       [D_RATE_ORIGIN] = {WEIR_SAMPLING_ORIGIN, 1},
    [D_SRC_TAG] = {WEIR_SRC_TAG, 4},          [D_DST_TAG] = {WEIR_DST_TAG, 4},
    [D_SYS_UP_TIME] = {WEIR_SYS_UP_TIME, 4},  [D_TEMPLATE] = {WEIR_TEMPLATE, 2},
};

/* ---- binding ---- */

static enum weir_status bind_one(struct derived_columns *columns, struct batch *b, unsigned d)
{
    size_t index = 0;
    if (columns->bound[d])
        return WEIR_OK;
    enum weir_status status =
        batch_column(b, derived_elements[d].key, derived_elements[d].width, &index);
    columns->index[d] = (uint16_t)index;
    columns->bound[d] = status == WEIR_OK;
    return status;
}

enum weir_status derive_bind(struct derived_columns *columns, struct batch *b,
                             const struct message *m)
{
    if (columns->generation != batch_generation(b))
        *columns = (struct derived_columns){.generation = batch_generation(b)};
    unsigned common = batch_kind(b) == RECORD_FLOW ? D_FLOW_COUNT : D_OPTIONS_COUNT;
    enum weir_status status = WEIR_OK;
    if (!columns->bound[common - 1])
        for (unsigned d = 0; d < common && status == WEIR_OK; d++)
            status = bind_one(columns, b, d);
    if (status == WEIR_OK && m->has_up_time)
        status = bind_one(columns, b, D_SYS_UP_TIME);
    if (status == WEIR_OK && m->has_template)
        status = bind_one(columns, b, D_TEMPLATE);
    return status;
}

/* ---- one stride of rows ---- */

struct stride {
    const struct derived_columns *columns;
    struct batch *batch;
    const struct message *message;
    const struct known_template *known;
    uint32_t first, rows;
};

static void *column_at(const struct stride *s, enum derived d)
{
    const struct column *c = batch_column_at(s->batch, s->columns->index[d]);
    return (uint8_t *)c->values + (size_t)s->first * c->width;
}

#define FILL(name, type)                                                                           \
    static void name(const struct stride *s, enum derived d, type v)                               \
    {                                                                                              \
        type *to = column_at(s, d);                                                                \
        for (uint32_t r = 0; r < s->rows; r++)                                                     \
            to[r] = v;                                                                             \
    }
FILL(fill_u8, uint8_t)
FILL(fill_u16, uint16_t)
FILL(fill_u32, uint32_t)
FILL(fill_u64, uint64_t)
FILL(fill_double, double)
#undef FILL

/* The numbers of a template's field, whatever the width of its column. */
static void load_field(const struct stride *s, int16_t field, uint64_t *out)
{
    const struct column *c = batch_column_at(s->batch, s->known->wire->fields[field].column);
    const uint8_t *from = (const uint8_t *)c->values + (size_t)s->first * c->width;
#define LOAD_AS(type)                                                                              \
    for (uint32_t r = 0; r < s->rows; r++)                                                         \
        out[r] = ((const type *)(const void *)from)[r];                                            \
    break
    switch (c->width) {
    case 1: LOAD_AS(uint8_t);
    case 2: LOAD_AS(uint16_t);
    case 4: LOAD_AS(uint32_t);
    case 8: LOAD_AS(uint64_t);
    default: memset(out, 0, s->rows * sizeof *out);
    }
#undef LOAD_AS
}

/* ---- times ---- */

static int64_t from_ntp(uint64_t v)
{
    uint64_t seconds = v >> 32, fraction = v & UINT32_MAX;
    if (!v)
        return NO_TIME;
    /* RFC 5905 section 6: a clear top bit means the era that begins in 2036. */
    if (!(seconds >> 31))
        seconds += UINT64_C(1) << 32;
    return ((int64_t)seconds - NTP_UNIX_S) * 1000 + (int64_t)(fraction * 1000 >> 32);
}

static int64_t from_up_time(const struct message *m, uint64_t v)
{
    int64_t age = (int32_t)(m->sys_up_time_ms - (uint32_t)v);
    return age < -FUTURE_MOST_MS ? NO_TIME : m->export_ms - age;
}

/* IPFIX: milliseconds since systemInitTime. Roll-overs since then are not sent; the latest time
 * that is not after the export is meant. */
static int64_t from_init(int64_t export_ms, uint64_t init_ms, uint64_t v)
{
    if (!init_ms || init_ms > (uint64_t)TIME_MOST_MS)
        return NO_TIME;
    int64_t t = (int64_t)init_ms + (int64_t)(uint32_t)v, latest = export_ms + FUTURE_MOST_MS;
    if (t > latest)
        return NO_TIME;
    return t + ((latest - t) >> 32 << 32);
}

static int64_t resolve(const struct message *m, uint8_t encoding, uint64_t v, uint64_t init_ms)
{
    int64_t t = NO_TIME;
    switch (encoding) {
    case TIME_MILLISECONDS:
        t = v && v < (uint64_t)TIME_MOST_MS ? (int64_t)v : NO_TIME;
        break;
    case TIME_SECONDS:
        t = v && v < (uint64_t)TIME_MOST_MS / 1000 ? (int64_t)v * 1000 : NO_TIME;
        break;
    case TIME_NTP: t = from_ntp(v); break;
    case TIME_DELTA_MICROSECONDS: return m->export_ms - (int64_t)(v / 1000);
    default:
        if (m->has_up_time)
            return from_up_time(m, v);
        t = from_init(m->stated_ms, init_ms, v);
    }
    if (t == NO_TIME)
        return NO_TIME;
    t += m->export_ms - m->stated_ms; /* 0, but where the clock is off: then its age counts */
    return clock_believed(&m->bounds, t) ? t : NO_TIME;
}

/* Asks the fields in turn until every row has a time or there are no more. Returns the rows
 * without. */
static uint32_t find_times(const struct stride *s, const struct time_field *fields, uint8_t count,
                           const uint64_t *init, int64_t *out)
{
    uint64_t values[STRIDE];
    uint32_t without = s->rows;
    for (uint32_t r = 0; r < s->rows; r++)
        out[r] = NO_TIME;
    for (uint8_t i = 0; i < count && without; i++) {
        load_field(s, fields[i].field, values);
        for (uint32_t r = 0; r < s->rows; r++)
            if (out[r] == NO_TIME) {
                out[r] = resolve(s->message, fields[i].encoding, values[r], init[r]);
                without -= out[r] != NO_TIME;
            }
    }
    return without;
}

/* The commonest case, without a branch a row: every end and start is relative to sysUpTime. False
 * when a row needs more thought. */
static bool times_by_up_time(const struct stride *s)
{
    const struct record_plan *plan = &s->known->plan;
    if (!s->message->has_up_time || !plan->end_count || !plan->start_count ||
        plan->ends[0].encoding != TIME_UP_TIME || plan->starts[0].encoding != TIME_UP_TIME)
        return false;
    uint64_t end[STRIDE], start[STRIDE];
    int64_t *ends = column_at(s, D_END), *starts = column_at(s, D_START);
    load_field(s, plan->ends[0].field, end);
    load_field(s, plan->starts[0].field, start);
    uint32_t up = s->message->sys_up_time_ms;
    int64_t base = s->message->export_ms;
    unsigned odd = 0;
    for (uint32_t r = 0; r < s->rows; r++) {
        int32_t age = (int32_t)(up - (uint32_t)end[r]);
        int32_t length = (int32_t)((uint32_t)end[r] - (uint32_t)start[r]);
        odd |= (unsigned)(age < -FUTURE_MOST_MS) | (unsigned)(length < 0);
        ends[r] = base - age;
        starts[r] = base - age - length;
    }
    return !odd;
}

static void durations(const struct stride *s, int64_t *out)
{
    const struct record_plan *plan = &s->known->plan;
    uint64_t values[STRIDE];
    int16_t field = plan->duration_us >= 0 ? plan->duration_us : plan->duration_ms;
    load_field(s, field, values);
    for (uint32_t r = 0; r < s->rows; r++) {
        uint64_t ms = plan->duration_us >= 0 ? values[r] / 1000 : values[r];
        out[r] = ms < (uint64_t)TIME_MOST_MS ? (int64_t)ms : 0;
    }
}

/* Fills in for what is missing, row by row. */
static void complete_times(const struct stride *s, int64_t *starts, int64_t *ends, uint8_t *origin)
{
    const struct message *m = s->message;
    const struct record_plan *plan = &s->known->plan;
    int64_t lengths[STRIDE];
    bool has_length = plan->duration_ms >= 0 || plan->duration_us >= 0;
    if (has_length)
        durations(s, lengths);
    for (uint32_t r = 0; r < s->rows; r++) {
        bool has_end = ends[r] != NO_TIME, has_start = starts[r] != NO_TIME;
        origin[r] = m->clock_is_off                        ? TIME_FROM_RECEPTION
                    : has_end || (has_start && has_length) ? TIME_FROM_RECORD
                    : has_start                            ? TIME_FROM_START
                    : m->time_from_reception               ? TIME_FROM_RECEPTION
                                                           : TIME_FROM_EXPORT;
        if (!has_end)
            ends[r] = has_start ? starts[r] + (has_length ? lengths[r] : 0) : m->export_ms;
        if (!has_start)
            starts[r] = has_end && has_length ? ends[r] - lengths[r] : ends[r];
        if (starts[r] > ends[r])
            starts[r] = ends[r];
    }
}

static void fill_times(const struct stride *s)
{
    const struct record_plan *plan = &s->known->plan;
    uint64_t init[STRIDE];
    if (times_by_up_time(s)) {
        fill_u8(s, D_TIME_ORIGIN,
                s->message->clock_is_off ? TIME_FROM_RECEPTION : TIME_FROM_RECORD);
        return;
    }
    for (uint32_t r = 0; r < s->rows; r++)
        init[r] = s->message->session->source->samplers.system_init_ms;
    if (plan->sampling.system_init >= 0)
        load_field(s, plan->sampling.system_init, init);
    int64_t *ends = column_at(s, D_END), *starts = column_at(s, D_START);
    (void)find_times(s, plan->ends, plan->end_count, init, ends);
    (void)find_times(s, plan->starts, plan->start_count, init, starts);
    complete_times(s, starts, ends, column_at(s, D_TIME_ORIGIN));
}

/* ---- counters ---- */

/* The sum of what was filled; by halves, of which STRIDE sum up in 64 bits. */
static wide_sum fill_counter(const struct stride *s, enum derived d, int16_t field)
{
    uint64_t *to = column_at(s, d), low = 0, high = 0;
    if (field < 0)
        return 0; /* rows are zero already */
    load_field(s, field, to);
    for (uint32_t r = 0; r < s->rows; r++) {
        low += (uint32_t)to[r];
        high += to[r] >> 32;
    }
    return ((wide_sum)high << 32) + low;
}

/* ---- sampling ---- */

struct rate {
    double rate;
    uint8_t origin;
};

static struct rate rate_by_options_or_less(const struct message *m, double options)
{
    if (options > 0)
        return (struct rate){options, SAMPLING_OPTIONS};
    if (m->header_rate > 0)
        return (struct rate){m->header_rate, SAMPLING_RECORD};
    if (m->configured_rate > 0)
        return (struct rate){m->configured_rate, SAMPLING_CONFIGURED};
    return (struct rate){0, SAMPLING_UNKNOWN};
}

static void fill_sampling(const struct stride *s)
{
    const struct sampling_plan *plan = &s->known->plan.sampling;
    const struct samplers *known = &s->message->session->source->samplers;
    struct rate rate = rate_by_options_or_less(s->message, known->rate);
    fill_double(s, D_RATE, rate.rate);
    fill_u8(s, D_RATE_ORIGIN, rate.origin);
    if (!plan->says_rate && !(plan->names_sampler && known->named))
        return;
    double *rates = column_at(s, D_RATE);
    uint8_t *origins = column_at(s, D_RATE_ORIGIN);
    for (uint32_t r = 0; r < s->rows; r++) {
        double stated = sampling_stated(plan, s->known->wire, s->batch, s->first + r);
        if (stated > 0)
            rate = (struct rate){stated, SAMPLING_RECORD};
        else
            rate = rate_by_options_or_less(
                s->message, sampling_known(plan, s->known->wire, s->batch, s->first + r, known));
        rates[r] = rate.rate;
        origins[r] = rate.origin;
    }
}

/* ---- all of it ---- */

static void fill_exporter(const struct stride *s)
{
    uint8_t *to = column_at(s, D_EXPORTER);
    for (uint32_t r = 0; r < s->rows; r++, to += 16)
        memcpy(to, s->message->session->key.exporter.octets, 16);
}

static void fill_stride(const struct stride *s, struct derived_sums *sums)
{
    const struct message *m = s->message;
    fill_exporter(s);
    fill_u32(s, D_DOMAIN, m->session->key.domain);
    fill_u64(s, D_EXPORT_TIME, (uint64_t)m->stated_ms);
    fill_u8(s, D_VERSION, m->version);
    fill_u16(s, D_PORT, m->session->key.port);
    fill_times(s);
    if (m->has_up_time)
        fill_u32(s, D_SYS_UP_TIME, m->sys_up_time_ms);
    if (m->has_template)
        fill_u16(s, D_TEMPLATE, s->known->wire->id);
    if (batch_kind(s->batch) == RECORD_OPTIONS)
        return;
    sums->octets += fill_counter(s, D_OCTETS, s->known->plan.octets);
    sums->packets += fill_counter(s, D_PACKETS, s->known->plan.packets);
    fill_sampling(s);
}

void derive_rows(const struct derived_columns *columns, struct batch *b, const struct message *m,
                 const struct known_template *known, uint32_t first, uint32_t rows,
                 struct derived_sums *sums)
{
    struct stride s = {columns, b, m, known, first, 0};
    for (uint32_t left = rows; left; left -= s.rows, s.first += s.rows) {
        s.rows = left < STRIDE ? left : STRIDE;
        fill_stride(&s, sums);
    }
    unsigned common = batch_kind(b) == RECORD_FLOW ? D_FLOW_COUNT : D_OPTIONS_COUNT;
    for (unsigned d = 0; d < common; d++)
        batch_mark(b, columns->index[d], first, rows);
    if (m->has_up_time)
        batch_mark(b, columns->index[D_SYS_UP_TIME], first, rows);
    if (m->has_template)
        batch_mark(b, columns->index[D_TEMPLATE], first, rows);
}
