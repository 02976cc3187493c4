/* Encoding and decoding of what travels in a full copy; the layout is in snapshot_block.h. */
#include "engine/snapshot_block.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/key_codec.h"
#include "engine/library_set.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

enum {
	OFF_VERSION = 4,
	OFF_FLAGS = 6,
	OFF_STORED_LEN = 8,
	OFF_RAW_LEN = 12,
	OFF_ENTRIES = 16,
	OFF_ZERO = 20,
	OFF_LSN = 24,
	OFF_DRAIN_LSN = 32,
	OFF_ENTRIES_BEFORE = 40,
	OFF_SUM_BEFORE = 48,
	OFF_PAYLOAD_SUM = 56,
	OFF_HEADER_SUM = 64,
	FLAG_ZSTD = 1,
	ENTRY_HEADER_LEN = 6,
	HEAD_FIXED_LEN = 36,
	ZSTD_MIN = 512, /* shorter payloads stay raw: they hardly gain */
	ZSTD_LEVEL = 1,
};

static const uint8_t magic[4] = {0xf7, 'C', 'S', 'B'};

/* --- head, tail, place --- */

/* Appends the version and count numbers. */
static enum status put_numbers(const uint64_t *numbers, size_t count, struct buf *out)
{
	enum status st = buf_reserve(out, 4 + count * 8);

	if (st != ST_OK) {
		return st;
	}
	bytes_put_u32le(out->data + out->len, SNAPSHOT_VERSION);
	out->len += 4;
	for (size_t i = 0; i < count; i++, out->len += 8) {
		bytes_put_u64le(out->data + out->len, numbers[i]);
	}
	return ST_OK;
}

static enum status get_numbers(struct slice in, size_t len_min, uint64_t *numbers, size_t count)
{
	if (in.len < 4) {
		return ST_CORRUPT;
	}
	if (bytes_get_u32le(in.data) != SNAPSHOT_VERSION) {
		return ST_VERSION;
	}
	if (in.len < len_min) {
		return ST_CORRUPT;
	}
	for (size_t i = 0; i < count; i++) {
		numbers[i] = bytes_get_u64le(in.data + 4 + i * 8);
	}
	return ST_OK;
}

enum status snapshot_head_encode(const struct snapshot_head *head, struct buf *out)
{
	const uint64_t numbers[] = {head->lsn, head->next_id, head->keys, head->bytes};
	size_t len = out->len;
	enum status st = put_numbers(numbers, 4, out);
	uint8_t none[12] = {0};

	if (st == ST_OK && head->history.count == 0) {
		bytes_put_u64le(none, head->history.shard_id);
		st = buf_append(out, none, sizeof none);
	} else if (st == ST_OK) {
		st = wal_history_encode(&head->history, out);
	}
	if (st != ST_OK) {
		out->len = len;
	}
	return st;
}

enum status snapshot_head_decode(struct slice in, struct snapshot_head *out)
{
	uint64_t numbers[4];
	struct snapshot_head head = {0};
	enum status st = get_numbers(in, HEAD_FIXED_LEN + 12, numbers, 4);

	if (st != ST_OK) {
		return st;
	}
	in = slice_skip(in, HEAD_FIXED_LEN);
	if (in.len == 12 && bytes_get_u32le(in.data + 8) == 0) {
		head.history.shard_id = bytes_get_u64le(in.data);
	} else {
		st = wal_history_decode(&in, &head.history);
		if (st != ST_OK || in.len != 0) {
			return ST_CORRUPT;
		}
	}
	head.lsn = numbers[0];
	head.next_id = numbers[1];
	head.keys = numbers[2];
	head.bytes = numbers[3];
	*out = head;
	return ST_OK;
}

enum status snapshot_tail_encode(const struct snapshot_tail *tail, struct buf *out)
{
	const uint64_t numbers[] = {tail->drain_lsn, tail->next_id, tail->entries, tail->sum};

	return put_numbers(numbers, 4, out);
}

enum status snapshot_tail_decode(struct slice in, struct snapshot_tail *out)
{
	uint64_t numbers[4];
	enum status st = get_numbers(in, SNAPSHOT_TAIL_LEN, numbers, 4);

	if (st != ST_OK) {
		return st;
	}
	if (in.len != SNAPSHOT_TAIL_LEN) {
		return ST_CORRUPT;
	}
	*out = (struct snapshot_tail){numbers[0], numbers[1], numbers[2], numbers[3]};
	return ST_OK;
}

enum status snapshot_resume_encode(const struct snapshot_resume *r, struct buf *out)
{
	const uint64_t numbers[] = {r->lsn, r->drain_lsn, r->entries, r->sum};
	enum status st = buf_reserve(out, SNAPSHOT_RESUME_LEN);

	if (st == ST_OK) {
		st = put_numbers(numbers, 4, out);
	}
	if (st == ST_OK) {
		bytes_put_u16le(out->data + out->len, r->slot);
		out->len += 2;
	}
	return st;
}

enum status snapshot_resume_decode(struct slice in, struct snapshot_resume *out)
{
	uint64_t numbers[4];
	uint16_t slot;
	enum status st = get_numbers(in, SNAPSHOT_RESUME_LEN, numbers, 4);

	if (st != ST_OK) {
		return st;
	}
	slot = bytes_get_u16le(in.data + SNAPSHOT_RESUME_LEN - 2);
	if (in.len != SNAPSHOT_RESUME_LEN || slot > SNAPSHOT_END) {
		return ST_CORRUPT;
	}
	*out = (struct snapshot_resume){numbers[0], numbers[1], numbers[2], numbers[3], slot};
	return ST_OK;
}

/* --- entries --- */

uint64_t snapshot_entry_digest(struct slice key, struct slice value)
{
	return XXH3_64bits_withSeed(value.data, value.len, XXH3_64bits(key.data, key.len));
}

enum status snapshot_entry_encode(struct slice key, struct slice value, struct buf *raw)
{
	uint64_t len = snapshot_entry_len(key, value);
	enum status st;
	uint8_t *at;

	if (len > SNAPSHOT_RAW_MAX || key.len > STORE_KEY_MAX) {
		return ST_LIMIT;
	}
	st = buf_reserve(raw, (size_t)len);
	if (st != ST_OK) {
		return st;
	}
	at = raw->data + raw->len;
	bytes_put_u16le(at, (uint16_t)key.len);
	bytes_put_u32le(at + 2, (uint32_t)value.len);
	memcpy(at + ENTRY_HEADER_LEN, key.data, key.len);
	if (value.len > 0) {
		memcpy(at + ENTRY_HEADER_LEN + key.len, value.data, value.len);
	}
	raw->len += (size_t)len;
	return ST_OK;
}

enum status snapshot_entry_decode(struct slice *raw, struct slice *key, struct slice *value)
{
	size_t key_len, value_len;

	if (raw->len == 0) {
		return ST_END;
	}
	if (raw->len < ENTRY_HEADER_LEN) {
		return ST_CORRUPT;
	}
	key_len = bytes_get_u16le(raw->data);
	value_len = bytes_get_u32le(raw->data + 2);
	if (key_len > raw->len - ENTRY_HEADER_LEN ||
	    value_len > raw->len - ENTRY_HEADER_LEN - key_len) {
		return ST_CORRUPT;
	}
	*key = slice_of(raw->data + ENTRY_HEADER_LEN, key_len);
	*value = slice_of(key->data + key_len, value_len);
	*raw = slice_skip(*raw, ENTRY_HEADER_LEN + key_len + value_len);
	return ST_OK;
}

struct slice snapshot_libraries_key(void)
{
	static const uint8_t key[] = {0xff, 0xff, 'F'};

	return slice_of(key, sizeof key);
}

static enum status check_libraries(struct slice value)
{
	struct library_set set = {0};
	enum status st = library_set_decode(value, &set);

	library_set_deinit(&set);
	return st == ST_NO_MEMORY ? st : st == ST_OK && value.len > 0 ? ST_OK : ST_CORRUPT;
}

enum status snapshot_entry_check(struct slice key, struct slice value)
{
	struct slice name, record;
	struct store_key made;
	struct meta meta;
	enum status st;

	if (slice_eq(key, snapshot_libraries_key())) {
		return check_libraries(value);
	}
	st = store_key_check(key);

	if (st != ST_OK) {
		return st;
	}
	if (store_key_space(key) == KEYSPACE_GARBAGE) {
		return value.len == 0 ? ST_OK : ST_CORRUPT;
	}
	if (store_key_space(key) == KEYSPACE_ELEM && !store_key_is_long(key)) {
		return ST_OK;
	}
	st = stored_split(key, value, &name, &record);
	if (st != ST_OK || store_key_space(key) == KEYSPACE_ELEM) {
		return st;
	}
	store_key_of_key(&made, name);
	if (!slice_eq(store_key_slice(&made), key)) {
		return ST_CORRUPT;
	}
	return meta_decode(record, &meta);
}

/* --- blocks --- */

struct snapshot_codec {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	struct buf raw;
};

enum status snapshot_codec_create(struct snapshot_codec **out)
{
	struct snapshot_codec *c = mem_calloc(1, sizeof *c);

	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	c->compress = ZSTD_createCCtx();
	c->decompress = ZSTD_createDCtx();
	if (c->compress == NULL || c->decompress == NULL) {
		snapshot_codec_destroy(c);
		return ST_NO_MEMORY;
	}
	*out = c;
	return ST_OK;
}

void snapshot_codec_destroy(struct snapshot_codec *c)
{
	if (c != NULL) {
		(void)ZSTD_freeCCtx(c->compress);
		(void)ZSTD_freeDCtx(c->decompress);
		buf_deinit(&c->raw);
		mem_free(c);
	}
}

/* Puts the payload at at, compressed when that makes it shorter; returns its length. */
static size_t put_payload(struct snapshot_codec *c, struct slice raw, uint8_t *at, bool *zstd)
{
	*zstd = false;
	if (raw.len >= ZSTD_MIN && raw.len <= SNAPSHOT_ZSTD_MAX) {
		size_t n =
		    ZSTD_compressCCtx(c->compress, at, raw.len - 1, raw.data, raw.len, ZSTD_LEVEL);

		if (!ZSTD_isError(n)) {
			*zstd = true;
			return n;
		}
	}
	if (raw.len > 0) {
		memcpy(at, raw.data, raw.len);
	}
	return raw.len;
}

enum status snapshot_block_encode(struct snapshot_codec *c, const struct snapshot_block *block,
				  struct slice raw, struct buf *out)
{
	enum status st;
	uint8_t *at;
	size_t len;
	bool zstd;

	if (raw.len > SNAPSHOT_RAW_MAX) {
		return ST_LIMIT;
	}
	st = buf_reserve(out, SNAPSHOT_BLOCK_HEADER_LEN + raw.len);
	if (st != ST_OK) {
		return st;
	}
	at = out->data + out->len;
	len = put_payload(c, raw, at + SNAPSHOT_BLOCK_HEADER_LEN, &zstd);
	memcpy(at, magic, sizeof magic);
	bytes_put_u16le(at + OFF_VERSION, SNAPSHOT_VERSION);
	bytes_put_u16le(at + OFF_FLAGS, zstd ? FLAG_ZSTD : 0);
	bytes_put_u32le(at + OFF_STORED_LEN, (uint32_t)len);
	bytes_put_u32le(at + OFF_RAW_LEN, (uint32_t)raw.len);
	bytes_put_u32le(at + OFF_ENTRIES, block->entries);
	bytes_put_u32le(at + OFF_ZERO, 0);
	bytes_put_u64le(at + OFF_LSN, block->lsn);
	bytes_put_u64le(at + OFF_DRAIN_LSN, block->drain_lsn);
	bytes_put_u64le(at + OFF_ENTRIES_BEFORE, block->entries_before);
	bytes_put_u64le(at + OFF_SUM_BEFORE, block->sum_before);
	bytes_put_u64le(at + OFF_PAYLOAD_SUM, XXH3_64bits(at + SNAPSHOT_BLOCK_HEADER_LEN, len));
	bytes_put_u64le(at + OFF_HEADER_SUM, XXH3_64bits(at, OFF_HEADER_SUM));
	out->len += SNAPSHOT_BLOCK_HEADER_LEN + len;
	return ST_OK;
}

enum status snapshot_block_len(struct slice in, uint64_t *len)
{
	const uint8_t *at = in.data;
	uint32_t stored, raw;
	unsigned flags;

	if (in.len < SNAPSHOT_BLOCK_HEADER_LEN) {
		return ST_NEED_MORE;
	}
	if (memcmp(at, magic, sizeof magic) != 0 ||
	    bytes_get_u64le(at + OFF_HEADER_SUM) != XXH3_64bits(at, OFF_HEADER_SUM)) {
		return ST_CORRUPT;
	}
	flags = bytes_get_u16le(at + OFF_FLAGS);
	if (bytes_get_u16le(at + OFF_VERSION) != SNAPSHOT_VERSION || (flags & ~1U) != 0 ||
	    bytes_get_u32le(at + OFF_ZERO) != 0) {
		return ST_VERSION;
	}
	stored = bytes_get_u32le(at + OFF_STORED_LEN);
	raw = bytes_get_u32le(at + OFF_RAW_LEN);
	if (raw > SNAPSHOT_RAW_MAX || stored > raw ||
	    ((flags & FLAG_ZSTD) != 0 ? raw > SNAPSHOT_ZSTD_MAX : stored != raw)) {
		return ST_CORRUPT;
	}
	*len = SNAPSHOT_BLOCK_HEADER_LEN + (uint64_t)stored;
	return ST_OK;
}

static enum status expand(struct snapshot_codec *c, struct slice stored, size_t raw_len,
			  struct slice *raw)
{
	enum status st;
	size_t n;

	c->raw.len = 0;
	st = buf_reserve(&c->raw, raw_len == 0 ? 1 : raw_len);
	if (st != ST_OK) {
		return st;
	}
	n = ZSTD_decompressDCtx(c->decompress, c->raw.data, raw_len, stored.data, stored.len);
	if (ZSTD_isError(n) || n != raw_len) {
		return ST_CORRUPT;
	}
	*raw = slice_of(c->raw.data, raw_len);
	return ST_OK;
}

enum status snapshot_block_decode(struct snapshot_codec *c, struct slice in,
				  struct snapshot_block *out, struct slice *raw)
{
	struct slice stored;
	uint64_t len;
	enum status st = snapshot_block_len(in, &len);

	if (st != ST_OK) {
		return st == ST_NEED_MORE ? ST_CORRUPT : st;
	}
	if (len != in.len) {
		return ST_CORRUPT;
	}
	stored = slice_skip(in, SNAPSHOT_BLOCK_HEADER_LEN);
	if (XXH3_64bits(stored.data, stored.len) != bytes_get_u64le(in.data + OFF_PAYLOAD_SUM)) {
		return ST_CORRUPT;
	}
	if ((bytes_get_u16le(in.data + OFF_FLAGS) & FLAG_ZSTD) == 0) {
		*raw = stored;
	} else {
		st = expand(c, stored, bytes_get_u32le(in.data + OFF_RAW_LEN), raw);
	}
	if (st == ST_OK) {
		*out = (struct snapshot_block){
		    .lsn = bytes_get_u64le(in.data + OFF_LSN),
		    .drain_lsn = bytes_get_u64le(in.data + OFF_DRAIN_LSN),
		    .entries_before = bytes_get_u64le(in.data + OFF_ENTRIES_BEFORE),
		    .sum_before = bytes_get_u64le(in.data + OFF_SUM_BEFORE),
		    .entries = bytes_get_u32le(in.data + OFF_ENTRIES),
		};
	}
	return st;
}
