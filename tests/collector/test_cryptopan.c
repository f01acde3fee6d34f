/* The published vectors of Crypto-PAn, its defining property against a slow bit-by-bit
 * recomputation, its tables, and the files its keys are in. */
#include "base/address.h"
#include "base/time.h"
#include "select/cryptopan.h"
#include "select/keyfile.h"
#include "unit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The key and trace that come with the authors' implementation. */
static const uint8_t key[32] = {21,  34, 23,  141, 51, 164, 207, 128, 19,  10,  91,
                                22,  73, 144, 125, 16, 216, 152, 143, 131, 121, 121,
                                101, 39, 98,  87,  76, 45,  42,  132, 34,  2};

static const struct {
    const char *address, *pseudonym;
} vectors[] = {
    {"128.11.68.132", "135.242.180.132"},
    {"129.118.74.4", "134.136.186.123"},
    {"130.132.252.244", "133.68.164.234"},
    {"141.223.7.43", "141.167.8.160"},
    {"141.233.145.108", "141.129.237.235"},
    {"152.163.225.39", "151.140.114.167"},
    {"156.29.3.236", "147.225.12.42"},
    {"165.247.96.84", "162.9.99.234"},
    {"166.107.77.190", "160.132.178.185"},
    {"192.102.249.13", "252.138.62.131"},
    {"192.215.32.125", "252.43.47.189"},
    {"192.233.80.103", "252.25.108.8"},
    {"192.41.57.43", "252.222.221.184"},
    {"193.150.244.223", "253.169.52.216"},
    {"195.205.63.100", "255.186.223.5"},
    {"198.200.171.101", "249.199.68.213"},
    {"198.26.132.101", "249.36.123.202"},
    {"198.36.213.5", "249.7.21.132"},
    {"198.51.77.238", "249.18.186.254"},
    {"199.217.79.101", "248.38.184.213"},
    {"202.49.198.20", "245.206.7.234"},
    {"203.12.160.252", "244.248.163.4"},
    {"204.184.162.189", "243.192.77.90"},
    {"204.202.136.230", "243.178.4.198"},
    {"204.29.20.4", "243.33.20.123"},
    {"205.178.38.67", "242.108.198.51"},
    {"205.188.147.153", "242.96.16.101"},
    {"205.188.248.25", "242.96.88.27"},
    {"205.245.121.43", "242.21.121.163"},
    {"207.105.49.5", "241.118.205.138"},
    {"207.135.65.238", "241.202.129.222"},
    {"207.155.9.214", "241.220.250.22"},
    {"207.188.7.45", "241.255.249.220"},
    {"207.25.71.27", "241.33.119.156"},
    {"207.33.151.131", "241.1.233.131"},
    {"208.147.89.59", "227.237.98.191"},
    {"208.234.120.210", "227.154.67.17"},
    {"208.28.185.184", "227.39.94.90"},
    {"208.52.56.122", "227.8.63.165"},
    {"209.12.231.7", "226.243.167.8"},
    {"209.238.72.3", "226.6.119.243"},
    {"209.246.74.109", "226.22.124.76"},
    {"209.68.60.238", "226.184.220.233"},
    {"209.85.249.6", "226.170.70.6"},
    {"212.120.124.31", "228.135.163.231"},
    {"212.146.8.236", "228.19.4.234"},
    {"212.186.227.154", "228.59.98.98"},
    {"212.204.172.118", "228.71.195.169"},
    {"212.206.130.201", "228.69.242.193"},
    {"216.148.237.145", "235.84.194.111"},
    {"216.157.30.252", "235.89.31.26"},
    {"216.184.159.48", "235.96.225.78"},
    {"216.227.10.221", "235.28.253.36"},
    {"216.254.18.172", "235.7.16.162"},
    {"216.32.132.250", "235.192.139.38"},
    {"216.35.217.178", "235.195.157.81"},
    {"24.0.250.221", "100.15.198.226"},
    {"24.13.62.231", "100.2.192.247"},
    {"24.14.213.138", "100.1.42.141"},
    {"24.5.0.80", "100.9.15.210"},
    {"24.7.198.88", "100.10.6.25"},
    {"24.94.26.44", "100.88.228.35"},
    {"38.15.67.68", "64.3.66.187"},
    {"4.3.88.225", "124.60.155.63"},
    {"63.14.55.111", "95.9.215.7"},
    {"63.195.241.44", "95.179.238.44"},
    {"63.97.7.140", "95.97.9.123"},
    {"64.14.118.196", "0.255.183.58"},
    {"64.34.154.117", "0.221.154.117"},
    {"64.39.15.238", "0.219.7.41"},
    /* IPv6, from other implementations that use the same key */
    {"::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"},
    {"::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"},
    {"::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838"},
    {"2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"},
    {"2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"},
};

static void test_vectors(void)
{
    struct cryptopan *c = cryptopan_new(key);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    for (int round = 0; round < 2; round++) /* the second time out of the tables */
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
            struct address a;
            char text[ADDRESS_TEXT_SIZE];
            CU_ASSERT_EQUAL_FATAL(address_parse(vectors[i].address, "a", &a, NULL), WEIR_OK);
            if (address_is_ipv4(&a))
                a = address_from_ipv4(cryptopan_ipv4(c, address_ipv4(&a)));
            else
                cryptopan_ipv6(c, a.octets);
            CU_ASSERT_STRING_EQUAL(address_print(&a, text), vectors[i].pseudonym);
        }
    cryptopan_free(c);
}

/* ---- the definition, a bit at a time ---- */

static void aes(const uint8_t in[16], uint8_t out[16])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int length;
    EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL);
    EVP_CIPHER_CTX_set_padding(context, 0);
    EVP_EncryptUpdate(context, out, &length, in, 16);
    EVP_CIPHER_CTX_free(context);
}

static int bit_of(const uint8_t *octets, unsigned i)
{
    return octets[i / 8] >> (7 - i % 8) & 1;
}

static void slowly(const uint8_t *address, unsigned bits, uint8_t *out)
{
    uint8_t pad[16], in[16], result[16];
    aes(key + 16, pad);
    for (unsigned i = 0; i < bits; i++) {
        memset(in, 0, sizeof in);
        for (unsigned j = 0; j < 128; j++)
            in[j / 8] |= (uint8_t)(bit_of(j < i ? address : pad, j) << (7 - j % 8));
        aes(in, result);
        int bit = bit_of(address, i) ^ bit_of(result, 0);
        out[i / 8] = (uint8_t)((out[i / 8] & ~(0x80 >> i % 8)) | bit << (7 - i % 8));
    }
}

static void test_definition(void)
{
    struct cryptopan *c = cryptopan_new(key);
    srand(7);
    for (int i = 0; i < 300; i++) {
        uint8_t address[16], expected[16];
        for (unsigned k = 0; k < 16; k++)
            address[k] = (uint8_t)(rand() >> 3);
        if (i % 3)
            memset(address, 0x20, 8); /* networks that the tables know already */
        slowly(address, 128, expected);
        uint8_t got[16];
        memcpy(got, address, 16);
        cryptopan_ipv6(c, got);
        CU_ASSERT_EQUAL(memcmp(got, expected, 16), 0);
        slowly(address, 48, expected);
        uint64_t mac = 0, mac_expected = 0;
        for (unsigned k = 0; k < 6; k++) {
            mac = mac << 8 | address[k];
            mac_expected = mac_expected << 8 | expected[k];
        }
        CU_ASSERT_EQUAL(cryptopan_mac(c, mac), mac_expected);
    }
    cryptopan_free(c);
}

static unsigned shared_bits(uint32_t a, uint32_t b)
{
    return a == b ? 32 : (unsigned)__builtin_clz(a ^ b);
}

static void test_prefixes(void)
{
    struct cryptopan *c = cryptopan_new(key);
    srand(11);
    for (int i = 0; i < 20000; i++) {
        uint32_t a = (uint32_t)rand() << 1 ^ (uint32_t)rand() >> 7;
        uint32_t b = a ^ (uint32_t)rand() >> rand() % 31;
        CU_ASSERT_EQUAL(shared_bits(cryptopan_ipv4(c, a), cryptopan_ipv4(c, b)), shared_bits(a, b));
    }
    cryptopan_free(c);
}

/* Said, not judged: machines differ. */
static void test_speed(void)
{
    struct cryptopan *c = cryptopan_new(key);
    const unsigned n = 200000;
    uint32_t state = 1, sum = 0;
    uint64_t start = clock_thread_cpu_us();
    for (unsigned i = 0; i < n; i++)
        sum += cryptopan_ipv4(c, state = state * 1664525 + 1013904223);
    uint64_t fresh = clock_thread_cpu_us() - start;
    start = clock_thread_cpu_us();
    for (unsigned i = 0; i < n; i++)
        sum += cryptopan_ipv4(c, 0x0a000000u + i % 4096);
    uint64_t known = clock_thread_cpu_us() - start;
    printf("  IPv4: %.0f ns a new address, %.0f ns one of 4096 (%u)\n", (double)fresh * 1e3 / n,
           (double)known * 1e3 / n, sum);
    cryptopan_free(c);
}

/* ---- keys ---- */

static void test_key_files(void)
{
    char folder[] = "/tmp/weir-keys-XXXXXX", keys[64], path[96];
    uint8_t one[32], two[32];
    struct weir_error error = {0};
    struct stat about;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(keys, sizeof keys, "%s/keys", folder);
    snprintf(path, sizeof path, "%s/default.key", keys);
    CU_ASSERT_EQUAL(key_read(keys, "", one, &error), WEIR_ENOTFOUND);
    CU_ASSERT_EQUAL(key_make(keys, "", &error), WEIR_OK);
    CU_ASSERT(stat(path, &about) == 0 && (about.st_mode & 0777) == 0600);
    CU_ASSERT(stat(keys, &about) == 0 && (about.st_mode & 0777) == 0700);
    CU_ASSERT_EQUAL(key_read(keys, "default", one, &error), WEIR_OK);
    CU_ASSERT_EQUAL(key_make(keys, "default", &error), WEIR_OK); /* there already: the same */
    CU_ASSERT_EQUAL(key_read(keys, "", two, &error), WEIR_OK);
    CU_ASSERT_EQUAL(memcmp(one, two, 32), 0);
    CU_ASSERT_EQUAL(key_make(keys, "other", &error), WEIR_OK);
    CU_ASSERT_EQUAL(key_read(keys, "other", two, &error), WEIR_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(one, two, 32), 0);
    CU_ASSERT_EQUAL(key_make(keys, "../evil", &error), WEIR_EARGUMENT);
    CU_ASSERT_EQUAL(key_make(keys, ".hidden", &error), WEIR_EARGUMENT);
    chmod(path, 0644);
    CU_ASSERT_EQUAL(key_read(keys, "", one, &error), WEIR_EDENIED);
    CU_ASSERT_EQUAL(key_make(keys, "", &error), WEIR_EDENIED);
    chmod(path, 0600);
    FILE *f = fopen(path, "w");
    fputs("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEF\n", f); /* one short */
    fclose(f);
    CU_ASSERT_EQUAL(key_read(keys, "", one, &error), WEIR_EMALFORMED);
    CU_ASSERT_PTR_NULL(strstr(error.message, "0011"));
    f = fopen(path, "w");
    fputs("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\r\n", f);
    fclose(f);
    CU_ASSERT_EQUAL(key_read(keys, "", one, &error), WEIR_OK);
    CU_ASSERT(one[1] == 0x11 && one[31] == 0xff && one[30] == 0xee);
    unlink(path);
    snprintf(path, sizeof path, "%s/other.key", keys);
    unlink(path);
    rmdir(keys);
    rmdir(folder);
}

UNIT_MAIN("cryptopan", {"published vectors", test_vectors}, {"the definition", test_definition},
          {"prefixes are preserved", test_prefixes}, {"speed", test_speed},
          {"key files", test_key_files})
