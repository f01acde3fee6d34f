/* keyfile.h - the keys of anonymisation: files NAME.key of 64 hexadecimal digits in one folder of
 * the collector's machine, readable by its user only. They are made here, or put there by whoever
 * administers the machine; nothing else ever has them: no service, no log, no store.
 *
 * Threads: any. */
#ifndef WEIR_COLLECTOR_KEYFILE_H
#define WEIR_COLLECTOR_KEYFILE_H

#include "base/status.h"
#include "select/cryptopan.h"

/* Reads a key. WEIR_ENOTFOUND: no such file; WEIR_EDENIED: others may read it; WEIR_EMALFORMED: not
 * 64 hexadecimal digits; WEIR_EIO. No message has any of its octets. `name` "" is "default". */
enum weir_status key_read(const char *folder, const char *name, uint8_t out[CRYPTOPAN_KEY_SIZE],
                          struct weir_error *error);
/* Makes sure that the key is there and good: made of random octets, mode 0600, when there is none.
 */
enum weir_status key_make(const char *folder, const char *name, struct weir_error *error);

#endif
