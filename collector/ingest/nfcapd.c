/* nfcapd.c - see nfcapd.h. Neighbours: files.c tells files apart, rows.c takes the records.
 *
 *   nfdump -o json ─pipe─▶ members of flat objects ─▶ a table of names ─▶ values ─▶ sink */
#include "ingest/nfcapd.h"
#include "base/time.h"
#include "wire/values.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_SIZE 512 /* of a name or value; longer ones are cut */
#define TOLD_EVERY 4096u

bool nfcapd_recognise(const uint8_t *first, size_t length)
{
    return length >= 4 && first[0] == 0x0c && first[1] == 0xa5 &&
           (first[2] == 1 || first[2] == 2) && first[3] == 0;
}

/* ---- one record ---- */

struct record {
    struct wire_values values;
    struct ingest_origin from;
    uint64_t source_mask, destination_mask, icmp_type, icmp_code;
    bool has_icmp;
    uint8_t addresses[WIRE_VALUE_COUNT][16]; /* and labels: octets that the values point to */
    char user[TEXT_SIZE];
};

struct name {
    const char *name;
    void (*read)(struct record *r, enum wire_value which, const char *text);
    enum wire_value which;
};

static void read_number(struct record *r, enum wire_value which, const char *text)
{
    wire_set_number(&r->values, which, strtoull(text, NULL, 10));
}

/* Zero says that nfcapd was not told. */
static void read_known(struct record *r, enum wire_value which, const char *text)
{
    uint64_t v = strtoull(text, NULL, 10);
    if (v)
        wire_set_number(&r->values, which, v);
}

static void read_ipv4(struct record *r, enum wire_value which, const char *text)
{
    struct in_addr a;
    if (inet_pton(AF_INET, text, &a) == 1)
        wire_set_number(&r->values, which, ntohl(a.s_addr));
}

static void read_ipv6(struct record *r, enum wire_value which, const char *text)
{
    if (inet_pton(AF_INET6, text, r->addresses[which]) == 1)
        wire_set_octets(&r->values, which, r->addresses[which], 16);
}

static void read_mac(struct record *r, enum wire_value which, const char *text)
{
    unsigned o[6];
    uint64_t mac = 0;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5]) != 6)
        return;
    for (int i = 0; i < 6; i++)
        mac = mac << 8 | (o[i] & 0xff);
    if (mac)
        wire_set_number(&r->values, which, mac);
}

/* "...AP.SF": congestion window reduced to FIN, from the highest of eight bits. */
static void read_tcp_flags(struct record *r, enum wire_value which, const char *text)
{
    uint64_t flags = 0;
    size_t length = strlen(text);
    if (length != 8)
        return;
    for (size_t i = 0; i < length; i++)
        flags = flags << 1 | (text[i] != '.');
    wire_set_number(&r->values, which, flags);
}

/* label-experimental-bottom, as in a stack entry (RFC 3032) */
static void read_label(struct record *r, enum wire_value which, const char *text)
{
    unsigned label, experimental, bottom;
    uint8_t *to = r->addresses[which];
    if (sscanf(text, "%u-%u-%u", &label, &experimental, &bottom) != 3 || label > 0xfffff)
        return;
    uint32_t entry = label << 4 | (experimental & 7) << 1 | (bottom & 1);
    if (!entry)
        return;
    to[0] = (uint8_t)(entry >> 16);
    to[1] = (uint8_t)(entry >> 8);
    to[2] = (uint8_t)entry;
    wire_set_octets(&r->values, which, to, 3);
}

static bool read_time_text(const char *text, int64_t *ms)
{
    char utc[TIME_TEXT_SIZE];
    int length = snprintf(utc, sizeof utc, "%sZ", text);
    return length < (int)sizeof utc && strchr(text, 'T') &&
           time_parse(utc, "time", ms, NULL) == WEIR_OK;
}

static void read_time(struct record *r, enum wire_value which, const char *text)
{
    int64_t ms;
    if (read_time_text(text, &ms) && ms > 0)
        wire_set_number(&r->values, which, (uint64_t)ms);
}

static void read_received(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    if (!read_time_text(text, &r->from.export_ms))
        r->from.export_ms = 0;
}

static void read_user(struct record *r, enum wire_value which, const char *text)
{
    size_t length = strlen(text);
    if (!length || length >= sizeof r->user)
        return;
    memcpy(r->user, text, length + 1);
    wire_set_octets(&r->values, which, (const uint8_t *)r->user, length);
}

static void read_exporter(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    struct address a;
    if (address_parse(text, "exporter", &a, NULL) == WEIR_OK)
        r->from.exporter = a;
}

static void read_source_mask(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    r->source_mask = strtoull(text, NULL, 10);
}

static void read_destination_mask(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    r->destination_mask = strtoull(text, NULL, 10);
}

static void read_icmp_type(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    r->icmp_type = strtoull(text, NULL, 10) & 0xff;
    r->has_icmp = true;
}

static void read_icmp_code(struct record *r, enum wire_value which, const char *text)
{
    (void)which;
    r->icmp_code = strtoull(text, NULL, 10) & 0xff;
    r->has_icmp = true;
}

static const struct name names[] = {
    {"first", read_time, V_FLOW_START},
    {"last", read_time, V_FLOW_END},
    {"received", read_received, V_FLOW_END},
    {"in_packets", read_number, V_PACKETS},
    {"in_bytes", read_number, V_OCTETS},
    {"out_packets", read_number, V_POST_PACKETS},
    {"out_bytes", read_number, V_POST_OCTETS},
    {"aggr_flows", read_known, V_FLOWS},
    {"proto", read_number, V_PROTOCOL},
    {"tcp_flags", read_tcp_flags, V_TCP_FLAGS},
    {"src_port", read_number, V_SOURCE_PORT},
    {"dst_port", read_number, V_DESTINATION_PORT},
    {"icmp_type", read_icmp_type, V_ICMP_IPV4},
    {"icmp_code", read_icmp_code, V_ICMP_IPV4},
    {"src_tos", read_number, V_CLASS_OF_SERVICE},
    {"dst_tos", read_known, V_POST_CLASS_OF_SERVICE},
    {"src4_addr", read_ipv4, V_SOURCE_IPV4},
    {"dst4_addr", read_ipv4, V_DESTINATION_IPV4},
    {"src6_addr", read_ipv6, V_SOURCE_IPV6},
    {"dst6_addr", read_ipv6, V_DESTINATION_IPV6},
    {"input_snmp", read_number, V_INGRESS},
    {"output_snmp", read_number, V_EGRESS},
    {"src_mask", read_source_mask, V_SOURCE_IPV4_PREFIX},
    {"dst_mask", read_destination_mask, V_DESTINATION_IPV4_PREFIX},
    {"fwd_status", read_known, V_FORWARDING},
    {"direction", read_known, V_DIRECTION},
    {"src_vlan", read_known, V_VLAN},
    {"dst_vlan", read_known, V_POST_VLAN},
    {"src_as", read_number, V_SOURCE_AS},
    {"dst_as", read_number, V_DESTINATION_AS},
    {"next_as", read_known, V_NEXT_AS},
    {"prev_as", read_known, V_PREVIOUS_AS},
    {"bgp4_next_hop", read_ipv4, V_BGP_NEXT_HOP_IPV4},
    {"bgp6_next_hop", read_ipv6, V_BGP_NEXT_HOP_IPV6},
    {"ip4_next_hop", read_ipv4, V_NEXT_HOP_IPV4},
    {"ip6_next_hop", read_ipv6, V_NEXT_HOP_IPV6},
    {"ip4_router", read_exporter, V_AGENT_IPV4},
    {"ip6_router", read_exporter, V_AGENT_IPV6},
    {"in_src_mac", read_mac, V_SOURCE_MAC},
    {"out_dst_mac", read_mac, V_POST_DESTINATION_MAC},
    {"in_dst_mac", read_mac, V_DESTINATION_MAC},
    {"out_src_mac", read_mac, V_POST_SOURCE_MAC},
    {"mpls_1", read_label, V_MPLS_LABEL},
    {"mpls_2", read_label, V_MPLS_LABEL_2},
    {"mpls_3", read_label, V_MPLS_LABEL_3},
    {"mpls_4", read_label, V_MPLS_LABEL_4},
    {"mpls_5", read_label, V_MPLS_LABEL_5},
    {"mpls_6", read_label, V_MPLS_LABEL_6},
    {"mpls_7", read_label, V_MPLS_LABEL_7},
    {"mpls_8", read_label, V_MPLS_LABEL_8},
    {"mpls_9", read_label, V_MPLS_LABEL_9},
    {"mpls_10", read_label, V_MPLS_LABEL_10},
    {"src4_xlt_ip", read_ipv4, V_POST_NAT_SOURCE_IPV4},
    {"dst4_xlt_ip", read_ipv4, V_POST_NAT_DESTINATION_IPV4},
    {"src6_xlt_ip", read_ipv6, V_POST_NAT_SOURCE_IPV6},
    {"dst6_xlt_ip", read_ipv6, V_POST_NAT_DESTINATION_IPV6},
    {"src_xlt_port", read_number, V_POST_NAT_SOURCE_PORT},
    {"dst_xlt_port", read_number, V_POST_NAT_DESTINATION_PORT},
    {"nat_event_id", read_number, V_NAT_EVENT},
    {"event_id", read_number, V_FIREWALL_EVENT},
    {"ingress_vrf", read_number, V_INGRESS_VRF},
    {"egress_vrf", read_number, V_EGRESS_VRF},
    {"user_name", read_user, V_USER},
};

static void take_member(struct record *r, const char *name, const char *text)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            names[i].read(r, names[i].which, text);
}

static void begin_record(struct record *r)
{
    wire_values_clear(&r->values);
    r->from =
        (struct ingest_origin){.exporter = address_from_ipv4(0), .received_ms = clock_now_ms()};
    r->source_mask = r->destination_mask = 0;
    r->icmp_type = r->icmp_code = 0;
    r->has_icmp = false;
}

/* What two members, or a member and the family of the addresses, say together. */
static void finish_record(struct record *r)
{
    struct wire_values *v = &r->values;
    bool is_ipv6 = wire_has(v, V_SOURCE_IPV6);
    if (r->source_mask && r->source_mask <= 128)
        wire_set_number(v, is_ipv6 ? V_SOURCE_IPV6_PREFIX : V_SOURCE_IPV4_PREFIX, r->source_mask);
    if (r->destination_mask && r->destination_mask <= 128)
        wire_set_number(v, is_ipv6 ? V_DESTINATION_IPV6_PREFIX : V_DESTINATION_IPV4_PREFIX,
                        r->destination_mask);
    if (r->has_icmp)
        wire_set_number(v, is_ipv6 ? V_ICMP_IPV6 : V_ICMP_IPV4, r->icmp_type << 8 | r->icmp_code);
}

/* ---- flat JSON objects ---- */

static int skip_space(FILE *f)
{
    int c;
    do {
        c = getc_unlocked(f);
    } while (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',');
    return c;
}

/* Behind the opening quote, up to the closing one. nfdump escapes nothing but may print quotes' own
 * escape. */
static bool read_string(FILE *f, char out[TEXT_SIZE])
{
    size_t length = 0;
    int c;
    while ((c = getc_unlocked(f)) != EOF && c != '"') {
        if (c == '\\' && (c = getc_unlocked(f)) == EOF)
            break;
        if (length < TEXT_SIZE - 1)
            out[length++] = (char)c;
    }
    out[length] = '\0';
    return c == '"';
}

static bool read_bare(FILE *f, int c, char out[TEXT_SIZE])
{
    size_t length = 0;
    for (; c != EOF && c != ',' && c != '}' && c != '\n' && c != ' '; c = getc_unlocked(f))
        if (length < TEXT_SIZE - 1)
            out[length++] = (char)c;
    out[length] = '\0';
    if (c != EOF)
        ungetc(c, f);
    return c != EOF;
}

/* The next member of an object; false at its end, *broken when it is none. */
static bool read_member(FILE *f, char name[TEXT_SIZE], char text[TEXT_SIZE], bool *broken)
{
    int c = skip_space(f);
    *broken = true;
    if (c == '}') {
        *broken = false;
        return false;
    }
    if (c != '"' || !read_string(f, name) || skip_space(f) != ':')
        return false;
    c = skip_space(f);
    bool got = c == '"' ? read_string(f, text) : read_bare(f, c, text);
    *broken = !got;
    return got;
}

/* To the next '{'. */
static bool find_object(FILE *f)
{
    int c;
    while ((c = getc_unlocked(f)) != EOF && c != '{')
        ;
    return c == '{';
}

static bool is_flow(const struct wire_values *v)
{
    return wire_has(v, V_OCTETS) || wire_has(v, V_PACKETS) || wire_has(v, V_SOURCE_IPV4) ||
           wire_has(v, V_SOURCE_IPV6);
}

static enum weir_status read_object(FILE *f, struct record *r, const struct record_sink *sink,
                                    uint64_t *records)
{
    char name[TEXT_SIZE], text[TEXT_SIZE];
    bool broken;
    begin_record(r);
    while (read_member(f, name, text, &broken))
        take_member(r, name, text);
    if (broken || !is_flow(&r->values))
        return WEIR_OK;
    finish_record(r);
    ++*records;
    return sink->values(sink->context, &r->from, &r->values);
}

enum weir_status nfcapd_read_json(FILE *json, const struct record_sink *sink, uint64_t *records)
{
    struct record *r = calloc(1, sizeof *r);
    enum weir_status status = r ? WEIR_OK : WEIR_ENOMEM;
    *records = 0;
    while (status == WEIR_OK && find_object(json)) {
        status = read_object(json, r, sink, records);
        if (sink->progress && *records % TOLD_EVERY == 0)
            sink->progress(sink->context, 0);
    }
    free(r);
    return status;
}

/* ---- the program ---- */

/* Our environment with times in UTC; the caller frees the array, not the texts. */
static char **environment_in_utc(void)
{
    static char utc[] = "TZ=UTC";
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **out = calloc(count + 2, sizeof *out);
    for (size_t i = 0; out && i < count; i++)
        if (strncmp(environ[i], "TZ=", 3) != 0)
            out[kept++] = environ[i];
    if (out)
        out[kept] = utc;
    return out;
}

struct program {
    pid_t id;
    FILE *output;
    int complaints; /* file without a name that its standard error goes to */
};

static int spawn(const char *path, int output, int complaints, pid_t *child)
{
    char *arguments[] = {"nfdump", "-r", (char *)(uintptr_t)path, "-q", "-o", "json", NULL};
    posix_spawn_file_actions_t actions;
    char **environment = environment_in_utc();
    if (!environment)
        return ENOMEM;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    int code = posix_spawnp(child, arguments[0], &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    free(environment);
    return code;
}

/* Starts nfdump with its output on a pipe. Returns an errno; then nothing is left open. */
static int start(const char *path, struct program *p)
{
    int ends[2];
    p->complaints = memfd_create("nfdump", MFD_CLOEXEC);
    if (p->complaints < 0)
        return errno;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        int code = errno;
        close(p->complaints);
        return code;
    }
    int code = spawn(path, ends[1], p->complaints, &p->id);
    close(ends[1]);
    p->output = code ? NULL : fdopen(ends[0], "r");
    if (!p->output)
        close(ends[0]);
    if (code)
        close(p->complaints);
    return code;
}

/* Waits for it, and writes its first complaint. False: it did not end well. nfdump ends with 0
 * whatever happened; what it could not read it only complains about. */
static bool finish(struct program *p, char complaint[TEXT_SIZE])
{
    int ended = 0;
    if (p->output)
        fclose(p->output); /* a writer that goes on gets SIGPIPE, and ends */
    while (waitpid(p->id, &ended, 0) < 0 && errno == EINTR)
        ;
    ssize_t got = pread(p->complaints, complaint, TEXT_SIZE - 1, 0);
    complaint[got > 0 ? got : 0] = '\0';
    complaint[strcspn(complaint, "\r\n")] = '\0';
    close(p->complaints);
    return WIFEXITED(ended) && WEXITSTATUS(ended) == 0 && !complaint[0];
}

enum weir_status nfcapd_read(const char *path, const struct record_sink *sink,
                             struct weir_error *error)
{
    struct program p = {0};
    char complaint[TEXT_SIZE];
    uint64_t records = 0;
    int code = start(path, &p);
    if (code == ENOENT)
        return weir_fail(
            error, WEIR_EUNAVAILABLE, "path",
            "%s is a file of nfcapd, which is read through the program nfdump: install it "
            "(apt-get install nfdump)",
            path);
    if (code)
        return weir_fail(error, WEIR_EIO, "path", "%s: cannot start nfdump: %s", path,
                         strerror(code));
    enum weir_status status = p.output ? nfcapd_read_json(p.output, sink, &records) : WEIR_ENOMEM;
    bool well = finish(&p, complaint);
    if (status == WEIR_OK && !well)
        return weir_fail(error, WEIR_EMALFORMED, "path", "%s: nfdump cannot read it: %s", path,
                         complaint[0] ? complaint : "it ended early");
    return status;
}
