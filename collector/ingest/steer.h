/* steer.h - which receiving thread an exporter belongs to, when there is more than one.
 *
 * Each thread has sockets of its own on the same port (SO_REUSEPORT). The kernel's own choice among
 * them, by addresses and ports, would spread one exporter's line cards, ports and connections over
 * threads; what they share (sampling from options data) would be missed. So a small program given
 * to the kernel (SO_ATTACH_REUSEPORT_CBPF) chooses by the source address alone, and steer_to() is
 * the same program in C: what is kept of an exporter over a restart goes to the thread that will
 * hear it.
 *
 * Pure, but for steer_attach(). */
#ifndef WEIR_COLLECTOR_STEER_H
#define WEIR_COLLECTOR_STEER_H

#include "base/address.h"

/* 0 … workers - 1. */
uint32_t steer_to(const struct address *exporter, uint32_t workers);
/* Gives the program to the group of `fd`, whose members were bound in the order of their threads.
 * False: this kernel can not (errno). */
bool steer_attach(int fd, uint32_t workers);

#endif
