/*
 * crc64.c - CRC-64 "Jones" by tables, eight bytes a step. The tables are built before main() and only read afterwards.
 */
#include "base/crc64.h"

#include <string.h>

#define POLYNOMIAL_REVERSED 0x95ac9329ac4bc9b5u

static uint64_t step_table[8][256];

__attribute__((constructor)) static void build_step_table(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL_REVERSED : 0);
        step_table[0][byte] = crc;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        for (int i = 1; i < 8; i++) {
            uint64_t before = step_table[i - 1][byte];
            step_table[i][byte] = (before >> 8) ^ step_table[0][before & 0xff];
        }
    }
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = step_table[7][word & 0xff] ^ step_table[6][word >> 8 & 0xff] ^
              step_table[5][word >> 16 & 0xff] ^ step_table[4][word >> 24 & 0xff] ^
              step_table[3][word >> 32 & 0xff] ^ step_table[2][word >> 40 & 0xff] ^
              step_table[1][word >> 48 & 0xff] ^ step_table[0][word >> 56];
        bytes += 8;
        len -= 8;
    }
    for (; len > 0; len--)
        crc = (crc >> 8) ^ step_table[0][(crc ^ *bytes++) & 0xff];
    return crc;
}
