/* Hashes over the keyspace: setting fields in a blob or in records of their own. */
#include "engine/types/type_hash.h"

#include "engine/base/buf.h"
#include "engine/types/hash_expiry.h"
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

/* A field that is given a value expires no more, unless keep says so; *hidden: nobody saw it. */
static enum status set_again(struct engine *e, const struct store_key *key, struct meta *m,
			     struct slice field, bool keep, uint64_t *hidden)
{
	uint64_t at;
	enum status st = hash_expiry_get(e, key->slot, m, field, &at);
	bool gone = at != 0 && at <= engine_now_ms(e);

	*hidden += st == ST_OK && gone;
	if (st == ST_OK && at != 0 && (gone || !keep)) {
		st = hash_expiry_set(e, key->slot, m, field, 0);
	} else if (st == ST_OK && at != 0) {
		st = hash_expiry_repeat(e, key->slot, m, field, at);
	}
	return st;
}

/* Puts one pair into a large hash. *hidden: fields that were there, but were not to be seen. */
static enum status large_set(struct engine *e, const struct store_key *key, struct meta *m,
			     const struct slice *pair, bool keep, uint64_t *added, uint64_t *hidden)
{
	struct slice before;
	enum status st = ks_field_get(e, key->slot, m->id, pair[0], &before);

	if (st == ST_NOT_FOUND) {
		*added += 1;
	} else if (st == ST_OK && m->fields_timed != 0) {
		st = set_again(e, key, m, pair[0], keep, hidden);
	}
	if (st != ST_OK && st != ST_NOT_FOUND) {
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

static enum status set_pairs(struct engine *e, const struct store_key *key, const struct meta *old,
			     const struct slice *pairs, size_t pairs_count,
			     const struct hash_limits *limits, bool keep, uint64_t *added)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_INLINE};
	struct small_blob blob;
	uint64_t new_fields = 0, hidden = 0, in_blob;
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
		st = large_set(e, key, &m, &pairs[2 * done], keep, &new_fields, &hidden);
		done++;
	}
	if (st != ST_OK) {
		return st;
	}
	m.count += new_fields - in_blob;
	if (m.count > limits->entries) {
		m.flags |= META_ENCODED;
	}
	*added = new_fields + hidden;
	if (old != NULL && old->form == FORM_LARGE && m.count == old->count &&
	    m.flags == old->flags && m.fields_timed == old->fields_timed &&
	    m.fields_at_ms == old->fields_at_ms && m.aux[0] == old->aux[0] &&
	    m.aux[1] == old->aux[1]) {
		ks_touch(e, key);
		return ST_OK;
	}
	return ks_put(e, key, old, &m, NULL, 0);
}

enum status type_hash_set(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct slice *pairs, size_t pairs_count,
			  const struct hash_limits *limits, uint64_t *added)
{
	return set_pairs(e, key, old, pairs, pairs_count, limits, false, added);
}

enum status type_hash_change(struct engine *e, const struct store_key *key, const struct meta *old,
			     const struct slice *pairs, size_t pairs_count,
			     const struct hash_limits *limits, uint64_t *added)
{
	return set_pairs(e, key, old, pairs, pairs_count, limits, true, added);
}

enum status type_hash_del(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct slice *fields, size_t fields_count, uint64_t *removed)
{
	return named_del(e, key, old, fields, fields_count, removed);
}

const char *type_hash_encoding(const struct meta *m)
{
	if ((m->flags & META_ENCODED) != 0) {
		return "hashtable";
	}
	return m->fields_timed > 0 ? "listpackex" : "listpack";
}

/* --- fields that expire --- */

void hash_timing_begin(struct hash_timing *t, struct engine *e, const struct store_key *key,
		       const struct meta *old)
{
	*t = (struct hash_timing){.e = e, .key = key, .before = *old, .m = *old};
}

enum status hash_timing_get(struct hash_timing *t, struct slice field, uint64_t *at_ms)
{
	struct slice value;
	enum status st = named_get(t->e, t->key, &t->m, field, &value);

	return st == ST_OK ? hash_expiry_get(t->e, t->key->slot, &t->m, field, at_ms) : st;
}

/* Gives the fields records of their own. */
static enum status to_large(struct hash_timing *t)
{
	struct small_blob blob;
	enum status st;

	if (t->m.form == FORM_LARGE) {
		return ST_OK;
	}
	st = named_blob_load(&blob, &t->m);
	return st == ST_OK ? named_spill(t->e, t->key, &blob, &t->m) : st;
}

static enum status set_time(struct hash_timing *t, struct slice field, uint64_t at_ms)
{
	enum status st = to_large(t);

	if (st == ST_OK) {
		st = hash_expiry_set(t->e, t->key->slot, &t->m, field, at_ms);
	}
	t->changed = true;
	return st;
}

/* Puts a field as it is, for those who read the log. */
static enum status put_again(struct hash_timing *t, struct slice field)
{
	struct slice value, part;
	struct buf copy = {0};
	enum status st = ks_field_get(t->e, t->key->slot, t->m.id, field, &value);

	if (st == ST_OK && value.len > 0) {
		st = buf_append(&copy, value.data, value.len);
	}
	part = buf_slice(&copy);
	if (st == ST_OK) {
		st = ks_field_put(t->e, t->key->slot, t->m.id, field, &part, 1);
	}
	buf_deinit(&copy);
	return st == ST_NOT_FOUND ? ST_CORRUPT : st;
}

enum status hash_timing_set(struct hash_timing *t, struct slice field, uint64_t at_ms)
{
	enum status st = set_time(t, field, at_ms);

	return st == ST_OK && at_ms == 0 ? put_again(t, field) : st;
}

enum status hash_timing_del(struct hash_timing *t, struct slice field)
{
	enum status st = set_time(t, field, 0);

	if (st == ST_OK) {
		st = ks_field_del(t->e, t->key->slot, t->m.id, field);
	}
	if (st == ST_OK && t->m.count == 0) {
		st = ST_CORRUPT;
	}
	t->m.count -= st == ST_OK;
	return st;
}

enum status hash_timing_end(struct hash_timing *t)
{
	bool spilled = t->before.form == FORM_INLINE, large;
	enum status st;

	if (!t->changed) {
		return ST_OK;
	}
	st = named_put_fewer(t->e, t->key, &t->before, &t->m, &large);
	/* The record that was there before named none of the elements that were made meanwhile. */
	return st == ST_OK && spilled && !large ? ks_drop(t->e, t->key->slot, t->m.id) : st;
}

enum status type_hash_expire(struct engine *e, const struct store_key *key, const struct meta *m,
			     uint32_t max, struct fields_expired *out)
{
	struct hash_timing t;
	struct buf field = {0};
	uint64_t at;
	enum status st = ST_OK;

	*out = (struct fields_expired){0};
	hash_timing_begin(&t, e, key, m);
	while (st == ST_OK && out->removed < max && hash_any_hidden(e, &t.m)) {
		st = hash_expiry_first(e, key->slot, &t.m, &field, &at);
		if (st == ST_OK) {
			st = hash_timing_del(&t, slice_of(field.data, field.len));
			out->removed++;
		}
	}
	buf_deinit(&field);
	out->last = t.m.count == 0;
	return st == ST_OK ? hash_timing_end(&t) : st;
}
