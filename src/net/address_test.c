#include <string.h>

#include "base/fail.h"
#include "net/address.h"
#include "tests/harness/test.h"

static void goes_round(const char *text, const char *expected, bool loopback)
{
    struct address address;
    char out[ADDRESS_CHARS];
    assert_ok(address_parse(text, &address));
    address_format(&address, out);
    assert_string_equal(out, expected);
    assert_int_equal(address_is_loopback(&address), loopback);
}

TEST(addresses_are_read_and_written)
{
    goes_round("127.0.0.1:4000", "127.0.0.1:4000", true);
    goes_round("0.0.0.0:1", "0.0.0.0:1", false);
    goes_round("[::1]:65535", "[::1]:65535", true);
    goes_round("[::]:0", "[::]:0", false);
    goes_round("[::ffff:127.0.0.2]:7", "[::ffff:127.0.0.2]:7", true);
    goes_round("[::ffff:10.0.0.2]:7", "[::ffff:10.0.0.2]:7", false);
    goes_round("localhost:4000", "127.0.0.1:4000", true);
    goes_round("*:4000", "0.0.0.0:4000", false);
    goes_round("10.1.2.3:80", "10.1.2.3:80", false);
}

TEST(bad_addresses_are_refused_by_name)
{
    static const char *const bad[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:04000",
        "::1:4000",
        "[::1]",
        "[::1]4000",
        "300.0.0.1:4000",
        "nohost:4000",
        ":4000",
        "[]:1",
        "127.0.0.1:4000:1",
        "[127.0.0.1:4000",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address address;
        assert_int_equal(address_parse(bad[i], &address), KVS_INVALID);
        if (bad[i][0] != '\0')
            assert_non_null(strstr(fail_text(), bad[i]));
    }
}

TEST(the_path_of_a_unix_socket)
{
    struct address address;
    char text[ADDRESS_CHARS];
    char path[200];
    assert_ok(address_of_path("/run/kvs.sock", &address));
    assert_string_equal(address_path(&address), "/run/kvs.sock");
    assert_true(address_is_loopback(&address));
    assert_int_equal(address_port(&address), 0);
    address_format(&address, text);
    assert_string_equal(text, "/run/kvs.sock:0");

    memset(path, 'x', sizeof path);
    path[100] = '\0';
    assert_ok(address_of_path(path, &address));
    address_format(&address, text); /* the end of it */
    assert_int_equal(strlen(text), ADDRESS_CHARS - 1);
    path[100] = 'x';
    path[150] = '\0';
    assert_int_equal(address_of_path(path, &address), KVS_INVALID);
    assert_int_equal(address_of_path("", &address), KVS_INVALID);
    assert_ok(address_parse("127.0.0.1:1", &address));
    assert_null(address_path(&address));
}
