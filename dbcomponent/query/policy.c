/* policy.c - policies of anonymisation met by a question (policy.h). Neighbours: scan.c meets them
 * in blocks, rollup.c in roll-up rows, query.c writes them down. */
#include "query/policy.h"
#include <stdlib.h>
#include <string.h>

#define OTHERS (POLICIES_MOST - 1)

void policies_init(struct policies *p)
{
    pthread_mutex_init(&p->lock, NULL);
    p->texts[0][0] = '\0';
    p->count = 1;
    p->used = 0;
}

void policies_free(struct policies *p)
{
    pthread_mutex_destroy(&p->lock);
}

static bool is_text(const char *known, const void *text, size_t length)
{
    return strlen(known) == length && (length == 0 || memcmp(known, text, length) == 0);
}

static unsigned number_locked(struct policies *p, const void *text, size_t length)
{
    if (length >= ANONYMISATION_TEXT_SIZE)
        length = ANONYMISATION_TEXT_SIZE - 1;
    for (unsigned n = 0; n < p->count; n++)
        if (is_text(p->texts[n], text, length))
            return n;
    if (p->count == OTHERS)
        return OTHERS;
    memcpy(p->texts[p->count], text, length);
    p->texts[p->count][length] = '\0';
    /* Blocks may come from outside: only text that any answer can carry. */
    for (char *at = p->texts[p->count]; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e)
            *at = '?';
    return p->count++;
}

unsigned policies_number(struct policies *p, const void *text, size_t length)
{
    if (length == 0)
        return 0;
    pthread_mutex_lock(&p->lock);
    unsigned n = number_locked(p, text, length);
    pthread_mutex_unlock(&p->lock);
    return n;
}

void policies_use(struct policies *p, uint64_t numbers)
{
    pthread_mutex_lock(&p->lock);
    p->used |= numbers;
    pthread_mutex_unlock(&p->lock);
}

static bool same(struct octets a, struct octets b)
{
    return a.length == b.length &&
           (a.bytes == b.bytes || a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

void policies_use_rows(struct policies *p, const struct vector *v, const uint64_t *selected,
                       uint32_t rows)
{
    uint64_t numbers = 0;
    struct octets last = {0};
    unsigned number = 0;
    if (!v || v->width != 0) {
        policies_use(p, 1);
        return;
    }
    /* Rows come in runs of one domain: only where the text changes is it looked up. */
    for (uint32_t row = 0; row < rows; row++) {
        if (selected && !(selected[row / 64] >> row % 64 & 1))
            continue;
        struct octets policy = vector_octets(v, row);
        if (!same(policy, last)) {
            number = policies_number(p, policy.bytes, policy.length);
            last = policy;
        }
        numbers |= UINT64_C(1) << number;
        if (v->form == VECTOR_CONSTANT)
            break;
    }
    policies_use(p, numbers);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *policies_print(const struct policies *p, struct arena *a)
{
    const char *names[POLICIES_MOST];
    size_t count = 0;
    for (unsigned n = 0; n < POLICIES_MOST; n++)
        if (p->used >> n & 1)
            names[count++] = n == 0 ? "none" : n == OTHERS ? "others" : p->texts[n];
    if (count == 0)
        return "none";
    qsort(names, count, sizeof *names, by_text);
    const char *text = names[0];
    for (size_t i = 1; i < count && text; i++)
        text = arena_print(a, "%s; %s", text, names[i]);
    return text && count == 1 ? arena_copy(a, text, strlen(text)) : text;
}
