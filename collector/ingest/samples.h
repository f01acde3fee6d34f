/* samples.h - what is remembered of an sFlow agent: its clock, and where the flow samples of each
 * data source stand in their sequence.
 *
 * Clock. A datagram says how long its agent has been up and not what time it is. Sequences want the
 * order of exports (sequence.h, rule 5), which reception can not give: a late datagram would be the
 * newest. So export time is boot time plus uptime, boot time being reception less uptime of the
 * first datagram. When the two differ by more than SAMPLES_CLOCK_SLACK_MS (the agent was restarted,
 * its uptime rolled over, clocks drifted), reception decides anew. Records have the time of
 * reception: it is the one that can be trusted.
 *
 * Samples. Each data source numbers its flow samples, whatever datagram they travel in. What the
 * datagrams' own numbers do not tell, losses inside the agent, these do; and they tell how many
 * samples a lost datagram held. The rules:
 *   1. The first sample of a source starts it: before it, nothing is known to be missing.
 *   2. A sample ahead of the one expected makes those in between missing, at once. One that comes
 *      later, up to SAMPLES_WINDOW behind the newest, is recovered. The window is what 128
 *      datagrams (the window of datagrams) of eight samples hold.
 *   3. A sample farther behind, or one that was there already, says nothing by itself; three in a
 *      row are a source that numbers anew: an unknown gap. So is a jump ahead of more than 2^20.
 *   4. An agent that was restarted starts all its sources anew. The restart is the datagrams' to
 *      count.
 *   5. A source says how many samples it had to drop, cumulatively: what that grew by is added.
 *
 * Memory is bounded: SAMPLES_SOURCES_MOST sources of one agent, further ones are not followed.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_SAMPLES_H
#define WEIR_COLLECTOR_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLES_WINDOW 1024u
#define SAMPLES_SOURCES_MOST 4096u
#define SAMPLES_CLOCK_SLACK_MS 5000

struct sample_source {
    uint64_t source;  /* sflow.h */
    uint32_t first;   /* where it started, no farther back than the window can tell */
    uint32_t newest, drops;
    uint8_t odd;      /* rule 3: in a row */
    bool used;
    uint64_t heard[SAMPLES_WINDOW / 64]; /* bit d: the sample `d` before the newest was there */
};

struct samples {
    bool anchored;
    int64_t boot_ms;
    uint32_t up_time_ms;            /* of the newest datagram */
    struct sample_source *sources;  /* open addressing; `room` a power of two */
    uint32_t count, room;
};

struct samples_outcome {
    uint64_t missing, recovered, dropped;
    uint32_t unknown_gaps;
};

/* Export time of a datagram. Starts the sources anew when the agent was (rule 4). */
int64_t samples_clock(struct samples *s, uint32_t up_time_ms, int64_t received_ms);
/* Places a flow sample; *out is added to. *memory grows by the octets it took. */
void samples_note(struct samples *s, uint64_t source, uint32_t sequence, uint32_t drops,
                  struct samples_outcome *out, int64_t *memory);
/* Nothing is known of what was sampled meanwhile: every source starts anew. */
void samples_forget(struct samples *s);
/* Its memory, not the struct; *memory shrinks by it. */
void samples_free(struct samples *s, int64_t *memory);

#endif
