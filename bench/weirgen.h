/* weirgen.h - synthetic exporters that know the truth about what they sent.
 *
 *   traffic ──flow──▶ exporter ──record──▶ datagram ──▶ path ──▶ output
 *   (plan: who has     (encode: v5, v9,      (lost? late?          (UDP sockets
 *    which address)     IPFIX)                twice?)               or a pcap file)
 *                                  └──────────▶ truth: one JSON document
 *
 * The fate of a datagram is drawn when its first record is put into it, so every record is counted
 * as lost or received at once, and memory does not grow with the number of flows.
 *
 * Everything drawn comes from the seed: traffic from one stream, each exporter's path from one of
 * its own, so the same flows are made whatever is lost. The encoders share nothing with lib/wire,
 * which they test.
 *
 * Threads: one. Numbers are in host order until they are encoded. */
#ifndef WEIR_BENCH_WEIRGEN_H
#define WEIR_BENCH_WEIRGEN_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/options.h"
#include "base/status.h"
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- weirgen_random.c ---- */

struct random {
    uint64_t state;
};
void random_seed(struct random *r, uint64_t seed, uint64_t stream);
uint64_t random_next(struct random *r);
uint32_t random_below(struct random *r, uint32_t n); /* 0 … n-1 */
bool random_chance(struct random *r, double p);

/* Ranks 0 … n-1, rank k drawn in proportion to 1/(k+1)^s (Walker's alias method). */
struct zipf;
struct zipf *zipf_new(uint32_t n, double s);
void zipf_free(struct zipf *z);
uint32_t zipf_draw(const struct zipf *z, struct random *r);

/* At least 1, P(x > t) = t^-alpha, cut at `most`. */
struct pareto;
struct pareto *pareto_new(double alpha);
void pareto_free(struct pareto *p);
double pareto_draw(const struct pareto *p, struct random *r, double most);

/* ---- weirgen_plan.c: who has which address ----
 *
 * Tag k has 10.(4(k-1)).0.0/14 and 2001:db8:k::/48, but for a /24 and a /56 inside them, which
 * belong to the next tag, so that only the longest match is right. What is elsewhere has no tag. */

#define TAGS_MOST 60u
const char *plan_tag_name(uint32_t tag, char out[32]);
/* The n-th prefix of a tag as text, NULL past the last. */
const char *plan_prefix(uint32_t tags, uint32_t tag, unsigned n, char out[PREFIX_TEXT_SIZE]);
/* An address for host number `host` of a tag (0: elsewhere); returns the tag that really has it. */
uint32_t plan_address_ipv4(uint32_t tags, uint32_t tag, uint32_t host, uint32_t *out);
uint32_t plan_address_ipv6(uint32_t tags, uint32_t tag, uint32_t host, uint8_t out[16]);

/* ---- weirgen_traffic.c ---- */

enum flow_field {
    F_SRC4, F_DST4, F_NEXT_HOP4, F_IN, F_OUT, F_PACKETS, F_OCTETS, F_START, F_END, F_SRC_PORT,
    F_DST_PORT, F_FLAGS, F_PROTOCOL, F_TOS, F_SRC_AS, F_DST_AS, F_SRC_MASK, F_DST_MASK,
    F_NUMBERS,
    F_SRC6 = F_NUMBERS, F_DST6, F_NEXT_HOP6,
    F_COUNT
};

struct flow {
    uint64_t number[F_NUMBERS]; /* F_START, F_END: ms since 1970 */
    uint8_t address[3][16];     /* F_SRC6 … F_NEXT_HOP6 */
    bool ipv6;
    uint32_t src_tag, dst_tag;
};

struct traffic;
struct traffic *traffic_new(uint64_t seed, uint32_t tags);
void traffic_free(struct traffic *t);
/* When an exporter tells of a flow: it starts at boot_ms at the earliest, ends at earliest_ms at
 * the earliest, and at now_ms rounded down to granularity_ms at the latest. */
struct moment {
    int64_t now_ms, boot_ms, earliest_ms, granularity_ms;
};
/* A flow seen by an exporter in the network of tag `home`. */
void traffic_draw(struct traffic *t, uint32_t home, bool ipv6, const struct moment *m,
                  struct flow *out);
/* From the same stream: true with probability p; a number below n. */
bool traffic_chance(struct traffic *t, double p);
uint32_t traffic_below(struct traffic *t, uint32_t n);

/* ---- weirgen_spec.c: exporters as the command line describes them ---- */

enum protocol { PROTOCOL_V5, PROTOCOL_V9, PROTOCOL_IPFIX, PROTOCOL_COUNT };
extern const char *const protocol_names[PROTOCOL_COUNT];

struct spec {
    char name[64];
    int64_t protocol;
    struct address address;
    int64_t port;          /* source port; 0: the system's (UDP), 50000 + n (pcap) */
    int64_t home;          /* tag of its network */
    int64_t domains, first_domain;
    int64_t weight;        /* share of the flows */
    double loss, loss_burst, duplicate, reorder; /* probabilities; mean run of losses */
    int64_t reorder_window;
    double ipv6;
    int64_t restarts, sampling, uptime_ms, sequence;
};
void spec_default(struct spec *s);
/* Reads "key=value,key=value"; names the key that is wrong and says what was expected. */
enum weir_status spec_parse(const char *text, struct spec *s, struct weir_error *error);
void spec_help(struct buffer *out);

/* ---- weirgen_truth.c ---- */

struct tally {
    uint64_t datagrams, records, octets, packets;
};
void tally_add(struct tally *to, const struct tally *from);

/* What is lost becomes knowable when a later datagram of the same sequence is heard, and unknown
 * when the sequence starts anew or ends first, or when nothing of it was heard before. `datagrams`
 * counts all, templates too; `records` flow records; `option_records` options data. */
struct truth {
    struct tally generated, lost, received, duplicated;
    uint64_t option_records, lost_option_records, control_datagrams;
    uint64_t reordered, restarts;
    uint64_t missing_records, missing_datagrams; /* knowable; records with options data */
    uint64_t unknown_records, unknown_datagrams, unknown_gaps;
    uint64_t run_records, run_datagrams; /* lost in a row, not yet either */
    bool heard;                          /* of the present sequence */
};

/* ---- weirgen_encode.c: records and datagrams, as bytes ---- */

#define DATAGRAM_MOST 1464u /* with IP and UDP headers within an Ethernet frame */

struct header {
    int64_t now_ms, boot_ms;
    uint32_t sequence, domain;
    uint32_t sampling; /* 0: none */
};

/* Records gathered for a datagram, one run a family. */
struct gathered {
    uint8_t bytes[2][DATAGRAM_MOST];
    uint32_t length[2], count[2];
};
bool gathered_fits(enum protocol p, const struct gathered *g, bool ipv6);
void gathered_add(enum protocol p, struct gathered *g, const struct flow *f, int64_t boot_ms);
/* Writes the datagram; returns its length. */
size_t encode_data(enum protocol p, const struct header *h, const struct gathered *g,
                   uint8_t out[DATAGRAM_MOST]);
/* Templates, and with sampling its options template and record. 0 for v5, which has none. */
size_t encode_control(enum protocol p, const struct header *h, uint8_t out[DATAGRAM_MOST],
                      uint32_t *option_records);

/* ---- weirgen_output.c ---- */

struct endpoint {
    struct address address;
    uint16_t port;
};
struct output {
    enum weir_status (*send)(struct output *o, size_t exporter, const uint8_t *bytes, size_t length,
                             int64_t now_ms, struct weir_error *error);
    enum weir_status (*close)(struct output *o, struct weir_error *error);
};
/* Reads "host:port", address literals only. */
enum weir_status endpoint_parse(const char *text, const char *field, struct endpoint *out,
                                struct weir_error *error);
/* One socket an exporter, bound to its address; sources[i].port is set to what it got. With
 * `waiting_most` > 0 send() waits while more octets than that wait in the receiver's socket, as
 * queue_octets() tells, looked up every few datagrams: nothing is lost, however slow the receiver
 * is, as long as its socket holds some 32 KiB more. */
enum weir_status output_udp(struct endpoint to, int64_t waiting_most, struct endpoint *sources,
                            size_t count, struct output **out, struct weir_error *error);
/* Classic pcap; "-" is stdout. Datagrams go from sources[i] to `to`. */
enum weir_status output_pcap(const char *path, bool ethernet, struct endpoint to,
                             const struct endpoint *sources, size_t count, struct output **out,
                             struct weir_error *error);

/* ---- weirgen_queue.c ---- */

/* Octets, the kernel's overhead among them, that wait in the fullest UDP socket of this machine
 * (network namespace) on the receiver's port, of the family of its address; 0 when there is
 * none. */
int64_t queue_octets(const struct endpoint *receiver);

/* ---- weirgen_exporter.c ---- */

struct exporter;
struct exporter_context {
    uint64_t seed;
    uint32_t tags;
    int64_t start_ms, end_ms, template_every_ms;
    bool lose_templates;
    struct output *output;
};
struct exporter *exporter_new(const struct spec *spec, size_t index,
                              const struct exporter_context *context);
void exporter_free(struct exporter *e);
/* Puts one flow into a domain's datagram; sends what is full. */
enum weir_status exporter_flow(struct exporter *e, struct traffic *t, int64_t now_ms,
                               struct weir_error *error);
/* Time passes: restarts, templates that are due, datagrams that waited long enough. */
enum weir_status exporter_tick(struct exporter *e, int64_t now_ms, struct weir_error *error);
/* Sends everything that is still here, and settles the account. */
enum weir_status exporter_finish(struct exporter *e, int64_t now_ms, struct weir_error *error);

const struct spec *exporter_spec(const struct exporter *e);
size_t exporter_domains(const struct exporter *e);
uint32_t exporter_domain(const struct exporter *e, size_t i, const struct truth **truth);
/* Received flows by source and destination tag: (tags + 1)^2 tallies, row the source. */
const struct tally *exporter_matrix(const struct exporter *e);

/* ---- weirgen_run.c ---- */

struct settings {
    int64_t flows, seed, start_ms, duration_ms, rate, tags, template_every_ms, exporters;
    bool lose_templates, realtime;
    const struct spec *specs;
    size_t spec_count;
    const volatile sig_atomic_t *stop; /* once it is not 0, no more flows; NULL: all of them */
};
/* Everything from the first flow to the last; *truth gets the JSON document. At a rate, time that
 * the machine did not give is not made up for by a burst. */
enum weir_status weirgen_run(const struct settings *s, struct endpoint *sources,
                             struct output *output, struct buffer *truth, struct weir_error *error);
void truth_print(struct buffer *out, const struct settings *s, const struct endpoint *sources,
                 struct exporter *const *exporters);

#endif
