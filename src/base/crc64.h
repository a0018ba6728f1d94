/*
 * crc64.h - CRC-64 "Jones", the checksum at the end of Redis's DUMP payloads and RDB files.
 */
#ifndef BASE_CRC64_H
#define BASE_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* Continues @crc over @len bytes; start with 0. Thread: any. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);

#endif
