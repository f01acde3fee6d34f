/* runs.h - equal values in a row: what is constant, what comes a message at a time. Private to
 * lib/block; encoders only. Any width; values measured. */
#ifndef WEIR_BLOCK_RUNS_H
#define WEIR_BLOCK_RUNS_H

#include "block/codec.h"

bool runs_all_same(const struct values *v);
/* Share of rows that differ from the row before, from a few chunks. */
double runs_rate(const struct values *v);
/* The first value of each run, and its length - 1. False when there are more than `most`. */
bool runs_collect(const struct values *v, uint8_t *firsts, uint32_t *lengths, uint32_t most,
                  uint32_t *count);

#endif
