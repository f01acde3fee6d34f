/* words.h - what can be typed after `weir`: one table, from which come the look-up, the help, and
 * every error about words. A word's function fills a report and hands it to request_answer().
 *
 * Threads: main thread. */
#ifndef WEIR_CLIENT_WORDS_H
#define WEIR_CLIENT_WORDS_H

#include "base/buffer.h"
#include "base/status.h"
#include "weir/output.h"
#include "weir/settings.h"

/* Exit codes. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_FAILED = 1, /* the service or the way to it said no */
    OUTCOME_USAGE = 2,  /* what was typed can not be asked */
};

struct request {
    const struct word *word;
    const struct settings *settings;
    const struct output *output;
    struct output_style style;
    char **operands; /* after the word itself */
    int operand_count;
    struct buffer *out;       /* what goes to stdout */
    struct buffer *aside;     /* what goes to stderr though nothing failed */
    struct weir_error *error; /* filled unless OUTCOME_DONE */
};

struct word {
    const char *name;
    const char *verb; /* "add" of `weir tag add`; NULL: the name is the whole word */
    const char *operands;
    const char *help;
    unsigned accepts; /* ACCEPT() bits, beside url, format and help */
    int least, most;  /* operands; most -1: any number */
    enum outcome (*run)(struct request *r);
};

/* Everything but the writing: parses argv, finds the word, runs it. Never prints. */
enum outcome words_run(int argc, char **argv, struct output_style style, struct buffer *out,
                       struct buffer *aside, struct weir_error *error);

/* Writes the report in the form asked for. */
enum outcome request_answer(struct request *r, const struct report *report);
/* Fills the error and returns OUTCOME_USAGE. */
enum outcome request_usage(struct request *r, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether `text` is one of the `count` names, and which: an option's value that must be a name. */
bool request_choice(struct request *r, const char *option, const char *text,
                    const char *const *names, size_t count, size_t *index);

/* The words (one file a group). */
enum outcome word_totals(struct request *r);
enum outcome word_series(struct request *r);
enum outcome word_matrix(struct request *r);
enum outcome word_account(struct request *r);
enum outcome word_tag_add(struct request *r);
enum outcome word_tag_del(struct request *r);
enum outcome word_tag_list(struct request *r);
enum outcome word_device_add(struct request *r);
enum outcome word_device_del(struct request *r);
enum outcome word_device_list(struct request *r);
enum outcome word_db_add(struct request *r);
enum outcome word_db_del(struct request *r);
enum outcome word_db_list(struct request *r);
enum outcome word_domain_add(struct request *r);
enum outcome word_domain_del(struct request *r);
enum outcome word_domain_list(struct request *r);
enum outcome word_point_add(struct request *r);
enum outcome word_point_del(struct request *r);
enum outcome word_point_list(struct request *r);
enum outcome word_type_add(struct request *r);
enum outcome word_type_del(struct request *r);
enum outcome word_type_list(struct request *r);
enum outcome word_policy_set(struct request *r);
enum outcome word_policy_del(struct request *r);
enum outcome word_policy_list(struct request *r);
enum outcome word_suspend(struct request *r);
enum outcome word_resume(struct request *r);
enum outcome word_names(struct request *r);
enum outcome word_logs(struct request *r);
enum outcome word_status(struct request *r);
enum outcome word_call(struct request *r);

#endif
