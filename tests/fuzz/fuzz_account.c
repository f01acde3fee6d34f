/* fuzz_account.c - any bytes give an account or an error, and what was read writes and reads again
 * as the same bytes when they were canonical. */
#include "flow/account.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor in = cursor_over(data, size);
    struct account first, second;
    struct weir_error error;
    if (account_read(&in, &first, &error) != WEIR_OK)
        return 0;
    struct buffer out = {0};
    account_write(&out, &first);
    struct cursor again = cursor_over(out.bytes, out.length);
    if (account_read(&again, &second, &error) != WEIR_OK || second.row_count != first.row_count ||
        second.checkpoint_count != first.checkpoint_count || cursor_left(&again))
        abort();
    if (first.row_count &&
        memcmp(first.rows, second.rows, first.row_count * sizeof *first.rows) != 0)
        abort();
    account_free(&first);
    account_free(&second);
    buffer_free(&out);
    return 0;
}
