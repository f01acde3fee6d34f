/* weirgen_run.c - from the first flow to the last: steps of time, bursts, pace (weirgen.h). */
#include "weirgen.h"
#include "base/time.h"
#include <stdlib.h>
#include <time.h>

#define STEP_MS 250
#define STEPS_MOST 20000
#define LATE_MOST 0.1 /* seconds; what is later stays late */

struct run {
    const struct settings *settings;
    struct exporter **exporters;
    struct traffic *traffic;
    struct random random;
    uint32_t weight_sum;
    double *share; /* of the flows up to the end of step i, of 1 */
    int64_t steps;
    uint64_t started_us;
    int64_t flows_done;
};

/* Load swings slowly, and now and then bursts to several times its height. */
static bool draw_load(struct run *r)
{
    double sum = 0, burst = 1, swing = 1;
    int64_t left = 0;
    r->share = malloc((size_t)r->steps * sizeof *r->share);
    if (!r->share)
        return false;
    for (int64_t i = 0; i < r->steps; i++) {
        swing += (random_below(&r->random, 2001) / 1000.0 - 1) * 0.1;
        swing = swing < 0.5 ? 0.5 : swing > 1.5 ? 1.5 : swing;
        if (left-- <= 0)
            burst = 1;
        if (random_chance(&r->random, 0.01)) {
            burst = 2 + random_below(&r->random, 5);
            left = random_below(&r->random, 8);
        }
        r->share[i] = sum += swing * burst;
    }
    for (int64_t i = 0; i < r->steps; i++)
        r->share[i] /= sum;
    return true;
}

static int64_t flows_until(const struct run *r, int64_t step)
{
    int64_t flows = r->settings->flows;
    return step < 0                ? 0
           : step == r->steps - 1 ? flows
                                  : (int64_t)(r->share[step] * (double)flows);
}

static struct exporter *draw_exporter(struct run *r)
{
    uint32_t draw = random_below(&r->random, r->weight_sum);
    size_t i = 0;
    while (draw >= exporter_spec(r->exporters[i])->weight)
        draw -= (uint32_t)exporter_spec(r->exporters[i++])->weight;
    return r->exporters[i];
}

static double left_until(const struct run *r, double seconds)
{
    return seconds - (double)(clock_monotonic_us() - r->started_us) / 1e6;
}

static void wait_until(const struct run *r, double seconds)
{
    double left = left_until(r, seconds);
    if (left < 0.001)
        return;
    struct timespec pause = {.tv_sec = (time_t)left,
                             .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    (void)nanosleep(&pause, NULL);
}

/* A machine that stood still for a second does not have a second's flows at once afterwards. */
static void forgive_delay(struct run *r, double due)
{
    double late = -left_until(r, due);
    if (late > LATE_MOST)
        r->started_us += (uint64_t)(late * 1e6);
}

static void keep_pace(struct run *r, int64_t now_ms)
{
    const struct settings *s = r->settings;
    double due = s->rate ? (double)r->flows_done / (double)s->rate : 0;
    if (s->realtime) {
        wait_until(r, (double)(now_ms - s->start_ms) / 1000);
    } else if (s->rate) {
        forgive_delay(r, due);
        wait_until(r, due);
    }
}

static bool stopped(const struct run *r)
{
    return r->settings->stop && *r->settings->stop;
}

static enum weir_status run_step(struct run *r, int64_t step, struct weir_error *error)
{
    const struct settings *s = r->settings;
    int64_t from_ms = s->start_ms + s->duration_ms * step / r->steps;
    int64_t to_ms = s->start_ms + s->duration_ms * (step + 1) / r->steps;
    int64_t first = flows_until(r, step - 1), count = flows_until(r, step) - first;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < s->spec_count && !status; i++)
        status = exporter_tick(r->exporters[i], from_ms, error);
    for (int64_t i = 0; i < count && !status && !stopped(r); i++) {
        int64_t now_ms = from_ms + (to_ms - from_ms) * i / count;
        status = exporter_flow(draw_exporter(r), r->traffic, now_ms, error);
        if (++r->flows_done % 64 == 0)
            keep_pace(r, now_ms);
    }
    if (!stopped(r))
        keep_pace(r, to_ms);
    return status;
}

static enum weir_status run_all(struct run *r, struct weir_error *error)
{
    const struct settings *s = r->settings;
    enum weir_status status = WEIR_OK;
    r->started_us = clock_monotonic_us();
    int64_t step = 0;
    for (; step < r->steps && !status && !stopped(r); step++)
        status = run_step(r, step, error);
    int64_t end_ms = s->start_ms + s->duration_ms * step / r->steps - 1;
    for (size_t i = 0; i < s->spec_count && !status; i++)
        status = exporter_finish(r->exporters[i], end_ms, error);
    return status;
}

static bool prepare(struct run *r, struct output *output)
{
    const struct settings *s = r->settings;
    struct exporter_context context = {.seed = (uint64_t)s->seed,
                                       .tags = (uint32_t)s->tags,
                                       .start_ms = s->start_ms,
                                       .end_ms = s->start_ms + s->duration_ms,
                                       .template_every_ms = s->template_every_ms,
                                       .lose_templates = s->lose_templates,
                                       .output = output};
    random_seed(&r->random, (uint64_t)s->seed, 1);
    r->steps = s->duration_ms / STEP_MS;
    r->steps = r->steps < 1 ? 1 : r->steps > STEPS_MOST ? STEPS_MOST : r->steps;
    r->traffic = traffic_new((uint64_t)s->seed, (uint32_t)s->tags);
    r->exporters = calloc(s->spec_count, sizeof *r->exporters);
    if (!r->traffic || !r->exporters || !draw_load(r))
        return false;
    for (size_t i = 0; i < s->spec_count; i++) {
        r->exporters[i] = exporter_new(&s->specs[i], i, &context);
        if (!r->exporters[i])
            return false;
        r->weight_sum += (uint32_t)s->specs[i].weight;
    }
    return true;
}

enum weir_status weirgen_run(const struct settings *s, struct endpoint *sources,
                             struct output *output, struct buffer *truth, struct weir_error *error)
{
    struct run r = {.settings = s};
    enum weir_status status =
        prepare(&r, output) ? run_all(&r, error) : weir_fail(error, WEIR_ENOMEM, NULL, "no memory");
    if (!status)
        truth_print(truth, s, sources, r.exporters);
    for (size_t i = 0; r.exporters && i < s->spec_count; i++)
        exporter_free(r.exporters[i]);
    free(r.exporters);
    traffic_free(r.traffic);
    free(r.share);
    return status;
}
