/* words.c - the table of words, and the way from argv to one of them; see words.h. */
#include "weir/words.h"
#include "base/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPT_ALWAYS    (ACCEPT(url) | ACCEPT(format) | ACCEPT(help) | ACCEPT(version))
#define ACCEPT_WHEN   (ACCEPT(from_ms) | ACCEPT(to_ms))
#define ACCEPT_ANONYMISE (ACCEPT(lengths) | ACCEPT(fields) | ACCEPT(macs) | ACCEPT(key))
#define ACCEPT_ALL    ((1u << SETTING_COUNT) - 1u)

static const struct word words[] = {
    {"totals", NULL, "", "octets, packets and flows, by any keys",
     ACCEPT_WHEN | ACCEPT(by) | ACCEPT(filter) | ACCEPT(step_ms) | ACCEPT(top) | ACCEPT(order) |
         ACCEPT(source) | ACCEPT(spread) | ACCEPT(time) | ACCEPT(once),
     0, 0, word_totals},
    {"series", NULL, "", "time bins by any keys, as lines, with their 95th percentile",
     ACCEPT_WHEN | ACCEPT(by) | ACCEPT(filter) | ACCEPT(step_ms) | ACCEPT(top) | ACCEPT(measure) |
         ACCEPT(source) | ACCEPT(spread) | ACCEPT(percentile) | ACCEPT(time) | ACCEPT(once),
     0, 0, word_series},
    {"matrix", NULL, "", "the traffic matrix: source tag x destination tag",
     ACCEPT_WHEN | ACCEPT(filter) | ACCEPT(measure) | ACCEPT(source) | ACCEPT(time) | ACCEPT(once),
     0, 0, word_matrix},
    {"account", NULL, "", "what was received, lost and sampled, by exporter and domain",
     ACCEPT_WHEN, 0, 0, word_account},
    {"tag", "add", "ID NAME PREFIX|AS...",
     "define a tag by prefixes (10.1.0.0/16) and ASes (AS64500)", 0, 2, -1, word_tag_add},
    {"tag", "del", "ID|NAME", "remove a tag", 0, 1, 1, word_tag_del},
    {"tag", "list", "", "all tags", 0, 0, 0, word_tag_list},
    {"device", "add", "ADDRESS [NAME]", "describe a metering device (exporter)",
     ACCEPT(description) | ACCEPT(sampling_rate), 1, 2, word_device_add},
    {"device", "del", "ADDRESS", "forget a device's description", 0, 1, 1, word_device_del},
    {"device", "list", "", "all devices, and exporters heard that nobody described", 0, 0, 0,
     word_device_list},
    {"domain", "add", "DEVICE DOMAIN [NAME]", "describe an observation domain of a device",
     ACCEPT(description), 2, 3, word_domain_add},
    {"domain", "del", "DEVICE DOMAIN", "forget a domain's description", 0, 2, 2, word_domain_del},
    {"domain", "list", "", "all described observation domains", 0, 0, 0, word_domain_list},
    {"point", "add", "DEVICE DOMAIN INTERFACE ROLE [NAME]",
     "describe an interface; ROLE: edge-in, edge-out or core", 0, 4, 5, word_point_add},
    {"point", "del", "DEVICE DOMAIN INTERFACE", "forget an interface", 0, 3, 3, word_point_del},
    {"point", "list", "", "all described observation points", 0, 0, 0, word_point_list},
    {"type", "add", "NAME PRIORITY ACTION",
     "a rule on records; ACTION: keep, drop, aggregate or anonymise",
     ACCEPT(filter) | ACCEPT(by) | ACCEPT_ANONYMISE | ACCEPT(method), 3, 3, word_type_add},
    {"type", "del", "NAME", "remove a rule", 0, 1, 1, word_type_del},
    {"type", "list", "", "all flow types, in the order they are tried", 0, 0, 0, word_type_list},
    {"policy", "set", "DEVICE DOMAIN METHOD",
     "anonymise; METHOD: crypto-pan, truncate, remove or none; DEVICE and DOMAIN may be \"all\"",
     ACCEPT_ANONYMISE, 3, 3, word_policy_set},
    {"policy", "del", "DEVICE DOMAIN", "anonymise it as a wider policy says, or no more", 0, 2, 2,
     word_policy_del},
    {"policy", "list", "", "all policies of anonymisation", 0, 0, 0, word_policy_list},
    {"db", "add", "URL [NAME]", "add a DB component the collector knows", 0, 1, 2, word_db_add},
    {"db", "del", "URL", "remove a DB component", 0, 1, 1, word_db_del},
    {"db", "list", "", "all DB components", 0, 0, 0, word_db_list},
    {"names", NULL, "", "what exporters call interfaces, VRFs, applications and samplers",
     ACCEPT_WHEN | ACCEPT(kind) | ACCEPT(exporter), 0, 0, word_names},
    {"status", NULL, "", "the state of store, collector and server", 0, 0, 0, word_status},
    {"suspend", NULL, "", "receive and count datagrams, but do not decode them", 0, 0, 0,
     word_suspend},
    {"resume", NULL, "", "decode them again", 0, 0, 0, word_resume},
    {"logs", NULL, "", "the last lines of the server's log",
     ACCEPT(from_ms) | ACCEPT(level) | ACCEPT(limit), 0, 0, word_logs},
    {"call", NULL, "WSDL [OPERATION [NAME=VALUE...]]",
     "any operation of any service, from its WSDL alone; without one, the list of them", 0, 1, -1,
     word_call},
};
#define WORD_COUNT (sizeof words / sizeof words[0])

/* Of words and groups that want one. */
static const struct {
    const char *name, *verb, *example;
} examples[] = {
    {"totals", NULL,
     "weir totals --by srcIP --top 10 --filter 'dst port 443 and proto tcp' --from now-1h"},
    {"series", NULL, "weir series --by srcTag --from now-1d --step 5m"},
    {"matrix", NULL, "weir matrix --from now-1d --measure packets"},
    {"account", NULL, "weir account --from now-1h --format json"},
    {"tag", "add", "weir tag add 1 PoP-BA 10.1.0.0/16 2001:db8:1::/48 AS64500"},
    {"device", "add", "weir device add 192.0.2.1 border-1 --sampling-rate 1000"},
    {"point", "add", "weir point add 192.0.2.1 7 3 edge-in uplink"},
    {"type", "add", "weir type add no-dns 10 drop --filter 'port 53'"},
    {"policy", "set", "weir policy set 192.0.2.1 7 truncate --lengths 24,48"},
    {"names", NULL, "weir names --kind interface --exporter 192.0.2.1"},
    {"logs", NULL, "weir logs --level warning --from now-1h"},
    {"call", NULL,
     "weir call 'http://127.0.0.1:8080/db?wsdl' flowSrcIP address=192.0.2.1 from=now-1h to=now"},
};

/* ---- help ------------------------------------------------------------------------------------ */

#define HEAD_WIDTH 38 /* of a word with its operands, beside which its help stands */

static void print_word(char *out, size_t size, const struct word *w)
{
    (void)snprintf(out, size, "%s%s%s%s%s", w->name, w->verb ? " " : "", w->verb ? w->verb : "",
                   *w->operands ? " " : "", w->operands);
}

/* A word that leaves its help no room has it on the next line. */
static void put_word(struct buffer *out, const struct word *w)
{
    char head[96];
    print_word(head, sizeof head, w);
    if (strlen(head) > HEAD_WIDTH)
        buffer_print(out, "  weir %s\n  %*s", head, HEAD_WIDTH + 5, "");
    else
        buffer_print(out, "  weir %-*s", HEAD_WIDTH, head);
    buffer_print(out, " %s\n", w->help);
}

static void help_all(struct buffer *out)
{
    buffer_print(out, "weir asks a Weir service how much, between whom, when.\n\n");
    for (size_t i = 0; i < WORD_COUNT; i++)
        put_word(out, &words[i]);
    char options[4096];
    settings_help(ACCEPT_ALWAYS, options, sizeof options);
    buffer_print(out, "\n%s\n`weir WORD --help` lists the options of a word.\n", options);
}

static const struct word *find_word(const char *name, const char *verb);

static void help_word(struct buffer *out, const struct word *w)
{
    char head[96], options[8192];
    print_word(head, sizeof head, w);
    settings_help(w->accepts | ACCEPT_ALWAYS, options, sizeof options);
    buffer_print(out, "weir %s [OPTIONS]\n  %s\n\n%s", head, w->help, options);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
        if (find_word(examples[i].name, examples[i].verb) == w)
            buffer_print(out, "\nexample: %s\n", examples[i].example);
}

/* A name that has verbs: all of them. */
static void help_group(struct buffer *out, const char *name)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(words[i].name, name) == 0)
            put_word(out, &words[i]);
    buffer_print(out, "\n`weir %s VERB --help` lists the options of each.\n", name);
}

/* ---- finding --------------------------------------------------------------------------------- */

static enum outcome usage(struct weir_error *error, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum outcome usage(struct weir_error *error, const char *field, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)weir_fail(error, WEIR_EARGUMENT, field, "%s", text);
    return OUTCOME_USAGE;
}

enum outcome request_usage(struct request *r, const char *field, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return usage(r->error, field, "%s", text);
}

static const struct word *find_word(const char *name, const char *verb)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        const struct word *w = &words[i];
        if (strcmp(w->name, name) == 0 && (!w->verb || (verb && strcmp(w->verb, verb) == 0)))
            return w;
    }
    return NULL;
}

static bool has_verbs(const char *name)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (words[i].verb && strcmp(words[i].name, name) == 0)
            return true;
    return false;
}

/* Why `weir name verb` is no word. */
static enum outcome refuse_word(const char *name, const char *verb, struct weir_error *error)
{
    char list[128] = "";
    struct suggestion near = {0};
    bool group = has_verbs(name);
    for (size_t i = 0; i < WORD_COUNT; i++) {
        const struct word *w = &words[i];
        if (group && strcmp(w->name, name) == 0)
            (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                           *list ? ", " : "", w->verb);
        suggest_consider(&near, name, w->name);
    }
    if (group && !verb)
        return usage(error, name, "weir %s what? one of: %s", name, list);
    if (group)
        return usage(error, name, "weir %s %.64s: unknown; one of: %s", name, verb, list);
    if (near.name)
        return usage(error, "word", "unknown word \"%.64s\"; did you mean \"%s\"?", name,
                     near.name);
    return usage(error, "word", "unknown word \"%.64s\"; `weir --help` lists them", name);
}

bool request_choice(struct request *r, const char *option, const char *text,
                    const char *const *names, size_t count, size_t *index)
{
    char list[128] = "";
    for (*index = 0; *index < count; (*index)++) {
        if (strcmp(names[*index], text) == 0)
            return true;
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? ", " : "",
                       names[*index]);
    }
    (void)request_usage(r, option, "--%s: \"%.64s\" is none of %s", option, text, list);
    return false;
}

/* ---- running --------------------------------------------------------------------------------- */

enum outcome request_answer(struct request *r, const struct report *report)
{
    r->output->write(r->out, report, &r->style);
    /* CSV is rows only, so what the answer cost goes beside it. */
    if (report->elapsed_us >= 0 && r->output->write == output_csv)
        buffer_print(r->aside, "elapsed %lld us, processor %lld us\n",
                     (long long)report->elapsed_us, (long long)report->cpu_us);
    if (!report_failed(report) && !r->out->failed)
        return OUTCOME_DONE;
    (void)weir_fail(r->error, WEIR_ENOMEM, NULL,
                    "out of memory for the answer; ask for less (--top)");
    return OUTCOME_FAILED;
}

static enum outcome run_word(struct request *r)
{
    const struct word *w = r->word;
    char head[96];
    print_word(head, sizeof head, w);
    if (r->operand_count < w->least || (w->most >= 0 && r->operand_count > w->most))
        return request_usage(r, "operands", "usage: weir %s [OPTIONS]", head);
    r->output = output_find(r->settings->format);
    if (!r->output)
        return request_usage(r, "format", "--format: \"%.64s\" is none of %s", r->settings->format,
                             output_names());
    if (r->settings->from_ms >= r->settings->to_ms)
        return request_usage(r, "from", "--from must be before --to");
    return w->run(r);
}

/* Parses twice: once with every option to find the word, which is the first operand wherever it
 * stands, and once with the options that this word accepts. */
static enum outcome find_and_run(int argc, char **argv, char **scratch, struct request *r)
{
    int operands = 0;
    memcpy(scratch, argv, (size_t)argc * sizeof *argv);
    if (settings_parse(argc, scratch, ACCEPT_ALL, "weir", &operands, r->error))
        return OUTCOME_USAGE;
    if (settings.version) {
        buffer_print(r->out, "weir %s\n", WEIR_VERSION);
        return OUTCOME_DONE;
    }
    bool wants_help = settings.help || (operands > 0 && strcmp(scratch[1], "help") == 0);
    if (operands == 0 || strcmp(scratch[1], "help") == 0) {
        help_all(wants_help ? r->out : r->aside);
        return wants_help ? OUTCOME_DONE
                          : usage(r->error, "word", "a word is missing; they are listed above");
    }
    const char *name = scratch[1], *verb = operands > 1 ? scratch[2] : NULL;
    r->word = find_word(name, verb);
    if (!r->word && settings.help && has_verbs(name)) {
        help_group(r->out, name);
        return OUTCOME_DONE;
    }
    if (!r->word)
        return refuse_word(name, verb, r->error);
    if (settings.help) {
        help_word(r->out, r->word);
        return OUTCOME_DONE;
    }
    if (settings_parse(argc, argv, r->word->accepts | ACCEPT_ALWAYS, r->word->name, &operands,
                       r->error))
        return OUTCOME_USAGE;
    int taken = r->word->verb ? 2 : 1;
    r->operands = argv + 1 + taken;
    r->operand_count = operands - taken;
    return run_word(r);
}

enum outcome words_run(int argc, char **argv, struct output_style style, struct buffer *out,
                       struct buffer *aside, struct weir_error *error)
{
    struct request r = {
        .settings = &settings, .style = style, .out = out, .aside = aside, .error = error};
    char **scratch = malloc(((size_t)argc + 1) * sizeof *scratch);
    if (!scratch)
        return usage(error, NULL, "out of memory");
    enum outcome outcome = find_and_run(argc, argv, scratch, &r);
    free(scratch);
    return outcome;
}
