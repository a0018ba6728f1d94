#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "command/docs.h"
#include "command/families.h"
#include "tests/harness/test.h"

/* '|' sorts before everything, so that subcommands follow their container. */
static int name_order(const char *a, const char *b)
{
    for (; *a != '\0' && *a == *b; a++)
        b++;
    int left = *a == '|' ? 1 : (unsigned char)*a;
    int right = *b == '|' ? 1 : (unsigned char)*b;
    return left - right;
}

static const struct command *table;
static size_t count;

static void load(void)
{
    table = command_table(&count);
    assert_true(count > 60);
}

TEST(rows_stand_in_name_order_and_names_are_unique)
{
    load();
    for (size_t i = 1; i < count; i++)
        if (name_order(table[i - 1].name, table[i].name) >= 0)
            fail_msg("%s is not before %s", table[i - 1].name, table[i].name);
}

TEST(every_row_is_complete)
{
    static const char *const groups[] = { "string",       "bitmap",     "generic", "ordered",
                                          "transactions", "pubsub",     "connection", "server" };
    load();
    for (size_t i = 0; i < count; i++) {
        const struct command *row = &table[i];
        assert_non_null(row->name);
        assert_true(row->run != NULL || (row->flags & COMMAND_CONTAINER) != 0);
        assert_true(strlen(row->name) < COMMAND_NAME_CHARS);
        assert_true(row->summary[0] != '\0' && row->complexity[0] != '\0' && row->since[0] != '\0');
        assert_non_null(row->syntax);
        bool known = false;
        for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
            known |= strcmp(row->group, groups[g]) == 0;
        assert_true(known);
        bool write = (row->flags & COMMAND_WRITE) != 0;
        bool read = (row->flags & COMMAND_READONLY) != 0;
        assert_false(write && read);
        if ((row->flags & COMMAND_STREAMS) != 0)
            assert_true(row->stream_arg > row->first_key && write);
        else
            assert_int_equal(row->stream_arg, 0);
    }
}

TEST(key_positions_lie_within_the_arity)
{
    load();
    for (size_t i = 0; i < count; i++) {
        const struct command *row = &table[i];
        if (row->first_key == 0) {
            assert_int_equal(row->last_key, 0);
            assert_int_equal(row->key_step, 0);
            continue;
        }
        int least = row->arity < 0 ? -row->arity : row->arity;
        /* of SUNSUBSCRIBE alone, all names may be left out */
        assert_true(row->first_key < least || strcmp(row->name, "SUNSUBSCRIBE") == 0);
        assert_true(row->key_step >= 1);
        if (row->last_key >= 0)
            assert_true(row->last_key >= row->first_key && row->last_key < least);
        else
            assert_true(row->arity < 0);
    }
}

/* Words of @syntax outside brackets; ends at an alternative that takes the rest of the line (CLIENT KILL). */
static int words_needed(const char *syntax, bool *ret_optional)
{
    int words = 0;
    int depth = 0;
    bool inside = false;
    *ret_optional = false;
    for (; *syntax != '\0'; syntax++) {
        if (*syntax == '[') {
            depth++;
            *ret_optional = true;
        }
        if (depth == 0 && *syntax != ' ' && !inside)
            words++;
        inside = *syntax != ' ';
        if (*syntax == ']')
            depth--;
    }
    return words;
}

TEST(arities_agree_with_the_syntax)
{
    load();
    for (size_t i = 0; i < count; i++) {
        const struct command *row = &table[i];
        if ((row->flags & COMMAND_CONTAINER) != 0 ||
            strncmp(row->name, "COMMAND|GETKEYS", 15) == 0 || strcmp(row->name, "QUIT") == 0 ||
            strcmp(row->name, "CLIENT|SETINFO") == 0)
            continue; /* documented without their arguments, or with alternatives of two words */
        bool optional;
        int needed = 1 + (strchr(row->name, '|') != NULL) + words_needed(row->syntax, &optional);
        int arity = optional ? -needed : needed;
        if (arity != row->arity)
            fail_msg("%s: arity %d, but its syntax says %d", row->name, row->arity, arity);
    }
}

TEST(every_command_is_found_in_any_case)
{
    load();
    for (size_t i = 0; i < count; i++) {
        char name[COMMAND_NAME_CHARS];
        command_name_lower(&table[i], name);
        char *bar = strchr(name, '|');
        struct kvs_bytes args[2] = { bytes_str(name), { NULL, 0 } };
        if (bar != NULL) {
            args[0].len = (size_t)(bar - name);
            args[1] = bytes_str(bar + 1);
        }
        name[0] = (char)(name[0] - 'a' + 'A');
        const struct command *container;
        assert_ptr_equal(command_lookup(args, bar != NULL ? 2 : 1, &container), &table[i]);
        assert_true((container != NULL) == (bar != NULL));
    }
}

TEST(what_is_no_command_is_not_found)
{
    static const char *const names[] = {
        "", "GE", "GETT", "CLIENT|LIST", "EVAL", "FUNCTION", "\xff"
    };
    const struct command *container;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct kvs_bytes arg = bytes_str(names[i]);
        assert_null(command_lookup(&arg, 1, &container));
        assert_null(container);
    }
    struct kvs_bytes unknown[2] = { BYTES_INIT("config"), BYTES_INIT("se") };
    assert_null(command_lookup(unknown, 2, &container));
    assert_string_equal(container->name, "CONFIG");
}

TEST(documents_belong_to_commands_with_keys_where_they_tell_of_keys)
{
    load();
    size_t with_docs = 0;
    for (size_t i = 0; i < count; i++) {
        const struct command_docs *docs = command_docs(&table[i]);
        with_docs += docs != NULL;
        if (docs != NULL && docs->key_flags != NULL)
            assert_true(table[i].first_key != 0);
        if (table[i].syntax[0] != '\0' && (docs == NULL || docs->arguments == NULL))
            fail_msg("%s has a syntax, but no arguments", table[i].name);
    }
    assert_int_equal(with_docs, command_docs_total());
}
