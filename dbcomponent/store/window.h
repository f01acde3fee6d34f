/* window.h - the places in memory where files of stores are mapped, and what happens when one of
 * them can not be read any more. Private to dbcomponent/store.
 *
 * Octets of a mapped file come from the disk when they are touched. When there are none (something
 * else made the file shorter, the disk fails) the system sends SIGBUS to the thread that touches
 * them. A program that lets its readers map (store_may_map(), store.h) hands that signal to
 * store_fault(): where the address lies in a window, zeros are put there, the window notes what was
 * lost, and the thread goes on. So whoever reads through a window asks afterwards, and before
 * anything that it read is believed, whether something was lost.
 *
 * Threads: a window is its taker's; windows of different threads, and store_fault() in any of them,
 * go on at the same time without a lock. */
#ifndef WEIR_DB_WINDOW_H
#define WEIR_DB_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window;
/* One that shows nothing yet; NULL: there are as many as can be (4096). */
struct window *window_take(void);
void window_give(struct window *w); /* NULL is fine */
/* It is `length` octets at `from`, all of them of one mapping, from now on; what was lost stays
 * lost. False (and nothing is shown) when the address is too high to be kept. */
bool window_show(struct window *w, const void *from, size_t length);
/* Before the mapping goes. */
void window_hide(struct window *w);
/* 1 + how far into the window the first octet lay that was missed; 0: none was, since it was
 * taken. */
int64_t window_lost(const struct window *w);
/* How often any window lost something: while it stays the same, none did. */
unsigned window_losses(void);
/* Did the program say store_may_map(true)? */
bool window_wanted(void);

#endif
