/* keeper.c - see keeper.h. Neighbours: workers.c (the owner), recall.c (what entries are). */
#include "ingest/keeper.h"
#include "base/log.h"
#include "block/block.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM         "collector"
#define MAGIC        "WEIRTMPL"
#define MAGIC_OCTETS 8u
#define VERSION      1u
#define HEAD         (MAGIC_OCTETS + 4 + 8)
#define FILE_MOST    (INT64_C(1) << 30)

struct keeper {
    char *path, *beside; /* the new file, until it takes the place of the old */
    uint32_t receivers;
    pthread_t thread;
    bool running, troubled;

    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    struct buffer *offered; /* the newest of each receiver */
    bool news, stop;
};

/* ---- reading ---- */

enum weir_status keeper_open(const uint8_t *bytes, size_t length, struct cursor *entries,
                             struct weir_error *error)
{
    struct cursor in = cursor_over(bytes, length);
    const uint8_t *magic = cursor_bytes(&in, MAGIC_OCTETS);
    uint32_t version = cursor_u32_le(&in);
    uint64_t octets = cursor_u64_le(&in);
    if (in.failed || memcmp(magic, MAGIC, MAGIC_OCTETS) != 0)
        return weir_fail(error, WEIR_EMALFORMED, NULL, "not a file of templates");
    if (version != VERSION)
        return weir_fail(error, WEIR_EVERSION, NULL, "version %u, expected %u", version, VERSION);
    if (octets != cursor_left(&in) - 4 || cursor_left(&in) < 4)
        return weir_fail(error, WEIR_EMALFORMED, NULL, "not as long as it says");
    *entries = cursor_sub(&in, (size_t)octets);
    if (cursor_u32_le(&in) != crc32c(0, bytes, length - 4))
        return weir_fail(error, WEIR_EMALFORMED, NULL, "its checksum is wrong");
    return WEIR_OK;
}

static enum weir_status read_all(int fd, struct buffer *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || info.st_size > FILE_MOST)
        return WEIR_EIO;
    size_t left = (size_t)info.st_size;
    uint8_t *at = buffer_extend(out, left);
    if (!at && left)
        return WEIR_ENOMEM;
    while (left) {
        ssize_t got = read(fd, at, left);
        if (got <= 0)
            return WEIR_EIO;
        at += got;
        left -= (size_t)got;
    }
    return WEIR_OK;
}

enum weir_status keeper_read(const char *path, struct buffer *entries, struct weir_error *error)
{
    struct buffer file = {0};
    struct cursor inside;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return weir_fail(error, errno == ENOENT ? WEIR_ENOTFOUND : WEIR_EIO, NULL, "%s: %s", path,
                         strerror(errno));
    enum weir_status status = read_all(fd, &file);
    close(fd);
    if (status != WEIR_OK)
        status = weir_fail(error, status, NULL, "cannot be read");
    else
        status = keeper_open(file.bytes, file.length, &inside, error);
    if (status == WEIR_OK)
        buffer_put(entries, inside.at, cursor_left(&inside));
    buffer_free(&file);
    return status;
}

/* ---- writing ---- */

static bool write_whole(int fd, const struct buffer *file)
{
    for (size_t done = 0; done < file->length;) {
        ssize_t wrote = write(fd, file->bytes + done, file->length - done);
        if (wrote <= 0)
            return false;
        done += (size_t)wrote;
    }
    return fsync(fd) == 0;
}

static bool replace_file(const struct keeper *k, const struct buffer *file)
{
    int fd = open(k->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool written = fd >= 0 && !file->failed && write_whole(fd, file);
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (written && rename(k->beside, k->path) == 0)
        return true;
    if (!written)
        errno = why;
    return false;
}

/* With the lock held. */
static void gather(const struct keeper *k, struct buffer *file)
{
    uint64_t octets = 0;
    for (uint32_t i = 0; i < k->receivers; i++)
        octets += k->offered[i].length;
    buffer_clear(file);
    buffer_put(file, MAGIC, MAGIC_OCTETS);
    buffer_put_u32le(file, VERSION);
    buffer_put_u64le(file, octets);
    for (uint32_t i = 0; i < k->receivers; i++)
        if (k->offered[i].length)
            buffer_put(file, k->offered[i].bytes, k->offered[i].length);
}

static void keep(struct keeper *k, struct buffer *file)
{
    if (!file->failed)
        buffer_put_u32le(file, crc32c(0, file->bytes, file->length));
    bool kept = replace_file(k, file);
    if (!kept && !k->troubled)
        log_warning(ROOM, "%s: templates are not kept for a restart: %s", k->path,
                    file->failed ? "no memory" : strerror(errno));
    k->troubled = !kept;
}

static void *keeper_main(void *context)
{
    struct keeper *k = context;
    struct buffer file = {0};
    pthread_mutex_lock(&k->lock);
    while (k->news || !k->stop) {
        if (!k->news) {
            pthread_cond_wait(&k->changed, &k->lock);
            continue;
        }
        k->news = false;
        gather(k, &file);
        pthread_mutex_unlock(&k->lock);
        keep(k, &file);
        pthread_mutex_lock(&k->lock);
    }
    pthread_mutex_unlock(&k->lock);
    buffer_free(&file);
    return NULL;
}

void keeper_offer(struct keeper *k, uint32_t receiver, struct buffer *entries)
{
    if (entries->failed) { /* what was offered before stays */
        buffer_clear(entries);
        return;
    }
    pthread_mutex_lock(&k->lock);
    struct buffer old = k->offered[receiver];
    k->offered[receiver] = *entries;
    k->news = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
    *entries = old;
    buffer_clear(entries);
}

/* ---- life ---- */

static char *joined(const char *path, const char *suffix)
{
    size_t length = strlen(path) + strlen(suffix) + 1;
    char *text = malloc(length);
    if (text)
        snprintf(text, length, "%s%s", path, suffix);
    return text;
}

enum weir_status keeper_new(const char *path, uint32_t receivers, struct keeper **out,
                            struct weir_error *error)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return weir_fail(error, WEIR_ENOMEM, NULL, "no memory for the keeper of templates");
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->receivers = receivers;
    k->path = joined(path, "");
    k->beside = joined(path, ".new");
    k->offered = calloc(receivers, sizeof *k->offered);
    k->running =
        k->path && k->beside && k->offered && pthread_create(&k->thread, NULL, keeper_main, k) == 0;
    if (!k->running) {
        keeper_free(k);
        return weir_fail(error, WEIR_ENOMEM, NULL, "cannot start the keeper of templates");
    }
    *out = k;
    return WEIR_OK;
}

void keeper_stop(struct keeper *k)
{
    if (!k || !k->running)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    k->running = false;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    keeper_stop(k);
    for (uint32_t i = 0; k->offered && i < k->receivers; i++)
        buffer_free(&k->offered[i]);
    free(k->offered);
    free(k->path);
    free(k->beside);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
