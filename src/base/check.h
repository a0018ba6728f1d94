/*
 * check.h - assertions about our own mistakes; never about bytes from disk, network or an embedder.
 *
 * CHECK stays on in release builds and ends the process: for places where going on would lose data.
 * ASSERT is for debug and test builds (KVS_DEBUG).
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#ifdef KVS_DEBUG
#define ASSERT(condition) CHECK(condition)
#else
#define ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

_Noreturn void check_failed(const char *file, int line, const char *condition);

#endif
