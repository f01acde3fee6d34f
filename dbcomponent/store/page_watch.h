/* page_watch.h - whether the pages that pass between SQLite and a file are what was written
 * (page_sum.h). Private to dbcomponent/store; vfs.c shows it every page.
 *
 * Whoever reads a page as a whole into memory has it checked. Of pages that are mapped those are
 * that tell SQLite where things are (page_is_tree()): what lies in the others is columns and
 * segments, which have checksums of their own, and scans are not to pay twice. In small pages it
 * may be keys, too, and all are checked. While a transaction lasts a page that was checked does not
 * change, so it is not checked again.
 *
 * Threads: as the file's connection. */
#ifndef WEIR_DB_PAGE_WATCH_H
#define WEIR_DB_PAGE_WATCH_H

#include "store/page_sum.h"

/* Pages of trees that are so large hold all keys: SQLite puts of a row of an index only what is
 * past the first 1 / 8 of a page at least into pages behind, and keys come first. */
#define PAGE_OF_KEYS 8192
#define PAGES_REMEMBERED 256 /* a power of two: the upper pages of trees, and more */

struct page_watch {
    bool known, sums; /* what the head says; not known until one was seen */
    bool all;         /* check every page that is mapped, whatever it holds, and count: */
    uint32_t bare;    /* those without a checksum, behind the first */
    bool first_bare;  /* the first, as it was seen last */
    uint8_t *seen;    /* a bit for each page that was counted */
    size_t seen_pages;
    uint32_t turn;    /* the transaction, counted */
    struct {
        uint32_t page, turn;
    } good[PAGES_REMEMBERED];
    uint8_t *room; /* of PAGE_MOST octets, for what is written; NULL: not needed yet */
    uint32_t bad;  /* the page that was not what was written; 0: none was */
    uint32_t bad_size;
};

void page_watch_free(struct page_watch *w);
/* From now on: checks every page, and counts anew those without a checksum, each once, of the first
 * `pages`; or no more. Turns it off when there is no memory, and returns false. */
bool page_watch_all(struct page_watch *w, bool all, size_t pages);
/* How many those were; all that were seen, in a file without. */
uint32_t page_watch_bare(const struct page_watch *w);
/* The head of the file, or of what becomes its first page. */
void page_watch_head(struct page_watch *w, const uint8_t head[PAGE_HEAD]);
/* A transaction has begun or ended. */
void page_watch_turn(struct page_watch *w);
/* Is this read or write, `length` octets at octet `at`, of a whole page? */
bool page_watch_is_page(size_t length, int64_t at);
/* The page that was read into memory: checked, and its checksum cleared. False: it is damaged, and
 * w->bad says so. */
bool page_watch_read(struct page_watch *w, uint8_t *page, size_t size, int64_t at);
/* The same of a page that is mapped, and stays as it is. */
bool page_watch_map(struct page_watch *w, const uint8_t *page, size_t size, int64_t at);
/* What is to be written for this page: itself, or a copy with a checksum, good until the next call;
 * NULL: no memory. */
const uint8_t *page_watch_write(struct page_watch *w, const uint8_t *page, size_t size, int64_t at);

#endif
