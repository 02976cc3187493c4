/* Walking a value and writing it as RDB. */
#include "net/command/value_dump.h"

#include "engine/base/bytes.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/named_walk.h"
#include "engine/types/type_list.h"
#include "engine/types/type_string.h"
#include "net/command/stream_dump.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_write.h"

static enum status open_stream(struct value_dump *d, const struct meta *m)
{
	struct stream s;
	enum status st = stream_open(&s, d->engine, d->key, m);

	if (st == ST_OK) {
		d->count = stream_length(&s);
		d->together = stream_dump_together(&s);
	}
	return st;
}

enum status value_dump_open(struct value_dump *d, struct engine *e, const struct store_key *key,
			    const struct meta *m)
{
	*d = (struct value_dump){.engine = e,
				 .key = key,
				 .type = m->type,
				 .form = m->form,
				 .id = m->id,
				 .fields_at_ms = m->fields_at_ms};
	switch (m->type) {
	case TYPE_STREAM:
		return open_stream(d, m);
	case TYPE_STRING:
		d->count = string_len(m);
		return ST_OK;
	case TYPE_LIST:
		return type_list_count(m, &d->count);
	case TYPE_HASH:
	case TYPE_SET:
	case TYPE_ZSET:
		return named_count(m, &d->count);
	default:
		return ST_WRONG_TYPE;
	}
}

static enum status put(struct value_dump *d, struct buf *out, const void *bytes, size_t len)
{
	d->bytes += len;
	return out == NULL ? ST_OK : buf_append(out, bytes, len);
}

static enum status put_string(struct value_dump *d, struct buf *out, struct slice text)
{
	uint8_t head[RDB_LEN_MAX];
	bool whole;
	enum status st = put(d, out, head, rdb_put_string(head, text, &whole));

	return st == ST_OK && !whole ? put(d, out, text.data, text.len) : st;
}

/* Type byte, and the length or count that follows it. A short string comes whole with its first
 * piece, since it may be written as a number. */
static enum status put_head(struct value_dump *d, struct buf *out)
{
	uint8_t head[1 + 8 + RDB_LEN_MAX];
	size_t len = 1;

	d->begun = true;
	switch (d->type) {
	case TYPE_STRING:
		head[0] = RDB_TYPE_STRING;
		break;
	case TYPE_LIST:
		head[0] = RDB_TYPE_LIST;
		break;
	case TYPE_SET:
		head[0] = RDB_TYPE_SET;
		break;
	case TYPE_ZSET:
		head[0] = RDB_TYPE_ZSET_2;
		break;
	case TYPE_STREAM:
		head[0] = RDB_TYPE_STREAM_2;
		len += rdb_put_len(head + 1, (d->count + d->together - 1) / d->together);
		return put(d, out, head, len);
	default:
		head[0] = RDB_TYPE_HASH;
		if (d->fields_at_ms != 0) {
			head[0] = RDB_TYPE_HASH_TIMED;
			bytes_put_u64le(head + len, d->fields_at_ms);
			len += 8;
		}
		break;
	}
	if (d->type != TYPE_STRING || d->form == FORM_LARGE) {
		len += rdb_put_len(head + len, d->count);
	}
	return put(d, out, head, len);
}

/* --- the types; each stops behind the element that makes d->bytes reach until --- */

static enum status put_chunks(struct value_dump *d, const struct meta *m, struct buf *out,
			      uint64_t until)
{
	struct string_reader r;
	struct slice piece;
	enum status st =
	    string_reader_open(d->engine, d->key->slot, m, d->position, d->count - d->position, &r);

	while (st == ST_OK && d->bytes < until) {
		st = string_reader_next(&r, &piece);
		for (size_t at = 0; st == ST_OK && at < piece.len && d->bytes < until;) {
			size_t len = piece.len - at;

			if (piece.data == NULL) {
				len = len < STRING_CHUNK ? len : STRING_CHUNK;
			}
			st = put(d, out, piece.data != NULL ? piece.data + at : string_zeros, len);
			at += len;
			d->position += len;
		}
	}
	string_reader_close(&r);
	return st == ST_END && d->position != d->count ? ST_CORRUPT : st;
}

static enum status put_value(struct value_dump *d, const struct meta *m, struct buf *out,
			     uint64_t until)
{
	enum status st;

	if (m->form == FORM_LARGE && out == NULL) {
		d->bytes += d->count; /* known without a look */
		return ST_END;
	}
	if (m->form == FORM_LARGE) {
		return put_chunks(d, m, out, until);
	}
	st = put_string(d, out, m->payload);
	return st == ST_OK ? ST_END : st;
}

static enum status put_elements(struct value_dump *d, const struct meta *m, struct buf *out,
				uint64_t until)
{
	struct type_list_iter it;
	struct slice value;
	enum status st;

	if (d->given == d->count) {
		return ST_END;
	}
	st = type_list_iter_open(d->engine, d->key, m, d->given, false, &it);
	while (st == ST_OK && d->bytes < until) {
		st = type_list_iter_next(&it, &value);
		if (st == ST_OK) {
			st = put_string(d, out, value);
			d->given++;
		}
	}
	type_list_iter_close(&it);
	return st;
}

/* When a field expires, as the form has it. */
static enum status put_field_expiry(struct value_dump *d, const struct meta *m, struct buf *out,
				    struct slice field)
{
	uint8_t len[RDB_LEN_MAX];
	uint64_t at;
	enum status st = hash_expiry_get(d->engine, d->key->slot, m, field, &at);

	if (st == ST_OK && at != 0 && at < d->fields_at_ms) {
		st = ST_CORRUPT;
	}
	return st == ST_OK
		   ? put(d, out, len, rdb_put_len(len, at == 0 ? 0 : at - d->fields_at_ms + 1))
		   : st;
}

/* Fields with their values, or members, of a sorted set with their scores: 8 bytes as they are. */
static enum status put_named(struct value_dump *d, const struct meta *m, struct buf *out,
			     uint64_t until)
{
	struct named_iter it;
	struct slice name, value;
	uint64_t order, last = UINT64_MAX;
	enum status st = named_iter_open(d->engine, d->key, m, d->position, &it);

	it.some_hidden = false; /* their number must not change meanwhile */
	while (st == ST_OK) {
		st = named_iter_next(&it, &order, &name, &value);
		/* A walk can be resumed in front of an order, but not among equal ones; a small
		 * collection, all of whose elements say 0, is given whole. */
		if (st == ST_OK && d->bytes >= until && order != last && m->form == FORM_LARGE) {
			d->position = order;
			break;
		}
		if (st == ST_OK && d->fields_at_ms != 0) {
			st = put_field_expiry(d, m, out, name);
		}
		if (st == ST_OK) {
			st = put_string(d, out, name);
		}
		if (st == ST_OK && it.has_values) {
			st = d->type == TYPE_ZSET ? put(d, out, value.data, value.len)
						  : put_string(d, out, value);
		}
		if (st == ST_OK) {
			d->given++;
			last = order;
		}
	}
	named_iter_close(&it);
	return st == ST_END && d->given != d->count ? ST_CORRUPT : st;
}

/* A stream goes out node by node, its groups in one piece. */
struct stream_out {
	struct value_dump *d;
	struct buf *out;
};

static enum status put_part(void *arg, const void *bytes, size_t len)
{
	const struct stream_out *o = arg;

	return put(o->d, o->out, bytes, len);
}

static enum status put_stream(struct value_dump *d, const struct meta *m, struct buf *out,
			      uint64_t until)
{
	struct stream_out o = {d, out};
	struct stream s;
	uint64_t given;
	enum status st = stream_open(&s, d->engine, d->key, m);

	while (st == ST_OK && d->bytes < until && d->given < d->count) {
		st = stream_dump_node(&s, &d->next, d->together, put_part, &o, &given);
		d->given += given;
		if (st == ST_OK && given < d->together && d->given != d->count) {
			st = ST_CORRUPT;
		}
	}
	if (st != ST_OK || d->bytes >= until) {
		return st;
	}
	st = stream_dump_rest(&s, put_part, &o);
	return st == ST_OK ? ST_END : st;
}

static enum status put_body(struct value_dump *d, struct buf *out, uint64_t until)
{
	struct meta m;
	enum status st = ks_lookup(d->engine, d->key, &m);

	if (st != ST_OK) {
		return st;
	}
	if (m.type != d->type || m.form != d->form ||
	    (m.form == FORM_LARGE && (m.id != d->id || m.count != d->count))) {
		return ST_NOT_FOUND;
	}
	switch (d->type) {
	case TYPE_STRING:
		return put_value(d, &m, out, until);
	case TYPE_LIST:
		return put_elements(d, &m, out, until);
	case TYPE_STREAM:
		return put_stream(d, &m, out, until);
	default:
		return put_named(d, &m, out, until);
	}
}

enum status value_dump_next(struct value_dump *d, struct buf *out, size_t bytes)
{
	uint64_t until = bytes > UINT64_MAX - d->bytes ? UINT64_MAX : d->bytes + bytes;
	size_t from = out != NULL ? out->len : 0;
	uint8_t footer[RDB_FOOTER];
	enum status st = d->begun ? ST_OK : put_head(d, out);

	if (st == ST_OK) {
		st = put_body(d, out, until);
	}
	if (st == ST_END) {
		rdb_put_version(footer,
				d->fields_at_ms != 0 ? RDB_VERSION_TIMED : RDB_VERSION_WRITTEN);
		st = put(d, out, footer, 2);
		d->ended = st == ST_OK;
	}
	if (st != ST_OK || out == NULL) {
		if (d->ended) {
			d->bytes += RDB_FOOTER - 2;
		}
		return d->ended ? ST_END : st;
	}
	d->crc = crc64(d->crc, slice_of(out->data + from, out->len - from));
	if (!d->ended) {
		return ST_OK;
	}
	rdb_put_checksum(footer + 2, d->crc);
	st = put(d, out, footer + 2, RDB_FOOTER - 2);
	return st == ST_OK ? ST_END : st;
}
