/* template.h - templates as programs of column moves: what NetFlow v9, IPFIX and (with fixed
 * templates) NetFlow v1, v5 and v7 share. Bytes to columns and nothing else: no exporters, no
 * account, no clock.
 *
 *   template record ─▶ specs ─▶ wire_template_new() ─▶ struct wire_template
 *   data set ─▶ wire_decode(): find the records, bind fields to columns, one loop a field
 *
 * A record is cut into segments. A segment starts at the record's start or behind a variable-length
 * field, so inside it every offset is known from the template:
 *
 *       segment 0          len  value   segment 1     len  value   segment 2
 *     [ a ][  b  ][ c ]   [n1][~~~~~~~][ d ][ e ]    [n2][~~~~~~~~][ f ]
 *
 * A template without variable-length fields has one segment and a constant stride. Otherwise
 * the records are walked once to find their segments, and the moves are the same loops with a
 * look-up of where each segment starts.
 *
 * How a field is kept (RFC 7011 section 6.1, lib/ie/ie.h):
 *   numbers, times, booleans, MAC   1 to 8 octets: the number, in a column at least as wide as its
 *                                   type and as the field (reduced-size encoding, RFC 7011 section
 *                                   6.2; NetFlow v9 also sends fields wider than their type)
 *   float64 in 4 octets             converted to float64, which is exact
 *   IPv4, IPv6 addresses            4 and 16 octets
 *   everything else                 the octets that arrived
 *   a length its type cannot have   the octets, under (WIRE_MISFIT_PEN, same number): nothing is
 *                                   lost, and a column never holds two kinds of values
 *   a number of no octets at all    not there
 *
 * All wire numbers are in NETWORK BYTE ORDER. Bytes are read through bounds that were checked
 * before; nothing here trusts a length field.
 *
 * Threads: a template belongs to one thread, since it remembers which batch it is bound to. */
#ifndef WEIR_WIRE_TEMPLATE_H
#define WEIR_WIRE_TEMPLATE_H

#include "base/cursor.h"
#include "base/status.h"
#include "flow/batch.h"
#include "ie/ie.h"

#define WIRE_VARIABLE 65535u    /* field length that means variable (RFC 7011 section 7) */
#define WIRE_FIELDS_MOST 640u   /* of a template; more are refused, so that a batch can always
                                   hold the columns of one template and Weir's own */
#define WIRE_MISFIT_PEN UINT32_C(0xfffffffe) /* never assigned: it is next to last of 32 bits */
#define WIRE_PADDING UINT64_MAX /* as ie_key of a spec: octets to step over (NetFlow v5) */

/* One field as a template record has it. */
struct wire_spec {
    ie_key key;      /* WIRE_PADDING, or (pen, id) with nth 0: repetitions are numbered here */
    uint16_t length; /* octets, or WIRE_VARIABLE */
};

enum wire_shape {
    WIRE_SKIP,    /* nothing to keep */
    WIRE_NUMBER,  /* 1–8 octets, unsigned */
    WIRE_SIGNED,  /* 1–8 octets, sign extended */
    WIRE_NARROW_FLOAT, /* float64 in 4 octets */
    WIRE_SIXTEEN, /* 16 octets as they are */
    WIRE_OCTETS,  /* kept as octets, fixed or variable */
};

struct wire_field {
    ie_key key;       /* of its column, nth included */
    uint32_t at;      /* octets from the start of its segment */
    uint16_t segment; /* a variable-length value ends where the next segment starts */
    uint16_t length;  /* as in the spec */
    uint8_t shape;    /* enum wire_shape */
    uint8_t width;    /* of the column it asks for */
    uint16_t column;  /* in the batch it is bound to */
};

struct wire_template {
    uint16_t id;
    uint16_t scope_count;  /* the first so many fields are the scope; 0 for flow templates */
    uint16_t field_count;
    uint16_t segment_count;/* variable-length fields + 1 */
    enum record_kind kind;
    uint32_t least;        /* octets of the shortest record; >= 1 */
    uint64_t generation;   /* of the batch it is bound to; 0: none */
    uint32_t memory;       /* octets of this struct */
    struct wire_field fields[];
};

/* Compiles a template. The caller owns *out and frees it with wire_template_free().
 * WEIR_ELIMIT: more than WIRE_FIELDS_MOST fields. WEIR_EMALFORMED: a record of no octets (a data
 * set could hold any number of them), more scope fields than fields, or an element under WEIR_PEN,
 * which is ours (NetFlow v9 scopes have numbers there, given by netflow9.c; so do templates of id
 * 0, which are fixed ones and never come from the wire).
 * WEIR_ENOMEM. */
enum weir_status wire_template_new(uint16_t id, enum record_kind kind, uint16_t scope_count,
                                   const struct wire_spec *specs, size_t count,
                                   struct wire_template **out);
void wire_template_free(struct wire_template *t);
/* Do both describe the same records? (Then a re-sent template changes nothing.) */
bool wire_template_same(const struct wire_template *a, const struct wire_template *b);
/* The field whose column has this key, or -1. */
int wire_template_find(const struct wire_template *t, ie_key key);

/* Where the walk of variable-length records leaves its findings; one a thread is enough. */
struct wire_scratch;
struct wire_scratch *wire_scratch_new(void);
void wire_scratch_free(struct wire_scratch *s);

/* Moves the next records of a data set into `b`: as many as it has, as fit, and as one pass
 * takes; *rows says how many, *first the first row. The cursor moves past them. Call it until
 * *rows is 0:
 *
 *     while ((status = wire_decode(t, scratch, &set, batch, &first, &rows)) == WEIR_OK && rows)
 *         …rows [first, first + rows) are filled and marked…
 *
 * What the cursor then still holds is padding when it is shorter than t->least (RFC 7011
 * section 3.3.1), and otherwise a record cut short.
 * WEIR_EBUSY: the batch has no room, or not these columns: hand it on and call again with an
 * empty one; on an empty batch: WEIR_ELIMIT. WEIR_ENOMEM. In all these cases nothing was moved. */
enum weir_status wire_decode(struct wire_template *t, struct wire_scratch *scratch,
                             struct cursor *set, struct batch *b, uint32_t *first, uint32_t *rows);

/* The same, but at most `most` rows: for a caller who needs room for others behind them. */
enum weir_status wire_decode_most(struct wire_template *t, struct wire_scratch *scratch,
                                  struct cursor *set, struct batch *b, uint32_t most,
                                  uint32_t *first, uint32_t *rows);
/* Makes the template's columns in `b`, so that fields know theirs: what wire_decode() does first.
 * For rows that are filled otherwise. Results are batch_column()'s. */
enum weir_status wire_template_bind(struct wire_template *t, struct batch *b);

/* How many records a whole data set holds, without decoding it. */
uint32_t wire_count(const struct wire_template *t, struct cursor set);

#endif
