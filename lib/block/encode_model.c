/* encode_model.c - the columns of a modelled block (encoder.h): which one tells of which, and
 * whether a model (model.h) is the shortest for one. Used by encode.c. */
#include "block/encoder.h"
#include <stdlib.h>

#define MODEL_OCTETS_LEAST 24u /* of a column of which a model may be shorter */
/* Of a block, in columns for which models are tried: what can be read in some seconds, and tried in
 * some more. Records that say 60 octets each take an eighth. */
#define MODEL_OCTETS_MOST (4u << 20)

bool encoder_may_stand(const struct block_encoder *e, size_t count, size_t place, size_t base)
{
    unsigned below = 1, above = 0;
    if (base >= count)
        return false;
    for (size_t at = base; at != GIVEN_BY_NONE; at = e->stands[at], below++)
        if (at == place)
            return false;
    for (size_t i = 0; i < count; i++) {
        unsigned steps = column_height(e->columns[i]->key);
        for (size_t at = i; at != GIVEN_BY_NONE; at = e->stands[at], steps++)
            above = at == place && steps > above ? steps : above;
    }
    return below - 1 + above <= BASE_DEPTH_MOST;
}

static void keep_shortest(struct block_encoder *e, ie_key base, enum codec codec, size_t *length,
                          struct block_column *entry)
{
    if (e->tried.failed || e->tried.length >= *length)
        return;
    struct buffer other = e->shortest;
    e->shortest = e->tried;
    e->tried = other;
    *length = e->shortest.length;
    entry->base = base;
    entry->codec = (uint8_t)codec;
}

/* By a column that tells much of it; its own values known beforehand if they are among those. */
static void try_given(struct block_encoder *e, size_t place, uint32_t rows, const struct values *v,
                      const struct column *base, bool shares, size_t *length,
                      struct block_column *entry)
{
    const struct column *c = e->columns[place];
    uint32_t *hashes = malloc(v->count * sizeof *hashes);
    uint8_t *values = malloc((size_t)v->count * v->width);
    bool same_kind;
    if (hashes && values) {
        given_make(base->values, base->width, c->present_rows < rows ? c->present : NULL, rows,
                   v->width, hashes, values, &same_kind);
        const struct model_given given = {hashes, shares ? values : NULL};
        buffer_clear(&e->tried);
        buffer_put_u8(&e->tried, CODEC_GIVEN);
        model_write(v, &given, &e->tried);
        keep_shortest(e, base->key, CODEC_RELATIVE, length, entry);
    }
    free(hashes);
    free(values);
}

bool encoder_model(struct block_encoder *e, size_t place, size_t count, uint32_t rows,
                          const struct values *v, size_t length, struct block_column *entry)
{
    const struct column *c = e->columns[place];
    const struct told *told = &e->told[place];
    size_t before = length;
    if (!c->width || v->count < MODEL_VALUES_LEAST || length < MODEL_OCTETS_LEAST ||
        e->model_octets > MODEL_OCTETS_MOST)
        return false;
    e->model_octets += (size_t)v->count * v->width;
    buffer_clear(&e->tried);
    model_write(v, NULL, &e->tried);
    keep_shortest(e, 0, CODEC_MODELLED, &length, entry);
    for (const ie_key *base = column_bases(c->key); *base && c->width <= 8; base++) {
        struct values on;
        if (!encoder_may_stand(e, count, place, encoder_place(e, count, *base)) ||
            !encoder_stand_on(e, c, count, rows, *base, v, &on))
            continue;
        buffer_clear(&e->tried);
        buffer_put_u8(&e->tried, CODEC_MODELLED);
        model_write(&on, NULL, &e->tried);
        keep_shortest(e, *base, CODEC_RELATIVE, &length, entry);
    }
    for (unsigned i = 0; i < GIVEN_MOST && told->by[i] != GIVEN_BY_NONE; i++)
        if (encoder_may_stand(e, count, place, told->by[i]))
            try_given(e, place, rows, v, e->columns[told->by[i]], told->shares[i], &length, entry);
    return length < before;
}

void encoder_look_around(struct block_encoder *e, size_t count, uint32_t rows)
{
    e->model_octets = 0;
    for (size_t i = 0; i < count; i++)
        e->stands[i] = GIVEN_BY_NONE;
    for (size_t i = 0; e->modelled && i < count; i++)
        e->modelled = encoder_want(e, i);
    e->modelled = e->modelled && given_find(e->columns, count, rows, e->told);
}
