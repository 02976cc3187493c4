/* Streams over the keyspace: the stream itself and its entries. */
#include "engine/types/type_stream.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

static struct stream_subkey entry_key(struct stream_id id)
{
	struct stream_subkey k;

	stream_subkey_init(&k, STREAM_ENTRY);
	stream_subkey_id(&k, id);
	return k;
}

/* --- the stream --- */

static enum status load_extra(struct stream *s)
{
	struct stream_subkey k;
	struct slice v;
	enum status st;

	stream_subkey_init(&k, STREAM_EXTRA);
	st = ks_elem_get(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), &v);
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st != ST_OK || v.len != STREAM_EXTRA_LEN) {
		return st != ST_OK ? st : ST_CORRUPT;
	}
	s->removed = bytes_get_u64le(v.data);
	s->max_deleted = stream_id_at(v.data + 8);
	s->first = stream_id_at(v.data + 24);
	s->last_number = bytes_get_u64le(v.data + 40);
	s->entry_max = bytes_get_u64le(v.data + 48);
	return ST_OK;
}

static enum status save_extra(const struct stream *s)
{
	uint8_t bytes[STREAM_EXTRA_LEN] = {0};
	struct slice v = slice_of(bytes, sizeof bytes);
	struct stream_subkey k;

	bytes_put_u64le(bytes, s->removed);
	stream_id_put(bytes + 8, s->max_deleted);
	stream_id_put(bytes + 24, s->first);
	bytes_put_u64le(bytes + 40, s->last_number);
	bytes_put_u64le(bytes + 48, s->entry_max);
	stream_subkey_init(&k, STREAM_EXTRA);
	return ks_elem_put(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), &v, 1);
}

enum status stream_open(struct stream *s, struct engine *e, const struct store_key *key,
			const struct meta *old)
{
	*s = (struct stream){.engine = e, .key = key, .exists = old != NULL};
	if (old != NULL) {
		if (old->form != FORM_LARGE) {
			return ST_CORRUPT;
		}
		s->old = s->meta = *old;
		return load_extra(s);
	}
	s->meta = (struct meta){.type = TYPE_STREAM, .form = FORM_LARGE, .id = ks_new_id(e)};
	s->changed = true;
	return ST_OK;
}

enum status stream_save(struct stream *s)
{
	enum status st = ST_OK;

	if (s->extra_changed) {
		st = save_extra(s);
		s->changed = true;
		s->extra_changed = false;
	}
	if (st != ST_OK || !s->changed) {
		return st;
	}
	s->changed = false;
	if (s->exists && s->meta.count == s->old.count && s->meta.aux[0] == s->old.aux[0] &&
	    s->meta.aux[1] == s->old.aux[1]) {
		ks_touch(s->engine, s->key);
		return ST_OK;
	}
	st = ks_put(s->engine, s->key, s->exists ? &s->old : NULL, &s->meta, NULL, 0);
	s->exists = true;
	s->old = s->meta;
	return st;
}

enum status stream_replace(struct stream *s, uint64_t expire_at_ms)
{
	struct meta old;
	enum status st = save_extra(s), found = ST_OK;

	s->meta.expire_at_ms = expire_at_ms;
	if (st == ST_OK) {
		found = ks_lookup(s->engine, s->key, &old);
		st = found == ST_NOT_FOUND ? ST_OK : found;
	}
	return st != ST_OK
		   ? st
		   : ks_put(s->engine, s->key, found == ST_OK ? &old : NULL, &s->meta, NULL, 0);
}

void stream_set_last_id(struct stream *s, struct stream_id id)
{
	s->meta.aux[0] = id.ms;
	s->meta.aux[1] = id.seq;
	s->changed = true;
}

/* --- entries --- */

static enum status encode_entry(const struct slice *fields, size_t count, struct buf *out)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size += fields[i].len + BYTES_VARINT_MAX;
	}
	if (buf_reserve(out, size) != ST_OK) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++) {
		out->len += bytes_put_varint(out->data + out->len, fields[i].len);
		if (fields[i].len > 0) {
			memcpy(out->data + out->len, fields[i].data, fields[i].len);
		}
		out->len += fields[i].len;
	}
	return ST_OK;
}

enum status stream_append(struct stream *s, struct stream_id id, const struct slice *fields,
			  size_t fields_count)
{
	struct stream_subkey k = entry_key(id);
	struct buf bytes = {0};
	struct slice v;
	enum status st = encode_entry(fields, fields_count, &bytes);

	INVARIANT(stream_id_compare(id, stream_last_id(s)) > 0);
	if (st == ST_OK) {
		v = buf_slice(&bytes);
		st = ks_elem_put(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), &v,
				 1);
	}
	if (st == ST_OK) {
		s->meta.count++;
		stream_set_last_id(s, id);
		/* By steps, so that it is seldom written. */
		if (bytes.len > s->entry_max) {
			s->entry_max = bytes.len < 256 ? 256 : 2 * bytes.len;
			s->extra_changed = true;
		}
	}
	buf_deinit(&bytes);
	return st;
}

enum status stream_get(const struct stream *s, struct stream_id id, struct slice *value)
{
	struct stream_subkey k = entry_key(id);

	return ks_elem_get(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), value);
}

static enum status remove_entry(struct stream *s, struct stream_id id)
{
	struct stream_subkey k = entry_key(id);

	if (s->meta.count == 0) {
		return ST_CORRUPT;
	}
	s->meta.count--;
	s->removed++;
	s->changed = s->extra_changed = true;
	return ks_elem_del(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k));
}

/* No entry is at or before id any more. */
static void pass(struct stream *s, struct stream_id id)
{
	if (stream_id_next(&id)) {
		s->first = id;
		s->extra_changed = true;
	}
}

enum status stream_delete(struct stream *s, struct stream_id id, bool *existed)
{
	struct slice ignored;
	struct stream_id first;
	enum status st = stream_get(s, id, &ignored);

	*existed = st == ST_OK;
	if (st == ST_OK) {
		st = stream_edge(s, false, &first);
	}
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_OK : st;
	}
	if (stream_id_compare(id, first) == 0) {
		pass(s, id);
	}
	if (stream_id_compare(id, s->max_deleted) > 0) {
		s->max_deleted = id;
	}
	return remove_entry(s, id);
}

/* Reads the IDs of the next entries from..to; nothing may be written while a walk is open. */
static enum status read_ids(const struct stream *s, struct stream_id from, struct stream_id to,
			    struct stream_id *ids, size_t *count, size_t max)
{
	struct stream_iter it;
	struct slice ignored;
	enum status st = stream_iter_open(s, from, to, false, &it);

	*count = 0;
	while (st == ST_OK && *count < max) {
		st = stream_iter_next(&it, &ids[*count], &ignored);
		*count += st == ST_OK;
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

enum status stream_remove_range(struct stream *s, struct stream_id from, struct stream_id to,
				uint64_t most, uint64_t *removed)
{
	enum { AT_ONCE = 256 };
	struct stream_id ids[AT_ONCE];
	bool at_front = stream_id_compare(from, s->first) <= 0;
	size_t count = AT_ONCE;
	enum status st = ST_OK;

	*removed = 0;
	while (st == ST_OK && count == AT_ONCE && *removed < most) {
		uint64_t left = most - *removed;

		st = read_ids(s, from, to, ids, &count, left < AT_ONCE ? (size_t)left : AT_ONCE);
		for (size_t i = 0; st == ST_OK && i < count; i++) {
			st = remove_entry(s, ids[i]);
			*removed += st == ST_OK;
		}
		if (count > 0) {
			from = ids[count - 1];
			if (at_front) {
				pass(s, from);
			}
			if (!stream_id_next(&from)) {
				break;
			}
		}
	}
	return st;
}

/* --- walks --- */

enum status stream_iter_open(const struct stream *s, struct stream_id from, struct stream_id to,
			     bool reverse, struct stream_iter *it)
{
	struct stream_subkey k;

	if (stream_id_compare(from, s->first) < 0) {
		from = s->first;
	}
	*it = (struct stream_iter){.stop = reverse ? from : to, .reverse = reverse};
	/* Backwards the start is what comes behind the last one. */
	if (reverse && !stream_id_next(&to)) {
		stream_subkey_init(&k, (enum stream_record)(STREAM_ENTRY + 1));
	} else {
		k = entry_key(reverse ? to : from);
	}
	return ks_elems_open(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), reverse,
			     &it->it);
}

enum status stream_iter_next(struct stream_iter *it, struct stream_id *id, struct slice *value)
{
	struct slice subkey;
	enum status st = ks_elems_next(&it->it, &subkey, value);
	int order;

	if (st != ST_OK) {
		return st;
	}
	if (subkey.len == 0 || subkey.data[0] != STREAM_ENTRY) {
		return ST_END;
	}
	if (subkey.len != 1 + STREAM_ID_LEN) {
		return ST_CORRUPT;
	}
	*id = stream_id_at(subkey.data + 1);
	order = stream_id_compare(*id, it->stop);
	return (it->reverse ? order < 0 : order > 0) ? ST_END : ST_OK;
}

void stream_iter_close(struct stream_iter *it)
{
	ks_iter_close(&it->it);
}

enum status stream_edge(const struct stream *s, bool last, struct stream_id *out)
{
	struct stream_iter it;
	struct slice ignored;
	enum status st;

	*out = STREAM_ID_MIN;
	if (s->meta.count == 0) {
		return ST_OK;
	}
	st = stream_iter_open(s, STREAM_ID_MIN, STREAM_ID_MAX, last, &it);
	if (st == ST_OK) {
		st = stream_iter_next(&it, out, &ignored);
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}
