/* seal.h - checksums of rows, as SQL functions.
 *
 * SQLite trusts its file: a flipped bit in a number is another number. So every row of ours carries
 * a seal, the CRC-32C over its other columns in order, each as
 *     1 octet   SQLite's type (1 integer, 2 real, 3 text, 4 blob, 5 null)
 *     8 octets  LITTLE ENDIAN: the integer, the real's bits, or the length of text or blob
 *     the octets of text or blob
 * and every statement that reads rows compares it. Integers of 0 at the end are left out: a column
 * that a later schema appends, 0 in the rows that are there, leaves their seals right. Rows of one
 * statement have one number of columns, so no two of them are alike for that. */
#ifndef WEIR_DB_SEAL_H
#define WEIR_DB_SEAL_H

#include <sqlite3.h>

/* Gives the connection seal(…) and the aggregate digest(…), the sum mod 2^64 of the rows' seals,
 * each multiplied by an odd constant so that it says more than their plain sum. SQLite's code. */
int seal_register(sqlite3 *db);

#endif
