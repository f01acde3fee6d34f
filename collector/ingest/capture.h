/* capture.h - UDP payloads out of a packet capture, through libpcap.
 *
 * Understands link types Ethernet (VLAN and QinQ tags too), Linux cooked v1 and v2, BSD loopback
 * and raw IP; IPv4 and IPv6 with extension headers. IP fragments are counted, logged at the end,
 * and left out.
 *
 * Threads: one a capture. */
#ifndef WEIR_COLLECTOR_CAPTURE_H
#define WEIR_COLLECTOR_CAPTURE_H

#include "ingest/ingest.h"
#include <stdbool.h>

struct capture;

bool capture_recognise(const uint8_t *first, size_t length); /* four octets are enough */
/* WEIR_EMALFORMED: not a capture, or of a link type that is not understood (it is named). *out is
 * NULL on error. */
enum weir_status capture_open(const char *path, struct capture **out, struct weir_error *error);
/* The next UDP datagram whose payload an export protocol recognises; its octets are valid until the
 * next call. False at the end; a capture cut in the middle of a packet is logged. */
bool capture_next(struct capture *c, struct datagram *d);
uint64_t capture_position(const struct capture *c); /* octets read of the file, about */
void capture_close(struct capture *c);

/* The UDP payload of an IP packet (first octet of `ip` is the version nibble): for capture.c and
 * its fuzz target. False: not UDP, cut, or a fragment. */
bool capture_udp(const uint8_t *ip, size_t length, struct datagram *d);

#endif
