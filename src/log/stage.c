/*
 * stage.c - staging: a copy hands a batch to the system, large writes bring it to its segment later.
 *
 * With durability `everysec` or `no` an answer may leave when the batch survives the end of the process. A write() for each costs
 * more than all the rest of a SET. So the log keeps a ring, the file TAIL, mapped shared: what is copied there is the system's as
 * soon as it is copied. The committer brings it to the segments in pieces of a megabyte, when it must, and at each sync.
 *
 * The ring mirrors the log: the byte of position p lies at p modulo its size, headers of groups included. So a place in the ring needs
 * no description; records and headers verify there exactly where they would in their segment, because their checksums are bound to
 * store, segment, incarnation and offset. While a group gathers, its header's place holds an end marker (a header of length 0) with
 * the chain so far; sealing it puts the real one there.
 *
 * Why nothing acknowledged is lost with the process. A batch counts as handed over (log->staged) when it is in the ring, or in its
 * segment, with all before it. A place in the ring is used again only when the segment has what was there: appenders wait until
 * (end of the batch) - (oldest position not written) fits. An opening follows each segment's groups; where they end it goes on in the
 * ring. A write() that was cut short left a group in part: the rest of it is in the ring, too. A batch that does not fit
 * (gap) is handed over when it is written, and so are those staged behind it.
 *
 * Why nothing comes back that was cut. What was cut is final in the manifest, and only segments that are not are followed into the
 * ring. A position is given once, so what verifies for a place is the batch that was published there: never one of an earlier lap, use
 * of the file, or life of the store. Whatever a power cut makes of the ring, its pages old, new or torn: what follows the segment's
 * last group without a gap and verifies was published in this order, and more of it is only a longer beginning of the history.
 *
 * Why damage is not healed in silence. A group is completed from the ring only when nothing valid follows it in its file; damage
 * before that is seen by replay.c as ever. What comes from the ring is behind the proven end, so recover.c copies it to a new segment.
 *
 * Tried and left: the segment itself mapped shared. No copy, but a fault for each page (60 ns a record), small pages under all
 * random reads, a journal transaction inside a fault under the append lock, and a failing disk that ends the process.
 */
#include "log/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crc.h"
#include "log/scan.h"
#include "log/state.h"

/* The file's header. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CHECKSUM = 12, /* CRC-32C of bytes 16..47 */
    AT_STORE_ID = 16,
    AT_BYTES = 32,
    HEADER_USED = 48,
};

static const uint8_t stage_magic[8] = { 'K', 'V', 'S', 'T', 'A', 'I', 'L', '\n' };

/* ---- The file ---- */

static void encode_header(const struct log *log, uint8_t out[STAGE_HEADER_BYTES])
{
    memset(out, 0, STAGE_HEADER_BYTES);
    memcpy(out + AT_MAGIC, stage_magic, sizeof stage_magic);
    put_u32(out + AT_VERSION, FORMAT_VERSION);
    memcpy(out + AT_STORE_ID, log->store_id, STORE_ID_BYTES);
    put_u64(out + AT_BYTES, log->stage.bytes);
    put_u32(out + AT_CHECKSUM, crc32c(0, out + AT_STORE_ID, HEADER_USED - AT_STORE_ID));
}

/* *ret_bytes: of its ring; 0: no header, as a power cut leaves a file that was being made. */
static enum kvs_status check_header(const struct log *log, const uint8_t in[STAGE_HEADER_BYTES],
                                    const char *path, uint64_t *ret_bytes)
{
    *ret_bytes = 0;
    if (memcmp(in + AT_MAGIC, stage_magic, sizeof stage_magic) != 0)
        return KVS_OK;
    uint32_t version = get_u32(in + AT_VERSION);
    if (version > FORMAT_VERSION)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s has format version %" PRIu32 ", this kvs knows versions up to %d", path,
                    version, FORMAT_VERSION);
    if (version == 0 ||
        get_u32(in + AT_CHECKSUM) != crc32c(0, in + AT_STORE_ID, HEADER_USED - AT_STORE_ID))
        return KVS_OK;
    if (memcmp(in + AT_STORE_ID, log->store_id, STORE_ID_BYTES) != 0)
        return fail(KVS_WRONG_FORMAT, 0, "%s belongs to another store", path);
    uint64_t bytes = get_u64(in + AT_BYTES);
    if (bytes >= STAGE_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX && bytes % RECORD_ALIGN == 0)
        *ret_bytes = bytes;
    return KVS_OK;
}

/* Writes all of it, so that its blocks are there: storing must not need space. */
static enum kvs_status fill_file(const struct log *log, struct io_file *file)
{
    uint8_t header[STAGE_HEADER_BYTES];
    uint64_t size = 0;
    enum kvs_status status = file->ops->size(file, &size);
    if (status == KVS_OK && size < STAGE_HEADER_BYTES + log->stage.bytes) {
        char *zeros = calloc(1, log->stage.bytes);
        if (zeros == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "file %s", STAGE_NAME);
        status = file->ops->write(file, STAGE_HEADER_BYTES, zeros, log->stage.bytes);
        free(zeros);
    }
    encode_header(log, header);
    if (status == KVS_OK)
        status = file->ops->write(file, 0, header, sizeof header);
    return status;
}

void stage_open(struct log *log)
{
    if (log->durability == KVS_DURABILITY_ALWAYS || log->stage.file != NULL)
        return;
    char *path = log_path(log, STAGE_NAME);
    if (path == NULL)
        return;
    struct io_file *file = NULL;
    enum kvs_status status = io_open(log->io, path, IO_READ_WRITE, &file);
    if (status == KVS_NOT_FOUND)
        status = io_open(log->io, path, IO_CREATE, &file);
    if (status == KVS_OK)
        status = fill_file(log, file);
    if (status == KVS_OK)
        status = file->ops->map(file, STAGE_HEADER_BYTES + log->stage.bytes);
    if (status != KVS_OK) {
        io_close(file);
        file = NULL;
    }
    log->stage.file = file;
    /* relaxed: a hint for the committer's patience */
    atomic_store_explicit(&log->stage.on, file != NULL, memory_order_relaxed);
    free(path);
}

void stage_close(struct log *log, bool remove)
{
    if (log->stage.file == NULL)
        return;
    io_close(log->stage.file);
    log->stage.file = NULL;
    char *path = remove ? log_path(log, STAGE_NAME) : NULL;
    /* One that stays is no harm: nothing in it follows the end of a segment. */
    if (path != NULL)
        (void)log->io->ops->unlink(log->io, path);
    free(path);
}

/* ---- Staging ---- */

/* Copies [off, off + len) of the log's byte stream, which begins at @position, to its place. */
static void ring_put(struct log *log, uint64_t position, const uint8_t *data, size_t len)
{
    struct io_file *file = log->stage.file;
    uint64_t at = position % log->stage.bytes;
    size_t first = len < log->stage.bytes - at ? len : (size_t)(log->stage.bytes - at);
    file->ops->store(file, STAGE_HEADER_BYTES + at, data, first);
    if (first < len)
        file->ops->store(file, STAGE_HEADER_BYTES, data + first, len - first);
}

/* The position up to which all is in the segments. */
static uint64_t oldest_unwritten(const struct log *log)
{
    const struct segment *segment = log->write_head;
    while (segment != log->active && extent_get(&segment->written) == extent_get(&segment->end))
        segment = segment->commit_next;
    return segment->header.base + extent_get(&segment->written);
}

static bool fits(const struct stage *stage, uint64_t bytes)
{
    return bytes <= stage->bytes / STAGE_BATCH_SHARE;
}

bool stage_has_room(struct log *log, size_t bytes, uint64_t end)
{
    struct stage *stage = &log->stage;
    if (stage->file == NULL || end <= stage->limit || !fits(stage, bytes))
        return true;
    stage->limit = oldest_unwritten(log) + stage->bytes;
    return end <= stage->limit;
}

/* The header's place in the ring says that a group is gathering here, and what it follows. */
static void begin_group(struct log *log)
{
    const struct segment *active = log->active;
    struct group_header header = {
        .position = active->header.base + log->group_off,
        .durable = log_durable(log),
        .previous = log->chain,
        .session = atomic_load_explicit(&log->session,
                                        memory_order_relaxed), /* relaxed: set before any append */
        .time_ms = log_now_ms(log),
    };
    uint8_t bytes[GROUP_HEADER_BYTES];
    (void)group_header_encode(&header, active->seed, log->group_off, bytes);
    ring_put(log, header.position, bytes, sizeof bytes);
    log->stage.group_begun = true;
}

void stage_batch(struct log *log, uint64_t off, uint64_t end)
{
    struct stage *stage = &log->stage;
    if (stage->file == NULL)
        return;
    const struct segment *active = log->active;
    uint64_t version = active->header.base + end;
    bool small = fits(stage, end - off);
    if (small && off == log->group_off + GROUP_HEADER_BYTES)
        begin_group(log);
    if (!small || !stage->group_begun) {
        stage->gap = version; /* and what follows it in its group */
        stage->group_begun = false;
        return;
    }
    ring_put(log, active->header.base + off, active->frame->data + off, (size_t)(end - off));
    if (stage->gap != 0 && atomic_load_explicit(&log->written, memory_order_acquire) <
                               stage->gap) /* pairs with: round_write */
        return;
    stage->gap = 0;
    /* release: what is in the ring. pairs with: log_written */
    atomic_store_explicit(&log->staged, version, memory_order_release);
}

void stage_seal(struct log *log)
{
    struct stage *stage = &log->stage;
    if (stage->file == NULL)
        return;
    const struct segment *active = log->active;
    if (stage->group_begun)
        ring_put(log, active->header.base + log->group_off, active->frame->data + log->group_off,
                 GROUP_HEADER_BYTES);
    stage->group_begun = false;
}

/* ---- Opening ---- */

struct stage_image {
    uint64_t bytes;
    uint8_t *ring;
    uint8_t *saved; /* so many bytes too */
};

void stage_unload(struct log *log)
{
    if (log->stage_image == NULL)
        return;
    free(log->stage_image->ring);
    free(log->stage_image->saved);
    free(log->stage_image);
    log->stage_image = NULL;
}

static enum kvs_status read_ring(struct log *log, struct io_file *file, uint64_t bytes)
{
    struct stage_image *image = calloc(1, sizeof *image);
    log->stage_image = image;
    if (image != NULL) {
        image->bytes = bytes;
        image->ring = calloc(1, bytes);
        image->saved = malloc(bytes);
    }
    if (image == NULL || image->ring == NULL || image->saved == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "reading %s", STAGE_NAME);
    size_t got = 0; /* a shorter file: zeros, which verify nowhere */
    return file->ops->read(file, STAGE_HEADER_BYTES, image->ring, bytes, false, &got);
}

enum kvs_status stage_load(struct log *log)
{
    char *path = log_path(log, STAGE_NAME);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of %s", STAGE_NAME);
    struct io_file *file = NULL;
    uint8_t header[STAGE_HEADER_BYTES] = { 0 };
    size_t got = 0;
    uint64_t bytes = 0;
    enum kvs_status status = io_open(log->io, path, IO_READ, &file);
    if (status == KVS_NOT_FOUND) {
        free(path);
        return KVS_OK;
    }
    if (status == KVS_OK)
        status = file->ops->read(file, 0, header, sizeof header, false, &got);
    if (status == KVS_OK)
        status = check_header(log, header, path, &bytes);
    if (status == KVS_OK && bytes > 0)
        status = read_ring(log, file, bytes);
    io_close(file);
    free(path);
    if (status != KVS_OK)
        stage_unload(log);
    return status;
}

static void copy_ring(const struct stage_image *image, uint64_t position, uint8_t *out, size_t len)
{
    uint64_t at = position % image->bytes;
    size_t first = len < image->bytes - at ? len : (size_t)(image->bytes - at);
    memcpy(out, image->ring + at, first);
    memcpy(out + first, image->ring, len - first);
}

/* The end of the batches that follow each other from @off on, at most to @end. */
static uint64_t follow_batches(const struct segment *segment, const uint8_t *data, uint64_t off,
                               uint64_t end)
{
    while (off < end) {
        uint64_t bad_off;
        uint64_t records = 0;
        uint64_t next = scan_batch(segment, data, off, end, &bad_off, &records);
        if (next == 0)
            break;
        off = next;
    }
    return off;
}

/* A group that was gathering becomes one: its header is written anew. @claim: what the file's marker in its place has said. */
static void close_group(const struct segment *segment, uint8_t *data, uint64_t off, uint64_t end,
                        const struct group_header *gathering, uint64_t claim)
{
    struct group_header header = *gathering;
    header.length = (uint32_t)(end - off - GROUP_HEADER_BYTES);
    header.flags = 0;
    if (claim > header.durable)
        header.durable = claim;
    (void)group_header_encode(&header, segment->seed, off, data + off);
}

/* Follows groups of the ring, which @data holds from @off to @end; returns the end of what counts. */
static uint64_t follow_groups(const struct segment *segment, uint8_t *data, uint64_t off,
                              uint64_t end, uint64_t claim)
{
    while (end - off >= GROUP_HEADER_BYTES) {
        struct group_header group;
        uint32_t checksum;
        if (!group_header_decode(data + off, segment->seed, segment->header.base, off, &group,
                                 &checksum))
            break;
        uint64_t start = off + GROUP_HEADER_BYTES;
        bool gathering = group.length == 0;
        if (!gathering && group.length > end - start)
            break;
        uint64_t group_end = gathering ? end : start + group.length;
        uint64_t good = follow_batches(segment, data, start, group_end);
        if (good == start)
            break;
        if (gathering)
            close_group(segment, data, off, good, &group, claim);
        off = good;
        if (gathering || good < group_end)
            break;
    }
    return off;
}

/* The last group in the file, if nothing valid follows it; *ret_end: where the next header would be. */
static bool last_group(const struct segment *segment, const uint8_t *data, uint64_t size,
                       uint64_t *ret_start, uint64_t *ret_end, uint64_t *ret_claim)
{
    uint64_t off = SEGMENT_HEADER_BYTES;
    uint64_t start = 0;
    *ret_claim = 0;
    while (size - off >= GROUP_HEADER_BYTES) {
        struct group_header group;
        uint32_t checksum;
        bool valid = group_header_decode(data + off, segment->seed, segment->header.base, off,
                                         &group, &checksum);
        if (valid && group.length == 0) {
            *ret_claim = group.durable;
            start = 0; /* whole, says the marker behind it */
        }
        if (!valid || group.length == 0 || group.length > size - off - GROUP_HEADER_BYTES)
            break;
        start = off + GROUP_HEADER_BYTES;
        off = start + group.length;
    }
    *ret_start = start;
    *ret_end = off;
    return start != 0;
}

bool stage_overlay(const struct log *log, const struct segment *segment, uint8_t *data,
                   uint64_t size)
{
    const struct stage_image *image = log->stage_image;
    if (image == NULL || segment->header.side || segment->final || size < SEGMENT_HEADER_BYTES)
        return false;
    uint64_t start;
    uint64_t group_end;
    uint64_t claim;
    bool open = last_group(segment, data, size, &start, &group_end, &claim);
    uint64_t from = open ? follow_batches(segment, data, start, group_end) : group_end;
    size_t len = (size_t)(size - from < image->bytes ? size - from : image->bytes);
    memcpy(image->saved, data + from, len);
    copy_ring(image, segment->header.base + from, data + from, len);
    uint64_t end = from + len;
    uint64_t good = from;
    if (from < group_end)
        good = follow_batches(segment, data, from, group_end < end ? group_end : end);
    if (good == group_end)
        good = follow_groups(segment, data, group_end, end, claim);
    memcpy(data + good, image->saved + (good - from), (size_t)(end - good));
    return good > from;
}
