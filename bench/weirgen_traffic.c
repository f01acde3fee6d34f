/* weirgen_traffic.c - flows as a network has them: few hosts have most of the traffic, few flows
 * most of the octets (weirgen.h). */
#include "weirgen.h"
#include <stdlib.h>
#include <string.h>

#define HOSTS 32768u
#define APPLICATION_DRAW 64u
#define EXPORT_DELAY_MS 15000u /* an exporter tells of a flow up to so long after its end */
#define ACTIVE_TIMEOUT_MS 120000.0
#define PACKETS_MOST 2500000.0 /* times 1500 octets fits into v5's 32 bits */

struct application {
    uint8_t share; /* of APPLICATION_DRAW */
    uint8_t protocol;
    uint16_t port;               /* of the server; 0: both ephemeral */
    uint16_t request, response;  /* octets a packet, about */
    uint8_t tos;
    double weight;               /* packets: times the Pareto draw */
};

static const struct application applications[] = {
    {26, 6, 443, 180, 1180, 0, 4.0}, {8, 6, 80, 220, 1240, 0, 3.0},  {12, 17, 53, 72, 180, 0, 1.0},
    {6, 17, 443, 260, 1210, 0, 6.0}, {2, 6, 22, 110, 140, 16, 8.0},  {2, 17, 123, 76, 76, 184, 1.0},
    {2, 6, 25, 640, 90, 0, 3.0},     {2, 1, 0, 84, 84, 0, 1.0},      {1, 17, 161, 120, 160, 0, 1.0},
    {1, 47, 0, 900, 900, 40, 20.0},  {2, 6, 3306, 140, 900, 0, 5.0},
};
#define APPLICATIONS (sizeof applications / sizeof *applications)

struct traffic {
    struct random random;
    uint32_t tags;
    struct zipf *hosts;
    struct pareto *packets, *pauses;
    uint8_t pick[APPLICATION_DRAW];
};

struct traffic *traffic_new(uint64_t seed, uint32_t tags)
{
    struct traffic *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    random_seed(&t->random, seed, 0);
    t->tags = tags;
    t->hosts = zipf_new(HOSTS, 1.05);
    t->packets = pareto_new(1.15);
    t->pauses = pareto_new(0.9);
    if (!t->hosts || !t->packets || !t->pauses) {
        traffic_free(t);
        return NULL;
    }
    size_t at = 0;
    for (size_t a = 0; a < APPLICATIONS; a++)
        for (unsigned i = 0; i < applications[a].share && at < APPLICATION_DRAW; i++)
            t->pick[at++] = (uint8_t)a;
    return t;
}

void traffic_free(struct traffic *t)
{
    if (!t)
        return;
    zipf_free(t->hosts);
    pareto_free(t->packets);
    pareto_free(t->pauses);
    free(t);
}

bool traffic_chance(struct traffic *t, double p)
{
    return random_chance(&t->random, p);
}

uint32_t traffic_below(struct traffic *t, uint32_t n)
{
    return random_below(&t->random, n);
}

/* Most flows of an exporter touch the network it stands in. */
static uint32_t draw_tag(struct traffic *t, uint32_t home, uint32_t at_home, uint32_t elsewhere)
{
    uint32_t draw = random_below(&t->random, 100);
    if (draw < at_home)
        return home;
    return draw < at_home + elsewhere ? 0 : random_below(&t->random, t->tags) + 1;
}

static void draw_ends(struct traffic *t, uint32_t home, struct flow *f)
{
    uint32_t src = draw_tag(t, home, 60, 15), dst = draw_tag(t, home, 15, 25);
    uint32_t src_host = zipf_draw(t->hosts, &t->random), dst_host = zipf_draw(t->hosts, &t->random);
    if (f->ipv6) {
        f->src_tag = plan_address_ipv6(t->tags, src, src_host, f->address[F_SRC6 - F_NUMBERS]);
        f->dst_tag = plan_address_ipv6(t->tags, dst, dst_host, f->address[F_DST6 - F_NUMBERS]);
        memcpy(f->address[F_NEXT_HOP6 - F_NUMBERS], (const uint8_t[]){0xfe, 0x80}, 2);
        f->address[F_NEXT_HOP6 - F_NUMBERS][15] = (uint8_t)(1 + f->dst_tag);
    } else {
        uint32_t address;
        f->src_tag = plan_address_ipv4(t->tags, src, src_host, &address);
        f->number[F_SRC4] = address;
        f->dst_tag = plan_address_ipv4(t->tags, dst, dst_host, &address);
        f->number[F_DST4] = address;
        f->number[F_NEXT_HOP4] = 0xc0a80001 + f->dst_tag;
    }
    f->number[F_IN] = 1 + f->src_tag;
    f->number[F_OUT] = 101 + f->dst_tag;
    f->number[F_SRC_MASK] = f->src_tag ? 14 : 3;
    f->number[F_DST_MASK] = f->dst_tag ? 14 : 3;
    f->number[F_SRC_AS] = f->src_tag ? 64512 + f->src_tag : 1 + src_host % 3000;
    f->number[F_DST_AS] = f->dst_tag ? 64512 + f->dst_tag : 1 + dst_host % 3000;
}

static void draw_ports(struct traffic *t, const struct application *a, bool answer, struct flow *f)
{
    uint64_t ephemeral = 32768 + random_below(&t->random, 28232);
    f->number[F_PROTOCOL] = a->protocol;
    f->number[F_TOS] = a->tos;
    f->number[F_SRC_PORT] = f->number[F_DST_PORT] = 0;
    if (a->protocol == 6 || a->protocol == 17) {
        f->number[F_SRC_PORT] = answer ? a->port : ephemeral;
        f->number[F_DST_PORT] = answer ? ephemeral : a->port;
    } else if (a->protocol == 1) {
        f->number[F_DST_PORT] = answer ? 0 : 8 << 8; /* type and code, as v5 exporters have it */
    }
}

static void draw_size(struct traffic *t, const struct application *a, bool answer, struct flow *f)
{
    double packets = a->weight > 1 ? a->weight * pareto_draw(t->packets, &t->random, 1e6)
                                   : pareto_draw(t->packets, &t->random, 50);
    packets = packets < PACKETS_MOST ? packets : PACKETS_MOST;
    uint32_t size = answer ? a->response : a->request;
    uint64_t octets = 0, count = (uint64_t)packets;
    size += random_below(&t->random, size / 4 + 1);
    size = size < 1500 ? size : 1500;
    octets = count * size - random_below(&t->random, size / 4 + 1);
    f->number[F_PACKETS] = count;
    f->number[F_OCTETS] = octets;
    /* SYN and FIN are seen when the whole connection is; a lone SYN is a scan. */
    f->number[F_FLAGS] = a->protocol != 6 ? 0 : count < 2 ? 0x02 : count < 5 ? 0x12 : 0x1b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void draw_times(struct traffic *t, const struct moment *m, struct flow *f)
{
    double gaps = (double)(f->number[F_PACKETS] - 1);
    double duration = gaps > 0 ? gaps * 20 * pareto_draw(t->pauses, &t->random, 500) : 0;
    int64_t end = m->now_ms - (int64_t)random_below(&t->random, EXPORT_DELAY_MS);
    int64_t latest = m->now_ms - m->now_ms % m->granularity_ms;
    end = later(end < latest ? end : latest, later(m->boot_ms, m->earliest_ms));
    int64_t start = end - (int64_t)(duration < ACTIVE_TIMEOUT_MS ? duration : ACTIVE_TIMEOUT_MS);
    f->number[F_END] = (uint64_t)end;
    f->number[F_START] = (uint64_t)later(start, m->boot_ms);
}

void traffic_draw(struct traffic *t, uint32_t home, bool ipv6, const struct moment *m,
                  struct flow *out)
{
    memset(out, 0, sizeof *out);
    out->ipv6 = ipv6;
    const struct application *a =
        &applications[t->pick[random_below(&t->random, APPLICATION_DRAW)]];
    bool answer = random_next(&t->random) & 1;
    draw_ends(t, home, out);
    draw_ports(t, a, answer, out);
    draw_size(t, a, answer, out);
    draw_times(t, m, out);
}
