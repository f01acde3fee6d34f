/* values.c - moves one record's values into the columns of a batch (values.h). Neighbours:
 * dissect.c and sflow_records.c set the values, flow/batch.h owns the columns. */
#include "wire/values.h"
#include <string.h>

static const ie_key keys[WIRE_VALUE_COUNT] = {
#define WIRE_VALUE_KEY(name, key) [name] = key,
    WIRE_VALUES(WIRE_VALUE_KEY)
#undef WIRE_VALUE_KEY
};

ie_key wire_value_key(enum wire_value which)
{
    return keys[which];
}

/* Calls for every value of a set of bits. */
#define FOR_EACH(which, words)                                                                     \
    for (size_t word_ = 0; word_ < WIRE_VALUE_WORDS; word_++)                                      \
        for (uint64_t left_ = (words)[word_]; left_; left_ &= left_ - 1)                           \
            for (unsigned which = (unsigned)(64 * word_) + (unsigned)__builtin_ctzll(left_),       \
                          once_ = 1;                                                               \
                 once_; once_ = 0)

static enum weir_status bind_one(struct wire_columns *columns, struct batch *b, unsigned which)
{
    size_t index = 0;
    enum weir_status status = batch_column(b, keys[which], ie_storage_width(keys[which]), &index);
    if (status != WEIR_OK)
        return status;
    columns->index[which] = (uint16_t)index;
    columns->bound[which / 64] |= UINT64_C(1) << (which % 64);
    return WEIR_OK;
}

static enum weir_status bind(const struct wire_values *v, struct wire_columns *columns,
                             struct batch *b)
{
    if (columns->generation != batch_generation(b)) {
        memset(columns, 0, sizeof *columns);
        columns->generation = batch_generation(b);
    }
    uint64_t missing[WIRE_VALUE_WORDS];
    for (size_t i = 0; i < WIRE_VALUE_WORDS; i++)
        missing[i] = v->present[i] & ~columns->bound[i];
    FOR_EACH(which, missing) {
        enum weir_status status = bind_one(columns, b, which);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void put_number(struct column *c, uint32_t row, uint64_t number)
{
    switch (c->width) {
    case 1: ((uint8_t *)c->values)[row] = (uint8_t)number; break;
    case 2: ((uint16_t *)c->values)[row] = (uint16_t)number; break;
    case 4: ((uint32_t *)c->values)[row] = (uint32_t)number; break;
    default: ((uint64_t *)c->values)[row] = number; break;
    }
}

static enum weir_status put(const struct wire_values *v, const struct wire_columns *columns,
                            struct batch *b, uint32_t row)
{
    FOR_EACH(which, v->present) {
        struct column *c = batch_column_at(b, columns->index[which]);
        enum weir_status status = WEIR_OK;
        if (c->width == 0)
            status = batch_put_octets(b, columns->index[which], row, v->at[which].octets.bytes,
                                      v->at[which].octets.length);
        else if (c->width == 16)
            memcpy((uint8_t *)c->values + (size_t)row * 16, v->at[which].octets.bytes, 16);
        else
            put_number(c, row, v->at[which].number);
        if (status != WEIR_OK)
            return status;
        batch_mark(b, columns->index[which], row, 1);
    }
    return WEIR_OK;
}

enum weir_status wire_values_put(const struct wire_values *v, struct wire_columns *columns,
                                 struct batch *b, uint32_t row)
{
    enum weir_status status = bind(v, columns, b);
    return status == WEIR_OK ? put(v, columns, b, row) : status;
}

static enum weir_status full_or_limit(const struct batch *b, enum weir_status status)
{
    return status != WEIR_ELIMIT ? status : batch_rows(b) ? WEIR_EBUSY : WEIR_ELIMIT;
}

enum weir_status wire_values_append(const struct wire_values *v, struct wire_columns *columns,
                                    struct batch *b, uint32_t *row)
{
    if (!batch_room(b))
        return WEIR_EBUSY;
    enum weir_status status = bind(v, columns, b);
    if (status != WEIR_OK)
        return full_or_limit(b, status);
    *row = batch_append(b, 1);
    status = put(v, columns, b, *row);
    if (status != WEIR_OK) {
        batch_retract(b, 1);
        return full_or_limit(b, status);
    }
    return WEIR_OK;
}
