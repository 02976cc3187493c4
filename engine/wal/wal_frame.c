/* Sealing, checking and (de)compressing WAL frames; the byte layout is in wal_frame.h. */
#include "engine/wal/wal_frame.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/planted.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

enum {
	OFF_MAGIC = 0,
	OFF_VERSION = 4,
	OFF_FLAGS = 6,
	OFF_STORED_LEN = 8,
	OFF_RAW_LEN = 12,
	OFF_FIRST_LSN = 16,
	OFF_RECORDS = 24,
	OFF_ZERO = 28,
	OFF_EPOCH = 32,
	OFF_TIMELINE = 40,
	OFF_TIME = 48,
	OFF_CHAIN = 56,
	OFF_PAYLOAD_SUM = 64,
	OFF_WATERMARK = 72,
	OFF_HEADER_SUM = 80,
	SHARED_LEN = OFF_WATERMARK,
	FLAGS_ALL = WAL_FRAME_ZSTD | WAL_FRAME_DICTIONARY | WAL_FRAME_CLEAN,
	RECORD_LEN_MIN = 12, /* an empty record, see wal_record.h */
};

static_assert(OFF_HEADER_SUM + 8 == WAL_FRAME_HEADER_LEN, "on-disk layout");

/* The seal of a header: it holds only where it was put. */
static uint64_t seal(const uint8_t *at, uint64_t salt)
{
	return XXH3_64bits_withSeed(at, OFF_HEADER_SUM, PLANTED(11) ? 0 : salt);
}

void wal_frame_encode_header(struct wal_frame *f, uint64_t salt, uint8_t *at)
{
	static const uint8_t magic[4] = {0xf7, 'C', 'W', 'F'};

	memcpy(at + OFF_MAGIC, magic, sizeof magic);
	bytes_put_u16le(at + OFF_VERSION, WAL_FRAME_VERSION);
	bytes_put_u16le(at + OFF_FLAGS, (uint16_t)f->flags);
	bytes_put_u32le(at + OFF_STORED_LEN, f->stored_len);
	bytes_put_u32le(at + OFF_RAW_LEN, f->raw_len);
	bytes_put_u64le(at + OFF_FIRST_LSN, f->first_lsn);
	bytes_put_u32le(at + OFF_RECORDS, f->records);
	bytes_put_u32le(at + OFF_ZERO, 0);
	bytes_put_u64le(at + OFF_EPOCH, f->epoch);
	bytes_put_u64le(at + OFF_TIMELINE, f->timeline);
	bytes_put_u64le(at + OFF_TIME, f->time_ms);
	bytes_put_u64le(at + OFF_CHAIN, f->chain);
	bytes_put_u64le(at + OFF_PAYLOAD_SUM, f->payload_sum);
	bytes_put_u64le(at + OFF_WATERMARK, f->watermark);
	bytes_put_u64le(at + OFF_HEADER_SUM, seal(at, salt));
	f->digest = XXH3_64bits(at, SHARED_LEN);
}

/* Values that no writer makes, although the seal is right. */
static bool impossible(const struct wal_frame *f)
{
	bool zstd = (f->flags & WAL_FRAME_ZSTD) != 0;

	return f->raw_len > WAL_FRAME_RAW_MAX || f->stored_len > f->raw_len ||
	       (zstd ? f->raw_len > WAL_FRAME_ZSTD_MAX : f->stored_len != f->raw_len) ||
	       (!zstd && (f->flags & WAL_FRAME_DICTIONARY) != 0) ||
	       f->records > f->raw_len / RECORD_LEN_MIN || (f->records == 0 && f->raw_len != 0) ||
	       ((f->flags & WAL_FRAME_CLEAN) != 0 && f->records != 0) || f->first_lsn == 0 ||
	       f->first_lsn > UINT64_MAX - f->records || f->watermark >= f->first_lsn ||
	       f->timeline == 0;
}

enum status wal_frame_decode_header(struct slice in, uint64_t salt, struct wal_frame *out)
{
	const uint8_t *at = in.data;
	struct wal_frame f;

	if (in.len < WAL_FRAME_HEADER_LEN) {
		return ST_NEED_MORE;
	}
	if (!wal_frame_magic(at)) {
		return ST_NOT_FOUND;
	}
	if (!PLANTED(5) && bytes_get_u64le(at + OFF_HEADER_SUM) != seal(at, salt)) {
		return ST_NOT_FOUND;
	}
	f.flags = bytes_get_u16le(at + OFF_FLAGS);
	if (bytes_get_u16le(at + OFF_VERSION) != WAL_FRAME_VERSION ||
	    (f.flags & ~(unsigned)FLAGS_ALL) != 0 || bytes_get_u32le(at + OFF_ZERO) != 0) {
		return ST_VERSION;
	}
	f.stored_len = bytes_get_u32le(at + OFF_STORED_LEN);
	f.raw_len = bytes_get_u32le(at + OFF_RAW_LEN);
	f.first_lsn = bytes_get_u64le(at + OFF_FIRST_LSN);
	f.records = bytes_get_u32le(at + OFF_RECORDS);
	f.epoch = bytes_get_u64le(at + OFF_EPOCH);
	f.timeline = bytes_get_u64le(at + OFF_TIMELINE);
	f.time_ms = bytes_get_u64le(at + OFF_TIME);
	f.chain = bytes_get_u64le(at + OFF_CHAIN);
	f.payload_sum = bytes_get_u64le(at + OFF_PAYLOAD_SUM);
	f.watermark = bytes_get_u64le(at + OFF_WATERMARK);
	f.digest = XXH3_64bits(at, SHARED_LEN);
	if (impossible(&f)) {
		return ST_CORRUPT;
	}
	*out = f;
	return ST_OK;
}

enum status wal_frame_check_payload(const struct wal_frame *f, struct slice stored)
{
	return (stored.len == f->stored_len &&
		XXH3_64bits(stored.data, stored.len) == f->payload_sum) ||
		       PLANTED(3)
		   ? ST_OK
		   : ST_CORRUPT;
}

struct wal_frame_encoder {
	ZSTD_CCtx *ctx;
	ZSTD_CDict *dict; /* NULL without a dictionary or at level 0 */
	struct buf dict_bytes;
	int level;
};

enum status wal_frame_encoder_set_level(struct wal_frame_encoder *e, int level)
{
	ZSTD_CDict *dict = NULL;

	if (level > ZSTD_maxCLevel()) {
		level = ZSTD_maxCLevel();
	}
	if (level != 0 && e->dict_bytes.len > 0) {
		dict = ZSTD_createCDict(e->dict_bytes.data, e->dict_bytes.len, level);
		if (dict == NULL) {
			return ST_NO_MEMORY;
		}
	}
	/* The level is sticky in the context, and so is a reference to the old dictionary. */
	if (level != 0 &&
	    (ZSTD_isError(ZSTD_CCtx_reset(e->ctx, ZSTD_reset_session_and_parameters)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(e->ctx, ZSTD_c_compressionLevel, level)) ||
	     ZSTD_isError(ZSTD_CCtx_refCDict(e->ctx, dict)))) {
		(void)ZSTD_freeCDict(dict);
		return ST_NO_MEMORY;
	}
	(void)ZSTD_freeCDict(e->dict);
	e->dict = dict;
	e->level = level;
	return ST_OK;
}

enum status wal_frame_encoder_create(int level, struct slice dictionary,
				     struct wal_frame_encoder **out)
{
	struct wal_frame_encoder *e = mem_calloc(1, sizeof *e);
	enum status st = ST_NO_MEMORY;

	if (e == NULL) {
		return ST_NO_MEMORY;
	}
	e->ctx = ZSTD_createCCtx();
	if (e->ctx == NULL) {
		goto out;
	}
	st = buf_append(&e->dict_bytes, dictionary.data, dictionary.len);
	if (st != ST_OK) {
		goto out;
	}
	st = wal_frame_encoder_set_level(e, level);
	if (st != ST_OK) {
		goto out;
	}
	*out = e;
	e = NULL;
out:
	wal_frame_encoder_destroy(e);
	return st;
}

void wal_frame_encoder_destroy(struct wal_frame_encoder *e)
{
	if (e == NULL) {
		return;
	}
	(void)ZSTD_freeCCtx(e->ctx);
	(void)ZSTD_freeCDict(e->dict);
	buf_deinit(&e->dict_bytes);
	mem_free(e);
}

/* Compresses raw to at; returns the length, 0 when it is not worth it. */
static size_t compress(struct wal_frame_encoder *e, struct slice raw, uint8_t *at)
{
	/* zstd gives up by itself once the result would not be an eighth smaller. */
	size_t limit = raw.len - raw.len / 8;
	size_t n;

	if (e->level == 0 || raw.len < WAL_FRAME_ZSTD_MIN || raw.len > WAL_FRAME_ZSTD_MAX) {
		return 0;
	}
	n = ZSTD_compress2(e->ctx, at, limit, raw.data, raw.len);
	return ZSTD_isError(n) ? 0 : n;
}

enum status wal_frame_encode(struct wal_frame_encoder *e, struct wal_frame *f, struct slice raw,
			     uint64_t salt, struct buf *out)
{
	enum status st = buf_reserve(out, WAL_FRAME_HEADER_LEN + raw.len + WAL_FRAME_ALIGN);
	uint8_t *at;
	size_t n, pad;

	if (st != ST_OK) {
		return st;
	}
	INVARIANT(raw.len <= WAL_FRAME_RAW_MAX);
	at = out->data + out->len;
	f->flags &= WAL_FRAME_CLEAN;
	n = compress(e, raw, at + WAL_FRAME_HEADER_LEN);
	if (n > 0) {
		f->flags |= WAL_FRAME_ZSTD | (e->dict != NULL ? WAL_FRAME_DICTIONARY : 0u);
	} else if (raw.len > 0) {
		memcpy(at + WAL_FRAME_HEADER_LEN, raw.data, raw.len);
		n = raw.len;
	}
	f->stored_len = (uint32_t)n;
	f->raw_len = (uint32_t)raw.len;
	f->payload_sum = XXH3_64bits(at + WAL_FRAME_HEADER_LEN, n);
	wal_frame_encode_header(f, salt, at);
	pad = (size_t)wal_frame_span(f) - WAL_FRAME_HEADER_LEN - n;
	memset(at + WAL_FRAME_HEADER_LEN + n, 0, pad);
	out->len += (size_t)wal_frame_span(f);
	return ST_OK;
}

void wal_frame_seal_raw(struct wal_frame *f, struct slice raw, uint64_t salt, uint8_t *header)
{
	INVARIANT(raw.len <= WAL_FRAME_RAW_MAX);
	f->flags = 0;
	f->stored_len = (uint32_t)raw.len;
	f->raw_len = (uint32_t)raw.len;
	f->payload_sum = XXH3_64bits(raw.data, raw.len);
	wal_frame_encode_header(f, salt, header);
}

struct wal_frame_decoder {
	ZSTD_DCtx *ctx;
	ZSTD_DDict *dict;
	struct buf raw;
};

enum status wal_frame_decoder_create(struct wal_frame_decoder **out)
{
	struct wal_frame_decoder *d = mem_calloc(1, sizeof *d);

	if (d == NULL) {
		return ST_NO_MEMORY;
	}
	d->ctx = ZSTD_createDCtx();
	if (d->ctx == NULL) {
		mem_free(d);
		return ST_NO_MEMORY;
	}
	*out = d;
	return ST_OK;
}

enum status wal_frame_decoder_set_dictionary(struct wal_frame_decoder *d, struct slice dictionary)
{
	ZSTD_DDict *dict = NULL;

	if (dictionary.len > 0) {
		dict = ZSTD_createDDict(dictionary.data, dictionary.len);
		if (dict == NULL) {
			return ST_NO_MEMORY;
		}
	}
	(void)ZSTD_freeDDict(d->dict);
	d->dict = dict;
	return ST_OK;
}

void wal_frame_decoder_destroy(struct wal_frame_decoder *d)
{
	if (d == NULL) {
		return;
	}
	(void)ZSTD_freeDCtx(d->ctx);
	(void)ZSTD_freeDDict(d->dict);
	buf_deinit(&d->raw);
	mem_free(d);
}

enum status wal_frame_decode(struct wal_frame_decoder *d, const struct wal_frame *f,
			     struct slice stored, struct slice *out)
{
	bool with_dict = (f->flags & WAL_FRAME_DICTIONARY) != 0;
	size_t n;
	enum status st;

	if (stored.len != f->stored_len) {
		return ST_CORRUPT;
	}
	if ((f->flags & WAL_FRAME_ZSTD) == 0) {
		*out = stored;
		return ST_OK;
	}
	if (with_dict && d->dict == NULL) {
		return ST_CORRUPT;
	}
	d->raw.len = 0;
	st = buf_reserve(&d->raw, f->raw_len);
	if (st != ST_OK) {
		return st;
	}
	n = with_dict
		? ZSTD_decompress_usingDDict(d->ctx, d->raw.data, f->raw_len, stored.data,
					     stored.len, d->dict)
		: ZSTD_decompressDCtx(d->ctx, d->raw.data, f->raw_len, stored.data, stored.len);
	if (ZSTD_isError(n) || n != f->raw_len) {
		return ST_CORRUPT;
	}
	*out = slice_of(d->raw.data, n);
	return ST_OK;
}
