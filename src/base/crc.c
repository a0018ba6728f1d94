/*
 * crc.c - CRC-32C by tables (eight bytes a step) or by the SSE4.2 instruction (three streams at once for long inputs).
 *
 * The instruction has a latency of three cycles and a throughput of one, so a long input is cut into three stretches whose
 * checksums are computed side by side and then joined: the checksum of ab is shift(crc(a), len b) ^ crc(b), where shift
 * runs the register over zero bytes. A shift by a fixed length is a linear map, kept as four tables of 256 words.
 *
 * All tables are built before main() and only read afterwards.
 */
#include "base/crc.h"

#include <stdbool.h>
#include <string.h>

enum {
    POLYNOMIAL_REVERSED = 0x82f63b78,
    LONG_BYTES = 4096, /* each of the three stretches; multiples of 8 */
    SHORT_BYTES = 256,
};

static uint32_t step_table[8][256];

/* The register after @crc (not inverted) ran over @len bytes. */
static uint32_t run_tables(uint32_t crc, const unsigned char *data, size_t len)
{
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = step_table[7][word & 0xff] ^ step_table[6][(word >> 8) & 0xff] ^
              step_table[5][(word >> 16) & 0xff] ^ step_table[4][(word >> 24) & 0xff] ^
              step_table[3][(word >> 32) & 0xff] ^ step_table[2][(word >> 40) & 0xff] ^
              step_table[1][(word >> 48) & 0xff] ^ step_table[0][word >> 56];
        data += 8;
        len -= 8;
    }
    for (; len > 0; len--)
        crc = (crc >> 8) ^ step_table[0][(crc ^ *data++) & 0xff];
    return crc;
}

static void build_step_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? (uint32_t)POLYNOMIAL_REVERSED : 0);
        step_table[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int i = 1; i < 8; i++) {
            uint32_t before = step_table[i - 1][byte];
            step_table[i][byte] = (before >> 8) ^ step_table[0][before & 0xff];
        }
    }
}

#if defined(__x86_64__)
#include <nmmintrin.h>

static bool has_instruction;
static uint32_t long_shift[4][256];
static uint32_t short_shift[4][256];

static void build_shift(uint32_t table[4][256], size_t len)
{
    static const unsigned char zeros[SHORT_BYTES];
    for (int place = 0; place < 4; place++) {
        /* The map is linear: eight single bits, and every other byte is the sum of its bits. */
        for (int bit = 0; bit < 8; bit++) {
            uint32_t crc = (uint32_t)1 << (8 * place + bit);
            for (size_t done = 0; done < len; done += sizeof zeros)
                crc = run_tables(crc, zeros, sizeof zeros);
            table[place][1 << bit] = crc;
        }
        for (unsigned byte = 1; byte < 256; byte++) {
            unsigned lowest = byte & -byte;
            if (byte != lowest)
                table[place][byte] = table[place][lowest] ^ table[place][byte ^ lowest];
        }
    }
}

static uint32_t shift(uint32_t table[4][256], uint32_t crc)
{
    return table[0][crc & 0xff] ^ table[1][(crc >> 8) & 0xff] ^ table[2][(crc >> 16) & 0xff] ^
           table[3][crc >> 24];
}

static inline uint64_t load64(const unsigned char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

/* Three stretches of @stretch bytes each. */
__attribute__((target("sse4.2"))) static uint32_t run_three(uint32_t crc, const unsigned char *data,
                                                            size_t stretch, uint32_t table[4][256])
{
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const unsigned char *end = data + stretch; data < end; data += 8) {
        first = _mm_crc32_u64(first, load64(data));
        second = _mm_crc32_u64(second, load64(data + stretch));
        third = _mm_crc32_u64(third, load64(data + 2 * stretch));
    }
    uint32_t joined = shift(table, (uint32_t)first) ^ (uint32_t)second;
    return shift(table, joined) ^ (uint32_t)third;
}

__attribute__((target("sse4.2"))) static uint32_t
run_instruction(uint32_t crc, const unsigned char *data, size_t len)
{
    for (; len >= 3 * (size_t)LONG_BYTES; len -= 3 * (size_t)LONG_BYTES) {
        crc = run_three(crc, data, LONG_BYTES, long_shift);
        data += 3 * (size_t)LONG_BYTES;
    }
    for (; len >= 3 * (size_t)SHORT_BYTES; len -= 3 * (size_t)SHORT_BYTES) {
        crc = run_three(crc, data, SHORT_BYTES, short_shift);
        data += 3 * (size_t)SHORT_BYTES;
    }
    uint64_t wide = crc;
    for (; len >= 8; len -= 8) {
        wide = _mm_crc32_u64(wide, load64(data));
        data += 8;
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--)
        crc = _mm_crc32_u8(crc, *data++);
    return crc;
}
#endif

__attribute__((constructor)) static void build_tables(void)
{
    build_step_table();
#if defined(__x86_64__)
    build_shift(long_shift, LONG_BYTES);
    build_shift(short_shift, SHORT_BYTES);
    __builtin_cpu_init();
    has_instruction = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (has_instruction)
        return ~run_instruction(~crc, data, len);
#endif
    return ~run_tables(~crc, data, len);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    return ~run_tables(~crc, data, len);
}
