/* page_sum.c - see page_sum.h. Neighbour: vfs.c calls it for what is written and read. */
#include "store/page_sum.h"
#include "base/cursor.h"
#include "block/block.h"
#include <string.h>

#define HEAD_PAGE 16 /* octets of a page, big-endian; 1 stands for 65536 */
#define HEAD_RESERVED 20
#define SECTOR 512 /* what a disk writes as a whole, at least */

/* Of a tree's page; of the first page behind the file's head. */
#define TREE_CELLS 3   /* how many, big-endian */
#define TREE_LEAF 8    /* a bit of the first octet */
#define TREE_PLACES 12 /* of the cells, two octets each, big-endian; leaves: four octets earlier */

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

/* Maps of owners are at fixed places in our files: page 2, then after each so many as one tells of,
 * five octets each. */
static bool is_map(size_t size, uint32_t number)
{
    return number >= 2 && (number - 2) % ((size - PAGE_SUM_OCTETS) / 5 + 1) == 0;
}

static bool ends_in_zeros(const uint8_t *page, size_t size)
{
    for (size_t i = size - SECTOR; i < size; i++)
        if (page[i] != 0)
            return false;
    return true;
}

/* Does a cell begin with zeros? It does with its length, and above leaves with the number of a
 * page. */
static bool lacks_cells(const uint8_t *page, size_t size, uint32_t number)
{
    size_t head = number == 1 ? PAGE_HEAD : 0, leaf = page[head] & TREE_LEAF;
    size_t places = head + TREE_PLACES - (leaf ? 4 : 0);
    size_t count = load_be16(page + head + TREE_CELLS);
    for (size_t i = 0; i < count && places + 2 * i + 2 <= size; i++) {
        size_t at = load_be16(page + places + 2 * i);
        if (at + 4 <= size && (leaf ? page[at] : load_be32(page + at)) == 0)
            return true;
    }
    return false;
}

/* No checksum: because there was none, or because the end is lost? */
static bool lost_its_end(const uint8_t *page, size_t size, uint32_t number)
{
    return page_is_tree(page, number) && !is_map(size, number) && ends_in_zeros(page, size) &&
           lacks_cells(page, size, number);
}

bool page_sum_lacks(const uint8_t *page, size_t size)
{
    return load_le64(page + size - PAGE_SUM_OCTETS) == 0;
}

bool page_sum_holds(const uint8_t *page, size_t size, uint32_t number)
{
    const uint8_t *sum = page + size - PAGE_SUM_OCTETS;
    if (page_sum_lacks(page, size))
        return !lost_its_end(page, size, number);
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
