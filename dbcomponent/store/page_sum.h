/* page_sum.h - the checksums of a store's pages. Private to dbcomponent/store.
 *
 * SQLite has none: a flipped bit in a page of a tree may hide rows, or show another tree's, and no
 * row that is read is false by itself. So the last octets of every page of a store, which SQLite
 * is told to leave alone (octet 20 of the file's head), are ours:
 *
 *     4 octets  CRC-32C of the octets before, begun with the number of the page
 *     4 octets  the number of the page, from 1; little-endian, as the checksum
 *
 * Eight zeros: no checksum. Pages are in the log like that, and pass. The log's frames have their
 * own checksums; and a program that has not this file system (SQLite's shell) folds a log that a
 * crash left into the file as it is. A sector of zeros at the end of a page is no reason to pass:
 * what a tree keeps there would begin with zeros, and nothing does. What such a program changes, it
 * writes with the checksum of what was there before: that is found, like a change of a sealed row
 * (seal.h). Stores from before there were checksums have no room for them and stay without. A page
 * that the disk never wrote, and is as it was before, is what was written there: that only
 * store_verify() finds, by what other pages say.
 *
 * Threads: any. */
#ifndef WEIR_DB_PAGE_SUM_H
#define WEIR_DB_PAGE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SUM_OCTETS 8
#define PAGE_LEAST 512  /* octets of a page of SQLite's; a power of two */
#define PAGE_MOST 65536
#define PAGE_HEAD 100   /* octets of the head that a file's first page begins with */

/* Does the head say that pages have room for checksums? */
bool page_head_sums(const uint8_t head[PAGE_HEAD]);
/* Octets of a page; of what is none, anything. */
uint32_t page_head_size(const uint8_t head[PAGE_HEAD]);

/* Puts the checksum of page `number` at its end. */
void page_sum_put(uint8_t *page, size_t size, uint32_t number);
/* Puts eight zeros there. */
void page_sum_clear(uint8_t *page, size_t size);
/* Is it that page, as it was written? True also when it has no checksum, unless what it holds
 * was lost with it. */
bool page_sum_holds(const uint8_t *page, size_t size, uint32_t number);
/* Are there eight zeros instead of a checksum? */
bool page_sum_lacks(const uint8_t *page, size_t size);

/* The first page of a file: has it a checksum? Its head alone may be what is damaged. */
bool page_first_sums(const uint8_t *page, size_t size);
/* May it be of a tree, or tell SQLite where things are? What cannot be is a part of a long value,
 * or its head is damaged so that SQLite does not take it for a tree's. */
bool page_is_tree(const uint8_t *page, uint32_t number);

#endif
