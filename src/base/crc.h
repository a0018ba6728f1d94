/*
 * crc.h - CRC-32C (Castagnoli; RFC 3720 appendix B.4), with the processor's instruction where there is one.
 */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues @crc over @len bytes; start with 0. crc32c(crc32c(0, a), b) is the checksum of ab. Thread: any. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by tables alone, for processors without the instruction; here so that tests can compare the two. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
