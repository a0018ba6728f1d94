/*
 * endpoint_test.c - addresses as text.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/fail.h"
#include "client/endpoint.h"
#include "tests/harness/test.h"

TEST(addresses_are_read)
{
    struct endpoint endpoint;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    assert_ok(endpoint_parse("127.0.0.1:4000", &endpoint));
    memcpy(&v4, &endpoint.storage, sizeof v4);
    assert_int_equal(v4.sin_family, AF_INET);
    assert_int_equal(ntohs(v4.sin_port), 4000);
    assert_int_equal(ntohl(v4.sin_addr.s_addr), INADDR_LOOPBACK);
    assert_ok(endpoint_parse("localhost:1", &endpoint));
    memcpy(&v4, &endpoint.storage, sizeof v4);
    assert_int_equal(ntohl(v4.sin_addr.s_addr), INADDR_LOOPBACK);
    assert_ok(endpoint_parse("[::1]:65535", &endpoint));
    memcpy(&v6, &endpoint.storage, sizeof v6);
    assert_int_equal(v6.sin6_family, AF_INET6);
    assert_int_equal(ntohs(v6.sin6_port), 65535);
    assert_ok(endpoint_parse("unix:/tmp/x", &endpoint));
    memcpy(&path, &endpoint.storage, sizeof path);
    assert_int_equal(path.sun_family, AF_UNIX);
    assert_string_equal(path.sun_path, "/tmp/x");
}

TEST(what_is_no_address_is_refused_by_name)
{
    static const char *const bad[] = {
        "",
        "4000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "1.2.3:80",
        "host:4000",
        "::1:4000",
        "[::1]",
        "[::1]4000",
        "[127.0.0.1]:4000",
        "127.0.0.1:4000x",
        " 127.0.0.1:4000",
        "127.0.0.1:04000",
        "[]:1",
        "]:1",
        "unix:",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct endpoint endpoint;
        assert_int_equal(endpoint_parse(bad[i], &endpoint), KVS_INVALID);
        assert_non_null(strstr(fail_text(), "bad address"));
        assert_non_null(strstr(fail_text(), bad[i]));
    }
    char long_path[300] = "unix:";
    memset(long_path + 5, 'x', sizeof long_path - 6);
    struct endpoint endpoint;
    assert_int_equal(endpoint_parse(long_path, &endpoint), KVS_INVALID);
}
