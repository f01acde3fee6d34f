/* weirgen_random.c - numbers drawn from a seed, and the heavy tails of traffic (weirgen.h). */
#include "weirgen.h"
#include <math.h>
#include <stdlib.h>

#define QUANTILES 4096u

/* splitmix64: each state is visited once in 2^64 draws, and streams start far apart. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void random_seed(struct random *r, uint64_t seed, uint64_t stream)
{
    r->state = mix(mix(seed + 1) ^ (stream + 1) * UINT64_C(0xd1342543de82ef95));
}

uint64_t random_next(struct random *r)
{
    return mix(r->state += UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t random_below(struct random *r, uint32_t n)
{
    return (uint32_t)((random_next(r) >> 32) * n >> 32);
}

bool random_chance(struct random *r, double p)
{
    return (double)(random_next(r) >> 11) * 0x1p-53 < p;
}

/* ---- Zipf ---- */

struct slot {
    uint32_t threshold; /* keep the slot's own rank when a 32-bit draw is below */
    uint32_t other;
};
struct zipf {
    uint32_t n;
    struct slot slots[];
};

/* Pairs what is below average with what is above (Vose). `share` sums up to n. */
static void pair(struct zipf *z, double *share, uint32_t *small, uint32_t *large)
{
    uint32_t smalls = 0, larges = 0;
    for (uint32_t i = 0; i < z->n; i++)
        if (share[i] < 1)
            small[smalls++] = i;
        else
            large[larges++] = i;
    while (smalls && larges) {
        uint32_t less = small[--smalls], more = large[larges - 1];
        z->slots[less] = (struct slot){(uint32_t)(share[less] * 4294967295.0), more};
        share[more] -= 1 - share[less];
        if (share[more] < 1) {
            larges--;
            small[smalls++] = more;
        }
    }
}

struct zipf *zipf_new(uint32_t n, double s)
{
    struct zipf *z = malloc(sizeof *z + n * sizeof *z->slots);
    double *share = malloc(n * sizeof *share), sum = 0;
    uint32_t *lists = malloc(2 * (size_t)n * sizeof *lists);
    if (z && share && lists) {
        z->n = n;
        for (uint32_t i = 0; i < n; i++) {
            z->slots[i] = (struct slot){UINT32_MAX, i};
            sum += share[i] = pow(i + 1.0, -s);
        }
        for (uint32_t i = 0; i < n; i++)
            share[i] *= n / sum;
        pair(z, share, lists, lists + n);
    } else {
        free(z);
        z = NULL;
    }
    free(share);
    free(lists);
    return z;
}

void zipf_free(struct zipf *z)
{
    free(z);
}

uint32_t zipf_draw(const struct zipf *z, struct random *r)
{
    uint64_t draw = random_next(r);
    uint32_t i = (uint32_t)((draw >> 32) * z->n >> 32);
    return (uint32_t)draw <= z->slots[i].threshold ? i : z->slots[i].other;
}

/* ---- Pareto ---- */

/* The tail of a Pareto distribution is the distribution itself, scaled: so a table of quantiles and
 * a factor for its last step draw all of it without a logarithm. */
struct pareto {
    double scale;
    double quantile[QUANTILES - 1];
};

struct pareto *pareto_new(double alpha)
{
    struct pareto *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    for (uint32_t i = 0; i < QUANTILES - 1; i++)
        p->quantile[i] = pow(1 - (i + 0.5) / QUANTILES, -1 / alpha);
    p->scale = pow(QUANTILES, 1 / alpha);
    return p;
}

void pareto_free(struct pareto *p)
{
    free(p);
}

double pareto_draw(const struct pareto *p, struct random *r, double most)
{
    double factor = 1;
    uint32_t i;
    while ((i = random_below(r, QUANTILES)) == QUANTILES - 1 && factor < most)
        factor *= p->scale;
    double x = i == QUANTILES - 1 ? most : factor * p->quantile[i];
    return x < most ? x : most;
}
