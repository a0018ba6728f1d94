/*
 * address.h - where to listen and who is calling: numeric IP addresses with a port, and paths of Unix sockets, as text and as the
 * system has them.
 * Pure; thread: any.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <kvs/status.h>

enum {
    ADDRESS_CHARS = 64
}; /* "[v6]:port" with a scope, and a NUL */

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/*
 * Reads "IP:PORT" or "[IPv6]:PORT"; "localhost" and "*" (every IPv4 address) stand for their addresses. KVS_INVALID names
 * the text and what was expected.
 */
KVS_MUST_CHECK enum kvs_status address_parse(const char *text, struct address *ret);

/* Reads an IP without a port ("127.0.0.1", "::1", "*"). */
KVS_MUST_CHECK enum kvs_status address_parse_ip(const char *text, uint16_t port,
                                                struct address *ret);

/* A Unix socket. KVS_INVALID: the path is empty or too long for the system. */
KVS_MUST_CHECK enum kvs_status address_of_path(const char *path, struct address *ret);

/* The path of a Unix socket; NULL: it is another address, or one without a name. Lent by @address. */
const char *address_path(const struct address *address);

/* "127.0.0.1:4000", "[::1]:4000", of a Unix socket "/its/path:0" (the end of it when it is long), as Redis shows them. */
void address_format(const struct address *address, char ret[ADDRESS_CHARS]);

uint16_t address_port(const struct address *address);

/* 127.0.0.0/8, ::1, the former in IPv6 clothes, and Unix sockets. */
bool address_is_loopback(const struct address *address);

#endif
