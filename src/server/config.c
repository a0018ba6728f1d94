/*
 * config.c - the values of the settings: checked, kept, shown, changed.
 *
 * A value is kept twice: as text, under the lock, and as a number that is read without it.
 */
#include "server/config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/glob.h"
#include "base/number.h"
#include "command/notify.h"
#include "concurrent/mutex.h"

enum {
    REASON_BYTES = 160,
    AUTO = 0
};

struct value {
    char *text GUARDED_BY(mu); /* as it is shown; never NULL */
    _Atomic int64_t number;    /* relaxed everywhere: a setting, nothing is ordered by it */
    enum setting_source source;
};

struct config {
    struct mutex mu;
    struct value values[SETTING_COUNT];

    struct {
        _Atomic uint64_t hard;
        _Atomic uint64_t soft;
        _Atomic uint64_t soft_s;
    } output[OUTPUT_CLASSES];
};

/* A value that passed its checks and is not yet in force. */
struct parsed {
    char *text;
    int64_t number;
    struct output_limits limits[OUTPUT_CLASSES];
};

static bool refuse(char reason[REASON_BYTES], const char *text)
{
    (void)snprintf(reason, REASON_BYTES, "%s", text);
    return false;
}

static bool parse_choice(const char *choices, const char *text, int64_t *ret,
                         char reason[REASON_BYTES])
{
    size_t text_len = strlen(text);
    int64_t index = 0;
    for (const char *choice = choices; *choice != '\0'; index++) {
        size_t len = strcspn(choice, " ");
        if (len == text_len && strncasecmp(choice, text, len) == 0) {
            *ret = index;
            return true;
        }
        choice += len;
        choice += strspn(choice, " ");
    }
    (void)snprintf(reason, REASON_BYTES, "argument must be one of: %s", choices);
    return false;
}

/* Which class a word names; OUTPUT_CLASSES: one of Redis's that has no members here; -1: none. */
static int output_class(const char *word)
{
    if (strcasecmp(word, "normal") == 0)
        return OUTPUT_NORMAL;
    if (strcasecmp(word, "pubsub") == 0)
        return OUTPUT_PUBSUB;
    return strcasecmp(word, "replica") == 0 || strcasecmp(word, "slave") == 0 ? OUTPUT_CLASSES : -1;
}

static bool limits_make_sense(const struct output_limits *limits)
{
    return limits->soft_bytes <= limits->hard_bytes && limits->hard_bytes <= UINT64_C(1) << 40 &&
           limits->soft_s <= INT32_MAX;
}

/* "CLASS HARD SOFT SECONDS", once or more. Normal clients must have limits; those that subscribe have the same when theirs are 0. */
static bool parse_output_limits(const char *text, struct output_limits ret[OUTPUT_CLASSES],
                                char reason[REASON_BYTES])
{
    static const char *const expected =
        "expected 'normal HARD SOFT SECONDS' with HARD and SOFT sizes above 0";
    char copy[256];
    bool seen = false;
    if (strlen(text) >= sizeof copy)
        return refuse(reason, expected);
    (void)strcpy(copy, text);
    ret[OUTPUT_PUBSUB] = (struct output_limits){ 32 << 20, 8 << 20, 60 };
    char *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        const char *parts[3];
        struct output_limits limits;
        for (int i = 0; i < 3; i++) {
            parts[i] = strtok_r(NULL, " ", &save);
            if (parts[i] == NULL)
                return refuse(reason, expected);
        }
        if (!number_parse_bytes(bytes_str(parts[0]), &limits.hard_bytes) ||
            !number_parse_bytes(bytes_str(parts[1]), &limits.soft_bytes) ||
            !number_parse_u64(bytes_str(parts[2]), &limits.soft_s))
            return refuse(reason, expected);
        int class = output_class(word);
        if (class < 0)
            return refuse(reason, "unknown class of clients: expected normal, replica or pubsub");
        if (class == OUTPUT_CLASSES)
            continue;
        if (!limits_make_sense(&limits) ||
            (class == OUTPUT_NORMAL && (limits.hard_bytes == 0 || limits.soft_bytes == 0)))
            return refuse(reason, expected);
        ret[class] = limits;
        seen |= class == OUTPUT_NORMAL;
    }
    if (!seen)
        return refuse(reason, expected);
    if (ret[OUTPUT_PUBSUB].hard_bytes == 0)
        ret[OUTPUT_PUBSUB].hard_bytes = ret[OUTPUT_NORMAL].hard_bytes;
    if (ret[OUTPUT_PUBSUB].soft_bytes == 0)
        ret[OUTPUT_PUBSUB].soft_bytes = ret[OUTPUT_PUBSUB].hard_bytes;
    return true;
}

static bool parse_number(const struct setting_row *row, const char *text, int64_t *ret,
                         char reason[REASON_BYTES])
{
    bool is_auto = strcmp(row->initial, "auto") == 0 && strcasecmp(text, "auto") == 0;
    if (is_auto) {
        *ret = AUTO;
        return true;
    }
    if (!number_parse_i64(bytes_str(text), ret))
        return refuse(reason, "argument couldn't be parsed into an integer");
    if (*ret < row->min || *ret > row->max) {
        (void)snprintf(reason, REASON_BYTES, "argument must be between %lld and %lld inclusive",
                       (long long)row->min, (long long)row->max);
        return false;
    }
    return true;
}

static bool parse_value(enum setting setting, const char *text, struct parsed *ret,
                        char reason[REASON_BYTES])
{
    const struct setting_row *row = config_row(setting);
    uint64_t bytes;
    ret->number = 0;
    if (setting == SETTING_LOOPS && strcmp(text, "0") == 0)
        return refuse(reason, "a thread per connection instead of event loops is not offered: give "
                              "1 or more, or auto");
    switch (row->type) {
    case TYPE_TEXT:
    case TYPE_LIST:
        ret->number = text[0] != '\0';
        break;
    case TYPE_NUMBER:
        if (!parse_number(row, text, &ret->number, reason))
            return false;
        break;
    case TYPE_BYTES:
        if (!number_parse_bytes(bytes_str(text), &bytes) || bytes > INT64_MAX)
            return refuse(reason, "argument must be a memory value");
        ret->number = (int64_t)bytes;
        if (ret->number < row->min || ret->number > row->max) {
            (void)snprintf(reason, REASON_BYTES, "argument must be between %lld and %lld inclusive",
                           (long long)row->min, (long long)row->max);
            return false;
        }
        break;
    case TYPE_BOOL:
        if (!parse_choice("no yes", text, &ret->number, reason))
            return refuse(reason, "argument must be 'yes' or 'no'");
        break;
    case TYPE_CHOICE:
        if (!parse_choice(row->choices, text, &ret->number, reason))
            return false;
        break;
    }
    if (setting == SETTING_CLIENT_OUTPUT_BUFFER_LIMIT &&
        !parse_output_limits(text, ret->limits, reason))
        return false;
    return row->valid == NULL || row->valid(text, reason, REASON_BYTES);
}

/* How a value is shown: sizes in bytes, choices and booleans in the table's spelling. NULL: out of memory. */
static char *shown_text(enum setting setting, const char *text, const struct parsed *parsed)
{
    const struct setting_row *row = config_row(setting);
    char *shown = NULL;
    const char *choice;
    int made = 0;
    switch (row->type) {
    case TYPE_BYTES:
        made = asprintf(&shown, "%lld", (long long)parsed->number);
        break;
    case TYPE_BOOL:
        return strdup(parsed->number != 0 ? "yes" : "no");
    case TYPE_CHOICE:
        choice = row->choices;
        for (int64_t i = 0; i < parsed->number; i++) {
            choice += strcspn(choice, " ");
            choice += strspn(choice, " ");
        }
        return strndup(choice, strcspn(choice, " "));
    case TYPE_TEXT:
        if (setting == SETTING_CLIENT_OUTPUT_BUFFER_LIMIT) {
            made = asprintf(&shown, "normal %llu %llu %llu pubsub %llu %llu %llu",
                            (unsigned long long)parsed->limits[OUTPUT_NORMAL].hard_bytes,
                            (unsigned long long)parsed->limits[OUTPUT_NORMAL].soft_bytes,
                            (unsigned long long)parsed->limits[OUTPUT_NORMAL].soft_s,
                            (unsigned long long)parsed->limits[OUTPUT_PUBSUB].hard_bytes,
                            (unsigned long long)parsed->limits[OUTPUT_PUBSUB].soft_bytes,
                            (unsigned long long)parsed->limits[OUTPUT_PUBSUB].soft_s);
            break;
        }
        if (setting == SETTING_NOTIFY_KEYSPACE_EVENTS) {
            unsigned classes;
            char letters[24];
            if (!notify_parse(text, &classes))
                return NULL; /* it was checked */
            notify_print(classes, letters);
            return strdup(letters);
        }
        return strdup(text);
    case TYPE_LIST:
    case TYPE_NUMBER:
        return strdup(text);
    }
    return made < 0 ? NULL : shown;
}

static void store(struct config *config, enum setting setting, struct parsed *parsed,
                  enum setting_source source) REQUIRES(&config->mu)
{
    struct value *value = &config->values[setting];
    free(value->text);
    value->text = parsed->text;
    parsed->text = NULL;
    value->source = source;
    atomic_store_explicit(&value->number, parsed->number,
                          memory_order_relaxed); /* relaxed: see struct value */
    if (setting == SETTING_CLIENT_OUTPUT_BUFFER_LIMIT) {
        /* relaxed: a reader may meet the old and the new limits mixed for a moment, each of which is a valid limit */
        for (int i = 0; i < OUTPUT_CLASSES; i++) {
            const struct output_limits *limits = &parsed->limits[i];
            atomic_store_explicit(&config->output[i].hard, limits->hard_bytes,
                                  memory_order_relaxed);
            atomic_store_explicit(&config->output[i].soft, limits->soft_bytes,
                                  memory_order_relaxed);
            atomic_store_explicit(&config->output[i].soft_s, limits->soft_s, memory_order_relaxed);
        }
    }
}

enum kvs_status config_put(struct config *config, enum setting setting, const char *value,
                           enum setting_source source)
{
    const struct setting_row *row = config_row(setting);
    struct parsed parsed = { 0 };
    char reason[REASON_BYTES] = "";
    char *joined = NULL;
    struct value *old = &config->values[setting];

    /* the same list from the same source goes on; from a stronger one it begins anew */
    mutex_lock(&config->mu);
    if (row->type == TYPE_LIST && source != SOURCE_DEFAULT && source != SOURCE_LIVE &&
        old->source == source && old->text[0] != '\0' && value[0] != '\0') {
        if (asprintf(&joined, "%s %s", old->text, value) < 0)
            joined = NULL;
        value = joined;
    }
    mutex_unlock(&config->mu);
    if (value == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%s", row->name);

    enum kvs_status status = KVS_OK;
    if (!parse_value(setting, value, &parsed, reason))
        status = fail(KVS_INVALID, 0, "bad value '%s' for %s: %s",
                      setting == SETTING_REQUIREPASS ? "..." : value, row->name, reason);
    else if ((parsed.text = shown_text(setting, value, &parsed)) == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "%s", row->name);
    if (status == KVS_OK) {
        mutex_lock(&config->mu);
        store(config, setting, &parsed, source);
        mutex_unlock(&config->mu);
    }
    free(joined);
    free(parsed.text);
    return status;
}

enum kvs_status config_new(struct config **ret)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "configuration");
    mutex_init(&config->mu);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        enum kvs_status status = config_put(config, (enum setting)i,
                                            config_row((enum setting)i)->initial, SOURCE_DEFAULT);
        if (status != KVS_OK) {
            config_free(config);
            return status;
        }
    }
    *ret = config;
    return KVS_OK;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        free(config->values[i].text);
    mutex_done(&config->mu);
    free(config);
}

enum setting_source config_source(const struct config *config, enum setting setting)
{
    return config->values[setting].source;
}

int64_t config_number(const struct config *config, enum setting setting)
{
    return atomic_load_explicit(&config->values[setting].number,
                                memory_order_relaxed); /* relaxed: see struct value */
}

char *config_text(struct config *config, enum setting setting)
{
    mutex_lock(&config->mu);
    char *copy = strdup(config->values[setting].text);
    mutex_unlock(&config->mu);
    return copy;
}

struct output_limits config_output_limits(const struct config *config, enum output_class class)
{
    /* relaxed: see store() */
    return (struct output_limits){
        .hard_bytes = atomic_load_explicit(&config->output[class].hard, memory_order_relaxed),
        .soft_bytes = atomic_load_explicit(&config->output[class].soft, memory_order_relaxed),
        .soft_s = atomic_load_explicit(&config->output[class].soft_s, memory_order_relaxed),
    };
}

void config_get(struct config *config, struct kvs_bytes pattern, config_show_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = config_row((enum setting)i);
        char name[64];
        bool matches = glob_match(pattern, bytes_str(row->name), true);
        bool alias_matches = false;
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(row->aliases, " "), row->aliases);
        if (name[0] != '\0')
            alias_matches = glob_match(pattern, bytes_str(name), true);
        if (!matches && !alias_matches)
            continue;
        char *text = config_text(config, (enum setting)i);
        if (matches)
            fn(ctx, row->name, text != NULL ? text : "");
        if (alias_matches)
            fn(ctx, name, text != NULL ? text : "");
        free(text);
    }
}

struct change {
    enum setting setting;
    struct parsed parsed;
};

/* Checks one pair of a CONFIG SET. False: the error is in @error. */
static bool check_change(const struct change *before, size_t before_count, struct kvs_bytes name,
                         struct kvs_bytes value, struct change *ret, struct buf *error)
{
    const char *close;
    char reason[REASON_BYTES] = "";
    int name_len = name.len > 128 ? 128 : (int)name.len;
    if (!config_find(name, &ret->setting, &close)) {
        buf_printf(error, "Unknown option or number of arguments for CONFIG SET - '%.*s'", name_len,
                   (const char *)name.data);
        if (close != NULL)
            buf_printf(error, ", did you mean '%s'?", close);
        return false;
    }
    const struct setting_row *row = config_row(ret->setting);
    char *text = strndup(value.data != NULL ? value.data : "", value.len);
    if (text == NULL)
        (void)refuse(reason, "out of memory");
    else if (!row->live)
        (void)refuse(reason, "can't set immutable config");
    else if (strlen(text) != value.len)
        (void)refuse(reason, "the value contains a zero byte");
    else if (parse_value(ret->setting, text, &ret->parsed, reason) &&
             (ret->parsed.text = shown_text(ret->setting, text, &ret->parsed)) == NULL)
        (void)refuse(reason, "out of memory");
    for (size_t i = 0; i < before_count; i++) {
        if (before[i].setting == ret->setting)
            (void)refuse(reason, "duplicate parameter");
    }
    free(text);
    if (reason[0] == '\0')
        return true;
    buf_printf(error, "CONFIG SET failed (possibly related to argument '%.*s') - %s", name_len,
               (const char *)name.data, reason);
    return false;
}

enum kvs_status config_set(struct config *config, const struct kvs_bytes *names,
                           const struct kvs_bytes *values, size_t count, struct buf *ret_error,
                           config_changed_fn *changed, void *ctx)
{
    enum kvs_status status = KVS_OK;
    size_t checked = 0;
    struct change *changes = calloc(count != 0 ? count : 1, sizeof *changes);
    if (changes == NULL) {
        buf_append_str(ret_error, "CONFIG SET failed - out of memory");
        return fail(KVS_NO_MEMORY, ENOMEM, "CONFIG SET");
    }
    while (checked < count && status == KVS_OK) {
        if (!check_change(changes, checked, names[checked], values[checked], &changes[checked],
                          ret_error))
            status = KVS_INVALID;
        checked++;
    }
    if (status == KVS_OK) {
        mutex_lock(&config->mu);
        for (size_t i = 0; i < count; i++)
            store(config, changes[i].setting, &changes[i].parsed, SOURCE_LIVE);
        mutex_unlock(&config->mu);
        for (size_t i = 0; i < count && changed != NULL; i++)
            changed(ctx, changes[i].setting);
    }
    for (size_t i = 0; i < checked; i++)
        free(changes[i].parsed.text);
    free(changes);
    return status == KVS_OK ? KVS_OK
                            : fail(status, 0, "%.*s", (int)ret_error->len, ret_error->data);
}

bool config_secret_equals(struct config *config, enum setting setting, struct kvs_bytes text)
{
    mutex_lock(&config->mu);
    const char *secret = config->values[setting].text;
    size_t secret_len = strlen(secret);
    const unsigned char *bytes = text.data;
    /* Every byte of @text is looked at, and the secret is gone through cyclically, so the time tells nothing but text.len. */
    unsigned difference = secret_len != text.len || secret_len == 0;
    for (size_t i = 0; i < text.len && secret_len != 0; i++)
        difference |= bytes[i] ^ (unsigned char)secret[i % secret_len];
    mutex_unlock(&config->mu);
    return difference == 0;
}

bool config_secret_is_set(const struct config *config, enum setting setting)
{
    return config_number(config, setting) != 0;
}
