/* weird_main.c - the server program: its words, its options, its exit codes. The only place where
 * collector, DB component and services are joined (weird_serve.c, weird_import.c). */
#include "base/log_ring.h"
#include "weird.h"
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct weird_settings settings = {
    .data = "./weir-data",
    .http = "127.0.0.1:8080",
    .netflow = "127.0.0.1:2055",
    .sflow = "127.0.0.1:6343",
    .ipfix = "127.0.0.1:4739",
    .roles = "collector,db",
    .format = "json",
    .from_ms = INT64_MIN,
    .to_ms = INT64_MAX,
    .threads = 2,
    .query_memory = INT64_C(1) << 30,
    .spool_size = INT64_C(8) << 30,
};

static const struct option_row rows[] = {
    {"data", "DIR", "where everything is kept (./weir-data)", OPTION_TEXT, &settings.data, 0, 0},
    {"http", "ADDR:PORT", "SOAP and HTTP (127.0.0.1:8080); port 0 picks a free one", OPTION_TEXT,
     &settings.http, 0, 0},
    {"netflow", "ADDR:PORT", "UDP, every protocol (127.0.0.1:2055); *:2055 for all addresses",
     OPTION_TEXT, &settings.netflow, 0, 0},
    {"sflow", "ADDR:PORT", "UDP, every protocol (127.0.0.1:6343)", OPTION_TEXT, &settings.sflow, 0,
     0},
    {"ipfix", "ADDR:PORT", "UDP, every protocol, and TCP, IPFIX (127.0.0.1:4739)", OPTION_TEXT,
     &settings.ipfix, 0, 0},
    {"ipfix-tls", "ADDR:PORT", "IPFIX over TLS, with the two files below (none)", OPTION_TEXT,
     &settings.ipfix_tls, 0, 0},
    {"tls-cert", "FILE", "certificate of this collector, PEM, its chain after it", OPTION_TEXT,
     &settings.tls_cert, 0, 0},
    {"tls-key", "FILE", "its private key, PEM", OPTION_TEXT, &settings.tls_key, 0, 0},
    {"tls-ca", "FILE", "exporters must show a certificate signed by one of these, PEM", OPTION_TEXT,
     &settings.tls_ca, 0, 0},
    {"connection-idle", "D", "an exporter's connection is closed after this silence (30m)",
     OPTION_DURATION, &settings.connection_idle, 0, 0},
    {"template-lifetime", "D", "a template not repeated for so long over UDP is forgotten (1d)",
     OPTION_DURATION, &settings.template_lifetime, 0, 0},
    {"receivers", "N", "receiving threads; each exporter has one (a core each, up to 4)",
     OPTION_NUMBER, &settings.receivers, 1, 64},
    {"receive-buffer", "SIZE", "the kernel's for a UDP socket (as much as it gives, up to 256M)",
     OPTION_SIZE, &settings.receive_buffer, 1024, 1 << 30},
    {"roles", "LIST", "collector, db: what this process is (both)", OPTION_TEXT, &settings.roles, 0,
     0},
    {"config", "FILE", "options from an INI file; the command line wins", OPTION_TEXT,
     &settings.config, 0, 0},
    {"check", NULL, "read the options, say whether they are right, and exit", OPTION_FLAG,
     &settings.check, 0, 0},
    {"insecure", NULL, "allow services on an address that is not loopback, without TLS",
     OPTION_FLAG, &settings.insecure, 0, 0},
    {"known-only", NULL,
     "refuse exporters that nobody described (weir device add); they are counted", OPTION_FLAG,
     &settings.known_only, 0, 0},
    {"threads", "N", "threads a question may use (2)", OPTION_NUMBER, &settings.threads, 1, 256},
    {"query-memory", "SIZE", "memory a question may use (1G)", OPTION_SIZE, &settings.query_memory,
     1 << 20, INT64_C(1) << 50},
    {"spool-size", "SIZE", "disk the spool may use before records are given up (8G)", OPTION_SIZE,
     &settings.spool_size, 1 << 20, INT64_C(1) << 60},
    {"retain-days", "N", "flows that ended N days ago leave (0: they stay)", OPTION_NUMBER,
     &settings.retain_days, 0, 1000000},
    {"retain-size", "SIZE", "the oldest flows leave when the file is larger (0: no bound)",
     OPTION_SIZE, &settings.retain_size, 0, INT64_C(1) << 60},
    {"retain-rollups-days", "N", "roll-ups of flows that left leave too (0: they stay)",
     OPTION_NUMBER, &settings.retain_rollups_days, 0, 1000000},
    {"compact", NULL, "import: make blocks as weird compact does; then merge what is left",
     OPTION_FLAG, &settings.compact, 0, 0},
    {"no-upkeep", NULL,
     "serve: neither merge blocks nor apply retention; leave it to weird compact", OPTION_FLAG,
     &settings.no_upkeep, 0, 0},
    {"batch-rows", "N", "records a block holds at most, a multiple of 64 (65536)", OPTION_NUMBER,
     &settings.batch_rows, 64, 1 << 20},
    {"filter", "FILTER", "records, export: only those that match", OPTION_TEXT, &settings.filter, 0,
     0},
    {"from", "TIME", "records, names, export: what ended at or after it", OPTION_TIME,
     &settings.from_ms, 0, 0},
    {"to", "TIME", "records, names, export: what ended before it", OPTION_TIME, &settings.to_ms, 0,
     0},
    {"format", "NAME", "export: csv, json or ipfix (json)", OPTION_TEXT, &settings.format, 0, 0},
    {"verbose", NULL, "log more", OPTION_FLAG, &settings.verbose, 0, 0},
    {"help", NULL, "this; after a word, about the word", OPTION_FLAG, &settings.asked, 0, 0},
    {"version", NULL, "which Weir this is", OPTION_FLAG, &settings.asked, 0, 0},
};
#define ROWS (sizeof rows / sizeof *rows)

/* `options`: those that it looks at, besides data, config, verbose, help and version; NULL: all but
 * the words' own. */
static const struct word {
    const char *name, *operands, *help, *options, *example;
    int (*run)(struct weird_settings *, int, char **);
} words[] = {
    {"", "", "serve: collect flows, store them, answer questions", NULL,
     "weird --data /var/lib/weir --netflow '*:2055' --retain-days 90", weird_serve},
    {"import", " FILE…",
     "the same path from files: captures of export datagrams, folders or lists of raw "
     "datagrams,\n            IPFIX, flow-tools and nfcapd files (these through the "
     "program nfdump);\n            ends with one line of JSON",
     "compact known-only batch-rows retain-days retain-size retain-rollups-days",
     "weird import --data ./weir-data capture.pcap nfcapd-files/", weird_import},
    {"records", "", "every stored record as one JSON object a line", "filter from to",
     "weird records --from now-15m --filter 'src net 10.1.0.0/16 and dst port 443'", weird_records},
    {"names", "",
     "what exporters call interfaces, VRFs, applications and samplers: a JSON object a line",
     "from to", "weird names --from now-1d", weird_names},
    {"export", "", "stored flow records to stdout: a JSON object a line, CSV, or an IPFIX file",
     "filter from to format", "weird export --format ipfix --filter 'proto tcp' > flows.ipfix",
     weird_export},
    {"verify", "",
     "recompute checksums and roll-ups; exit 1 and say what differs; counts pages without a\n"
     "            checksum, which a backup has none of", "",
     "weird verify", weird_verify},
    {"retag", "", "give stored flows the tags of the present table", "", "weird retag",
     weird_retag},
    {"compact", "",
     "merge and sort blocks, apply retention, give space back: what weird does by and\n"
     "            by while it serves, at once; ends with one line of JSON",
     "retain-days retain-size retain-rollups-days", "weird compact --retain-days 90",
     weird_compact},
    {"backup", " FILE", "a copy of the store as it is now, while it is in use too", "",
     "weird backup /mnt/weir-monday.db", weird_backup},
};
#define WORDS (sizeof words / sizeof *words)

static const struct role_row {
    const char *name;
    unsigned bit;
} roles[] = {{"collector", ROLE_COLLECTOR}, {"db", ROLE_DB}};

int weird_complain(const struct weir_error *error, int code)
{
    progress_clear();
    fprintf(stderr, "weird: %s\n",
            error->message[0] ? error->message : weir_status_text(error->status));
    return code;
}

void weird_reader_may_leave(void)
{
    signal(SIGPIPE, SIG_DFL);
}

int weird_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("weird: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs(" (weird --help tells more)\n", stderr);
    va_end(arguments);
    return 2;
}

static bool lists(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = names; (at = strstr(at, name)); at += length)
        if ((at == names || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

/* Does a word look at this option? */
static bool takes(const struct word *word, const char *option)
{
    static const char everyones[] = "data config verbose help version";
    if (word->options)
        return lists(everyones, option) || lists(word->options, option);
    return !lists("filter from to format compact", option);
}

static void print_word(const struct word *word)
{
    printf("  weird%s%-8s%s [OPTION…]\n            %s\n", word->name[0] ? " " : "", word->name,
           word->operands, word->help);
}

/* "records, export: only those that match" says whose option it is; who asked about the word knows.
 */
static const char *help_within(const struct word *word, const char *help)
{
    const char *colon = strstr(help, ": "), *name = strstr(help, word->name);
    return colon && name && name < colon ? colon + 2 : help;
}

static void print_options(const struct word *word)
{
    char text[16384];
    struct option_row taken[ROWS];
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (word && !takes(word, rows[i].name))
            continue;
        taken[count] = rows[i];
        if (word)
            taken[count].help = help_within(word, rows[i].help);
        count++;
    }
    options_help(taken, count, text, sizeof text);
    printf("\nOptions\n%s", text);
}

static void help(void)
{
    puts("weird - Weir's server: collects flow records, stores them, answers over SOAP\n");
    for (size_t i = 0; i < WORDS; i++)
        print_word(&words[i]);
    print_options(NULL);
    puts("\n`weird WORD --help` has the options of a word, and an example.\n"
         "When everything listens, one line on stdout: ready http=… netflow=… sflow=… ipfix=… "
         "[ipfix-tls=…]\n"
         "SIGTERM and SIGINT: what was received is stored, then it ends. Exit codes: 0, 1 failed, "
         "2 usage.");
}

static void help_word(const struct word *word)
{
    print_word(word);
    print_options(word);
    printf("\nExample\n  %s\n", word->example);
}

void weird_key_folder(const struct weird_settings *s, char out[KEY_FOLDER_SIZE])
{
    snprintf(out, KEY_FOLDER_SIZE, "%s/keys", s->data);
}

/* ---- progress ---- */

static _Atomic bool drawn; /* whoever logs clears it, in any thread */

#define DRAW_US 50000 /* between two pictures: the eye wants no more, and each is a system call */

void progress_draw(const char *what, uint64_t done, uint64_t all, uint64_t start_us)
{
    static uint64_t last_us;
    uint64_t now_us = clock_monotonic_us();
    if ((drawn && now_us - last_us < DRAW_US) || all == 0 || !isatty(STDERR_FILENO))
        return;
    if (done > all)
        done = all;
    int cells = (int)(30 * done / all);
    fprintf(stderr, "\r%s [%.*s%.*s] %3d %%  ", what, cells, "##############################",
            30 - cells, "..............................", (int)(100 * done / all));
    if (done)
        fprintf(stderr, "%.0f s left   ",
                (double)(now_us - start_us) / 1e6 * (double)(all - done) / (double)done);
    fflush(stderr);
    last_us = now_us;
    drawn = true;
}

void progress_draw_beside_output(const char *what, uint64_t done, uint64_t all, uint64_t start_us)
{
    if (!isatty(STDOUT_FILENO))
        progress_draw(what, done, all, start_us);
}

void progress_clear(void)
{
    if (atomic_exchange(&drawn, false))
        fputs("\r\033[K", stderr);
}

void progress_draw_store(void *context, uint64_t done, uint64_t all)
{
    const struct progress *p = context;
    progress_draw(p->what, done, all, p->start_us);
}

/* ---- start ---- */

/* To stderr, and to who asks for the last lines. */
static void take_log_line(void *context, const struct log_line *line)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    char when[TIME_TEXT_SIZE];
    if (context)
        log_ring_put(context, line);
    progress_clear();
    time_print(line->time_ms, when);
    fprintf(stderr, "%s %s %s: %s\n", when, levels[line->level], line->room, line->text);
}

static int parse_roles(struct weird_settings *s)
{
    char list[256];
    if (strlen(s->roles) >= sizeof list)
        return weird_usage("--roles: too long");
    strcpy(list, s->roles);
    for (char *rest = list, *name; (name = strsep(&rest, ","));) {
        size_t i = 0;
        while (i < sizeof roles / sizeof *roles && strcmp(roles[i].name, name) != 0)
            i++;
        if (i == sizeof roles / sizeof *roles)
            return weird_usage("--roles: '%s' is none; there are collector and db", name);
        s->role_bits |= roles[i].bit;
    }
    return 0;
}

/* The file first, the command line over it: so the command line is read twice. */
static int read_options(int argc, char **argv, int *operands)
{
    struct weir_error error = {0};
    if (options_parse(rows, ROWS, argc, argv, operands, &error) != WEIR_OK)
        return weird_complain(&error, 2);
    return 0;
}

static const char *config_named(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

static const struct word *find_word(const char *name)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

static int refuse_word(const char *name)
{
    char list[256] = "";
    for (size_t i = 1; i < WORDS; i++) /* the first is to serve, and has no name */
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s, ", words[i].name);
    return weird_usage("'%s' is not a word; there are %sor none to serve; questions are weir's",
                       name, list);
}

/* What is asked before anything else, wherever it stands: help, of the word when there is one, and
 * the version. */
static bool answered(int argc, char **argv)
{
    const struct word *word = NULL;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!word && argv[i][0] != '-')
            word = find_word(argv[i]);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
            (i == 1 && strcmp(argv[i], "help") == 0)) {
            word ? help_word(word) : help();
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("weird " WEIR_VERSION);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    struct weir_error error = {0};
    int operands = 0;
    settings.version = WEIR_VERSION;
    if (answered(argc, argv))
        return 0;
    const char *config = config_named(argc, argv);
    if (config && options_file(rows, ROWS, config, &error) != WEIR_OK)
        return weird_complain(&error, 2);
    if (read_options(argc, argv, &operands) != 0)
        return 2;
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, like a full disk */
    signal(SIGPIPE, SIG_IGN); /* weird_reader_may_leave() has it otherwise */
    weird_guard_files();
    settings.log = log_ring_new(); /* without memory for it there are no last lines */
    log_open(take_log_line, settings.log, settings.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (parse_roles(&settings) != 0)
        return 2;
    /* options_parse leaves the operands in argv[1]… */
    const struct word *word = operands ? find_word(argv[1]) : &words[0];
    if (!word)
        return refuse_word(argv[1]);
    int code = word->run(&settings, operands > 0 ? operands - 1 : 0, argv + 2);
    log_open(NULL, NULL, LOG_LEVEL_ERROR);
    log_ring_free(settings.log);
    return code;
}
