/* fuzz_record_files.h - what the fuzz targets of readers of record files share: any octets as a
 * file, its records through the whole engine. */
#ifndef WEIR_TESTS_FUZZ_RECORD_FILES_H
#define WEIR_TESTS_FUZZ_RECORD_FILES_H

#include "fuzz_ingest.h"
#include "ingest/record_sink.h"
#include <stdio.h>

struct fuzz_file {
    struct ingest *in;
    struct transport transport;
};

static inline enum weir_status file_records(void *context, const struct ingest_origin *from,
                                            struct ingest_layout *layout, const uint8_t *bytes,
                                            size_t length)
{
    struct fuzz_file *f = context;
    struct ingest_origin origin = *from;
    origin.transport = &f->transport;
    return ingest_records(f->in, &origin, layout, bytes, length);
}

static inline enum weir_status file_values(void *context, const struct ingest_origin *from,
                                           const struct wire_values *values)
{
    struct fuzz_file *f = context;
    struct ingest_origin origin = *from;
    origin.transport = &f->transport;
    return ingest_values(f->in, &origin, values);
}

static inline int fuzz_record_file(const uint8_t *data, size_t size,
                                   void (*read)(FILE *file, const struct record_sink *sink))
{
    uint64_t records = 0;
    struct ingest_settings settings = {.batch_rows = 64, .exporters_most = 3};
    struct ingest_output output = {fuzz_take, &records};
    struct fuzz_file f = {.in = ingest_new(&settings, &output)};
    const struct record_sink sink = {file_records, file_values, NULL, &f};
    FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (file && f.in)
        read(file, &sink);
    if (file)
        fclose(file);
    if (f.in) {
        ingest_end_transport(f.in, &f.transport, true);
        if (ingest_flush(f.in) == WEIR_OK && records)
            abort(); /* account and records must agree */
    }
    ingest_free(f.in);
    return 0;
}

#endif
