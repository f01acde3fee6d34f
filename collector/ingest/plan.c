/* plan.c - decides for a template which fields give times, counters and sampling (plan.h). */
#include "ingest/plan.h"
#include "ingest/time_encoding.h"
#include "flow/structured.h"
#include "wire/dissect.h"

struct time_rule {
    uint16_t element;
    uint8_t encoding;
};
static const struct time_rule ends[PLAN_TIMES_MOST] = {
    {157, TIME_NTP},     {155, TIME_NTP},     {153, TIME_MILLISECONDS},
    {159, TIME_DELTA_MICROSECONDS},           {21, TIME_UP_TIME},
    {151, TIME_SECONDS}, {325, TIME_NTP},     {324, TIME_NTP},
    {323, TIME_MILLISECONDS},                 {322, TIME_SECONDS},
};
static const struct time_rule starts[] = {
    {156, TIME_NTP},     {154, TIME_NTP},     {152, TIME_MILLISECONDS},
    {158, TIME_DELTA_MICROSECONDS},           {22, TIME_UP_TIME},
    {150, TIME_SECONDS},
};

static uint8_t find_times(const struct wire_template *t, const struct time_rule *rules, size_t n,
                          struct time_field *out)
{
    uint8_t count = 0;
    for (size_t i = 0; i < n; i++) {
        int field = wire_template_find(t, IANA(rules[i].element));
        if (field >= 0)
            out[count++] = (struct time_field){(int16_t)field, rules[i].encoding};
    }
    return count;
}

static int16_t find_first(const struct wire_template *t, uint16_t element, uint16_t otherwise)
{
    int field = wire_template_find(t, IANA(element));
    return (int16_t)(field >= 0 ? field : wire_template_find(t, IANA(otherwise)));
}

static void find_counters(struct record_plan *plan, const struct wire_template *t)
{
    plan->octets = find_first(t, 1, 85);
    plan->packets = find_first(t, 2, 86);
    if (plan->octets >= 0 || plan->packets >= 0)
        return;
    plan->octets = (int16_t)wire_template_find(t, IANA(231));
    plan->packets = (int16_t)wire_template_find(t, IANA(298));
    plan->by_initiator = plan->octets >= 0 || plan->packets >= 0;
}

static void find_lists(struct record_plan *plan, const struct wire_template *t)
{
    for (uint16_t i = 0; i < t->field_count && plan->list_count < PLAN_LISTS_MOST; i++)
        if (t->fields[i].shape == WIRE_OCTETS &&
            structured_type(t->fields[i].key) != IE_OCTET_ARRAY)
            plan->lists[plan->list_count++] = i;
}

/* Records that are sampled packets (PSAMP, RFC 5476 and 5477): the piece of the packet is all there
 * is. */
static void find_section(struct record_plan *plan, const struct wire_template *t)
{
    static const uint16_t known_already[] = {1, 2, 8, 12, 27, 28, 85, 86, 231, 298};
    plan->section = plan->exported = -1;
    for (size_t i = 0; i < sizeof known_already / sizeof *known_already; i++)
        if (wire_template_find(t, IANA(known_already[i])) >= 0)
            return;
    int frame = wire_template_find(t, IANA(315)), ip = wire_template_find(t, IANA(313));
    plan->section = (int16_t)(frame >= 0 ? frame : ip);
    plan->section_link = frame >= 0 ? DISSECT_ETHERNET : DISSECT_IPV4;
    plan->exported = (int16_t)wire_template_find(t, IANA(410));
}

void record_plan_make(struct record_plan *plan, const struct wire_template *t)
{
    *plan = (struct record_plan){0};
    find_counters(plan, t);
    find_lists(plan, t);
    find_section(plan, t);
    plan->duration_ms = (int16_t)wire_template_find(t, IANA(161));
    plan->duration_us = (int16_t)wire_template_find(t, IANA(162));
    plan->end_count = find_times(t, ends, sizeof ends / sizeof *ends, plan->ends);
    plan->start_count = find_times(t, starts, sizeof starts / sizeof *starts, plan->starts);
    sampling_plan_make(&plan->sampling, t);
    statistics_plan_make(&plan->statistics, t);
}
