/* files.h - export datagrams from files, each handed to a function as if it had just been received.
 *
 * Told apart by content: pcap and pcapng (UDP over IPv4/IPv6 on Ethernet with VLAN tags, Linux
 * cooked, BSD loopback or raw IP; each source address an exporter, received when it was captured),
 * IPFIX files (RFC 5655: messages back to back), files of flow-tools (flowtools.h) and of nfcapd
 * (nfcapd.h), raw datagrams (a file is one UDP payload), folders of raw datagrams (in name order).
 * Raw datagrams and IPFIX files have no sender: it is 0.0.0.0. All raw datagrams of one run are one
 * transport session (port 0), each IPFIX file of several messages is one of its own (port 1, 2, …).
 *
 * Files are read one after the other, in the order given. An exporter's sequence numbers tell loss
 * only in the order in which they were sent: captures that cover the same minutes of the same
 * exporter read as late messages, those farther behind than the window of sequence.h as reordered
 * and missing. Such captures have to be merged by time first (mergecap does it), and rotated ones
 * given in their order.
 *
 * Threads: one. */
#ifndef WEIR_COLLECTOR_FILES_H
#define WEIR_COLLECTOR_FILES_H

#include "collector.h"
#include "ingest/ingest.h"

struct file_reader {
    /* Gets each datagram; a result other than WEIR_OK ends reading and is returned, but for
     * WEIR_EMALFORMED, which says that no protocol recognised it. */
    enum weir_status (*datagram)(void *context, const struct datagram *d);
    void (*progress)(void *context, uint64_t octets_done); /* over all paths; may be NULL */
    void *context;
    /* Gets records of files that hold no datagrams, and is told when such a file is over. */
    enum weir_status (*records)(void *context, const struct ingest_origin *from,
                                struct ingest_layout *layout, const uint8_t *bytes, size_t length);
    enum weir_status (*values)(void *context, const struct ingest_origin *from,
                               const struct wire_values *values);
    void (*file_ends)(void *context, struct transport *t);
    /* Told of each file that can not be read, or not be read as anything; true: go on with the
     * next. */
    bool (*refused)(void *context, enum weir_status why, const struct weir_error *error);
    uint64_t done;           /* octets of paths read so far */
    uint16_t ipfix_files;    /* how many had a session of their own */
};

/* Octets of all paths (folders: of their files). WEIR_ENOTFOUND names what is not there. */
enum weir_status files_size(const char *const *paths, size_t n, uint64_t *octets,
                            struct weir_error *error);
/* Reads one path: WEIR_OK, or what `refused` did not want to go on after. WEIR_EMALFORMED: nothing
 * in it is an export datagram; WEIR_EIO, WEIR_ENOTFOUND; what the functions above returned.
 * A capture or IPFIX file that ends in the middle gives what was whole and a logged warning. */
enum weir_status files_read(struct file_reader *r, const char *path, struct weir_error *error);

#endif
