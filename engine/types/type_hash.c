/* Hashes over the keyspace: setting fields in a blob or in records of their own. */
#include "engine/types/type_hash.h"

#include "engine/types/named_form.h"
#include "engine/types/named_walk.h"

/* --- the small form --- */

/* Puts pair (field, value) into the blob. ST_LIMIT: no room. */
static enum status blob_set(struct small_blob *b, const struct slice *pair, uint64_t *added)
{
	struct named_place at;
	enum status st = named_blob_find(small_blob_slice(b), true, pair[0], &at);

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

/* --- one field, several fields --- */

enum status type_hash_count(const struct meta *m, uint64_t *out)
{
	return named_count(m, out);
}

enum status type_hash_get(struct engine *e, const struct store_key *key, const struct meta *m,
			  struct slice field, struct slice *value)
{
	return named_get(e, key, m, field, value);
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
			st = named_blob_load(&blob, old);
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
			return named_put_blob(e, key, old, &m, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
		st = named_spill(e, key, &blob, &m);
	}
	in_blob = new_fields; /* counted by named_spill */
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

enum status type_hash_del(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct slice *fields, size_t fields_count, uint64_t *removed)
{
	return named_del(e, key, old, fields, fields_count, removed);
}

const char *type_hash_encoding(const struct meta *m)
{
	return (m->flags & META_ENCODED) != 0 ? "hashtable" : "listpack";
}
