/* outbox.c - the queue of finished blocks, in memory or as files of a spool; see outbox.h.
 *
 * Both shapes keep one list of entries, oldest first; an entry has its octets in memory, or the
 * name of its file, or (just read for sending) both. */
#include "deliver/outbox.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BLOCKS_MOST 8u
#define SPOOL_MOST_DEFAULT (INT64_C(8) << 30)
#define PATH_SIZE 4096

struct entry {
    struct entry *next;
    uint64_t sequence;
    uint8_t *bytes; /* NULL while it is only on disk */
    size_t length;
};

struct outbox {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct entry *first, **last;
    uint64_t blocks, octets;
    char *folder; /* NULL: in memory */
    int folder_fd; /* holds the lock on it; -1: none */
    int64_t most;
    bool stopped;
};

static void entry_path(const struct outbox *o, uint64_t sequence, const char *suffix,
                       char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%016" PRIx64 ".%s", o->folder, sequence, suffix);
}

static enum weir_status io_error(struct weir_error *error, const char *path, const char *what)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    return weir_fail(error, full ? WEIR_EFULL : WEIR_EIO, "spool", "%s: cannot %s: %s", path, what,
                     strerror(errno));
}

static void append_entry(struct outbox *o, struct entry *e)
{
    *o->last = e;
    o->last = &e->next;
    o->blocks++;
    o->octets += e->length;
}

/* ---- what an earlier run left ---- */

static int is_block_file(const struct dirent *entry)
{
    uint64_t sequence;
    int end = 0;
    return sscanf(entry->d_name, "%16" SCNx64 ".block%n", &sequence, &end) == 1 && end == 22 &&
           entry->d_name[end] == '\0';
}

static enum weir_status adopt(struct outbox *o, const char *name, struct weir_error *error)
{
    struct stat info;
    char path[PATH_SIZE];
    uint64_t sequence = strtoull(name, NULL, 16);
    entry_path(o, sequence, "block", path);
    if (stat(path, &info) != 0)
        return io_error(error, path, "look at it");
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return weir_fail(error, WEIR_ENOMEM, "spool", "no memory for the spool's list");
    e->sequence = sequence;
    e->length = (size_t)info.st_size;
    append_entry(o, e);
    return WEIR_OK;
}

/* Two processes would send and remove each other's blocks. The lock ends with the process. */
static enum weir_status lock_folder(struct outbox *o, struct weir_error *error)
{
    o->folder_fd = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->folder_fd < 0)
        return io_error(error, o->folder, "open the folder");
    if (flock(o->folder_fd, LOCK_EX | LOCK_NB) == 0)
        return WEIR_OK;
    if (errno != EWOULDBLOCK)
        return io_error(error, o->folder, "lock the folder");
    return weir_fail(error, WEIR_EBUSY, "spool", "%s: another collector uses this spool; "
                     "give each its own --data", o->folder);
}

static enum weir_status adopt_folder(struct outbox *o, struct weir_error *error)
{
    struct dirent **names;
    if (mkdir(o->folder, 0750) != 0 && errno != EEXIST)
        return io_error(error, o->folder, "make the folder");
    enum weir_status locked = lock_folder(o, error);
    if (locked != WEIR_OK)
        return locked;
    int count = scandir(o->folder, &names, is_block_file, alphasort);
    if (count < 0)
        return io_error(error, o->folder, "read the folder");
    enum weir_status status = WEIR_OK;
    for (int i = 0; i < count; i++) {
        if (status == WEIR_OK)
            status = adopt(o, names[i]->d_name, error);
        free(names[i]);
    }
    free(names);
    return status;
}

enum weir_status outbox_new(const char *folder, int64_t most, struct outbox **out,
                            struct weir_error *error)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (!o || (folder && !(o->folder = strdup(folder)))) {
        free(o);
        return weir_fail(error, WEIR_ENOMEM, "spool", "no memory for the outbox");
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&o->lock, NULL);
    o->last = &o->first;
    o->folder_fd = -1;
    o->most = most > 0 ? most : SPOOL_MOST_DEFAULT;
    enum weir_status status = folder ? adopt_folder(o, error) : WEIR_OK;
    if (status != WEIR_OK) {
        outbox_free(o);
        return status;
    }
    *out = o;
    return WEIR_OK;
}

void outbox_free(struct outbox *o)
{
    if (!o)
        return;
    while (o->first) {
        struct entry *e = o->first;
        o->first = e->next;
        free(e->bytes);
        free(e);
    }
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    if (o->folder_fd >= 0)
        close(o->folder_fd);
    free(o->folder);
    free(o);
}

/* ---- putting ---- */

static bool write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

static bool sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Under another name until it is whole and synced: a kill leaves either the block or no block. */
static enum weir_status write_file(struct outbox *o, uint64_t sequence, const struct buffer *block,
                                   struct weir_error *error)
{
    char part[PATH_SIZE], path[PATH_SIZE];
    entry_path(o, sequence, "part", part);
    entry_path(o, sequence, "block", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return io_error(error, part, "create it");
    bool ok = write_all(fd, block->bytes, block->length) && fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    errno = saved;
    if (!ok || rename(part, path) != 0 || !sync_folder(o->folder)) {
        enum weir_status status = io_error(error, path, "write it");
        unlink(part);
        unlink(path);
        return status;
    }
    return WEIR_OK;
}

static enum weir_status put_on_disk(struct outbox *o, struct entry *e, struct buffer *block,
                                    struct weir_error *error)
{
    uint64_t held;
    outbox_state(o, NULL, &held);
    if ((int64_t)(held + block->length) > o->most)
        return weir_fail(error, WEIR_ELIMIT, "spool", "%s: the spool holds %" PRIu64
                         " of the %" PRId64 " octets allowed", o->folder, held, o->most);
    enum weir_status status = write_file(o, e->sequence, block, error);
    if (status == WEIR_OK)
        buffer_clear(block);
    return status;
}

enum weir_status outbox_put(struct outbox *o, uint64_t sequence, struct buffer *block,
                            struct weir_error *error)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e)
        return weir_fail(error, WEIR_ENOMEM, "spool", "no memory to queue a block");
    e->sequence = sequence;
    e->length = block->length;
    if (o->folder) {
        enum weir_status status = put_on_disk(o, e, block, error);
        if (status != WEIR_OK) {
            free(e);
            return status;
        }
    } else {
        e->bytes = block->bytes;
        *block = (struct buffer){0};
    }
    pthread_mutex_lock(&o->lock);
    while (!o->folder && o->blocks >= MEMORY_BLOCKS_MOST && !o->stopped)
        pthread_cond_wait(&o->changed, &o->lock);
    append_entry(o, e); /* also when stopped: the block exists, it must not vanish here */
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    return WEIR_OK;
}

/* ---- taking ---- */

static struct timespec deadline_in(int64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static enum weir_status read_file(struct outbox *o, struct entry *e, struct weir_error *error)
{
    char path[PATH_SIZE];
    entry_path(o, e->sequence, "block", path);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return io_error(error, path, "open it");
    e->bytes = malloc(e->length ? e->length : 1);
    enum weir_status status = WEIR_OK;
    if (!e->bytes)
        status = weir_fail(error, WEIR_ENOMEM, "spool", "no memory for %s", path);
    else if (fread(e->bytes, 1, e->length, file) != e->length)
        status = weir_fail(error, WEIR_EIO, "spool", "%s: shorter than it was", path);
    fclose(file);
    if (status != WEIR_OK) {
        free(e->bytes);
        e->bytes = NULL;
    }
    return status;
}

enum weir_status outbox_each(struct outbox *o,
                             void (*visit)(void *context, const uint8_t *bytes, size_t length),
                             void *context, struct weir_error *error)
{
    for (struct entry *e = o->first; e; e = e->next) {
        enum weir_status status = read_file(o, e, error);
        if (status != WEIR_OK)
            return status;
        visit(context, e->bytes, e->length);
        free(e->bytes); /* only the first in line is kept in memory, when it is sent */
        e->bytes = NULL;
    }
    return WEIR_OK;
}

enum weir_status outbox_next(struct outbox *o, int64_t wait_ms, const uint8_t **bytes,
                             size_t *length, struct weir_error *error)
{
    struct timespec until = deadline_in(wait_ms);
    pthread_mutex_lock(&o->lock);
    while (!o->first && !o->stopped)
        if (pthread_cond_timedwait(&o->changed, &o->lock, &until) == ETIMEDOUT)
            break;
    struct entry *e = o->first;
    pthread_mutex_unlock(&o->lock);
    if (!e)
        return WEIR_ENOTFOUND;
    /* Only the sender removes entries, so `e` stays while the lock is open. */
    enum weir_status status = e->bytes ? WEIR_OK : read_file(o, e, error);
    *bytes = e->bytes;
    *length = e->length;
    return status;
}

static void drop_first(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    struct entry *e = o->first;
    o->first = e->next;
    if (!o->first)
        o->last = &o->first;
    o->blocks--;
    o->octets -= e->length;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    free(e->bytes);
    free(e);
}

void outbox_done(struct outbox *o)
{
    char path[PATH_SIZE];
    if (o->folder) {
        entry_path(o, o->first->sequence, "block", path);
        unlink(path); /* a file left behind is sent again and known there: harmless */
    }
    drop_first(o);
}

void outbox_refused(struct outbox *o)
{
    char path[PATH_SIZE], aside[PATH_SIZE];
    if (o->folder) {
        entry_path(o, o->first->sequence, "block", path);
        entry_path(o, o->first->sequence, "refused", aside);
        (void)rename(path, aside);
    }
    drop_first(o);
}

void outbox_stop(struct outbox *o)
{
    pthread_mutex_lock(&o->lock);
    o->stopped = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

void outbox_state(struct outbox *o, uint64_t *blocks, uint64_t *octets)
{
    pthread_mutex_lock(&o->lock);
    if (blocks)
        *blocks = o->blocks;
    if (octets)
        *octets = o->octets;
    pthread_mutex_unlock(&o->lock);
}
