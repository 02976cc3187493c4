/* Hashes over the keyspace: fields in a blob or in records of their own, and the way between. */
#include "engine/types/type_hash.h"

#include "engine/base/invariant.h"
#include "engine/types/named_walk.h"

/* --- the small form --- */

/* Where a field stands in a blob. */
struct hash_place {
	size_t off, len; /* of field and value together */
	struct slice value;
};

/* ST_NOT_FOUND; ST_CORRUPT when what was passed on the way does not decode. */
static enum status blob_find(struct slice blob, struct slice field, struct hash_place *out)
{
	struct small_cursor c;
	enum status st = small_cursor_init(&c, blob);

	if (st == ST_OK && c.left % 2 != 0) {
		return ST_CORRUPT;
	}
	while (st == ST_OK) {
		const uint8_t *start = c.at;
		struct slice name;

		st = small_cursor_next(&c, &name);
		if (st == ST_OK) {
			st = small_cursor_next(&c, &out->value);
		}
		if (st == ST_OK && slice_eq(name, field)) {
			out->off = (size_t)(start - blob.data);
			out->len = (size_t)(c.at - start);
			return ST_OK;
		}
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

static enum status blob_load(struct small_blob *b, const struct meta *m)
{
	enum status st = small_blob_load(b, m->payload);

	return st == ST_OK && small_blob_entries(b) % 2 != 0 ? ST_CORRUPT : st;
}

/* Puts pair (field, value) into the blob. ST_LIMIT: no room. */
static enum status blob_set(struct small_blob *b, const struct slice *pair, uint64_t *added)
{
	struct hash_place at = {.off = b->len, .len = 0};
	enum status st = blob_find(small_blob_slice(b), pair[0], &at);

	if (st == ST_NOT_FOUND) {
		if (!small_blob_splice(b, b->len, 0, 0, pair, 2, COLLECTION_INLINE_MAX)) {
			return ST_LIMIT;
		}
		*added += 1;
		return ST_OK;
	}
	if (st != ST_OK) {
		return st;
	}
	return small_blob_splice(b, at.off, at.len, 2, pair, 2, COLLECTION_INLINE_MAX) ? ST_OK
										       : ST_LIMIT;
}

/* --- between the forms --- */

enum status hash_spill(struct engine *e, const struct store_key *key, const struct small_blob *b,
		       struct meta *m)
{
	struct small_cursor c;
	struct slice field, value;
	enum status st;

	m->form = FORM_LARGE;
	m->id = ks_new_id(e);
	m->count = small_blob_entries(b) / 2;
	m->aux[0] = 0;
	m->aux[1] = 0;
	m->payload = slice_of(NULL, 0);
	st = small_cursor_init(&c, small_blob_slice(b));
	while (st == ST_OK) {
		st = small_cursor_next(&c, &field);
		if (st == ST_OK) {
			st = small_cursor_next(&c, &value);
		}
		if (st == ST_OK) {
			st = ks_field_put(e, key->slot, m->id, field, &value, 1);
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* Reads a large hash of count fields into a blob. ST_LIMIT: it is longer than a shrunk one may be.
 */
static enum status gather(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t count, struct small_blob *b)
{
	struct ks_iter it = {0};
	struct slice pair[2];
	uint64_t order;
	enum status st = ks_fields_open(e, key->slot, m->id, 0, &it);

	small_blob_clear(b);
	while (st == ST_OK) {
		st = ks_fields_next(&it, &order, &pair[0], &pair[1]);
		if (st == ST_OK &&
		    !small_blob_splice(b, b->len, 0, 0, pair, 2, COLLECTION_SHRINK_MAX)) {
			st = ST_LIMIT;
		}
	}
	ks_iter_close(&it);
	if (st == ST_END) {
		st = small_blob_entries(b) == 2 * count ? ST_OK : ST_CORRUPT;
	}
	return st;
}

static enum status put_blob(struct engine *e, const struct store_key *key, const struct meta *old,
			    const struct meta *m, const struct small_blob *b)
{
	struct meta inline_meta = *m;
	struct slice part = small_blob_slice(b);

	inline_meta.form = FORM_INLINE;
	return ks_put(e, key, old, &inline_meta, &part, 1);
}

/* --- one field, several fields --- */

enum status type_hash_count(const struct meta *m, uint64_t *out)
{
	return named_count(m, out);
}

enum status type_hash_get(struct engine *e, const struct store_key *key, const struct meta *m,
			  struct slice field, struct slice *value)
{
	struct hash_place at;
	enum status st;

	if (m->form == FORM_LARGE) {
		return ks_field_get(e, key->slot, m->id, field, value);
	}
	st = blob_find(m->payload, field, &at);
	if (st == ST_OK) {
		*value = at.value;
	}
	return st;
}

/* Puts one pair into a large hash. */
static enum status large_set(struct engine *e, const struct store_key *key, const struct meta *m,
			     const struct slice *pair, uint64_t *added)
{
	struct slice before;
	enum status st = ks_field_get(e, key->slot, m->id, pair[0], &before);

	if (st == ST_NOT_FOUND) {
		*added += 1;
	} else if (st != ST_OK) {
		return st;
	}
	return ks_field_put(e, key->slot, m->id, pair[0], &pair[1], 1);
}

static bool any_longer(const struct slice *strings, size_t count, uint64_t max)
{
	for (size_t i = 0; i < count; i++) {
		if (strings[i].len > max) {
			return true;
		}
	}
	return false;
}

enum status type_hash_set(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct slice *pairs, size_t pairs_count,
			  const struct hash_limits *limits, uint64_t *added)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_INLINE};
	struct small_blob blob;
	uint64_t new_fields = 0, in_blob;
	size_t done = 0;
	enum status st = ST_OK;

	small_blob_clear(&blob);
	if (old != NULL) {
		m = *old;
	}
	if ((m.flags & META_ENCODED) == 0 && any_longer(pairs, 2 * pairs_count, limits->value)) {
		m.flags |= META_ENCODED;
	}
	if (m.form == FORM_INLINE) {
		if (old != NULL) {
			st = blob_load(&blob, old);
		}
		while (st == ST_OK && done < pairs_count) {
			st = blob_set(&blob, &pairs[2 * done], &new_fields);
			done += st == ST_OK;
		}
		if (st == ST_OK) {
			if (small_blob_entries(&blob) / 2 > limits->entries) {
				m.flags |= META_ENCODED;
			}
			*added = new_fields;
			return put_blob(e, key, old, &m, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
		st = hash_spill(e, key, &blob, &m);
	}
	in_blob = new_fields; /* counted by hash_spill */
	while (st == ST_OK && done < pairs_count) {
		st = large_set(e, key, &m, &pairs[2 * done], &new_fields);
		done++;
	}
	if (st != ST_OK) {
		return st;
	}
	m.count += new_fields - in_blob;
	if (m.count > limits->entries) {
		m.flags |= META_ENCODED;
	}
	*added = new_fields;
	if (old != NULL && old->form == FORM_LARGE && m.count == old->count &&
	    m.flags == old->flags) {
		ks_touch(e, key);
		return ST_OK;
	}
	return ks_put(e, key, old, &m, NULL, 0);
}

static enum status small_del(struct engine *e, const struct store_key *key, const struct meta *old,
			     const struct slice *fields, size_t fields_count, uint64_t *removed)
{
	struct small_blob blob;
	struct hash_place at;
	enum status st = blob_load(&blob, old);

	*removed = 0;
	for (size_t i = 0; st == ST_OK && i < fields_count; i++) {
		st = blob_find(small_blob_slice(&blob), fields[i], &at);
		if (st == ST_OK) {
			small_blob_erase(&blob, at.off, at.len, 2);
			*removed += 1;
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	if (st != ST_OK || *removed == 0) {
		return st;
	}
	if (small_blob_entries(&blob) == 0) {
		return ks_delete(e, key, old);
	}
	return put_blob(e, key, old, old, &blob);
}

enum status type_hash_del(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct slice *fields, size_t fields_count, uint64_t *removed)
{
	struct small_blob blob;
	struct meta m = *old;
	uint64_t gone = 0;
	struct slice value;
	enum status st = ST_OK;

	if (old->form == FORM_INLINE) {
		return small_del(e, key, old, fields, fields_count, removed);
	}
	for (size_t i = 0; st == ST_OK && i < fields_count; i++) {
		st = ks_field_get(e, key->slot, m.id, fields[i], &value);
		if (st == ST_OK) {
			st = ks_field_del(e, key->slot, m.id, fields[i]);
			gone++;
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	if (st != ST_OK) {
		return st;
	}
	*removed = gone;
	if (gone == 0) {
		return ST_OK;
	}
	if (gone > m.count) {
		return ST_CORRUPT;
	}
	m.count -= gone;
	if (m.count == 0) {
		return ks_delete(e, key, old);
	}
	if (small_blob_shrink_due(m.count)) {
		st = gather(e, key, &m, m.count, &blob);
		if (st == ST_OK) {
			return put_blob(e, key, old, &m, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
	}
	return ks_put(e, key, old, &m, NULL, 0);
}

const char *type_hash_encoding(const struct meta *m)
{
	return (m->flags & META_ENCODED) != 0 ? "hashtable" : "listpack";
}
