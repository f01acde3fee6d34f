/* page_sum.c - see page_sum.h. Neighbour: vfs.c calls it for what is written and read. */
#include "store/page_sum.h"
#include "base/cursor.h"
#include "block/block.h"
#include <string.h>

#define HEAD_PAGE 16 /* octets of a page, big-endian; 1 stands for 65536 */
#define HEAD_RESERVED 20

bool page_head_sums(const uint8_t head[PAGE_HEAD])
{
    return head[HEAD_RESERVED] == PAGE_SUM_OCTETS;
}

uint32_t page_head_size(const uint8_t head[PAGE_HEAD])
{
    uint32_t size = load_be16(head + HEAD_PAGE);
    return size == 1 ? PAGE_MOST : size;
}

static void put_le32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

void page_sum_put(uint8_t *page, size_t size, uint32_t number)
{
    uint8_t *sum = page + size - PAGE_SUM_OCTETS;
    put_le32(sum, crc32c(number, page, size - PAGE_SUM_OCTETS));
    put_le32(sum + 4, number);
}

void page_sum_clear(uint8_t *page, size_t size)
{
    memset(page + size - PAGE_SUM_OCTETS, 0, PAGE_SUM_OCTETS);
}

bool page_sum_holds(const uint8_t *page, size_t size, uint32_t number)
{
    const uint8_t *sum = page + size - PAGE_SUM_OCTETS;
    if (load_le64(sum) == 0)
        return true;
    return load_le32(sum + 4) == number &&
           load_le32(sum) == crc32c(number, page, size - PAGE_SUM_OCTETS);
}

/* In a file without, the last octets of the first page are the text of a table's definition. */
bool page_first_sums(const uint8_t *page, size_t size)
{
    return page_head_sums(page) || load_le32(page + size - 4) == 1;
}

/* The first octet: of trees 2, 5, 10 and 13; of maps of owners 1 to 5; of a list of free pages and
 * of a part of a long value the highest of the next one's number, which is none of these in files
 * of less than 2^24 pages, and in longer ones a page may be looked at for nothing. */
bool page_is_tree(const uint8_t *page, uint32_t number)
{
    return number == 1 || (page[0] != 0 && page[0] <= 13);
}
