/* sequence.h - the position of one transport session in its exporter's sequence, and what it says
 * was lost. One tracker a session (exporter address, port, protocol, observation domain).
 *
 * What the protocols count
 *   NetFlow v5, v7   flow_sequence: flow records sent before this datagram
 *   IPFIX        data records (options data included) sent before this message, RFC 7011 section
 *                3.1
 *   NetFlow v9   export packets, RFC 3954 section 5.1
 *   sFlow v5     datagrams of the sub-agent; samples have numbers of their own (samples.h)
 *   NetFlow v1, files of records   nothing: an unknown gap in every minute
 * `units` below are records or datagrams accordingly.
 *
 * The rules, and their reasons
 *
 * 1. The first message heard starts the account: before it, nothing is known to be lost.
 * 2. A message ahead of the one expected opens a gap: its units are missing, at once, and the gap
 *    is remembered. A message that falls into a remembered gap was late: its units are recovered.
 * 3. The window is the last SEQUENCE_WINDOW datagrams of the session. Networks reorder by a
 *    handful; 128 is far past that, and a whole window costs 2 KiB. Gaps and the identity
 *    (sequence and content hash) of datagrams are remembered for one window, so inside it late and
 *    repeated datagrams are told apart exactly. What is later than that is decoded, counted as
 *    reordered, and stays missing.
 * 4. A datagram with a remembered sequence and content hash is a duplicate. Exporters do not
 *    repeat whole datagrams: the sequence or the export time differs.
 * 5. Restart: the sequence starts anew, and what was lost around it can not be known: restarts and
 *    unknown_gaps grow, missing does not. It is a restart when the sequence is not the expected
 *    one, and
 *      a. sysUpTime went back although the exporter's clock did not (v5, v9). The 32-bit roll-over
 *         after 49.7 days does not look so, since differences are taken modulo 2^32. Nor
 *         can it have grown by 5 s less than the clock: it went through 0 in between; or
 *      b. the sequence went back, into no gap, in a message exported later than all before. A late
 *         message was exported before. In the same second as the newest: when it went back to
 *         exactly 0, behind what the run had reached in the seconds before; or
 *      c. it jumped ahead to exactly 0, over more than a window: near the end of the numbers a new
 *         sequence looks like a long loss, and one that ends at 0 by chance does not happen; or
 *      d. it went back (or jumped, rule 6) and the time does not tell, and the next message goes on
 *         from there rather than from the old place. Until then the old place is kept, so that one
 *         stray datagram moves nothing; but where it can be no late one (b), what was lost around
 *         it is one of unknown_gaps. The old place is also kept for a window after a restart:
 *         messages that go on from there are told from a gap; and the old run's gaps are, so that
 *         what fills them late, by its place and its export time of that run, is recovered.
 *    Otherwise what lies behind the memory is late (rule 3): for example what came before the first
 *    message heard.
 *    A collector that starts anew goes on from a checkpoint. What nobody heard meanwhile is a gap
 *    as any other; what lies before the checkpoint and comes late is reordered, and stays missing
 *    if it was: its gap could be kept, but without the identities of the datagrams heard before,
 *    one that is repeated can not be told from one that is late (rule 4).
 * 6. A jump ahead of more than an exporter can have sent in the time since its last message (2^20,
 *    and each second 100,000 or 64 times its own average rate) is no loss that can be
 *    counted: rule 5d, then unknown_gaps. Nor is one in a message exported before the run began: a
 *    late one of an earlier run, or the exporter's clock was set back. Such a message fills no gap
 *    of the run either.
 * 7. Sequences wrap at 2^32: all differences are modulo 2^32, behind and ahead are half each.
 * 8. Exporters that count something else are found out, not assumed. A difference between two
 *    messages that the protocol's rule explains only by loss, but another rule without any, is held
 *    back. Each message that follows the protocol's rule where another would differ refutes that
 *    other one; when all are refuted, what was held back is counted, and the session is not doubted
 *    again. When the same other rule explains three in a row, the session is counted by it; until a
 *    message lies where the protocol's rule expects it and behind what the other one has reached,
 *    which nothing but chance had spoken for then: what was held back is missing, less what of it
 *    came late; what the other one counted is one of unknown_gaps. The other rules: datagrams where
 *    records are due and the reverse; records counted through the END of the message (softflowd's
 *    IPFIX); no counting at all. NetFlow v9 that grows by between 2 and its records (flows of two
 *    records, older softflowd) eight times and never by one counts something that can not be known:
 *    such a session has an unknown gap in every minute. Options records left out of an IPFIX count
 *    (against RFC 7011) show themselves in a single message.
 * 9. A message with data sets that could not be decoded holds an unknown number of records. The
 *    span from it to the next message is left open, and settled when the sets are decoded: exactly.
 *    If they never are, the span counts in unknown_gaps unless the sets themselves can explain it.
 *10. Two exporters behind one address, port and domain (a relay, a source id configured twice) look
 *    like restarts without end. When two runs each go on, exactly, three times after the other was
 *    heard, in messages exported after the other began, they are two: from then on each has a
 *    tracker of its own (by sysUpTime's start where that differs, else by what is nearer), exact as
 *    any other. Where they part is one of unknown_gaps, and what seemed missing between the two is
 *    recovered. More than two are not parted, and show as unknown_gaps.
 *
 * Threads: a tracker belongs to one thread. Memory is bounded, and grows with the first
 * datagrams. */
#ifndef WEIR_COLLECTOR_SEQUENCE_H
#define WEIR_COLLECTOR_SEQUENCE_H

#include "flow/account.h"

#define SEQUENCE_WINDOW 128u
#define SEQUENCE_GAPS 128u
#define SEQUENCE_SPANS 32u

enum sequence_rule {
    COUNTS_RECORDS,   /* records before this message */
    COUNTS_DATAGRAMS, /* datagrams before this one */
    COUNTS_INCLUSIVE, /* flow records through the end of this message */
    COUNTS_NOTHING,
    COUNTS_FLOWS,     /* only as a doubt: between 2 and all records of the message before */
};

struct sequence_message {
    uint32_t sequence;
    uint32_t hash; /* of the whole datagram */
    int64_t export_ms;
    int64_t received_ms;
    bool has_up_time;
    uint32_t sys_up_time_ms;
    /* what was found in it, for sequence_account() */
    uint32_t flow_records, option_records; /* decoded, or at least counted */
    uint32_t unknown_sets;   /* data sets that may be decoded later */
    uint32_t unknown_octets; /* of those, and of octets that never will be */
};

struct sequence_heard {
    uint32_t sequence, hash, units, arrival;
};
struct sequence_gap {
    uint32_t start, length, left, arrival;
    int64_t export_ms; /* of the message that showed it */
    bool held;         /* opened by rule 8: missing only once the doubt is over */
    uint8_t whose;     /* enum gap_whose */
};
enum gap_whose {
    GAP_OF_RUN,    /* that goes on */
    GAP_ASIDE,     /* of the protocol's rule, while the session is counted by another */
    GAP_OF_FORMER, /* of the run before the last restart */
};
struct sequence_span {
    uint32_t start, end;      /* end is known once closed */
    uint32_t counted;         /* units of messages in it */
    uint32_t pending, octets; /* sets that may still be decoded; octets that are not */
    uint32_t token;
    bool used, closed;
};
struct sequence_extra { /* what only sessions with gaps need; sessions may be many and short */
    struct sequence_gap *gaps;   /* gap_room of them, grows to SEQUENCE_GAPS */
    struct sequence_span *spans; /* SEQUENCE_SPANS; NULL until the first */
    uint32_t gap_count, gap_room, last_token, open_token;
};

struct sequence_run { /* rule 10 */
    int64_t began_ms, export_ms;
    uint32_t next, sys_up_time_ms;
    uint8_t evidence;
    bool used;
};
struct sequence_watch {
    struct sequence_run runs[2];
    int64_t spurious; /* missing that may lie between two runs */
    uint8_t last;     /* which went on last */
};

struct sequence {
    bool started, proven, desynchronised, options_uncounted, has_up_time;
    bool has_suspect, suspect_ahead, has_former;
    bool from_zero; /* the last restart began at 0 */
    bool suspect_foreign; /* it can not be a late message of the run that goes on */
    uint8_t rule, protocol_rule;  /* enum sequence_rule */
    uint8_t doubt_rule, doubts;   /* rule 8: in a row, by the same rule */
    uint8_t doubtful;             /* all since the start */
    uint8_t followed;             /* rule 8: since the last doubt, as the protocol and others say */
    uint8_t refuted;              /* rule 8: bit r: enum sequence_rule r is not the session's */
    uint8_t heard_bits;           /* memory for 1 << bits datagrams */
    uint32_t next;                /* position expected */
    uint32_t earlier_next;        /* what it was before the first message exported at
                                     last_export_ms */
    uint32_t former, former_arrival, restart_arrival;
    uint32_t suspect_position, suspect_units;
    uint32_t last_sequence, last_flows, last_options, last_units;
    uint32_t sys_up_time_ms, arrivals, units_most;
    uint64_t held, advanced;      /* missing held back (rule 8); units since the start */
    uint64_t given_up;            /* rule 8: of what was held, when another rule was taken */
    int64_t first_export_ms, last_export_ms, last_received_ms;
    struct sequence_message suspect; /* rule 5d: where the sequence may go on */
    struct sequence_heard *heard; /* the last arrivals, at arrival modulo its size */
    struct sequence_extra *extra;
    struct sequence_watch watch;
    struct sequence *twin; /* of the second exporter; NULL: there is one */
};

/* What one message changed in the account; `missing` and `recovered` in the protocol's unit. */
struct sequence_outcome {
    uint64_t missing, recovered;
    uint32_t reordered, restarts, unknown_gaps;
};

/* `rule` is what the protocol says: COUNTS_RECORDS, COUNTS_DATAGRAMS, or COUNTS_NOTHING (NetFlow
 * v1: an unknown gap in every minute). */
void sequence_init(struct sequence *s, enum sequence_rule rule);
void sequence_free(struct sequence *s); /* its memory, not the struct */
size_t sequence_memory(const struct sequence *s); /* octets that sequence_free() gives back */
/* Where a process that goes on after a kill is to begin: the place expected next, less what is not
 * in the account yet and would be missing then without being said: what is held back (rule 8), and
 * what the sets that wait to be decoded have to explain (rule 9), for they are lost with us. */
uint32_t sequence_checkpoint(const struct sequence *s);
/* Goes on where an earlier process stopped. */
void sequence_resume(struct sequence *s, const struct account_checkpoint *from);
/* Messages went unread (the collector was suspended): the next one counts in unknown_gaps and
 * starts anew. */
void sequence_lose_track(struct sequence *s);

/* No message will follow: what is still held back is missing, for all that is known (rule 8). */
void sequence_finish(struct sequence *s, struct sequence_outcome *out); /* *out is added to */

/* True when the datagram was heard before: drop it, and do not account it. */
bool sequence_is_duplicate(const struct sequence *s, uint32_t sequence, uint32_t hash);
/* Places a message that was decoded. Returns a token for sequence_settle(), or 0. */
uint32_t sequence_account(struct sequence *s, const struct sequence_message *m,
                          struct sequence_outcome *out);
/* One unknown set of a message was decoded later, or given up (decoded false, the rest 0). */
struct sequence_settlement {
    uint32_t token;
    bool decoded;
    uint32_t flow_records, option_records;
    uint32_t octets; /* of the message's unknown ones that are known now */
};
void sequence_settle(struct sequence *s, const struct sequence_settlement *set,
                     struct sequence_outcome *out); /* *out is added to */

#endif
