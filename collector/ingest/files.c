/* files.c - see files.h. Neighbours: capture.c (pcap), ingest.c (who gets the datagrams). */
#include "ingest/files.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/time.h"
#include "ingest/capture.h"
#include "ingest/flowtools.h"
#include "ingest/nfcapd.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROOM "import"
#define PATH_SIZE 4096
#define IPFIX_HEADER 16
#define DATAGRAM_MOST 65535

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum weir_status add_size(void *context, const char *path, struct weir_error *error);

/* Calls `each` for the regular files of a folder, in name order; what else is in it is named, once:
 * an archive with a folder a day must not look as if it had been read. */
static enum weir_status
walk_folder(const char *folder, enum weir_status (*each)(void *, const char *, struct weir_error *),
            void *context, struct weir_error *error)
{
    struct dirent **names;
    int count = scandir(folder, &names, is_visible, alphasort);
    if (count < 0)
        return weir_fail(error, WEIR_EIO, "path", "%s: cannot read the folder: %s", folder,
                         strerror(errno));
    enum weir_status status = WEIR_OK;
    for (int i = 0; i < count; i++) {
        char path[PATH_SIZE];
        struct stat info;
        int length = snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        free(names[i]);
        if (status == WEIR_OK && length < PATH_SIZE && stat(path, &info) == 0 &&
            S_ISREG(info.st_mode))
            status = each(context, path, error);
        else if (status == WEIR_OK && each == add_size)
            log_warning(ROOM, "left out, not a file: %s", path);
    }
    free(names);
    return status;
}

/* ---- sizes ---- */

static enum weir_status add_size(void *context, const char *path, struct weir_error *error)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return weir_fail(error, WEIR_ENOTFOUND, "path", "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return walk_folder(path, add_size, context, error);
    *(uint64_t *)context += (uint64_t)info.st_size;
    return WEIR_OK;
}

enum weir_status files_size(const char *const *paths, size_t n, uint64_t *octets,
                            struct weir_error *error)
{
    enum weir_status status = WEIR_OK;
    *octets = 0;
    for (size_t i = 0; i < n && status == WEIR_OK; i++)
        status = add_size(octets, paths[i], error);
    return status;
}

/* ---- one file ---- */

static void tell_progress(struct file_reader *r, uint64_t in_this_file)
{
    if (r->progress)
        r->progress(r->context, r->done + in_this_file);
}

static enum weir_status hand_on(struct file_reader *r, const uint8_t *bytes, size_t length,
                                uint16_t session, bool *recognised)
{
    struct datagram d = {.bytes = bytes,
                         .length = length,
                         .from = address_from_ipv4(0),
                         .port = session,
                         .received_ms = clock_now_ms(),
                         .untimed = true};
    enum weir_status status = r->datagram(r->context, &d);
    if (status != WEIR_EMALFORMED)
        *recognised = true;
    return status == WEIR_EMALFORMED ? WEIR_OK : status;
}

static enum weir_status not_export(const char *path, struct weir_error *error)
{
    return weir_fail(
        error, WEIR_EMALFORMED, "path",
        "%s: expected a pcap or pcapng of export datagrams, an IPFIX, flow-tools or nfcapd "
        "file, or raw NetFlow, IPFIX or sFlow datagrams",
        path);
}

/* Octets of the next message, 0 at the end or when the file is not whole there. */
static size_t next_message(FILE *file, uint8_t *bytes, const char *path)
{
    size_t got = fread(bytes, 1, IPFIX_HEADER, file);
    size_t length = got == IPFIX_HEADER ? load_be16(bytes + 2) : 0;
    if (got == 0)
        return 0;
    if (got < IPFIX_HEADER || load_be16(bytes) != 10 || length < IPFIX_HEADER ||
        fread(bytes + IPFIX_HEADER, 1, length - IPFIX_HEADER, file) != length - IPFIX_HEADER) {
        log_warning(ROOM, "%s: not a whole IPFIX message before octet %ld; the rest is left out",
                    path, ftell(file));
        return 0;
    }
    return length;
}

/* RFC 5655: messages one after the other, nothing between them. */
static enum weir_status read_ipfix(struct file_reader *r, FILE *file, uint64_t size,
                                   const char *path, bool *recognised)
{
    static uint8_t bytes[DATAGRAM_MOST + 1];
    uint64_t at = 0;
    enum weir_status status = WEIR_OK;
    uint16_t session = 0;
    for (size_t length; status == WEIR_OK && (length = next_message(file, bytes, path));) {
        if (at == 0 && length < size)
            session = ++r->ipfix_files;
        status = hand_on(r, bytes, length, session, recognised);
        at += length;
        tell_progress(r, at);
    }
    return status;
}

static enum weir_status read_raw(struct file_reader *r, FILE *file, uint64_t size, bool *recognised)
{
    static uint8_t bytes[DATAGRAM_MOST + 1];
    size_t length = fread(bytes, 1, sizeof bytes, file);
    if (size > DATAGRAM_MOST || length == 0)
        return WEIR_OK;
    return hand_on(r, bytes, length, 0, recognised);
}

static enum weir_status read_capture(struct file_reader *r, const char *path,
                                     struct weir_error *error)
{
    struct capture *c;
    struct datagram d = {0}; /* captures know no connections */
    enum weir_status status = capture_open(path, &c, error);
    while (status == WEIR_OK && capture_next(c, &d)) {
        status = r->datagram(r->context, &d);
        if (status == WEIR_EMALFORMED)
            status = WEIR_OK;
        tell_progress(r, capture_position(c));
    }
    if (c)
        capture_close(c);
    return status;
}

/* ---- files that hold records without their datagrams ---- */

struct record_file {
    struct file_reader *reader;
    struct transport transport;
};

static enum weir_status hand_on_records(void *context, const struct ingest_origin *from,
                                        struct ingest_layout *layout, const uint8_t *bytes,
                                        size_t length)
{
    struct record_file *f = context;
    struct ingest_origin origin = *from;
    origin.transport = &f->transport;
    return f->reader->records(f->reader->context, &origin, layout, bytes, length);
}

static enum weir_status hand_on_values(void *context, const struct ingest_origin *from,
                                       const struct wire_values *values)
{
    struct record_file *f = context;
    struct ingest_origin origin = *from;
    origin.transport = &f->transport;
    return f->reader->values(f->reader->context, &origin, values);
}

static void tell_record_progress(void *context, uint64_t octets)
{
    struct record_file *f = context;
    tell_progress(f->reader, octets);
}

static enum weir_status read_records(struct file_reader *r, FILE *file, const char *path,
                                     bool is_flowtools, struct weir_error *error)
{
    struct record_file f = {.reader = r};
    const struct record_sink sink = {hand_on_records, hand_on_values, tell_record_progress, &f};
    enum weir_status status = is_flowtools ? flowtools_read(file, path, &sink, error)
                                           : nfcapd_read(path, &sink, error);
    r->file_ends(r->context, &f.transport);
    return status;
}

static enum weir_status read_file(struct file_reader *r, const char *path,
                                  struct weir_error *error)
{
    struct stat info;
    uint8_t head[4] = {0};
    bool recognised = false;
    FILE *file = fopen(path, "rbe");
    if (!file || fstat(fileno(file), &info) != 0) {
        if (file)
            fclose(file);
        return weir_fail(error, WEIR_ENOTFOUND, "path", "%s: %s", path, strerror(errno));
    }
    size_t got = fread(head, 1, sizeof head, file);
    rewind(file);
    uint64_t size = (uint64_t)info.st_size;
    enum weir_status status;
    if (capture_recognise(head, got)) {
        recognised = true;
        status = read_capture(r, path, error);
    } else if (flowtools_recognise(head, got) || nfcapd_recognise(head, got)) {
        recognised = true;
        status = read_records(r, file, path, flowtools_recognise(head, got), error);
    } else if (got == sizeof head && load_be16(head) == 10) {
        status = read_ipfix(r, file, size, path, &recognised);
    } else {
        status = read_raw(r, file, size, &recognised);
    }
    fclose(file);
    r->done += size;
    tell_progress(r, 0);
    if (status == WEIR_OK && !recognised)
        return not_export(path, error);
    return status;
}

/* One file that is none does not keep the others out. */
static enum weir_status read_or_refuse(void *context, const char *path, struct weir_error *error)
{
    struct file_reader *r = context;
    enum weir_status status = read_file(r, path, error);
    return status != WEIR_OK && r->refused(r->context, status, error) ? WEIR_OK : status;
}

enum weir_status files_read(struct file_reader *r, const char *path, struct weir_error *error)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return walk_folder(path, read_or_refuse, r, error);
    return read_or_refuse(r, path, error);
}
