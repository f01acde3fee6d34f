/* page_watch.c - see page_watch.h. Neighbours: page_sum.c knows how a checksum lies in a page,
 * vfs.c reads and writes. */
#include "store/page_watch.h"
#include <stdlib.h>
#include <string.h>

void page_watch_free(struct page_watch *w)
{
    free(w->room);
    free(w->seen);
    w->room = w->seen = NULL;
}

bool page_watch_all(struct page_watch *w, bool all, size_t pages)
{
    free(w->seen);
    w->seen = all ? calloc(pages / 8 + 1, 1) : NULL;
    w->all = w->seen != NULL;
    w->seen_pages = w->seen ? pages : 0;
    if (!all)
        return true;
    w->bare = 0;
    w->turn++; /* what was checked before was not counted */
    return w->all;
}

uint32_t page_watch_bare(const struct page_watch *w)
{
    return w->bare + w->first_bare;
}

/* SQLite keeps the first page as long as a transaction lasts, and does not read it again to be
 * counted. */
static void count(struct page_watch *w, bool bare, uint32_t number)
{
    uint8_t bit = (uint8_t)(1u << (number & 7));
    if (number == 1)
        w->first_bare = bare;
    if (number < 2 || number > w->seen_pages || (w->seen[number / 8] & bit) != 0)
        return;
    w->seen[number / 8] |= bit;
    w->bare += bare;
}

void page_watch_head(struct page_watch *w, const uint8_t head[PAGE_HEAD])
{
    w->known = true;
    w->sums = page_head_sums(head);
}

void page_watch_turn(struct page_watch *w)
{
    w->turn++;
}

bool page_watch_is_page(size_t length, int64_t at)
{
    return length >= PAGE_LEAST && length <= PAGE_MOST && (length & (length - 1)) == 0 &&
           (at & (int64_t)(length - 1)) == 0;
}

static uint32_t number_of(size_t size, int64_t at)
{
    return (uint32_t)(at / (int64_t)size) + 1;
}

/* The turn in which a page was good is kept plus one: of all zeros nothing was. */
static bool is_remembered(const struct page_watch *w, uint32_t number)
{
    uint32_t place = number & (PAGES_REMEMBERED - 1);
    return w->good[place].page == number && w->good[place].turn == w->turn + 1;
}

static bool check(struct page_watch *w, const uint8_t *page, size_t size, uint32_t number)
{
    uint32_t place = number & (PAGES_REMEMBERED - 1);
    if (number == 1) {
        w->known = true;
        w->sums = page_first_sums(page, size);
    }
    count(w, !w->sums || page_sum_lacks(page, size), number);
    /* Pages may have another size since SQLite looked last: it sees that in the first one's head,
     * and reads it again. */
    if (!w->sums || (number == 1 && page_head_size(page) != size))
        return true;
    if (!page_sum_holds(page, size, number)) {
        w->bad = number;
        w->bad_size = (uint32_t)size;
        return false;
    }
    w->good[place].page = number;
    w->good[place].turn = w->turn + 1;
    return true;
}

bool page_watch_read(struct page_watch *w, uint8_t *page, size_t size, int64_t at)
{
    bool fine = check(w, page, size, number_of(size, at));
    if (fine && w->sums)
        page_sum_clear(page, size);
    return fine;
}

bool page_watch_map(struct page_watch *w, const uint8_t *page, size_t size, int64_t at)
{
    uint32_t number = number_of(size, at);
    if (!w->all && size >= PAGE_OF_KEYS && !page_is_tree(page, number))
        return true;
    return is_remembered(w, number) || check(w, page, size, number);
}

const uint8_t *page_watch_write(struct page_watch *w, const uint8_t *page, size_t size, int64_t at)
{
    if (at == 0)
        page_watch_head(w, page);
    if (!w->sums)
        return page;
    if (!w->room && !(w->room = malloc(PAGE_MOST)))
        return NULL;
    memcpy(w->room, page, size - PAGE_SUM_OCTETS);
    page_sum_put(w->room, size, number_of(size, at));
    return w->room;
}
