/* Strings: inline records, chunked large values, reads and writes of parts. */
#include "engine/types/type_string.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

enum {
	EMBSTR_MAX = 44, /* Redis keeps longer strings as raw */
	SUBKEY_LEN = 4,
};

const uint8_t string_zeros[STRING_CHUNK];

struct subkey {
	uint8_t bytes[SUBKEY_LEN];
};

static struct slice subkey_of(uint64_t index, struct subkey *out)
{
	INVARIANT(index <= UINT32_MAX);
	bytes_put_u16be(out->bytes, (uint16_t)(index >> 16));
	bytes_put_u16be(out->bytes + 2, (uint16_t)index);
	return slice_of(out->bytes, SUBKEY_LEN);
}

uint64_t string_len(const struct meta *m)
{
	if (m == NULL) {
		return 0;
	}
	return m->form == FORM_INLINE ? m->payload.len : m->count;
}

bool string_to_int(struct slice text, int64_t *out)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	size_t digits = text.len - negative;
	const uint8_t *p = text.data + negative;
	uint64_t v = 0;

	if (text.len == 0 || digits == 0 || digits > STRING_INT_TEXT_MAX - 1) {
		return false;
	}
	if (p[0] == '0') {
		*out = 0;
		return text.len == 1;
	}
	for (size_t i = 0; i < digits; i++) {
		uint8_t d = (uint8_t)(p[i] - '0');

		if (d > 9) {
			return false;
		}
		v = v * 10 + d; /* 19 digits fit into 64 bits without a sign */
	}
	if (v > (uint64_t)INT64_MAX + negative) {
		return false;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

size_t string_from_int(int64_t v, uint8_t *dst)
{
	uint8_t tmp[STRING_INT_TEXT_MAX];
	size_t n = sizeof tmp;
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		tmp[--n] = (uint8_t)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (v < 0) {
		tmp[--n] = '-';
	}
	memcpy(dst, tmp + n, sizeof tmp - n);
	return sizeof tmp - n;
}

const char *string_encoding(const struct meta *m)
{
	int64_t ignored;

	if (m->form == FORM_LARGE || (m->flags & META_RAW) != 0 || m->payload.len > EMBSTR_MAX) {
		return "raw";
	}
	if ((m->flags & META_ENCODED) == 0 && string_to_int(m->payload, &ignored)) {
		return "int";
	}
	return "embstr";
}

/* --- whole values --- */

static enum status put_chunk(struct engine *e, uint16_t slot, uint64_t id, uint64_t index,
			     const struct slice *parts, size_t parts_count)
{
	struct subkey sub;

	return ks_elem_put(e, slot, id, subkey_of(index, &sub), parts, parts_count);
}

/* The record of a large string whose chunks are in place. */
static enum status put_large(struct engine *e, const struct store_key *key, uint64_t id,
			     uint64_t len, uint8_t flags, uint64_t expire_at_ms)
{
	struct meta m = {.type = TYPE_STRING,
			 .form = FORM_LARGE,
			 .flags = flags,
			 .expire_at_ms = expire_at_ms,
			 .id = id,
			 .count = len};
	struct meta old;
	/* Looked up now: what was found before the chunks were written is no longer valid. */
	enum status st = ks_lookup(e, key, &old);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return st;
	}
	return ks_put(e, key, st == ST_OK ? &old : NULL, &m, NULL, 0);
}

static enum status set_large(struct engine *e, const struct store_key *key, struct slice value,
			     uint8_t flags, uint64_t expire_at_ms)
{
	uint64_t id = ks_new_id(e);

	for (size_t off = 0; off < value.len; off += STRING_CHUNK) {
		size_t left = value.len - off;
		struct slice part =
		    slice_of(value.data + off, left < STRING_CHUNK ? left : STRING_CHUNK);
		enum status st = put_chunk(e, key->slot, id, off / STRING_CHUNK, &part, 1);

		if (st != ST_OK) {
			return st;
		}
	}
	return put_large(e, key, id, value.len, flags, expire_at_ms);
}

enum status string_set(struct engine *e, const struct store_key *key, struct slice value,
		       uint8_t flags, uint64_t expire_at_ms)
{
	struct meta m = {.type = TYPE_STRING, .flags = flags, .expire_at_ms = expire_at_ms};

	if (value.len > STRING_INLINE_MAX) {
		return set_large(e, key, value, flags, expire_at_ms);
	}
	return ks_put_blind(e, key, &m, &value, 1);
}

enum status string_replace(struct engine *e, const struct store_key *key, const struct meta *old,
			   struct slice value, uint8_t flags, uint64_t expire_at_ms)
{
	struct meta m = {.type = TYPE_STRING, .flags = flags, .expire_at_ms = expire_at_ms};

	if (value.len > STRING_INLINE_MAX) {
		return set_large(e, key, value, flags, expire_at_ms);
	}
	return ks_put(e, key, old, &m, &value, 1);
}

static bool all_zero(const uint8_t *data, size_t len)
{
	return memcmp(data, string_zeros, len) == 0;
}

enum status string_build(struct engine *e, const struct store_key *key, uint64_t len,
			 string_fill fill, void *arg)
{
	uint8_t buf[STRING_CHUNK];
	uint64_t id;
	enum status st;

	if (len <= STRING_INLINE_MAX) {
		st = fill(arg, 0, buf, (size_t)len);
		return st != ST_OK ? st
				   : string_set(e, key, slice_of(buf, (size_t)len), META_RAW, 0);
	}
	id = ks_new_id(e);
	for (uint64_t off = 0; off < len; off += STRING_CHUNK) {
		size_t n = len - off < STRING_CHUNK ? (size_t)(len - off) : STRING_CHUNK;
		struct slice part = slice_of(buf, n);

		st = fill(arg, off, buf, n);
		if (st == ST_OK && !all_zero(buf, n)) {
			st = put_chunk(e, key->slot, id, off / STRING_CHUNK, &part, 1);
		}
		if (st != ST_OK) {
			return st;
		}
	}
	return put_large(e, key, id, len, META_RAW, 0);
}

/* --- writing parts --- */

static struct slice part_of(struct slice s, uint64_t from, uint64_t to)
{
	if (to > s.len) {
		to = s.len;
	}
	return from < to ? slice_of(s.data + from, (size_t)(to - from)) : slice_of(NULL, 0);
}

/* Splits base, with bytes laid over it at off, into parts in order; what base lacks before off is
 * zeros. Returns how many parts (at most 4). off is at most STRING_CHUNK. */
static size_t overlay(struct slice base, uint64_t off, struct slice bytes, struct slice parts[4])
{
	size_t n = 0;

	parts[n++] = part_of(base, 0, off);
	if (off > base.len) {
		parts[n++] = slice_of(string_zeros, (size_t)(off - base.len));
	}
	parts[n++] = bytes;
	parts[n++] = part_of(base, off + bytes.len, base.len);
	return n;
}

/* Lays bytes over a chunk at offset at in it. fresh: nothing is stored for it. */
static enum status write_chunk(struct engine *e, uint16_t slot, uint64_t id, uint64_t index,
			       uint64_t at, struct slice bytes, bool fresh)
{
	uint8_t copy[STRING_CHUNK];
	struct slice parts[4];
	struct slice old = slice_of(NULL, 0);
	struct subkey sub;
	enum status st = ST_OK;

	if (!fresh && bytes.len < STRING_CHUNK) {
		st = ks_elem_get(e, slot, id, subkey_of(index, &sub), &old);
		if (st == ST_NOT_FOUND) {
			old = slice_of(NULL, 0);
			st = ST_OK;
		}
		if (st == ST_OK && old.len > STRING_CHUNK) {
			st = ST_CORRUPT;
		}
		if (st != ST_OK) {
			return st;
		}
		/* A put must not be given what it replaces, so what stays is copied. */
		if (old.len > 0) {
			memcpy(copy, old.data, old.len);
			old.data = copy;
		}
	}
	return put_chunk(e, slot, id, index, parts, overlay(old, at, bytes, parts));
}

/* Lays bytes over the chunks of a large string that was len bytes long; chunks before first are
 * done already. */
static enum status write_chunks(struct engine *e, uint16_t slot, uint64_t id, uint64_t len,
				uint64_t off, struct slice bytes)
{
	while (bytes.len > 0) {
		uint64_t index = off / STRING_CHUNK;
		uint64_t at = off % STRING_CHUNK;
		size_t room = (size_t)(STRING_CHUNK - at);
		struct slice part = part_of(bytes, 0, room);
		bool fresh = index * STRING_CHUNK >= len;
		enum status st = write_chunk(e, slot, id, index, at, part, fresh);

		if (st != ST_OK) {
			return st;
		}
		bytes = slice_skip(bytes, part.len);
		off += part.len;
	}
	return ST_OK;
}

/* An inline or absent string becomes large: chunk 0 is made from the payload before anything else
 * is written, because a write ends what was borrowed. */
static enum status write_converting(struct engine *e, const struct store_key *key,
				    const struct meta *old, uint64_t off, struct slice bytes,
				    uint64_t new_len)
{
	struct slice payload = old != NULL ? old->payload : slice_of(NULL, 0);
	uint64_t expire_at_ms = old != NULL ? old->expire_at_ms : 0;
	uint64_t id = ks_new_id(e);
	enum status st = ST_OK;

	if (off < STRING_CHUNK && bytes.len > 0) {
		struct slice first = part_of(bytes, 0, STRING_CHUNK - off);
		struct slice parts[4];

		st = put_chunk(e, key->slot, id, 0, parts, overlay(payload, off, first, parts));
		bytes = slice_skip(bytes, first.len);
		off += first.len;
	} else if (payload.len > 0) {
		st = put_chunk(e, key->slot, id, 0, &payload, 1);
	}
	if (st == ST_OK) {
		st = write_chunks(e, key->slot, id, 0, off, bytes);
	}
	return st != ST_OK ? st : put_large(e, key, id, new_len, META_RAW, expire_at_ms);
}

static enum status write_large(struct engine *e, const struct store_key *key,
			       const struct meta *old, uint64_t off, struct slice bytes,
			       uint64_t new_len)
{
	enum status st = write_chunks(e, key->slot, old->id, old->count, off, bytes);

	if (st != ST_OK) {
		return st;
	}
	if (new_len != old->count) {
		return put_large(e, key, old->id, new_len, META_RAW, old->expire_at_ms);
	}
	ks_touch(e, key);
	return ST_OK;
}

enum status string_write(struct engine *e, const struct store_key *key, const struct meta *old,
			 uint64_t off, struct slice bytes)
{
	uint64_t len = string_len(old);
	uint64_t new_len = off + bytes.len > len ? off + bytes.len : len;
	struct meta m = {.type = TYPE_STRING, .flags = META_RAW};
	struct slice parts[4];

	if (old != NULL && old->form == FORM_LARGE) {
		return write_large(e, key, old, off, bytes, new_len);
	}
	if (new_len > STRING_INLINE_MAX) {
		return write_converting(e, key, old, off, bytes, new_len);
	}
	m.expire_at_ms = old != NULL ? old->expire_at_ms : 0;
	return ks_put(e, key, old, &m, parts,
		      overlay(old != NULL ? old->payload : slice_of(NULL, 0), off, bytes, parts));
}

/* --- reading --- */

enum status string_reader_open(struct engine *e, uint16_t slot, const struct meta *m, uint64_t off,
			       uint64_t len, struct string_reader *r)
{
	uint64_t total = string_len(m);
	struct subkey sub;
	enum status st;

	*r = (struct string_reader){.engine = e, .at = off, .end = off};
	if (off >= total || len == 0) {
		return ST_OK;
	}
	r->end = len < total - off ? off + len : total;
	if (m->form == FORM_INLINE) {
		r->chunk = m->payload;
		r->has_chunk = true;
		return ST_OK;
	}
	r->chunk_off = off - off % STRING_CHUNK;
	if (r->end - r->chunk_off > STRING_CHUNK) {
		st = ks_elems_open(e, slot, m->id, subkey_of(off / STRING_CHUNK, &sub), false,
				   &r->it);
		r->walking = st == ST_OK;
		return st;
	}
	/* Within one chunk a lookup is enough. */
	st = ks_elem_get(e, slot, m->id, subkey_of(off / STRING_CHUNK, &sub), &r->chunk);
	r->has_chunk = st == ST_OK;
	if (st == ST_OK && r->chunk.len > STRING_CHUNK) {
		return ST_CORRUPT;
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Moves to the next stored chunk, or ends the walk when none is left in the range. */
static enum status reader_advance(struct string_reader *r)
{
	struct slice sub;
	enum status st;

	r->has_chunk = false;
	if (!r->walking) {
		return ST_OK;
	}
	st = ks_elems_next(&r->it, &sub, &r->chunk);
	if (st == ST_OK && (sub.len != SUBKEY_LEN || r->chunk.len > STRING_CHUNK)) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		uint64_t index =
		    (uint64_t)bytes_get_u16be(sub.data) << 16 | bytes_get_u16be(sub.data + 2);

		r->chunk_off = index * STRING_CHUNK;
		r->has_chunk = r->chunk_off < r->end;
		st = r->has_chunk ? ST_OK : ST_END;
	}
	if (st == ST_END) {
		ks_iter_close(&r->it);
		r->walking = false;
		st = ST_OK;
	}
	return st;
}

enum status string_reader_next(struct string_reader *r, struct slice *piece)
{
	uint64_t to = r->end;
	bool stored = false;
	enum status st;

	if (r->at >= r->end) {
		return ST_END;
	}
	while ((r->has_chunk && r->chunk_off + r->chunk.len <= r->at) ||
	       (!r->has_chunk && r->walking)) {
		st = reader_advance(r);
		if (st != ST_OK) {
			return st;
		}
	}
	if (r->has_chunk && r->chunk_off > r->at) {
		to = r->chunk_off;
	} else if (r->has_chunk) {
		stored = true;
		if (r->chunk_off + r->chunk.len < to) {
			to = r->chunk_off + r->chunk.len;
		}
	}
	*piece =
	    slice_of(stored ? r->chunk.data + (r->at - r->chunk_off) : NULL, (size_t)(to - r->at));
	r->at = to;
	return ST_OK;
}

void string_reader_close(struct string_reader *r)
{
	if (r->walking) {
		ks_iter_close(&r->it);
		r->walking = false;
	}
}

enum status string_read(struct engine *e, uint16_t slot, const struct meta *m, uint64_t off,
			uint8_t *dst, size_t len)
{
	struct string_reader r;
	struct slice piece;
	size_t done = 0;
	enum status st = string_reader_open(e, slot, m, off, len, &r);

	while (st == ST_OK) {
		st = string_reader_next(&r, &piece);
		if (st != ST_OK) {
			break;
		}
		if (piece.data != NULL) {
			memcpy(dst + done, piece.data, piece.len);
		} else {
			memset(dst + done, 0, piece.len);
		}
		done += piece.len;
	}
	string_reader_close(&r);
	if (st != ST_END) {
		return st;
	}
	if (done < len) {
		memset(dst + done, 0, len - done);
	}
	return ST_OK;
}
