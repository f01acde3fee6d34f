/* keyfile.c - see keyfile.h. Neighbours: policy.c reads keys, collector.c makes them. */
#include "select/keyfile.h"
#include "flow/selection.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define DIGITS    (2 * CRYPTOPAN_KEY_SIZE)

static enum weir_status path_of(const char *folder, const char *name, char out[PATH_SIZE],
                                struct weir_error *error)
{
    if (!folder)
        return weir_fail(error, WEIR_EARGUMENT, "key", "this collector has no folder for keys");
    if (!name || !*name)
        name = ANONYMISE_KEY_DEFAULT;
    if (!selection_name_valid(name))
        return weir_fail(error, WEIR_EARGUMENT, "key", "'%.80s' is no name of a key", name);
    if (snprintf(out, PATH_SIZE, "%s/%s.key", folder, name) >= PATH_SIZE - 16)
        return weir_fail(error, WEIR_EARGUMENT, "key", "the folder's path is too long");
    return WEIR_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_digits(const char *text, uint8_t out[CRYPTOPAN_KEY_SIZE])
{
    for (unsigned i = 0; i < CRYPTOPAN_KEY_SIZE; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Digits, and nothing but a line's end behind them. */
static enum weir_status read_key(int fd, const char *path, uint8_t out[CRYPTOPAN_KEY_SIZE],
                                 struct weir_error *error)
{
    char text[DIGITS + 4] = "";
    struct stat about;
    if (fstat(fd, &about) != 0)
        return weir_fail(error, WEIR_EIO, "key", "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode) || (about.st_mode & 077))
        return weir_fail(error, WEIR_EDENIED, "key",
                         "%s may be read by others than its owner: mode 0600 is expected", path);
    ssize_t length = read(fd, text, sizeof text - 1);
    bool good = length >= DIGITS && strspn(text + DIGITS, "\r\n") == strlen(text + DIGITS) &&
                read_digits(text, out);
    explicit_bzero(text, sizeof text);
    if (!good)
        return weir_fail(error, WEIR_EMALFORMED, "key", "%s: %d hexadecimal digits are expected",
                         path, DIGITS);
    return WEIR_OK;
}

enum weir_status key_read(const char *folder, const char *name, uint8_t out[CRYPTOPAN_KEY_SIZE],
                          struct weir_error *error)
{
    char path[PATH_SIZE];
    enum weir_status status = path_of(folder, name, path, error);
    if (status != WEIR_OK)
        return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return weir_fail(error, errno == ENOENT ? WEIR_ENOTFOUND : WEIR_EIO, "key", "%s: %s", path,
                         strerror(errno));
    status = read_key(fd, path, out, error);
    close(fd);
    return status;
}

static bool random_digits(char out[DIGITS + 1])
{
    uint8_t octets[CRYPTOPAN_KEY_SIZE];
    size_t have = 0;
    while (have < sizeof octets) {
        ssize_t got = getrandom(octets + have, sizeof octets - have, 0);
        if (got < 0 && errno != EINTR)
            return false;
        have += got > 0 ? (size_t)got : 0;
    }
    for (unsigned i = 0; i < sizeof octets; i++)
        snprintf(out + 2 * i, 3, "%02x", octets[i]);
    out[DIGITS] = '\n';
    explicit_bzero(octets, sizeof octets);
    return true;
}

static bool write_file(const char *path)
{
    char text[DIGITS + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = random_digits(text) && write(fd, text, sizeof text) == (ssize_t)sizeof text &&
                fsync(fd) == 0;
    explicit_bzero(text, sizeof text);
    return (close(fd) == 0) & good;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* Written beside and linked into place, so that nobody ever sees half a key, or replaces one. */
static enum weir_status make_file(const char *folder, const char *path, struct weir_error *error)
{
    char beside[PATH_SIZE];
    snprintf(beside, sizeof beside, "%.4000s.%d.new", path, (int)getpid());
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return weir_fail(error, WEIR_EIO, "key", "%s: %s", folder, strerror(errno));
    (void)unlink(beside);
    bool made = write_file(beside) && (link(beside, path) == 0 || errno == EEXIST);
    int why = errno;
    (void)unlink(beside);
    sync_folder(folder);
    return made ? WEIR_OK
                : weir_fail(error, why == ENOSPC ? WEIR_EFULL : WEIR_EIO, "key", "%s: %s", path,
                            strerror(why));
}

enum weir_status key_make(const char *folder, const char *name, struct weir_error *error)
{
    char path[PATH_SIZE];
    uint8_t key[CRYPTOPAN_KEY_SIZE];
    struct weir_error why = {0};
    enum weir_status status = path_of(folder, name, path, error);
    if (status != WEIR_OK)
        return status;
    status = key_read(folder, name, key, &why);
    if (status == WEIR_ENOTFOUND) {
        status = make_file(folder, path, &why);
        if (status == WEIR_OK)
            status = key_read(folder, name, key, &why);
    }
    explicit_bzero(key, sizeof key);
    if (status != WEIR_OK && error)
        *error = why;
    return status;
}
