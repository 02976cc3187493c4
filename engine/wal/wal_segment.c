/* Names, headers and listing of WAL segments; the byte layout is in wal_segment.h. */
#include "engine/wal/wal_segment.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	OFF_VERSION = 8,
	OFF_HEADER_LEN = 12,
	OFF_SUM = 16,
	OFF_SUMMED = 24,
	OFF_SHARD = 24,
	OFF_FIRST_LSN = 32,
	OFF_CHAIN = 40,
	OFF_WATERMARK = 48,
	OFF_CREATED = 56,
	OFF_FLAGS = 64,
	OFF_HISTORY_COUNT = 68,
	OFF_DICTIONARY_LEN = 72,
	OFF_ZERO = 76,
	OFF_HISTORY = 80,
	HISTORY_ITEM_LEN = 24,
	FLAG_RECYCLED = 1,
	NAME_DIGITS = 16,
	HEADER_LEN_MAX = WAL_SEGMENT_HEADER_UNIT + WAL_DICTIONARY_MAX,
};

static_assert(OFF_HISTORY + HISTORY_ITEM_LEN * WAL_HISTORY_MAX <= WAL_SEGMENT_HEADER_UNIT,
	      "the history fits the first unit");

static const uint8_t magic[8] = {'C', 'a', 'i', 'r', 'n', 'W', 'A', 'L'};

void wal_segment_name(uint64_t first_lsn, char out[WAL_SEGMENT_NAME_SIZE])
{
	(void)snprintf(out, WAL_SEGMENT_NAME_SIZE, "%016" PRIx64 ".wal", first_lsn);
}

bool wal_segment_name_parse(const char *name, uint64_t *first_lsn)
{
	uint64_t lsn = 0;

	for (int i = 0; i < NAME_DIGITS; i++) {
		char c = name[i];

		if (c >= '0' && c <= '9') {
			lsn = lsn << 4 | (uint64_t)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			lsn = lsn << 4 | (uint64_t)(c - 'a' + 10);
		} else {
			return false;
		}
	}
	if (strcmp(name + NAME_DIGITS, ".wal") != 0) {
		return false;
	}
	*first_lsn = lsn;
	return true;
}

enum status wal_segment_path(const char *dir, const char *name, char out[WAL_PATH_MAX])
{
	int n = snprintf(out, WAL_PATH_MAX, "%s/%s", dir, name);

	return n > 0 && n < WAL_PATH_MAX ? ST_OK : ST_LIMIT;
}

uint64_t wal_segment_salt(uint64_t shard_id, uint64_t first_lsn, uint64_t timeline)
{
	uint8_t id[24];

	bytes_put_u64le(id, shard_id);
	bytes_put_u64le(id + 8, first_lsn);
	bytes_put_u64le(id + 16, timeline);
	return XXH3_64bits(id, sizeof id);
}

static uint64_t header_sum(const uint8_t *at, uint32_t header_len)
{
	return XXH3_64bits_withSeed(at + OFF_SUMMED, header_len - OFF_SUMMED,
				    (uint64_t)WAL_SEGMENT_VERSION << 32 | header_len);
}

static uint64_t salt_of(const struct wal_segment *s)
{
	return wal_segment_salt(s->history.shard_id, s->first_lsn,
				s->history.items[s->history.count - 1].id);
}

enum status wal_segment_encode(struct wal_segment *s, struct buf *out)
{
	size_t used = OFF_HISTORY + HISTORY_ITEM_LEN * (size_t)s->history.count + s->dictionary.len;
	size_t len = (used + WAL_SEGMENT_HEADER_UNIT - 1) / WAL_SEGMENT_HEADER_UNIT *
		     WAL_SEGMENT_HEADER_UNIT;
	enum status st;
	uint8_t *at, *item;

	INVARIANT(s->history.count >= 1 && s->history.count <= WAL_HISTORY_MAX);
	if (s->dictionary.len > WAL_DICTIONARY_MAX || len > HEADER_LEN_MAX) {
		return ST_LIMIT;
	}
	st = buf_reserve(out, len);
	if (st != ST_OK) {
		return st;
	}
	at = out->data + out->len;
	memset(at, 0, len);
	memcpy(at, magic, sizeof magic);
	bytes_put_u32le(at + OFF_VERSION, WAL_SEGMENT_VERSION);
	bytes_put_u32le(at + OFF_HEADER_LEN, (uint32_t)len);
	bytes_put_u64le(at + OFF_SHARD, s->history.shard_id);
	bytes_put_u64le(at + OFF_FIRST_LSN, s->first_lsn);
	bytes_put_u64le(at + OFF_CHAIN, s->chain);
	bytes_put_u64le(at + OFF_WATERMARK, s->watermark);
	bytes_put_u64le(at + OFF_CREATED, s->created_ms);
	bytes_put_u32le(at + OFF_FLAGS, s->recycled ? FLAG_RECYCLED : 0);
	bytes_put_u32le(at + OFF_HISTORY_COUNT, s->history.count);
	bytes_put_u32le(at + OFF_DICTIONARY_LEN, (uint32_t)s->dictionary.len);
	item = at + OFF_HISTORY;
	for (uint32_t i = 0; i < s->history.count; i++, item += HISTORY_ITEM_LEN) {
		bytes_put_u64le(item, s->history.items[i].id);
		bytes_put_u64le(item + 8, s->history.items[i].epoch);
		bytes_put_u64le(item + 16, s->history.items[i].first_lsn);
	}
	if (s->dictionary.len > 0) {
		memcpy(item, s->dictionary.data, s->dictionary.len);
	}
	s->header_len = (uint32_t)len;
	s->salt = salt_of(s);
	bytes_put_u64le(at + OFF_SUM, header_sum(at, s->header_len));
	out->len += len;
	return ST_OK;
}

enum status wal_segment_header_len(struct slice prefix, uint32_t *out)
{
	uint32_t len;

	if (prefix.len < WAL_SEGMENT_PREFIX_LEN || memcmp(prefix.data, magic, sizeof magic) != 0) {
		return ST_NOT_FOUND;
	}
	if (bytes_get_u32le(prefix.data + OFF_VERSION) != WAL_SEGMENT_VERSION) {
		return ST_VERSION;
	}
	len = bytes_get_u32le(prefix.data + OFF_HEADER_LEN);
	if (len == 0 || len > HEADER_LEN_MAX || len % WAL_SEGMENT_HEADER_UNIT != 0) {
		return ST_CORRUPT;
	}
	*out = len;
	return ST_OK;
}

static enum status decode_history(const uint8_t *at, struct wal_segment *s)
{
	uint64_t last_lsn = 0;

	for (uint32_t i = 0; i < s->history.count; i++, at += HISTORY_ITEM_LEN) {
		struct wal_timeline *t = &s->history.items[i];

		t->id = bytes_get_u64le(at);
		t->epoch = bytes_get_u64le(at + 8);
		t->first_lsn = bytes_get_u64le(at + 16);
		if (t->id == 0 || t->first_lsn < last_lsn) {
			return ST_CORRUPT;
		}
		last_lsn = t->first_lsn;
	}
	return ST_OK;
}

enum status wal_segment_decode(struct slice in, struct wal_segment *out)
{
	struct wal_segment s = {0};
	size_t dictionary_off, dictionary_len;
	enum status st = wal_segment_header_len(in, &s.header_len);

	if (st != ST_OK) {
		return st;
	}
	if (in.len < s.header_len ||
	    bytes_get_u64le(in.data + OFF_SUM) != header_sum(in.data, s.header_len)) {
		return ST_CORRUPT;
	}
	if ((bytes_get_u32le(in.data + OFF_FLAGS) & ~(uint32_t)FLAG_RECYCLED) != 0 ||
	    bytes_get_u32le(in.data + OFF_ZERO) != 0) {
		return ST_VERSION;
	}
	s.recycled = (bytes_get_u32le(in.data + OFF_FLAGS) & FLAG_RECYCLED) != 0;
	s.history.shard_id = bytes_get_u64le(in.data + OFF_SHARD);
	s.first_lsn = bytes_get_u64le(in.data + OFF_FIRST_LSN);
	s.chain = bytes_get_u64le(in.data + OFF_CHAIN);
	s.watermark = bytes_get_u64le(in.data + OFF_WATERMARK);
	s.created_ms = bytes_get_u64le(in.data + OFF_CREATED);
	s.history.count = bytes_get_u32le(in.data + OFF_HISTORY_COUNT);
	dictionary_len = bytes_get_u32le(in.data + OFF_DICTIONARY_LEN);
	if (s.first_lsn == 0 || s.watermark >= s.first_lsn || s.history.count == 0 ||
	    s.history.count > WAL_HISTORY_MAX) {
		return ST_CORRUPT;
	}
	dictionary_off = OFF_HISTORY + HISTORY_ITEM_LEN * (size_t)s.history.count;
	if (dictionary_len > s.header_len - dictionary_off) {
		return ST_CORRUPT;
	}
	st = decode_history(in.data + OFF_HISTORY, &s);
	if (st != ST_OK) {
		return st;
	}
	s.dictionary = slice_of(in.data + dictionary_off, dictionary_len);
	s.salt = salt_of(&s);
	*out = s;
	return ST_OK;
}

static enum status file_read_at(void *ctx, void *dst, size_t len, uint64_t off, size_t *got)
{
	const struct wal_source_file *f = ctx;

	return f->io->ops->pread(f->io->ctx, f->file, dst, len, off, got);
}

static enum status memory_read_at(void *ctx, void *dst, size_t len, uint64_t off, size_t *got)
{
	const struct slice *bytes = ctx;
	size_t n = off >= bytes->len ? 0 : bytes->len - (size_t)off;

	n = n < len ? n : len;
	if (n > 0) {
		memcpy(dst, bytes->data + off, n);
	}
	*got = n;
	return ST_OK;
}

struct wal_source wal_source_of_file(struct wal_source_file *f)
{
	return (struct wal_source){file_read_at, f};
}

struct wal_source wal_source_of_memory(struct slice *bytes)
{
	return (struct wal_source){memory_read_at, bytes};
}

enum status wal_segment_read(struct wal_source src, struct buf *storage, struct wal_segment *out)
{
	uint32_t header_len;
	size_t got;
	enum status st;

	storage->len = 0;
	st = buf_reserve(storage, WAL_SEGMENT_HEADER_UNIT);
	if (st != ST_OK) {
		return st;
	}
	st = src.read_at(src.ctx, storage->data, WAL_SEGMENT_HEADER_UNIT, 0, &got);
	if (st != ST_OK) {
		return st;
	}
	storage->len = got;
	st = wal_segment_header_len(buf_slice(storage), &header_len);
	if (st != ST_OK) {
		return st;
	}
	if (header_len > WAL_SEGMENT_HEADER_UNIT) {
		size_t rest = header_len - WAL_SEGMENT_HEADER_UNIT;

		st = buf_reserve(storage, rest);
		if (st != ST_OK) {
			return st;
		}
		st = src.read_at(src.ctx, storage->data + storage->len, rest, storage->len, &got);
		if (st != ST_OK) {
			return st;
		}
		storage->len += got;
	}
	return wal_segment_decode(buf_slice(storage), out);
}

struct list_args {
	struct wal_segment_list *list;
	enum status st;
};

static void list_each(void *arg, const char *name)
{
	struct list_args *a = arg;
	struct wal_segment_list *list = a->list;
	uint64_t first_lsn;

	if (a->st != ST_OK || !wal_segment_name_parse(name, &first_lsn)) {
		return;
	}
	if (list->count == list->cap) {
		size_t cap = list->cap == 0 ? 64 : list->cap * 2;
		uint64_t *grown = mem_realloc(list->first_lsn, cap * sizeof *grown);

		if (grown == NULL) {
			a->st = ST_NO_MEMORY;
			return;
		}
		list->first_lsn = grown;
		list->cap = cap;
	}
	list->first_lsn[list->count++] = first_lsn;
}

static int compare_lsn(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

enum status wal_segment_list_read(const struct io *io, const char *dir,
				  struct wal_segment_list *out)
{
	struct wal_segment_list list = {0};
	struct list_args args = {&list, ST_OK};
	enum status st = io->ops->list(io->ctx, dir, list_each, &args);

	if (st == ST_OK) {
		st = args.st;
	}
	if (st != ST_OK) {
		wal_segment_list_deinit(&list);
		return st;
	}
	if (list.count > 1) {
		qsort(list.first_lsn, list.count, sizeof *list.first_lsn, compare_lsn);
	}
	*out = list;
	return ST_OK;
}

void wal_segment_list_deinit(struct wal_segment_list *list)
{
	mem_free(list->first_lsn);
	*list = (struct wal_segment_list){0};
}
