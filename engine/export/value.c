/* Decoding of stored values: key records, small blobs, chunks and elements. */
#include "engine/export/value.h"

#include "engine/base/bytes.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/stream_format.h"
#include "engine/types/type_string.h"
#include "engine/types/zset_node.h"

#include <stdio.h>

enum { CHUNK_SUBKEY_LEN = 4 };

static const uint8_t zeros[STRING_CHUNK];

enum status key_record_of(struct slice store_key, struct slice stored, struct key_record *out)
{
	struct slice value;
	struct store_key again;
	enum status st;

	*out = (struct key_record){.store_key = store_key};
	st = store_key_check(store_key);
	if (st == ST_OK) {
		out->slot = store_key_slot(store_key);
		st = stored_split(store_key, stored, &out->name, &value);
	}
	if (st == ST_OK) {
		st = meta_decode(value, &out->meta);
	}
	if (st != ST_OK) {
		return st;
	}
	/* The name must lead back to this very place, else lookups would not find it. */
	store_key_of_key(&again, out->name);
	if (!slice_eq(store_key_slice(&again), store_key)) {
		return ST_CORRUPT;
	}
	out->record_bytes = store_key.len + stored.len;
	return ST_OK;
}

enum status key_record_get(const struct view *v, struct slice name, struct key_record *out)
{
	struct store_key key;
	struct slice stored;
	enum status st;

	store_key_of_key(&key, name);
	st = view_get(v, store_key_slice(&key), &stored);
	if (st != ST_OK) {
		return st;
	}
	st = key_record_of(store_key_slice(&key), stored, out);
	if (st == ST_OK && !slice_eq(out->name, name)) {
		return ST_NOT_FOUND; /* another long name with the same hash */
	}
	/* What was decoded from the key itself borrows the stack: point to the caller's bytes. */
	out->name = name;
	out->store_key = slice_of(NULL, 0);
	return st;
}

enum status key_walk_open(const struct view *v, uint16_t first, uint16_t last, struct key_walk *w)
{
	*w = (struct key_walk){.slot = first, .last = last, .seek = true};
	return view_cursor_open(v, &w->cursor);
}

enum status key_walk_next(struct key_walk *w, struct key_record *out)
{
	struct slice key, value;
	enum status st;

	for (;;) {
		if (w->seek) {
			uint8_t at[KEY_PREFIX_LEN] = {0, 0, KEYSPACE_KEY};

			bytes_put_u16be(at, w->slot);
			w->seek = false;
			st = view_cursor_seek(&w->cursor, slice_of(at, sizeof at));
			if (st != ST_OK) {
				return st;
			}
		}
		key = slice_of(NULL, 0);
		st = view_cursor_next(&w->cursor, &key, &value);
		if (st != ST_OK) {
			*out = (struct key_record){.store_key = key};
			return st;
		}
		if (store_key_check(key) != ST_OK) {
			*out = (struct key_record){.store_key = key};
			return ST_CORRUPT;
		}
		if (store_key_slot(key) > w->last) {
			return ST_END;
		}
		if (store_key_space(key) == KEYSPACE_KEY) {
			w->slot = store_key_slot(key);
			return key_record_of(key, value, out);
		}
		if (store_key_space(key) == KEYSPACE_ELEM) {
			/* The elements of a slot follow its keys: on to the next slot at once. */
			if (store_key_slot(key) >= w->last) {
				return ST_END;
			}
			w->slot = (uint16_t)(store_key_slot(key) + 1);
			w->seek = true;
		}
	}
}

void key_walk_close(struct key_walk *w)
{
	view_cursor_close(&w->cursor);
}

enum status value_count(const struct key_record *record, uint64_t *out)
{
	uint32_t entries;
	enum status st;

	if (record->meta.form == FORM_LARGE) {
		*out = record->meta.count;
		return ST_OK;
	}
	if (record->meta.type == TYPE_STRING) {
		*out = record->meta.payload.len;
		return ST_OK;
	}
	st = small_blob_count(record->meta.payload, &entries);
	if (st == ST_OK) {
		*out = value_has_names(record->meta.type) ? entries / 2 : entries;
	}
	return st;
}

enum status value_score_text(struct slice stored, char text[VALUE_SCORE_MAX])
{
	double score;
	enum status st = zset_score_get(stored, &score);

	if (st == ST_OK) {
		(void)snprintf(text, VALUE_SCORE_MAX, "%.17g", score);
	}
	return st;
}

/* Puts a sorted set's score in the place of its bytes. */
static enum status take_score(struct value_walk *w, struct slice *value)
{
	enum status st = ST_OK;

	if (w->record.meta.type == TYPE_ZSET) {
		w->stored_score = *value;
		st = value_score_text(*value, w->score);
		*value = slice_str(w->score);
	}
	return st;
}

enum status value_open(const struct view *v, const struct key_record *record, struct value_walk *w)
{
	struct store_key prefix;
	enum status st;

	*w = (struct value_walk){.view = v, .record = *record};
	if (!value_has_decoder(record->meta.type)) {
		return ST_WRONG_TYPE;
	}
	w->large = record->meta.form == FORM_LARGE;
	if (!w->large && record->meta.type == TYPE_STREAM) {
		return ST_CORRUPT; /* there is no such form */
	}
	if (!w->large) {
		return record->meta.type == TYPE_STRING
			   ? ST_OK
			   : small_cursor_init(&w->small, record->meta.payload);
	}
	st = view_cursor_open(v, &w->cursor);
	if (st != ST_OK) {
		return st;
	}
	w->opened = true;
	store_key_of_elem(&prefix, record->slot, record->meta.id, slice_of(NULL, 0));
	memcpy(w->prefix, prefix.bytes, sizeof w->prefix);
	return view_cursor_seek(&w->cursor, slice_of(w->prefix, sizeof w->prefix));
}

void value_close(struct value_walk *w)
{
	if (w->opened) {
		view_cursor_close(&w->cursor);
		w->opened = false;
	}
}

/* The collection's next element record. ST_END when its range is over. */
static enum status next_element(struct value_walk *w, struct slice *key, struct slice *stored)
{
	enum status st;

	*key = slice_of(NULL, 0);
	st = view_cursor_next(&w->cursor, key, stored);
	if (st != ST_OK) {
		return st;
	}
	if (!slice_has_prefix(*key, slice_of(w->prefix, sizeof w->prefix))) {
		return ST_END;
	}
	w->bytes += key->len + stored->len;
	return ST_OK;
}

/* Finds the next stored chunk of a large string, if there is one. */
static enum status load_chunk(struct value_walk *w)
{
	uint64_t len = w->record.meta.count, room;
	struct slice key, stored;
	enum status st = next_element(w, &key, &stored);

	if (st == ST_END) {
		w->chunk_at = len;
		w->chunk = slice_of(NULL, 0);
		return ST_OK;
	}
	if (st != ST_OK) {
		return st;
	}
	if (key.len != ELEM_PREFIX_LEN + CHUNK_SUBKEY_LEN) {
		return ST_CORRUPT;
	}
	w->chunk_at = ((uint64_t)bytes_get_u16be(key.data + ELEM_PREFIX_LEN) << 16 |
		       bytes_get_u16be(key.data + ELEM_PREFIX_LEN + 2)) *
		      STRING_CHUNK;
	if (w->chunk_at >= len) {
		return ST_CORRUPT;
	}
	room = len - w->chunk_at;
	if (stored.len > STRING_CHUNK || stored.len > room) {
		return ST_CORRUPT;
	}
	w->chunk = stored;
	return ST_OK;
}

static enum status next_piece(struct value_walk *w, struct slice *value)
{
	uint64_t len = w->record.meta.count;
	enum status st;

	if (!w->large) {
		if (w->taken > 0 || w->record.meta.payload.len == 0) {
			return ST_END;
		}
		*value = w->record.meta.payload;
		w->taken = value->len;
		return ST_OK;
	}
	for (;;) {
		/* The first time, and when a chunk is used up. */
		if (w->chunk.len == 0 && w->chunk_at <= w->taken && w->chunk_at < len) {
			st = load_chunk(w);
			if (st != ST_OK) {
				return st;
			}
		}
		if (w->taken >= len) {
			return ST_END;
		}
		if (w->taken < w->chunk_at) {
			uint64_t hole = w->chunk_at - w->taken;

			*value = slice_of(zeros, hole < STRING_CHUNK ? (size_t)hole : STRING_CHUNK);
			w->taken += value->len;
			return ST_OK;
		}
		if (w->chunk.len > 0) {
			*value = w->chunk;
			w->taken += value->len;
			w->chunk = slice_of(NULL, 0);
			return ST_OK;
		}
	}
}

static enum status next_small(struct value_walk *w, struct slice *name, struct slice *value)
{
	enum status st;

	if (value_has_names(w->record.meta.type)) {
		st = small_cursor_next(&w->small, name);
		if (st != ST_OK) {
			return st;
		}
		st = small_cursor_next(&w->small, value);
		st = st == ST_OK ? take_score(w, value) : st;
		return st == ST_END ? ST_CORRUPT : st; /* a field without a value */
	}
	return small_cursor_next(&w->small, value);
}

/* A stream's records; those of entries are counted. */
static enum status next_record(struct value_walk *w, struct slice *name, struct slice *value)
{
	struct slice key;
	enum status st = next_element(w, &key, value);

	if (st == ST_END) {
		return w->taken == w->record.meta.count ? ST_END : ST_CORRUPT;
	}
	if (st != ST_OK || key.len == ELEM_PREFIX_LEN) {
		return st != ST_OK ? st : ST_CORRUPT;
	}
	*name = slice_skip(key, ELEM_PREFIX_LEN);
	if (name->data[0] == STREAM_ENTRY) {
		size_t ignored;

		w->taken++;
		if (name->len != 1 + STREAM_ID_LEN) {
			return ST_CORRUPT;
		}
		return stream_entry_count(*value, &ignored);
	}
	return ST_OK;
}

/* --- when fields expire --- */

/* Records of a sorted set's order, or of when fields expire. */
static bool is_beside_fields(const struct value_walk *w, struct slice key)
{
	return (w->record.meta.type == TYPE_ZSET || w->record.meta.fields_timed > 0) &&
	       key.len < ELEM_PREFIX_LEN + KEY_ORDER_LEN;
}

/* Passes such a record: a bucket is kept for the fields that follow it. */
static enum status pass_beside(struct value_walk *w, struct slice key, struct slice stored)
{
	struct slice bucket = stored, field;
	uint64_t at;
	enum status st;

	if (w->record.meta.fields_timed == 0 || key.len != ELEM_PREFIX_LEN + HASH_BUCKET_KEY_LEN) {
		w->nodes++;
		return ST_OK;
	}
	while ((st = hash_bucket_next(&bucket, &field, &at)) == ST_OK) {
		w->fields_timed++;
		if (w->fields_first_ms == 0 || at < w->fields_first_ms) {
			w->fields_first_ms = at;
		}
	}
	w->buckets++;
	w->bucket = stored;
	memcpy(w->bucket_key, key.data + ELEM_PREFIX_LEN, sizeof w->bucket_key);
	return st == ST_END ? ST_OK : st;
}

/* Finds a field's time in its bucket; 0: it has none. */
static enum status time_in_bucket(struct slice bucket, struct slice field, uint64_t *at_ms)
{
	struct slice name;
	uint64_t at;
	enum status st;

	*at_ms = 0;
	while ((st = hash_bucket_next(&bucket, &name, &at)) == ST_OK) {
		if (slice_eq(name, field)) {
			*at_ms = at;
			return ST_OK;
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* A bucket stands right in front of the fields that it may name. */
static enum status take_field_time(struct value_walk *w, struct slice key, struct slice field)
{
	enum status st = ST_OK;

	w->field_at_ms = 0;
	if (w->bucket.len > 0 &&
	    memcmp(w->bucket_key, key.data + ELEM_PREFIX_LEN, sizeof w->bucket_key) == 0) {
		st = time_in_bucket(w->bucket, field, &w->field_at_ms);
		w->fields_found += w->field_at_ms != 0;
	}
	return st;
}

/* Whether the record says of them what there is. */
static bool times_fit(const struct value_walk *w)
{
	return w->fields_timed == w->record.meta.fields_timed &&
	       w->fields_found == w->fields_timed &&
	       w->fields_first_ms == w->record.meta.fields_at_ms;
}

enum status value_field_time(const struct view *v, const struct key_record *record,
			     struct slice field, uint64_t *at_ms)
{
	uint8_t bucket_key[HASH_BUCKET_KEY_LEN];
	struct store_key key;
	struct slice bucket;
	enum status st;

	*at_ms = 0;
	hash_bucket_key(bucket_key, field);
	store_key_of_elem(&key, record->slot, record->meta.id,
			  slice_of(bucket_key, sizeof bucket_key));
	st = view_get(v, store_key_slice(&key), &bucket);
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_OK : st;
	}
	return time_in_bucket(bucket, field, at_ms);
}

/* --- elements of large collections --- */

static enum status next_large(struct value_walk *w, struct slice *name, struct slice *value)
{
	struct slice key, stored, rest;
	enum status st;

	if (w->record.meta.type == TYPE_STREAM) {
		return next_record(w, name, value);
	}
	st = next_element(w, &key, &stored);
	while (st == ST_OK && is_beside_fields(w, key)) {
		st = pass_beside(w, key, stored);
		if (st == ST_OK) {
			st = next_element(w, &key, &stored);
		}
	}
	if (st == ST_END) {
		return w->taken == w->record.meta.count && times_fit(w) ? ST_END : ST_CORRUPT;
	}
	if (st != ST_OK) {
		return st;
	}
	w->taken++;
	if (w->taken > w->record.meta.count) {
		return ST_CORRUPT;
	}
	if (w->record.meta.type == TYPE_LIST &&
	    (key.len != ELEM_PREFIX_LEN + 8 ||
	     bytes_get_u64be(key.data + ELEM_PREFIX_LEN) != w->record.meta.aux[0] + w->taken - 1)) {
		return ST_CORRUPT;
	}
	if (value_has_names(w->record.meta.type)) {
		st = stored_split(key, stored, name, value);
		if (st == ST_OK && w->record.meta.type == TYPE_HASH) {
			return take_field_time(w, key, *name);
		}
		return st == ST_OK ? take_score(w, value) : st;
	}
	if (w->record.meta.type == TYPE_SET) {
		/* A member is an element's name; nothing is stored under it. */
		st = stored_split(key, stored, value, &rest);
		return st == ST_OK && rest.len > 0 ? ST_CORRUPT : st;
	}
	*value = stored;
	return ST_OK;
}

enum status value_next(struct value_walk *w, struct slice *name, struct slice *value)
{
	*name = slice_of(NULL, 0);
	if (w->record.meta.type == TYPE_STRING) {
		return next_piece(w, value);
	}
	return w->large ? next_large(w, name, value) : next_small(w, name, value);
}

enum status value_string(const struct view *v, const struct key_record *record, struct buf *out)
{
	struct value_walk w;
	struct slice name, piece;
	enum status st = value_open(v, record, &w);

	while (st == ST_OK) {
		st = value_next(&w, &name, &piece);
		if (st == ST_OK) {
			st = buf_append(out, piece.data, piece.len);
		}
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}
