/* weir_main.c - the program `weir`: hands its words to words.c and writes what comes back. */
#include "weir/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Bold and red only for a terminal that wants them (no-color.org). */
static struct output_style style_of_stdout(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = !term || (term[0] == 'd' && term[1] == 'u');
    struct winsize size = {0};
    bool terminal = isatty(STDOUT_FILENO);
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
        size.ws_col = 0;
    return (struct output_style){.colour = terminal && !dumb && !(no && *no),
                                 .columns = size.ws_col};
}

static bool write_all(FILE *to, const struct buffer *b)
{
    return (b->length == 0 || fwrite(b->bytes, 1, b->length, to) == b->length) && fflush(to) == 0;
}

int main(int argc, char **argv)
{
    struct buffer out = {0}, aside = {0};
    struct weir_error error = {0};
    enum outcome outcome = words_run(argc, argv, style_of_stdout(), &out, &aside, &error);
    if (!write_all(stdout, &out) && outcome == OUTCOME_DONE) {
        (void)weir_fail(&error, WEIR_EIO, NULL, "the answer could not be written");
        outcome = OUTCOME_FAILED;
    }
    (void)write_all(stderr, &aside);
    if (outcome != OUTCOME_DONE)
        (void)fprintf(stderr, "weir: %s\n", error.message);
    buffer_free(&out);
    buffer_free(&aside);
    return (int)outcome;
}
