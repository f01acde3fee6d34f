/* filter_private.h - inside the filter: what its files share. Nobody else includes it.
 *
 *   filter_lex.c     text -> tokens; error messages with their column
 *   filter_parse.c   and, or, not, parentheses; the public doors of parsing
 *   filter_term.c    one term of nfdump's language -> nodes (a table of fields, a few of a kind)
 *   filter_special.c … the terms that fit no table
 *   filter_value.c   one value of a type -> a range of numbers, or octets
 *   filter_build.c   nodes and leaves: memory, sorting and merging of ranges, indexes of long lists
 *   filter_select.c  the tree on bitmaps
 *   filter_leaf.c    one leaf on one vector, in each of its forms
 *   filter_kernel.c  the loops that compilers vectorise
 *   filter_judge.c   the tree on what is known about a block without decoding it
 *
 * THE TREE. Every term, whatever its looks, becomes and/or/not over leaves, and a leaf looks at one
 * element. `src port > 1023` is a leaf; `host A` is an "or" of four. So evaluation and judging know
 * nothing of the language.
 *
 * A LEAF ON NUMBERS is a sorted list of disjoint ranges, whatever its operator: "= 5" is [5,5],
 * "!= 5" is [0,4] and [6,max], a net is one range, a list is many. Numbers are compared in a space
 * in which unsigned order is the element's own order (enum order). 128 bits hold them all: IPv6
 * addresses, and everything smaller is the same number with zeros above.
 *
 * Invariants: (1) ranges of a leaf are sorted, disjoint and not adjacent; (2) node 0 does not
 * exist, so 0 means "none"; (3) a leaf is true only for rows that have the element: `not` is a
 * node, never a property of a leaf. */
#ifndef WEIR_FLOW_FILTER_PRIVATE_H
#define WEIR_FLOW_FILTER_PRIVATE_H

#include "base/arena.h"
#include "base/status.h"
#include "base/suggest.h"
#include "flow/filter.h"
#include "flow/vector.h"
#include "ie/ie.h"

#define FILTER_TEXT_MOST    (64u * 1024u)
#define FILTER_DEPTH_MOST   256u
#define FILTER_KEYS_OF_TERM 10u

__extension__ typedef unsigned __int128 wide;
#define WIDE_MAX (~(wide)0)

struct range {
    wide low, high; /* both included */
};

/* ---- the tree ---- */

enum node_kind { NODE_ALL, NODE_AND, NODE_OR, NODE_NOT, NODE_LEAF };

struct node {
    uint8_t kind;
    uint8_t cost;   /* 0 cheap … 3 dear: the order in which "and" and "or" look */
    uint32_t first; /* AND, OR, NOT: first child; LEAF: index of the leaf */
    uint32_t next;  /* next sibling, 0 at the end */
};

/* How stored octets become a number whose unsigned order is the element's order. */
enum order {
    ORDER_UNSIGNED,
    ORDER_SIGNED, /* two's complement of the stored length; sign bit of 64 turned */
    ORDER_FLOAT,  /* IEEE 754 of 4 or 8 octets; not-a-number never matches */
    ORDER_LABEL,  /* MPLS label stack entry of 3 octets (RFC 3032 section 2.1): its label */
    ORDER_EXP,    /*   … its traffic class */
    ORDER_BOTTOM, /*   … its label, if it is the bottom of the stack */
};

enum leaf_kind {
    LEAF_HAS,      /* the element is there */
    LEAF_RANGES,   /* its number lies in one of `ranges` */
    LEAF_BITS,     /* (number & mask) == value */
    LEAF_TEXT,     /* its octets are one of `texts` (sorted) */
    LEAF_BETWEEN,  /* texts[0] <= octets <= texts[1]; a bound with bytes == NULL is open */
    LEAF_CONTAINS, /* texts[0] is in its octets */
    LEAF_DERIVED,  /* a number made of several elements (enum derived) lies in one of `ranges` */
};

enum derived { DERIVED_DURATION, DERIVED_PPS, DERIVED_BPS, DERIVED_BPP, DERIVED_COUNT };
#define DERIVED_INPUTS 3

struct leaf {
    ie_key key;
    uint8_t kind;
    uint8_t order;
    uint8_t derived;
    bool trimmed; /* texts: trailing NULs of the value do not count */
    uint32_t count;
    const struct range *ranges;
    const struct octets *texts;
    uint64_t mask, value;
    /* Long lists only, else NULL. `small`: one bit a number below 65536. For numbers of 32 bits:
     * `blocks` has a bit for each run of 65536 numbers that a range touches, and `lows`/`highs` are
     * the `count32` ranges below 2^32. */
    const uint64_t *small;
    const uint64_t *blocks;
    const uint32_t *lows, *highs;
    uint32_t count32;
};
#define LEAF_FEW 8u /* ranges up to this number are passes of a vector loop; more are searched */

struct filter {
    struct arena memory; /* ranges, texts, indexes */
    struct node *nodes;
    uint32_t node_count, node_room;
    struct leaf *leaves;
    uint32_t leaf_count, leaf_room;
    ie_key *keys;
    size_t key_count;
    uint32_t root;
    bool all;
};

/* ---- tokens ---- */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_TEXT, /* quoted; text and length without the quotes */
    TOKEN_COMPARE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_LIST,
    TOKEN_LIST_END,
    TOKEN_COMMA,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_UNCLOSED, /* a quote without its other half */
    TOKEN_STRANGE,  /* an octet that starts nothing */
};

enum compare {
    COMPARE_EQ,
    COMPARE_NE,
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_CONTAINS,
};

struct token {
    enum token_kind kind;
    enum compare compare;
    uint32_t at; /* offset of its first octet */
    uint32_t length;
    const char *text;
};

struct value {
    bool is_text;
    bool exact;    /* text: octets written as hex; trailing NULs count */
    bool inverted; /* range: lies between two numbers of the element, or (from 0) below all; equals
                      none */
    struct range
        range; /* IPv4 as mapped (::ffff:a.b.c.d) until a leaf of type ipv4Address is made */
    struct octets text;
};

struct parser {
    const char *text;
    uint32_t length, at; /* `at`: where the token after `now` starts */
    struct token now;
    uint32_t depth;
    filter_tag_resolver resolve;
    void *context;
    struct filter *filter;
    struct value *values; /* of the term being read */
    uint32_t value_count, value_room;
    bool any_number; /* of an element: numbers that it can not be are compared all the same */
    uint32_t flags_node; /* the last "flags LETTERS", and its letters: see parse_flags_none() */
    uint64_t flags_mask;
    enum weir_status status;
    struct weir_error *error;
};

void lex_advance(struct parser *p);
struct token lex_peek(const struct parser *p); /* the token after p->now */
/* Case does not matter. */
bool token_is(const struct token *t, const char *word);
/* Records "column C: found …, expected …"; returns 0, the node that does not exist. */
uint32_t parse_fail(struct parser *p, const struct token *found, const char *expected, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a suggestion: `hint` may be "". */
uint32_t parse_fail_hint(struct parser *p, const struct token *found, const char *hint,
                         const char *expected);
uint32_t parse_out_of_memory(struct parser *p);
/* suggest_consider() for a token. */
void suggest_for(struct suggestion *s, const struct token *t, const char *candidate);

/* ---- building; each returns a node, or 0 with the parser's error set ---- */

uint32_t build_leaf(struct parser *p, const struct leaf *leaf);
uint32_t build_has(struct parser *p, ie_key key);
uint32_t build_not(struct parser *p, uint32_t child);
/* Joins two nodes; either may be 0 when nothing failed before: then the other is the result. */
uint32_t build_join(struct parser *p, enum node_kind kind, uint32_t a, uint32_t b);
uint32_t build_all(struct parser *p);
/* The leaf `key` compared with p->values (EQ with several: any of them). */
uint32_t build_compare(struct parser *p, ie_key key, enum order order, enum compare compare);
uint32_t build_number(struct parser *p, ie_key key, enum compare compare, uint64_t number);
uint32_t build_bits(struct parser *p, ie_key key, uint64_t mask, uint64_t value);
uint32_t build_derived(struct parser *p, enum derived derived, enum compare compare);
bool build_finish(struct parser *p, uint32_t root);
extern const ie_key derived_inputs[DERIVED_COUNT][DERIVED_INPUTS]; /* 0: not used */

/* ---- values ---- */

enum value_kind {
    VALUE_NUMBER,
    VALUE_SIGNED,
    VALUE_FLOAT32,
    VALUE_FLOAT64,
    VALUE_BOOLEAN,
    VALUE_PROTOCOL,
    VALUE_DIRECTION,
    VALUE_TAG,
    VALUE_MAC,
    VALUE_ADDRESS, /* or a prefix: "10.0.0.0/8", "10.0.0.0 255.0.0.0" only in `net` */
    VALUE_SECONDS,
    VALUE_MILLISECONDS,
    VALUE_NTP,
    VALUE_STRING,
    VALUE_OCTETS,
};

struct want {
    uint8_t kind;
    uint64_t most;        /* numbers: the largest that makes sense */
    const char *expected; /* for messages: "a port number (0 to 65535)" */
};

/* Reads p->now as a value into p->values and moves past it. */
bool value_read(struct parser *p, const struct want *want);
/* "[ value value, … ]", p->now being the bracket. */
bool value_read_list(struct parser *p, const struct want *want);
struct want value_want_of(ie_key key);
enum order value_order_of(ie_key key);
enum ie_type value_type_of(ie_key key);
bool value_is_protocol(const struct token *t);
bool value_is_address(const struct token *t);

/* ---- grammar ---- */

uint32_t parse_or(struct parser *p);
uint32_t parse_term(struct parser *p);
#define COUNTER_EXPECTED "a number (0 to 18446744073709551615; k, m, g, t: thousands)"
/* [compare] value, or "in [ values ]": into p->values. False: failed. */
bool read_operand(struct parser *p, const struct want *want, enum compare *compare);
bool read_element(struct parser *p, ie_key *key); /* p->now is an element's name; it stays there */
uint32_t compare_key(struct parser *p, ie_key key, enum compare compare);
bool last_leaf_holds(const struct parser *p, uint64_t number);
/* True when p->now starts a term of filter_special.c; then *node is it, or 0 when it failed. */
bool special_term(struct parser *p, uint32_t *node);
void special_suggest(struct suggestion *s, const struct token *t);
/* What "not" makes of the node p->flags_node. */
uint32_t parse_flags_none(struct parser *p);

/* ---- evaluation ---- */

struct evaluation {
    const struct filter *filter;
    const struct frame *frame;
    struct arena *arena;
    uint32_t words;
    uint64_t *spare; /* free bitmaps, linked through their first word */
};

/* Sets out[0 … words) to the rows of the frame that the leaf matches. Where a word of `care` is
 * zero the caller will not look, and zero is as good as any; care == NULL: every row matters.
 * False: memory ended. */
bool leaf_select(const struct leaf *leaf, const struct evaluation *e, const uint64_t *care,
                 uint64_t *out);
bool leaf_derived_select(const struct leaf *leaf, const struct evaluation *e, const uint64_t *care,
                         uint64_t *out);
/* The leaf on one value as stored. */
bool leaf_matches(const struct leaf *leaf, uint8_t width, const void *value);
bool ranges_hold(const struct range *ranges, uint32_t count, wide number);
/* The number of a stored value of `length` octets, in the leaf's order; false: it has none. */
bool order_number(enum order order, wide raw, uint32_t length, wide *out);
/* A derived number from its inputs, in the order of derived_inputs[]. */
uint64_t derived_number(enum derived derived, const uint64_t inputs[DERIVED_INPUTS]);

/* ---- kernels: each ORs the bits of `n` values into out; words whose care is zero are skipped.
 * Bits past `n` in the last word are anything: the caller masks them. ---- */

/* width 1, 2, 4, 8: (v & mask) == value, and low <= v <= low + span. */
void kernel_mask(uint8_t width, const void *values, uint32_t n, const uint64_t *care, uint64_t mask,
                 uint64_t value, uint64_t *out);
void kernel_range(uint8_t width, const void *values, uint32_t n, const uint64_t *care, uint64_t low,
                  uint64_t span, uint64_t *out);
/* Width 16, as two words in memory order. */
void kernel_mask16(const void *values, uint32_t n, const uint64_t *care, const uint64_t mask[2],
                   const uint64_t value[2], uint64_t *out);
/* hit[codes[r]] is 0 or 255. */
void kernel_codes(const uint16_t *codes, uint32_t n, const uint64_t *care, const uint8_t *hit,
                  uint64_t *out);
/* Plain C even where the processor has more: for tests, which compare the two. */
void kernel_force_plain(bool plain);

#endif
