/* crc32c.h - the two ways of crc32c() (block.h), apart, so that a test can compare them. Private to
 * lib/block. The seed of a first call is 0; passing a result as the seed goes on where it stopped.
 */
#ifndef WEIR_BLOCK_CRC32C_H
#define WEIR_BLOCK_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_tables(uint32_t seed, const void *bytes, size_t length);
uint32_t crc32c_hardware(uint32_t seed, const void *bytes, size_t length); /* call only when: */
bool crc32c_have_hardware(void);

#endif
