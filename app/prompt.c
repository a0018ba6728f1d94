/*
 * prompt.c - the loop of the prompt, on libedit. The arguments of the command being typed are hinted at the right edge.
 *
 * A lost connection is made again for the next command. Passwords do not go into the history.
 */
#include "app/prompt.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/prompt_words.h"
#include "app/show.h"
#include "base/bytes.h"
#include "base/number.h"
#include "protocol/decode.h"

enum {
    HISTORY_LINES = 1000,
    PROMPT_BYTES = 160,
    HINT_BYTES = 512,
};

struct prompt {
    struct kvs_client_options options;
    struct kvs_client *client; /* NULL: not connected */
    bool in_multi;
    bool over;
    struct decoder decoder; /* splits lines into words */
    EditLine *edit;
    History *history;
    char *history_path; /* NULL: nowhere */
    char text[PROMPT_BYTES];
    char hint[HINT_BYTES];
};

static struct prompt *prompt_of(EditLine *edit)
{
    void *data = NULL;
    (void)el_get(edit, EL_CLIENTDATA, &data);
    return data;
}

static char *show_prompt(EditLine *edit)
{
    struct prompt *prompt = prompt_of(edit);
    const char *multi = prompt->in_multi ? "(TX)" : "";
    const char *addr = prompt->options.addr != NULL ? prompt->options.addr : "127.0.0.1:4000";
    if (prompt->client == NULL)
        (void)snprintf(prompt->text, sizeof prompt->text, "not connected> ");
    else if (prompt->options.database != 0)
        (void)snprintf(prompt->text, sizeof prompt->text, "%.100s[%u]%s> ", addr,
                       prompt->options.database, multi);
    else
        (void)snprintf(prompt->text, sizeof prompt->text, "%.100s%s> ", addr, multi);
    return prompt->text;
}

static struct kvs_bytes typed_line(EditLine *edit)
{
    const LineInfo *line = el_line(edit);
    return bytes_of(line->buffer, (size_t)(line->cursor - line->buffer));
}

static char *show_hint(EditLine *edit)
{
    struct prompt *prompt = prompt_of(edit);
    struct buf hint;
    buf_init(&hint, HINT_BYTES - 1);
    words_hint(typed_line(edit), &hint);
    (void)snprintf(prompt->hint, sizeof prompt->hint, "%.*s", (int)hint.len,
                   hint.data != NULL ? hint.data : "");
    buf_done(&hint);
    return prompt->hint;
}

/* A blank ends a word, so the hint has to be drawn again. */
static unsigned char insert_blank(EditLine *edit, int key)
{
    (void)key;
    return el_insertstr(edit, " ") == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    struct buf rest;
    struct buf names;
    buf_init(&rest, 256);
    buf_init(&names, 64 * 1024);
    size_t fits = words_complete(typed_line(edit), &rest, &names);
    unsigned char answer = CC_ERROR;
    buf_append_char(&rest, '\0');
    if (fits > 0 && rest.len > 1 && rest.failed == KVS_OK) {
        answer = el_insertstr(edit, rest.data) == 0 ? CC_REFRESH : CC_ERROR;
    } else if (fits > 1) {
        (void)printf("\n%.*s\n", (int)names.len, names.data);
        answer = CC_REDISPLAY;
    }
    buf_done(&rest);
    buf_done(&names);
    return answer;
}

/* ---- Running a line ---- */

static bool word_is(const struct request *request, size_t at, const char *word)
{
    return at < request->count && bytes_equal_nocase(request->args[at], bytes_str(word));
}

static bool connected(struct prompt *prompt)
{
    if (prompt->client != NULL)
        return true;
    prompt->in_multi = false;
    if (kvs_client_open(&prompt->options, &prompt->client) == KVS_OK)
        return true;
    (void)fprintf(stderr, "kvs-client: %s\n", kvs_error());
    prompt->client = NULL;
    return false;
}

/* What a command that went well means for the prompt and for reconnecting. */
static void note_effects(struct prompt *prompt, const struct request *request)
{
    uint64_t database;
    if (word_is(request, 0, "SELECT") && request->count == 2 &&
        number_parse_u64(request->args[1], &database) && !prompt->in_multi)
        prompt->options.database = (unsigned)database;
    else if (word_is(request, 0, "MULTI"))
        prompt->in_multi = true;
    else if (word_is(request, 0, "EXEC") || word_is(request, 0, "DISCARD"))
        prompt->in_multi = false;
    else if (word_is(request, 0, "QUIT") || word_is(request, 0, "SHUTDOWN"))
        prompt->over = true;
    if (word_is(request, 0, "RESET")) {
        prompt->in_multi = false;
        prompt->options.database = 0;
    }
}

static void run_request(struct prompt *prompt, const struct request *request)
{
    if (!connected(prompt))
        return;
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_call(prompt->client, request->args, request->count, &reply);
    if (status == KVS_OK || status == KVS_SERVER) {
        show_reply(stdout, reply, true);
        if (status == KVS_OK)
            note_effects(prompt, request);
        else if (word_is(request, 0, "EXEC"))
            prompt->in_multi = false;
        return;
    }
    if (word_is(request, 0, "SHUTDOWN") && status == KVS_NETWORK)
        (void)printf("the server is shut down\n");
    else
        (void)fprintf(stderr, "kvs-client: %s\n", kvs_error());
    kvs_client_close(prompt->client);
    prompt->client = NULL;
}

static void help(const struct request *request)
{
    struct kvs_bytes name = { NULL, 0 };
    if (request->count > 1)
        name = request->args[1];
    if (!words_help(stdout, name))
        (void)printf("no command is called that; \"help\" lists all\n");
}

static void run_line(struct prompt *prompt, struct kvs_bytes line)
{
    /* The decoder's rules for requests on a line are those of the prompt; the blank keeps it from seeing a multibulk. */
    struct buf input;
    buf_init(&input, prompt->decoder.inline_max);
    buf_append_char(&input, ' ');
    buf_append_bytes(&input, line);
    buf_append_char(&input, '\n');
    struct request request = { .count = 0 };
    struct decode_stream stream;
    size_t used = 0;
    enum decode_result result = DECODE_ERROR;
    if (input.failed == KVS_OK)
        result = decoder_next(&prompt->decoder, buf_bytes(&input), &request, &used, &stream);
    if (result == DECODE_REQUEST) {
        if (word_is(&request, 0, "exit") || word_is(&request, 0, "quit"))
            prompt->over = true;
        else if (word_is(&request, 0, "help") || word_is(&request, 0, "?"))
            help(&request);
        else
            run_request(prompt, &request);
    } else if (result != DECODE_EMPTY) {
        (void)printf("Invalid argument(s): a quote is not closed, or the line is too long\n");
        decoder_done(&prompt->decoder);
        decoder_init(&prompt->decoder, PROTOCOL_RESP);
    }
    buf_done(&input);
}

/* ---- History ---- */

static bool is_secret(struct kvs_bytes line)
{
    static const char *const words[] = { "auth", "requirepass", "hello" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i]);
        for (size_t off = 0; off + len <= line.len; off++)
            if (bytes_equal_nocase(bytes_of((const char *)line.data + off, len),
                                   bytes_of(words[i], len)))
                return true;
    }
    return false;
}

static void remember(struct prompt *prompt, const char *line)
{
    HistEvent event;
    struct kvs_bytes bytes = bytes_str(line);
    if (bytes.len > 1 && !is_secret(bytes))
        (void)history(prompt->history, &event, H_ENTER,
                      line); /* a lost line of history is no harm */
}

static void load_history(struct prompt *prompt)
{
    HistEvent event;
    const char *home = getenv("HOME");
    (void)history(prompt->history, &event, H_SETSIZE, HISTORY_LINES);
    (void)history(prompt->history, &event, H_SETUNIQUE, 1);
    if (home == NULL || asprintf(&prompt->history_path, "%s/.kvs_history", home) < 0) {
        prompt->history_path = NULL;
        return;
    }
    (void)history(prompt->history, &event, H_LOAD,
                  prompt->history_path); /* there may be none yet */
}

static void save_history(struct prompt *prompt)
{
    HistEvent event;
    if (prompt->history_path == NULL)
        return;
    mode_t mask = umask(077); /* keys and values are nobody else's business */
    (void)history(prompt->history, &event, H_SAVE, prompt->history_path);
    (void)umask(mask);
    free(prompt->history_path);
}

/* ---- Life ---- */

static bool open_editor(struct prompt *prompt)
{
    prompt->history = history_init();
    prompt->edit = el_init("kvs-client", stdin, stdout, stderr);
    if (prompt->history == NULL || prompt->edit == NULL)
        return false;
    (void)el_set(prompt->edit, EL_CLIENTDATA, prompt);
    (void)el_set(prompt->edit, EL_PROMPT, show_prompt);
    (void)el_set(prompt->edit, EL_RPROMPT, show_hint);
    (void)el_set(prompt->edit, EL_EDITOR, "emacs");
    (void)el_set(prompt->edit, EL_SIGNAL, 1);
    (void)el_set(prompt->edit, EL_HIST, history, prompt->history);
    (void)el_set(prompt->edit, EL_ADDFN, "kvs-complete", "complete a command", complete);
    (void)el_set(prompt->edit, EL_ADDFN, "kvs-blank", "insert a blank", insert_blank);
    (void)el_set(prompt->edit, EL_BIND, "^I", "kvs-complete", NULL);
    (void)el_set(prompt->edit, EL_BIND, " ", "kvs-blank", NULL);
    (void)el_set(prompt->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    (void)el_source(prompt->edit, NULL); /* ~/.editrc, if there is one */
    return true;
}

int prompt_run(const struct kvs_client_options *options)
{
    struct prompt prompt = { .options = *options };
    (void)setlocale(LC_CTYPE, ""); /* for the terminal's characters only */
    decoder_init(&prompt.decoder, PROTOCOL_RESP);
    int code = EXIT_FAILURE;
    if (open_editor(&prompt)) {
        load_history(&prompt);
        (void)connected(&prompt); /* said at once; the prompt comes all the same */
        while (!prompt.over) {
            int len = 0;
            /* Raw before the prompt is shown: what is typed at the sight of it must not meet line editing by the terminal, which
             * would turn an end-of-file into a NUL in our line. (libedit alone goes raw when it first reads.) */
            (void)el_set(prompt.edit, EL_PREP_TERM, 1);
            const char *line = el_gets(prompt.edit, &len);
            if (line == NULL || len <= 0)
                break;
            remember(&prompt, line);
            run_line(&prompt, bytes_of(line, strcspn(line, "\n")));
            (void)fflush(stdout);
        }
        save_history(&prompt);
        code = EXIT_SUCCESS;
    } else {
        (void)fprintf(stderr, "kvs-client: cannot set up the terminal\n");
    }
    if (prompt.edit != NULL)
        el_end(prompt.edit);
    if (prompt.history != NULL)
        history_end(prompt.history);
    kvs_client_close(prompt.client);
    decoder_done(&prompt.decoder);
    return code;
}
