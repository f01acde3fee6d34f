/* steer.c - see steer.h. Neighbours: listen.c binds the groups, collector.c asks where exporters
 * go. */
#include "ingest/steer.h"
#include "base/cursor.h"
#include <linux/filter.h>
#include <sys/socket.h>

#define SPREAD UINT32_C(0x9e3779b1) /* neighbouring addresses end far apart */

uint32_t steer_to(const struct address *exporter, uint32_t workers)
{
    uint32_t a = 0;
    if (workers < 2)
        return 0;
    if (address_is_ipv4(exporter))
        a = address_ipv4(exporter);
    else
        for (size_t i = 0; i < 16; i += 4)
            a ^= load_be32(exporter->octets + i);
    return (a * SPREAD >> 16) % workers;
}

/* Loads are relative to the IP header: source address at 12 (IPv4) or 8 (IPv6), in host order. */
#define NET(at) ((uint32_t)(SKF_NET_OFF + (at)))
#define XOR_WORD(at)                                                                               \
    BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(at)),                  \
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)

bool steer_attach(int fd, uint32_t workers)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(0)),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)),
        BPF_STMT(BPF_JMP | BPF_JA, 10),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(8)),
        XOR_WORD(12),
        XOR_WORD(16),
        XOR_WORD(20),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, SPREAD),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog given = {sizeof program / sizeof *program, program};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &given, sizeof given) == 0;
}
