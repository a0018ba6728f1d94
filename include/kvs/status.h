/*
 * status.h - the one status enum, byte strings, and how to ask what went wrong.
 *
 * Every kvs function that can fail returns an enum kvs_status. Zero is success; KVS_NOT_FOUND, KVS_CONFLICT and
 * KVS_WOULD_BLOCK are answers, not failures. The detail of the latest failure on a thread (file, offset, errno text)
 * is what kvs_error() returns. The library never prints, aborts or exits.
 */
#ifndef KVS_STATUS_H
#define KVS_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KVS_API        __attribute__((visibility("default")))
#define KVS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define KVS_API
#define KVS_MUST_CHECK
#endif

/* X(name, number, text). Numbers are part of the ABI: append, never renumber. */
#define KVS_STATUS_MAP(X)                                                                          \
    X(KVS_OK, 0, "ok")                                                                             \
    X(KVS_NOT_FOUND, 1, "key not found")                                                           \
    X(KVS_CONFLICT, 2, "a condition of the write does not hold")                                   \
    X(KVS_WOULD_BLOCK, 3, "the call would have to wait")                                           \
    X(KVS_INVALID, 4, "invalid argument")                                                          \
    X(KVS_TOO_LONG, 5, "key, value or batch over the limit")                                       \
    X(KVS_NO_MEMORY, 6, "out of memory")                                                           \
    X(KVS_IO, 7, "input/output error")                                                             \
    X(KVS_CORRUPT, 8, "damaged data")                                                              \
    X(KVS_DISK_FULL, 9, "no space left on the device")                                             \
    X(KVS_READ_ONLY, 10, "the store is read-only")                                                 \
    X(KVS_LOCKED, 11, "the directory is in use by another process")                                \
    X(KVS_WRONG_ENGINE, 12, "the directory belongs to another engine")                             \
    X(KVS_WRONG_FORMAT, 13, "unknown format version or foreign file")                              \
    X(KVS_UNSUPPORTED, 14, "not supported by this engine")                                         \
    X(KVS_OVER_BUDGET, 15, "over the memory budget")                                               \
    X(KVS_TIMEOUT, 16, "timed out")                                                                \
    X(KVS_CLOSED, 17, "closed")                                                                    \
    X(KVS_PROTOCOL, 18, "protocol error")                                                          \
    X(KVS_SERVER, 19, "the server answered an error")                                              \
    X(KVS_NETWORK, 20, "network error")

enum kvs_status {
#define KVS_STATUS_ENUM(name, number, text) name = number,
    KVS_STATUS_MAP(KVS_STATUS_ENUM)
#undef KVS_STATUS_ENUM
};

/* A borrowed byte string; any bytes, not terminated. data may be NULL when len is 0. */
struct kvs_bytes {
    const void *data;
    size_t len;
};

/** The constant's name, "KVS_IO"; never NULL. Thread: any. */
KVS_API const char *kvs_status_name(enum kvs_status status);

/** A short English text, "input/output error"; never NULL. Thread: any. */
KVS_API const char *kvs_status_text(enum kvs_status status);

/**
 * What the latest failing kvs call on this thread said: what was tried, on what, where, and the system's reason.
 * Never NULL; "" when nothing has failed yet. Valid until the next failing call on this thread. Thread: any.
 */
KVS_API const char *kvs_error(void);

#ifdef __cplusplus
}
#endif

#endif
