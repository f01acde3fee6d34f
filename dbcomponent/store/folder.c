/* folder.c - the data folder and the file in it, before SQLite opens it: who may read them, and
 * whether we may write. Neighbour: store.c.
 *
 * Flow records are personal data: the folder is made 0750 and the file 0640, and SQLite makes the
 * log and the shared memory beside it like the file. */
#include "store/inside.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0750
#define FILE_MODE   0640
#define OTHERS      0007

static bool is_denied(int why)
{
    return why == EACCES || why == EPERM || why == EROFS;
}

static enum weir_status refuse(const char *what, const char *path, struct weir_error *error)
{
    int why = errno;
    if (is_denied(why))
        return weir_fail(
            error, WEIR_EDENIED, "data",
            "can not %s %s: %s; give the folder to the user that runs weird (chown -R), or name "
            "another one with --data",
            what, path, strerror(why));
    return weir_fail(error, why == ENOSPC || why == EDQUOT ? WEIR_EFULL : WEIR_EIO, "data",
                     "can not %s %s: %s", what, path, strerror(why));
}

/* A file of an earlier release, or one that somebody brought, may be for everybody to read. By its
 * name: to open and close it would take away the locks that this process may have on it. */
static void close_to_others(const char *path)
{
    struct stat now;
    if (stat(path, &now) != 0 || !(now.st_mode & OTHERS))
        return;
    if (chmod(path, now.st_mode & 07777 & ~(mode_t)OTHERS) == 0)
        log_info("store", "%s was open to every user of this machine; it is not any more", path);
    else
        log_warning("store",
                    "%s is open to every user of this machine, and holds flow records: chmod o= it",
                    path);
}

void folder_close_to_others(const char *file)
{
    static const char *const beside[] = {"", "-wal", "-shm"};
    char name[4096];
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (snprintf(name, sizeof name, "%s%s", file, beside[i]) < (int)sizeof name)
            close_to_others(name);
}

static enum weir_status refuse_none(const char *file, int why, struct weir_error *error)
{
    return weir_fail(error, why == ENOENT || why == ENOTDIR ? WEIR_ENOTFOUND : WEIR_EIO, "data",
                     "there is no store at %s: %s; weird and an import make one, --data names"
                     " another folder", file, strerror(why));
}

/* What is there is what should be. */
static enum weir_status check_kinds(const char *data, const char *file, struct weir_error *error)
{
    struct stat is;
    if (data && stat(data, &is) == 0 && !S_ISDIR(is.st_mode))
        return weir_fail(error, WEIR_EIO, "data",
                         "%s is not a folder: --data names the folder that weir.db is in", data);
    if (stat(file, &is) == 0 && !S_ISREG(is.st_mode))
        return weir_fail(error, WEIR_EIO, "data",
                         "%s is not a file: move it away, or name another folder with --data",
                         file);
    return WEIR_OK;
}

enum weir_status folder_look(const char *file, struct weir_error *error)
{
    if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == 0)
        return check_kinds(NULL, file, error);
    return errno == EACCES
               ? weir_fail(error, WEIR_EDENIED, "data",
                           "%s may not be read: read it as the user or in the group that owns it",
                           file)
               : refuse_none(file, errno, error);
}

enum weir_status folder_make(const char *data, const char *file, bool make,
                             struct weir_error *error)
{
    if (!make && access(file, F_OK) != 0 && !is_denied(errno))
        return refuse_none(file, errno, error);
    enum weir_status status = check_kinds(data, file, error);
    if (status != WEIR_OK)
        return status;
    if (mkdir(data, FOLDER_MODE) != 0 && errno != EEXIST)
        return refuse("make the folder", data, error);
    /* SQLite makes files beside the store. */
    if (faccessat(AT_FDCWD, data, W_OK | X_OK, AT_EACCESS) != 0)
        return refuse("write in the folder", data, error);
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return refuse("make", file, error);
    else if (faccessat(AT_FDCWD, file, R_OK | W_OK, AT_EACCESS) != 0)
        return refuse("write", file, error);
    return WEIR_OK;
}
