/* replay.c - runs a fuzz target over every file of a corpus folder, for builds without libFuzzer.
 * Usage: fuzz_NAME FOLDER|FILE…   Each input sits flush against the end of its allocation, so that
 * AddressSanitizer sees a read one octet too far. A missing or empty folder is a failure: a replay
 * that ran nothing proves nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return -1;
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size ? size : 1);
    int ok = data && fread(data, 1, size, file) == size;
    fclose(file);
    if (ok)
        (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    return ok ? 1 : -1;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[4096];
        struct stat info;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (stat(name, &info) == 0 && S_ISREG(info.st_mode) && replay_file(name) > 0)
            count++;
    }
    closedir(folder);
    return count ? count : -1;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        struct stat info;
        int n = stat(argv[i], &info) != 0    ? -1
                : S_ISDIR(info.st_mode) ? replay_folder(argv[i])
                                        : replay_file(argv[i]);
        if (n < 0) {
            fprintf(stderr, "%s: no inputs\n", argv[i]);
            return 1;
        }
        total += n;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
