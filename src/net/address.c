/*
 * address.c - addresses as text and back; no name resolution, which could block and surprise.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

static bool parse_port(const char *text, uint16_t *ret)
{
    uint64_t port;
    if (!number_parse_u64(bytes_str(text), &port) || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

static bool set_v4(const char *text, uint16_t port, struct address *ret)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
        return false;
    memset(ret, 0, sizeof *ret);
    memcpy(&ret->storage, &in, sizeof in);
    ret->len = sizeof in;
    return true;
}

static bool set_v6(const char *text, uint16_t port, struct address *ret)
{
    struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    char plain[INET6_ADDRSTRLEN];
    const char *percent = strchr(text, '%');
    size_t len = percent != NULL ? (size_t)(percent - text) : strlen(text);
    if (len >= sizeof plain)
        return false;
    memcpy(plain, text, len);
    plain[len] = '\0';
    if (inet_pton(AF_INET6, plain, &in.sin6_addr) != 1)
        return false;
    if (percent != NULL) {
        in.sin6_scope_id = if_nametoindex(percent + 1);
        if (in.sin6_scope_id == 0)
            return false;
    }
    memset(ret, 0, sizeof *ret);
    memcpy(&ret->storage, &in, sizeof in);
    ret->len = sizeof in;
    return true;
}

enum kvs_status address_parse_ip(const char *text, uint16_t port, struct address *ret)
{
    const char *ip = text;
    if (strcmp(text, "localhost") == 0)
        ip = "127.0.0.1";
    else if (strcmp(text, "*") == 0)
        ip = "0.0.0.0";
    else if (strcmp(text, "::*") == 0)
        ip = "::";
    if (set_v4(ip, port, ret) || set_v6(ip, port, ret))
        return KVS_OK;
    return fail(KVS_INVALID, 0, "bad address '%s': expected an IP address such as 127.0.0.1 or ::1",
                text);
}

enum kvs_status address_parse(const char *text, struct address *ret)
{
    char ip[ADDRESS_CHARS];
    size_t len = 0;
    const char *colon = NULL;
    const char *start = text;
    uint16_t port = 0;

    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || close[1] != ':')
            goto bad;
        len = (size_t)(close - text - 1);
        colon = close + 1;
        start = text + 1;
    } else {
        colon = strchr(text, ':');
        if (colon == NULL || strchr(colon + 1, ':') != NULL)
            goto bad;
        len = (size_t)(colon - text);
    }
    if (len >= sizeof ip || !parse_port(colon + 1, &port))
        goto bad;
    memcpy(ip, start, len);
    ip[len] = '\0';
    if (address_parse_ip(ip, port, ret) == KVS_OK)
        return KVS_OK;
bad:
    return fail(KVS_INVALID, 0,
                "bad address '%s': expected IP:PORT, such as 127.0.0.1:4000 or [::1]:4000", text);
}

enum kvs_status address_of_path(const char *path, struct address *ret)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof un.sun_path)
        return fail(KVS_INVALID, 0, "bad path of a Unix socket '%s': 1 to %zu bytes are possible",
                    path, sizeof un.sun_path - 1);
    memcpy(un.sun_path, path, len + 1);
    *ret = (struct address){ .len = sizeof un };
    memcpy(&ret->storage, &un, sizeof un);
    return KVS_OK;
}

const char *address_path(const struct address *address)
{
    if (address->storage.ss_family != AF_UNIX ||
        address->len <= offsetof(struct sockaddr_un, sun_path))
        return NULL;
    const char *path = (const char *)&address->storage + offsetof(struct sockaddr_un, sun_path);
    return path[0] != '\0' ? path : NULL;
}

void address_format(const struct address *address, char ret[ADDRESS_CHARS])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        (void)inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
        (void)snprintf(ret, ADDRESS_CHARS, "%s:%u", ip, ntohs(in.sin_port));
    } else if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &address->storage, sizeof in);
        (void)inet_ntop(AF_INET6, &in.sin6_addr, ip, sizeof ip);
        (void)snprintf(ret, ADDRESS_CHARS, "[%s]:%u", ip, ntohs(in.sin6_port));
    } else {
        const char *path = address_path(address);
        size_t len = path != NULL ? strlen(path) : 0;
        size_t room = ADDRESS_CHARS - sizeof ":0";
        (void)snprintf(ret, ADDRESS_CHARS, "%s:0",
                       path == NULL ? "?" : path + (len > room ? len - room : 0));
    }
}

uint16_t address_port(const struct address *address)
{
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        return ntohs(in.sin_port);
    }
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &address->storage, sizeof in);
        return ntohs(in.sin6_port);
    }
    return 0;
}

bool address_is_loopback(const struct address *address)
{
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &address->storage, sizeof in);
        if (IN6_IS_ADDR_LOOPBACK(&in.sin6_addr))
            return true;
        return IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) && in.sin6_addr.s6_addr[12] == 127;
    }
    return address->storage.ss_family == AF_UNIX;
}
