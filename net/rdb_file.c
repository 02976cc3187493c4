/* Writing an RDB file: frame, keys and all values but streams. */
#include "net/rdb_file.h"

#include "engine/base/bytes.h"
#include "net/command/command_groups.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_library.h"
#include "net/proto/rdb_write.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	PIECE_BYTES = 64 << 10, /* given to take at a time, more or less */
	OP_AUX = 0xfa,
	OP_SIZES = 0xfb,
	OP_EXPIRY_MS = 0xfc,
	OP_DATABASE = 0xfe,
	OP_END = 0xff,
};

static enum status flush(struct rdb_file *f)
{
	enum status st = ST_OK;

	if (f->pending.len > 0) {
		f->crc = crc64(f->crc, buf_slice(&f->pending));
		st = f->take(f->arg, buf_slice(&f->pending));
		f->pending.len = 0;
		buf_shrink(&f->pending, 4 * PIECE_BYTES);
	}
	return st;
}

static enum status put(void *arg, const void *bytes, size_t len)
{
	struct rdb_file *f = arg;
	enum status st = ST_OK;

	f->bytes += len;
	if (f->take == NULL) {
		return ST_OK;
	}
	st = buf_append(&f->pending, bytes, len);
	return st == ST_OK && f->pending.len >= PIECE_BYTES ? flush(f) : st;
}

static void put_op(struct rdb_out *o, uint8_t op)
{
	rdb_out_bytes(o, &op, 1);
}

static void put_aux(struct rdb_out *o, const char *name, const char *value)
{
	put_op(o, OP_AUX);
	rdb_out_string(o, slice_str(name));
	rdb_out_string(o, slice_str(value));
}

static void put_aux_number(struct rdb_out *o, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, value);
	put_aux(o, name, text);
}

enum status rdb_file_begin(struct rdb_file *f, const struct rdb_about *about)
{
	struct rdb_out o = {.put = put, .arg = f};
	char magic[16];

	(void)snprintf(magic, sizeof magic, "REDIS%04d", RDB_VERSION_WRITTEN);
	rdb_out_bytes(&o, magic, strlen(magic));
	put_aux(&o, "redis-ver", REDIS_COMPAT_VERSION);
	put_aux(&o, "redis-bits", "64");
	put_aux_number(&o, "ctime", about->now_ms / 1000);
	put_aux(&o, "cairn-ver", CAIRN_VERSION);
	if (about->repl_id != NULL) {
		put_aux(&o, "repl-stream-db", "0");
		put_aux(&o, "repl-id", about->repl_id);
		put_aux_number(&o, "repl-offset", about->repl_offset);
	}
	put_aux(&o, "aof-base", "0");
	return o.st;
}

enum status rdb_file_library(struct rdb_file *f, struct slice code)
{
	struct rdb_out o = {.put = put, .arg = f};

	put_op(&o, RDB_LIBRARY_OPCODE);
	rdb_out_string(&o, code);
	return o.st;
}

enum status rdb_file_sizes(struct rdb_file *f, uint64_t keys, uint64_t expires)
{
	struct rdb_out o = {.put = put, .arg = f};

	if (keys == 0) {
		return ST_OK;
	}
	put_op(&o, OP_DATABASE);
	rdb_out_len(&o, 0);
	put_op(&o, OP_SIZES);
	rdb_out_len(&o, keys);
	rdb_out_len(&o, expires);
	return o.st;
}

static enum rdb_type type_of(enum value_type type)
{
	switch (type) {
	case TYPE_STRING:
		return RDB_TYPE_STRING;
	case TYPE_LIST:
		return RDB_TYPE_LIST;
	case TYPE_SET:
		return RDB_TYPE_SET;
	case TYPE_ZSET:
		return RDB_TYPE_ZSET_2;
	case TYPE_STREAM:
		return RDB_TYPE_STREAM_2;
	default:
		return RDB_TYPE_HASH;
	}
}

/* A short string may be a number; a long one goes in pieces. */
static void put_text(struct rdb_out *o, const struct view *v, const struct key_record *record)
{
	struct value_walk w;
	struct slice name, piece;
	enum status st;

	if (record->meta.form != FORM_LARGE) {
		rdb_out_string(o, record->meta.payload);
		return;
	}
	rdb_out_len(o, record->meta.count);
	st = value_open(v, record, &w);
	while (st == ST_OK && o->st == ST_OK) {
		st = value_next(&w, &name, &piece);
		if (st == ST_OK) {
			rdb_out_bytes(o, piece.data, piece.len);
		}
	}
	value_close(&w);
	o->st = o->st == ST_OK && st != ST_END ? st : o->st;
}

/* Elements one after the other. The times of a hash's fields have no place in this version. */
static void put_elements(struct rdb_out *o, const struct view *v, const struct key_record *record)
{
	enum value_type type = record->meta.type;
	struct value_walk w = {0};
	uint64_t count;
	enum status st = value_count(record, &count);

	if (st == ST_OK) {
		rdb_out_len(o, count);
		st = value_open(v, record, &w);
	}
	while (st == ST_OK && o->st == ST_OK) {
		struct slice name, value;

		st = value_next(&w, &name, &value);
		if (st != ST_OK) {
			break;
		}
		if (value_has_names(type)) {
			rdb_out_string(o, name);
		}
		if (type == TYPE_ZSET) {
			rdb_out_bytes(o, w.stored_score.data, w.stored_score.len);
		} else {
			rdb_out_string(o, value);
		}
	}
	value_close(&w);
	o->st = o->st == ST_OK && st != ST_END ? st : o->st;
}

enum status rdb_file_key(struct rdb_file *f, const struct view *v, const struct key_record *record)
{
	struct rdb_out o = {.put = put, .arg = f};

	if (!value_has_decoder(record->meta.type)) {
		return ST_WRONG_TYPE;
	}
	if (record->meta.expire_at_ms != 0) {
		put_op(&o, OP_EXPIRY_MS);
		rdb_out_u64(&o, record->meta.expire_at_ms);
	}
	put_op(&o, (uint8_t)type_of(record->meta.type));
	rdb_out_string(&o, record->name);
	if (o.st != ST_OK) {
		return o.st;
	}
	switch (record->meta.type) {
	case TYPE_STRING:
		put_text(&o, v, record);
		return o.st;
	case TYPE_STREAM:
		return rdb_file_stream(&o, v, record);
	default:
		put_elements(&o, v, record);
		return o.st;
	}
}

enum status rdb_file_end(struct rdb_file *f)
{
	uint8_t sum[8], end = OP_END;
	enum status st = put(f, &end, 1);

	if (st != ST_OK || f->take == NULL) {
		f->bytes += sizeof sum;
		return st;
	}
	st = flush(f);
	rdb_put_checksum(sum, f->crc);
	f->bytes += sizeof sum;
	return st == ST_OK ? f->take(f->arg, slice_of(sum, sizeof sum)) : st;
}

void rdb_file_deinit(struct rdb_file *f)
{
	buf_deinit(&f->pending);
}
