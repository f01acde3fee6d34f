/* window.c - see window.h; store_fault() and store_may_map() of store.h. Neighbour: vfs.c shows
 * here what SQLite maps. */
#include "store/window.h"
#include "store.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where a window is, in one word, so that a signal handler in another thread never sees half of a
 * change: the number of its first page, and how many pages; 0: nowhere. */
#define PAGES_BITS 24
#define PAGES_MOST ((UINT64_C(1) << PAGES_BITS) - 1)

struct window {
    _Atomic uint64_t where;
    _Atomic int64_t lost;
    atomic_bool taken;
};

#define WINDOWS_MOST 4096
static struct window windows[WINDOWS_MOST];
static atomic_uint losses;
static _Atomic uintptr_t page_octets; /* of the system; set before any window shows */

struct window *window_take(void)
{
    atomic_store(&page_octets, (uintptr_t)sysconf(_SC_PAGESIZE));
    for (size_t i = 0; i < WINDOWS_MOST; i++) {
        bool no = false;
        if (!atomic_compare_exchange_strong(&windows[i].taken, &no, true))
            continue;
        atomic_store(&windows[i].lost, 0);
        return &windows[i];
    }
    return NULL;
}

void window_give(struct window *w)
{
    if (!w)
        return;
    window_hide(w);
    atomic_store(&w->taken, false);
}

bool window_show(struct window *w, const void *from, size_t length)
{
    uintptr_t page = atomic_load_explicit(&page_octets, memory_order_relaxed);
    uint64_t first = (uintptr_t)from / page;
    uint64_t pages = ((uintptr_t)from + length + page - 1) / page - first;
    bool fits = first >> (64 - PAGES_BITS) == 0 && pages <= PAGES_MOST;
    atomic_store(&w->where, fits ? first << PAGES_BITS | pages : 0);
    return fits;
}

void window_hide(struct window *w)
{
    atomic_store(&w->where, 0);
}

int64_t window_lost(const struct window *w)
{
    return atomic_load(&w->lost);
}

unsigned window_losses(void)
{
    return atomic_load(&losses);
}

/* Notes the loss in a window that has this page; returns how many pages there are from it to the
 * window's end, 0 when it lies elsewhere. */
static uint64_t note(struct window *w, uint64_t at_page, uintptr_t address, uintptr_t page)
{
    uint64_t where = atomic_load(&w->where);
    uint64_t first = where >> PAGES_BITS, end = first + (where & PAGES_MOST);
    if (at_page < first || at_page >= end)
        return 0;
    int64_t none = 0, lost = (int64_t)(address - (uintptr_t)first * page) + 1;
    atomic_compare_exchange_strong(&w->lost, &none, lost);
    return end - at_page;
}

/* Nothing but atomics and mmap(), which is one call of the system. Zeros go over the rest of the
 * window: what lies behind a lost page is not wanted any more, and a file that was cut would bring
 * the thread here for every page of it. More than one window is there where connections share a
 * mapping, the log's. */
bool store_fault(const void *address)
{
    uintptr_t page = atomic_load(&page_octets), at = (uintptr_t)address;
    uint64_t most = 0;
    if (!page)
        return false;
    for (size_t i = 0; i < WINDOWS_MOST; i++) {
        uint64_t pages = note(&windows[i], at / page, at, page);
        most = pages > most ? pages : most;
    }
    if (!most)
        return false;
    atomic_fetch_add(&losses, 1);
    int before = errno;
    void *zeros = mmap((void *)(at / page * page), most * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = before;
    return zeros != MAP_FAILED;
}

/* ---- who may map ---- */

static atomic_bool may_map;

void store_may_map(bool may)
{
    atomic_store(&may_map, may);
}

bool window_wanted(void)
{
    return atomic_load(&may_map);
}
