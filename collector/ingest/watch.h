/* watch.h - what an epoll event points to: whoever waits for a file descriptor begins with one of
 * these. */
#ifndef WEIR_COLLECTOR_WATCH_H
#define WEIR_COLLECTOR_WATCH_H

#include <stdint.h>

struct watch {
    void (*ready)(struct watch *w, uint32_t events); /* EPOLLIN and so on */
};

#endif
