/* seal.c - the SQL functions seal() and digest() (seal.h). Neighbour: sql.c registers them. */
#include "store/seal.h"
#include "block/block.h"
#include <stdbool.h>
#include <string.h>

static uint32_t seal_value(uint32_t crc, sqlite3_value *v)
{
    uint8_t head[9] = {(uint8_t)sqlite3_value_type(v)};
    const void *bytes = NULL;
    uint64_t number = 0;
    switch (head[0]) {
    case SQLITE_INTEGER:
        number = (uint64_t)sqlite3_value_int64(v);
        break;
    case SQLITE_FLOAT: {
        double real = sqlite3_value_double(v);
        memcpy(&number, &real, sizeof number);
        break;
    }
    case SQLITE_TEXT:
        bytes = sqlite3_value_text(v);
        number = (uint64_t)sqlite3_value_bytes(v);
        break;
    case SQLITE_BLOB:
        bytes = sqlite3_value_blob(v);
        number = (uint64_t)sqlite3_value_bytes(v);
        break;
    default:
        break;
    }
    memcpy(head + 1, &number, sizeof number);
    crc = crc32c(crc, head, sizeof head);
    return bytes && number ? crc32c(crc, bytes, number) : crc;
}

static bool is_zero(sqlite3_value *v)
{
    return sqlite3_value_type(v) == SQLITE_INTEGER && sqlite3_value_int64(v) == 0;
}

static uint32_t seal_values(int count, sqlite3_value **values)
{
    uint32_t crc = 0;
    while (count > 0 && is_zero(values[count - 1]))
        count--;
    for (int i = 0; i < count; i++)
        crc = seal_value(crc, values[i]);
    return crc;
}

static void seal_call(sqlite3_context *context, int count, sqlite3_value **values)
{
    sqlite3_result_int64(context, seal_values(count, values));
}

static void digest_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint64_t *sum = sqlite3_aggregate_context(context, sizeof *sum);
    if (!sum) {
        sqlite3_result_error_nomem(context);
        return;
    }
    *sum += ((uint64_t)seal_values(count, values) + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void digest_final(sqlite3_context *context)
{
    uint64_t *sum = sqlite3_aggregate_context(context, 0);
    sqlite3_result_int64(context, sum ? (int64_t)*sum : 0);
}

int seal_register(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code = sqlite3_create_function_v2(db, "seal", -1, flags, NULL, seal_call, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;
    return sqlite3_create_function_v2(db, "digest", -1, flags, NULL, NULL, digest_step,
                                      digest_final, NULL);
}
