/* Named elements in a blob or in records of their own, and the way between. */
#include "engine/types/named_form.h"

#include "engine/types/hash_expiry.h"

/* Entries of a blob that one element takes. */
static uint32_t entries_each(const struct meta *m)
{
	return m->type == TYPE_HASH ? 2 : 1;
}

/* --- the small form --- */

enum status named_blob_find(struct slice blob, bool has_values, struct slice name,
			    struct named_place *out)
{
	struct small_cursor c;
	enum status st = small_cursor_init(&c, blob);

	if (st == ST_OK && has_values && c.left % 2 != 0) {
		return ST_CORRUPT;
	}
	out->value = slice_of(NULL, 0);
	while (st == ST_OK) {
		const uint8_t *start = c.at;
		struct slice there;

		st = small_cursor_next(&c, &there);
		if (st == ST_OK && has_values) {
			st = small_cursor_next(&c, &out->value);
		}
		if (st == ST_OK && slice_eq(there, name)) {
			out->off = (size_t)(start - blob.data);
			out->len = (size_t)(c.at - start);
			return ST_OK;
		}
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

enum status named_blob_load(struct small_blob *b, const struct meta *m)
{
	enum status st = small_blob_load(b, m->payload);

	return st == ST_OK && small_blob_entries(b) % entries_each(m) != 0 ? ST_CORRUPT : st;
}

enum status named_put_blob(struct engine *e, const struct store_key *key, const struct meta *old,
			   const struct meta *m, const struct small_blob *b)
{
	struct meta inline_meta = *m;
	struct slice part = small_blob_slice(b);

	inline_meta.form = FORM_INLINE;
	return ks_put(e, key, old, &inline_meta, &part, 1);
}

/* --- between the forms --- */

enum status named_spill(struct engine *e, const struct store_key *key, const struct small_blob *b,
			struct meta *m)
{
	uint32_t each = entries_each(m);
	struct small_cursor c;
	struct slice name, value;
	enum status st;

	m->form = FORM_LARGE;
	m->id = ks_new_id(e);
	m->count = small_blob_entries(b) / each;
	m->aux[0] = 0;
	m->aux[1] = 0;
	m->payload = slice_of(NULL, 0);
	st = small_cursor_init(&c, small_blob_slice(b));
	while (st == ST_OK) {
		st = small_cursor_next(&c, &name);
		if (st == ST_OK && each == 2) {
			st = small_cursor_next(&c, &value);
		}
		if (st == ST_OK) {
			st = ks_field_put(e, key->slot, m->id, name, &value, each - 1);
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* Reads a large collection of count elements into a blob. ST_LIMIT: it is longer than a shrunk one
 * may be. */
static enum status gather(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t count, struct small_blob *b)
{
	uint32_t each = entries_each(m);
	struct ks_iter it = {0};
	struct slice entry[2];
	uint64_t order;
	enum status st = ks_fields_open(e, key->slot, m->id, 0, &it);

	small_blob_clear(b);
	while (st == ST_OK) {
		st = ks_fields_next(&it, &order, &entry[0], &entry[1]);
		if (st == ST_OK &&
		    !small_blob_splice(b, b->len, 0, 0, entry, each, COLLECTION_SHRINK_MAX)) {
			st = ST_LIMIT;
		}
	}
	ks_iter_close(&it);
	if (st == ST_END) {
		st = small_blob_entries(b) == each * count ? ST_OK : ST_CORRUPT;
	}
	return st;
}

/* --- elements --- */

enum status named_get(struct engine *e, const struct store_key *key, const struct meta *m,
		      struct slice name, struct slice *value)
{
	struct named_place at;
	enum status st;

	if (m->form == FORM_LARGE) {
		st = hash_any_hidden(e, m) ? hash_visible(e, key->slot, m->id, name) : ST_OK;
		return st == ST_OK ? ks_field_get(e, key->slot, m->id, name, value) : st;
	}
	st = named_blob_find(m->payload, m->type == TYPE_HASH, name, &at);
	if (st == ST_OK) {
		*value = at.value;
	}
	return st;
}

static enum status small_del(struct engine *e, const struct store_key *key, const struct meta *old,
			     const struct slice *names, size_t names_count, uint64_t *removed)
{
	struct small_blob blob;
	struct named_place at;
	uint32_t each = entries_each(old);
	enum status st = named_blob_load(&blob, old);

	*removed = 0;
	for (size_t i = 0; st == ST_OK && i < names_count; i++) {
		st = named_blob_find(small_blob_slice(&blob), each == 2, names[i], &at);
		if (st == ST_OK) {
			small_blob_erase(&blob, at.off, at.len, each);
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
	return named_put_blob(e, key, old, old, &blob);
}

enum status named_put_fewer(struct engine *e, const struct store_key *key, const struct meta *old,
			    const struct meta *m, bool *large)
{
	struct small_blob blob;

	*large = false;
	if (m->count == 0) {
		return ks_delete(e, key, old);
	}
	if (m->fields_timed == 0 && small_blob_shrink_due(m->count)) {
		enum status st = gather(e, key, m, m->count, &blob);

		if (st == ST_OK) {
			return named_put_blob(e, key, old, m, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
	}
	*large = true;
	return ks_put(e, key, old, m, NULL, 0);
}

/* Forgets when a field that goes would have expired. *hidden: it has already. */
static enum status forget_expiry(struct engine *e, const struct store_key *key, struct meta *m,
				 struct slice name, uint64_t *hidden)
{
	uint64_t at;
	enum status st = hash_expiry_get(e, key->slot, m, name, &at);

	if (st == ST_OK && at != 0) {
		*hidden += at <= engine_now_ms(e);
		st = hash_expiry_set(e, key->slot, m, name, 0);
	}
	return st;
}

enum status named_del(struct engine *e, const struct store_key *key, const struct meta *old,
		      const struct slice *names, size_t names_count, uint64_t *removed)
{
	struct meta m = *old;
	uint64_t gone = 0, hidden = 0;
	struct slice value;
	bool large;
	enum status st = ST_OK;

	if (old->form == FORM_INLINE) {
		return small_del(e, key, old, names, names_count, removed);
	}
	for (size_t i = 0; st == ST_OK && i < names_count; i++) {
		st = ks_field_get(e, key->slot, m.id, names[i], &value);
		if (st == ST_OK && m.fields_timed != 0) {
			st = forget_expiry(e, key, &m, names[i], &hidden);
		}
		if (st == ST_OK) {
			st = ks_field_del(e, key->slot, m.id, names[i]);
			gone++;
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	if (st != ST_OK) {
		return st;
	}
	*removed = gone - hidden;
	if (gone == 0) {
		return ST_OK;
	}
	if (gone > m.count) {
		return ST_CORRUPT;
	}
	m.count -= gone;
	return named_put_fewer(e, key, old, &m, &large);
}
