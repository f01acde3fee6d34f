/* weirgen_queue.c - how much waits in a receiver's socket on this machine, as Linux tells it in
 * /proc/net/udp (weirgen.h): who sends no faster than that is read loses nothing on loopback. */
#include "weirgen.h"
#include <stdio.h>

/* Local address and port, the peer's, state, octets to send and received: all hexadecimal. */
static bool read_line(const char *line, unsigned *port, unsigned *received)
{
    return sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %*x %*x:%x", port, received) == 2;
}

int64_t queue_octets(const struct endpoint *receiver)
{
    char line[512];
    unsigned port, received;
    int64_t most = 0;
    FILE *file =
        fopen(address_is_ipv4(&receiver->address) ? "/proc/net/udp" : "/proc/net/udp6", "re");
    while (file && fgets(line, sizeof line, file))
        if (read_line(line, &port, &received) && port == receiver->port && received > most)
            most = received;
    if (file)
        fclose(file);
    return most;
}
