/* weirgen_main.c - the command line of weirgen, traffic source of tests, demo and benchmarks. */
#include "weirgen.h"
#include "base/time.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2026-01-01T00:00:00Z: a file does not depend on today. */
#define PCAP_START_MS INT64_C(1767225600000)
#define EXPORTERS_MOST 10000

static volatile sig_atomic_t stop;

static void ask_to_stop(int signal)
{
    (void)signal;
    stop = 1;
}

struct command {
    struct settings settings;
    int64_t waiting;
    const char *udp, *pcap, *link, *to, *each, *truth;
    bool help;
};

static const struct command defaults = {
    .settings = {.flows = 10000, .seed = 1, .start_ms = INT64_MIN, .duration_ms = 60000, .tags = 3,
                 .template_every_ms = 60000, .stop = &stop},
    .link = "ethernet",
    .to = "127.0.0.1:2055",
};

static const char introduction[] =
    "weirgen - synthetic flow exporters that know the truth about what they sent\n"
    "\n"
    "  weirgen --udp 127.0.0.1:2055                      three exporters: v5, v9, IPFIX\n"
    "  weirgen --pcap flows.pcap --flows 10000000 v9     one exporter, into a file\n"
    "  weirgen --udp 127.0.0.1:2055 v5,loss=2 ipfix,restarts=1,ipv6=30,domains=4\n"
    "\n"
    "Each operand is an exporter, \"key=value,…\"; without one there are v5, v9 and ipfix. The\n"
    "truth is one JSON document on stdout: what each exporter and domain generated, what the way\n"
    "dropped, doubled and reordered, what of the loss its sequence numbers can show\n"
    "(missing_knowable, in `unit`s) and what nothing can (unknown), and the matrix of what was\n"
    "received by source and destination tag, with the prefixes of the tags. The same seed makes\n"
    "the same flows whatever is lost. SIGTERM and SIGINT end it early: the truth is of what was\n"
    "sent until then.\n"
    "\n"
    "options:\n";

static size_t option_rows(struct command *c, struct option_row *rows)
{
    struct settings *s = &c->settings;
    const struct option_row table[] = {
        {"udp", "ADDRESS:PORT", "send over UDP from each exporter's address", OPTION_TEXT, &c->udp,
         0, 0},
        {"pcap", "FILE", "write a pcap file instead; - is stdout (then give --truth)", OPTION_TEXT,
         &c->pcap, 0, 0},
        {"link", "TYPE", "link type of the file: ethernet or raw (ethernet)", OPTION_TEXT, &c->link,
         0, 0},
        {"to", "ADDRESS:PORT", "destination of the datagrams in the file (127.0.0.1:2055)",
         OPTION_TEXT, &c->to, 0, 0},
        {"truth", "FILE", "write the truth there instead of stdout", OPTION_TEXT, &c->truth, 0, 0},
        {"flows", "N", "flows of all exporters together (10000)", OPTION_NUMBER, &s->flows, 1,
         INT64_C(1) << 40},
        {"seed", "N", "another seed, other flows (1)", OPTION_NUMBER, &s->seed, 0, INT64_MAX},
        {"start", "TIME", "time of the first flow (UDP: now less the duration; file: 2026-01-01)",
         OPTION_TIME, &s->start_ms, 0, 0},
        {"duration", "D", "time the flows spread over (1m)", OPTION_DURATION, &s->duration_ms, 0,
         0},
        {"rate", "N", "flows a second over UDP; 0 is as fast as it goes (0)", OPTION_NUMBER,
         &s->rate, 0, 1000000000},
        {"waiting", "SIZE",
         "send while the receiver, of this machine, has at most so much to read (0: always)",
         OPTION_SIZE, &c->waiting, 0, 1 << 30},
        {"realtime", NULL, "send as time passes, from now on", OPTION_FLAG, &s->realtime, 0, 0},
        {"tags", "N", "networks in the address plan (3)", OPTION_NUMBER, &s->tags, 1, TAGS_MOST},
        {"exporters", "N", "repeat the exporters until there are N", OPTION_NUMBER, &s->exporters,
         1, EXPORTERS_MOST},
        {"each", "SPEC", "what all exporters have unless they say otherwise", OPTION_TEXT, &c->each,
         0, 0},
        {"template-every", "D", "resend templates so often (1m)", OPTION_DURATION,
         &s->template_every_ms, 0, 0},
        {"lose-templates", NULL, "templates are lost like the rest; else they always arrive",
         OPTION_FLAG, &s->lose_templates, 0, 0},
        {"help", NULL, "this text", OPTION_FLAG, &c->help, 0, 0},
    };
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof *table;
}
#define OPTION_ROWS 32

static int usage(const struct option_row *rows, size_t count)
{
    char text[8192];
    struct buffer keys = {0};
    options_help(rows, count, text, sizeof text);
    spec_help(&keys);
    printf("%s%s\nan exporter:\n%.*s", introduction, text, (int)keys.length,
           (const char *)keys.bytes);
    buffer_free(&keys);
    return 0;
}

/* ---- exporters ---- */

/* What no key says follows from the exporter's place in the list. */
static enum weir_status spec_at(const struct command *c, char **operands, int count, size_t i,
                                bool udp, struct spec *s, struct weir_error *error)
{
    static const char *const standard[] = {"v5", "v9", "ipfix"};
    const char *text = count ? operands[i % (size_t)count] : standard[i % 3];
    char name[32];
    spec_default(s);
    s->home = (int64_t)i % c->settings.tags + 1;
    s->address = address_from_ipv4(0x7f00000b + (uint32_t)i);
    s->port = udp ? 0 : 50000 + (int64_t)(i % 10000);
    snprintf(s->name, sizeof s->name, "%s", plan_tag_name((uint32_t)i + 1, name));
    enum weir_status status = c->each ? spec_parse(c->each, s, error) : WEIR_OK;
    if (!status)
        status = spec_parse(text, s, error);
    if (!status && s->home > c->settings.tags)
        status = weir_fail(error, WEIR_EARGUMENT, "home", "there are only %lld tags; see --tags",
                           (long long)c->settings.tags);
    return status;
}

static enum weir_status make_specs(struct command *c, char **operands, int count, struct spec **out,
                                   struct endpoint **sources, struct weir_error *error)
{
    size_t exporters = c->settings.exporters ? (size_t)c->settings.exporters
                       : count               ? (size_t)count
                                             : 3;
    *out = calloc(exporters, sizeof **out);
    *sources = calloc(exporters, sizeof **sources);
    if (!*out || !*sources)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for %zu exporters", exporters);
    for (size_t i = 0; i < exporters; i++) {
        enum weir_status status = spec_at(c, operands, count, i, c->udp != NULL, &(*out)[i], error);
        if (status)
            return status;
        (*sources)[i] = (struct endpoint){(*out)[i].address, (uint16_t)(*out)[i].port};
    }
    c->settings.specs = *out;
    c->settings.spec_count = exporters;
    return WEIR_OK;
}

/* ---- running ---- */

static enum weir_status check(struct command *c, struct weir_error *error)
{
    if (!c->udp == !c->pcap)
        return weir_fail(error, WEIR_EARGUMENT, "udp", "give one of --udp and --pcap");
    if (strcmp(c->link, "ethernet") && strcmp(c->link, "raw"))
        return weir_fail(error, WEIR_EARGUMENT, "link", "\"%s\" is not ethernet or raw", c->link);
    if (c->pcap && !strcmp(c->pcap, "-") && !c->truth)
        return weir_fail(error, WEIR_EARGUMENT, "truth",
                         "stdout has the pcap; say where the truth goes");
    if (c->settings.start_ms == INT64_MIN)
        c->settings.start_ms = c->pcap                 ? PCAP_START_MS
                               : c->settings.realtime ? clock_now_ms()
                                                      : clock_now_ms() - c->settings.duration_ms;
    if (c->settings.start_ms < 0)
        return weir_fail(error, WEIR_EARGUMENT, "start", "exporters have no clock before 1970");
    return WEIR_OK;
}

static enum weir_status open_output(const struct command *c, struct endpoint *sources,
                                    struct output **out, struct weir_error *error)
{
    struct endpoint to;
    enum weir_status status =
        endpoint_parse(c->udp ? c->udp : c->to, c->udp ? "udp" : "to", &to, error);
    if (status)
        return status;
    if (c->udp)
        return output_udp(to, c->waiting, sources, c->settings.spec_count, out, error);
    return output_pcap(c->pcap, !strcmp(c->link, "ethernet"), to, sources, c->settings.spec_count,
                       out, error);
}

static enum weir_status write_truth(const struct command *c, const struct buffer *truth,
                                    struct weir_error *error)
{
    FILE *file = c->truth ? fopen(c->truth, "w") : stdout;
    if (truth->failed)
        return weir_fail(error, WEIR_ENOMEM, "truth", "no memory for the truth");
    bool written = file && fwrite(truth->bytes, truth->length, 1, file) == 1 && fflush(file) == 0;
    if (c->truth && file)
        written = fclose(file) == 0 && written;
    return written ? WEIR_OK
                   : weir_fail(error, WEIR_EIO, "truth", "the truth could not be written");
}

static enum weir_status generate(const struct command *c, struct endpoint *sources,
                                 struct weir_error *error)
{
    struct output *output;
    struct buffer truth = {0};
    enum weir_status status = open_output(c, sources, &output, error);
    if (status)
        return status;
    signal(SIGTERM, ask_to_stop);
    signal(SIGINT, ask_to_stop);
    status = weirgen_run(&c->settings, sources, output, &truth, error);
    enum weir_status closed = output->close(output, status ? NULL : error);
    if (!status)
        status = closed ? closed : write_truth(c, &truth, error);
    buffer_free(&truth);
    return status;
}

int main(int argc, char **argv)
{
    struct command command = defaults;
    struct option_row rows[OPTION_ROWS];
    struct weir_error error = {0};
    struct spec *specs = NULL;
    struct endpoint *sources = NULL;
    size_t row_count = option_rows(&command, rows);
    int operands = 0, code = 2;
    enum weir_status status = options_parse(rows, row_count, argc, argv, &operands, &error);
    if (!status && command.help)
        return usage(rows, row_count);
    if (!status)
        status = check(&command, &error);
    if (!status)
        status = make_specs(&command, argv + 1, operands, &specs, &sources, &error);
    if (!status) {
        code = 1;
        status = generate(&command, sources, &error);
    }
    if (status)
        fprintf(stderr, "weirgen: %s%s%s\n", error.field, *error.field ? ": " : "", error.message);
    free(specs);
    free(sources);
    return status ? code : 0;
}
