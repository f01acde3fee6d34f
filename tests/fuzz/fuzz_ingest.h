/* fuzz_ingest.h - what the fuzz targets of the export protocols share: an input is several
 * datagrams, each a length of two octets (big endian), one octet that picks exporter and time, and
 * the datagram. They pass through the whole engine with small bounds, so that hand-over, parking
 * and leaving happen too. */
#ifndef WEIR_TESTS_FUZZ_INGEST_H
#define WEIR_TESTS_FUZZ_INGEST_H

#include "ingest/ingest.h"
#include <stdlib.h>
#include <string.h>

/* Rows that are records, not made from one (collector/ingest/biflow.h). */
static inline uint32_t fuzz_records(struct batch *b)
{
    for (size_t i = 0; i < batch_column_count(b); i++)
        if (batch_column_at(b, i)->key == WEIR_DIRECTION)
            return batch_rows(b) - batch_column_at(b, i)->present_rows;
    return batch_rows(b);
}

static inline struct batch *fuzz_take(void *context, struct batch *full, struct account *account)
{
    uint64_t *records = context;
    *records += full ? fuzz_records(full) : 0;
    for (size_t i = 0; account && i < account->row_count; i++)
        *records -= account->rows[i].counts.records + account->rows[i].counts.option_records;
    return ingest_give_back(full, account);
}

/* Overwrites the first octets, so that the target's own decoder is met. 105: sFlow version 5. */
static inline void fuzz_set_version(uint8_t *bytes, size_t length, uint16_t version)
{
    static const uint8_t sflow[] = {0, 0, 0, 5, 0, 0, 0};
    if (version == 105 && length > sizeof sflow) {
        memcpy(bytes, sflow, sizeof sflow);
        bytes[7] = (uint8_t)(1 + (bytes[7] + 1) % 2); /* IPv4 stays 1, IPv6 stays 2 */
    } else if (version != 105 && length > 1) {
        bytes[0] = (uint8_t)(version >> 8);
        bytes[1] = (uint8_t)version;
    }
}

/* `version` overwrites the first two octets of each datagram, so that the target's own decoder is
 * met. */
static inline int fuzz_ingest(const uint8_t *data, size_t size, uint16_t version)
{
    uint64_t records = 0;
    struct ingest_settings settings = {.batch_rows = 64, .exporters_most = 3,
                                       .park_octets_most = 2048, .park_ms = 3000};
    struct ingest_output output = {fuzz_take, &records};
    struct ingest *in = ingest_new(&settings, &output);
    struct cursor c = cursor_over(data, size);
    int64_t now = 1700000000000;
    while (in && cursor_left(&c) > 3) {
        size_t length = cursor_u16(&c);
        uint8_t choice = cursor_u8(&c);
        if (length > cursor_left(&c))
            length = cursor_left(&c);
        uint8_t *flush = malloc(length ? length : 1);
        if (length)
            memcpy(flush, cursor_bytes(&c, length), length);
        fuzz_set_version(flush, length, version);
        now += choice >> 4 << 8;
        struct datagram d = {.bytes = flush,
                             .length = length,
                             .from = address_from_ipv4(choice & 3),
                             .port = 2055 + (choice >> 2 & 1),
                             .received_ms = now};
        (void)ingest_datagram(in, &d);
        ingest_tick(in, now);
        free(flush);
    }
    if (in && ingest_flush(in) == WEIR_OK && records)
        abort(); /* account and records must agree */
    ingest_free(in);
    return 0;
}

#endif
