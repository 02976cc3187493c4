/* Lists over the keyspace: their two forms, the ends, single elements and walks. What changes a
 * list in its middle is in engine/types/list_edit.c. */
#include "engine/types/type_list.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

/* --- the large form --- */

struct list_subkey {
	uint8_t bytes[LIST_SUBKEY_LEN];
};

static struct slice subkey_of(struct list_subkey *k, uint64_t position)
{
	bytes_put_u64be(k->bytes, position);
	return slice_of(k->bytes, sizeof k->bytes);
}

enum status list_check(const struct meta *m)
{
	return m->aux[0] < m->aux[1] && m->aux[1] - m->aux[0] == m->count ? ST_OK : ST_CORRUPT;
}

enum status list_elem_get(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t position, struct slice *value)
{
	struct list_subkey k;
	enum status st = ks_elem_get(e, key->slot, m->id, subkey_of(&k, position), value);

	return st == ST_NOT_FOUND ? ST_CORRUPT : st; /* positions are dense */
}

enum status list_elem_put(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t position, struct slice value)
{
	struct list_subkey k;

	return ks_elem_put(e, key->slot, m->id, subkey_of(&k, position), &value, 1);
}

enum status list_elem_del(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t position)
{
	struct list_subkey k;

	return ks_elem_del(e, key->slot, m->id, subkey_of(&k, position));
}

/* --- between the forms --- */

enum status list_spill(struct engine *e, const struct store_key *key, const struct small_blob *b,
		       struct meta *m)
{
	struct small_cursor c;
	struct slice value;
	enum status st = small_cursor_init(&c, small_blob_slice(b));

	m->form = FORM_LARGE;
	m->id = ks_new_id(e);
	m->aux[0] = LIST_MIDDLE;
	m->aux[1] = LIST_MIDDLE;
	m->payload = slice_of(NULL, 0);
	while (st == ST_OK) {
		st = small_cursor_next(&c, &value);
		if (st == ST_OK) {
			st = list_elem_put(e, key, m, m->aux[1]++, value);
		}
	}
	m->count = m->aux[1] - m->aux[0];
	return st == ST_END ? ST_OK : st;
}

/* Reads a large list into a blob. ST_LIMIT: it is longer than a shrunk one may be. */
static enum status gather(struct engine *e, const struct store_key *key, const struct meta *m,
			  struct small_blob *b)
{
	struct slice value;
	enum status st = ST_OK;

	small_blob_clear(b);
	for (uint64_t p = m->aux[0]; st == ST_OK && p < m->aux[1]; p++) {
		st = list_elem_get(e, key, m, p, &value);
		if (st == ST_OK &&
		    !small_blob_splice(b, b->len, 0, 0, &value, 1, COLLECTION_SHRINK_MAX)) {
			st = ST_LIMIT;
		}
	}
	return st;
}

enum status list_put_blob(struct engine *e, const struct store_key *key, const struct meta *old,
			  const struct meta *m, const struct small_blob *b)
{
	struct meta inline_meta = *m;
	struct slice part = small_blob_slice(b);

	inline_meta.form = FORM_INLINE;
	return ks_put(e, key, old, &inline_meta, &part, 1);
}

enum status list_put_large(struct engine *e, const struct store_key *key, const struct meta *old,
			   struct meta *m, bool shrinking)
{
	struct small_blob blob;
	enum status st;

	m->count = m->aux[1] - m->aux[0];
	if (shrinking) {
		st = gather(e, key, m, &blob);
		if (st == ST_OK) {
			return list_put_blob(e, key, old, m, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
	}
	return ks_put(e, key, old, m, NULL, 0);
}

/* --- single elements --- */

enum status type_list_count(const struct meta *m, uint64_t *out)
{
	uint32_t entries;
	enum status st;

	if (m->form == FORM_LARGE) {
		*out = m->count;
		return list_check(m);
	}
	st = small_blob_count(m->payload, &entries);
	if (st == ST_OK) {
		*out = entries;
	}
	return st;
}

/* Where the element at index stands in a blob. ST_NOT_FOUND. */
static enum status blob_at(struct slice blob, uint64_t index, size_t *off, size_t *len,
			   struct slice *value)
{
	struct small_cursor c;
	enum status st = small_cursor_init(&c, blob);
	const uint8_t *start = NULL;

	for (uint64_t i = 0; st == ST_OK && i <= index; i++) {
		start = c.at;
		st = small_cursor_next(&c, value);
	}
	if (st == ST_OK) {
		*off = (size_t)(start - blob.data);
		*len = (size_t)(c.at - start);
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

enum status type_list_get(struct engine *e, const struct store_key *key, const struct meta *m,
			  uint64_t index, struct slice *value)
{
	size_t off, len;
	enum status st;

	if (m->form == FORM_INLINE) {
		return blob_at(m->payload, index, &off, &len, value);
	}
	st = list_check(m);
	if (st != ST_OK) {
		return st;
	}
	if (index >= m->count) {
		return ST_NOT_FOUND;
	}
	return list_elem_get(e, key, m, m->aux[0] + index, value);
}

enum status type_list_set(struct engine *e, const struct store_key *key, const struct meta *old,
			  uint64_t index, struct slice value)
{
	struct small_blob blob;
	struct slice before;
	struct meta m = *old;
	size_t off, len;
	enum status st;

	if (old->form == FORM_INLINE) {
		st = small_blob_load(&blob, old->payload);
		if (st == ST_OK) {
			st = blob_at(small_blob_slice(&blob), index, &off, &len, &before);
		}
		if (st != ST_OK) {
			return st;
		}
		if (small_blob_splice(&blob, off, len, 1, &value, 1, COLLECTION_INLINE_MAX)) {
			return list_put_blob(e, key, old, old, &blob);
		}
		st = list_spill(e, key, &blob, &m);
		if (st == ST_OK) {
			st = list_elem_put(e, key, &m, m.aux[0] + index, value);
		}
		return st == ST_OK ? list_put_large(e, key, old, &m, false) : st;
	}
	st = list_check(old);
	if (st == ST_OK && index >= old->count) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		st = list_elem_put(e, key, old, old->aux[0] + index, value);
	}
	if (st == ST_OK) {
		ks_touch(e, key);
	}
	return st;
}

/* --- the ends --- */

enum status type_list_push(struct engine *e, const struct store_key *key, const struct meta *old,
			   bool left, const struct slice *values, size_t values_count,
			   uint64_t *length)
{
	struct meta m = {.type = TYPE_LIST, .form = FORM_INLINE};
	struct small_blob blob;
	size_t done = 0;
	enum status st = ST_OK;

	if (old != NULL) {
		m = *old;
	}
	if (m.form == FORM_INLINE) {
		small_blob_clear(&blob);
		if (old != NULL) {
			st = small_blob_load(&blob, old->payload);
		}
		while (st == ST_OK && done < values_count &&
		       small_blob_splice(&blob, left ? SMALL_BLOB_HEADER : blob.len, 0, 0,
					 &values[done], 1, COLLECTION_INLINE_MAX)) {
			done++;
		}
		if (st == ST_OK && done == values_count) {
			*length = small_blob_entries(&blob);
			return list_put_blob(e, key, old, &m, &blob);
		}
		if (st == ST_OK) {
			st = list_spill(e, key, &blob, &m);
		}
	} else {
		st = list_check(&m);
	}
	if (st == ST_OK &&
	    (left ? m.aux[0] : UINT64_MAX - m.aux[1]) < (uint64_t)(values_count - done)) {
		st = ST_LIMIT;
	}
	for (; st == ST_OK && done < values_count; done++) {
		st = list_elem_put(e, key, &m, left ? --m.aux[0] : m.aux[1]++, values[done]);
	}
	if (st == ST_OK) {
		*length = m.aux[1] - m.aux[0];
		st = list_put_large(e, key, old, &m, false);
	}
	return st;
}

static enum status small_trim(struct engine *e, const struct store_key *key, const struct meta *old,
			      uint64_t start, uint64_t keep)
{
	struct small_blob blob;
	struct slice value;
	size_t from = SMALL_BLOB_HEADER, to = SMALL_BLOB_HEADER, len = 0;
	uint32_t total;
	enum status st = small_blob_load(&blob, old->payload);

	if (st == ST_OK && start > 0) {
		st = blob_at(small_blob_slice(&blob), start, &from, &len, &value);
	}
	if (st == ST_OK) {
		st = blob_at(small_blob_slice(&blob), start + keep - 1, &to, &len, &value);
	}
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	to += len;
	total = small_blob_entries(&blob);
	small_blob_erase(&blob, to, blob.len - to, total - (uint32_t)(start + keep));
	small_blob_erase(&blob, SMALL_BLOB_HEADER, from - SMALL_BLOB_HEADER, (uint32_t)start);
	return list_put_blob(e, key, old, old, &blob);
}

/* Copies what stays into a new collection; the old one is dropped at no cost. */
static enum status recreate(struct engine *e, const struct store_key *key, const struct meta *old,
			    uint64_t start, uint64_t keep)
{
	struct meta m = *old;
	struct slice value;
	enum status st = ST_OK;

	m.id = ks_new_id(e);
	m.aux[0] = LIST_MIDDLE;
	m.aux[1] = LIST_MIDDLE + keep;
	for (uint64_t i = 0; st == ST_OK && i < keep; i++) {
		st = list_elem_get(e, key, old, old->aux[0] + start + i, &value);
		if (st == ST_OK) {
			st = list_elem_put(e, key, &m, m.aux[0] + i, value);
		}
	}
	return st == ST_OK ? list_put_large(e, key, old, &m, false) : st;
}

enum status type_list_trim(struct engine *e, const struct store_key *key, const struct meta *old,
			   uint64_t start, uint64_t keep)
{
	struct meta m = *old, kept = *old;
	uint64_t count, gone;
	struct small_blob blob;
	enum status st = type_list_count(old, &count);

	if (st != ST_OK) {
		return st;
	}
	INVARIANT(start <= count && keep <= count - start);
	gone = count - keep;
	if (keep == 0) {
		return ks_delete(e, key, old);
	}
	if (gone == 0) {
		ks_touch(e, key);
		return ST_OK;
	}
	if (old->form == FORM_INLINE) {
		return small_trim(e, key, old, start, keep);
	}
	kept.aux[0] += start;
	kept.aux[1] = kept.aux[0] + keep;
	if (small_blob_shrink_due(keep) || (gone > keep && keep <= COLLECTION_SHRINK_COUNT)) {
		st = gather(e, key, &kept, &blob);
		if (st == ST_OK) {
			return list_put_blob(e, key, old, &kept, &blob);
		}
		if (st != ST_LIMIT) {
			return st;
		}
	}
	if (gone / 4 > keep) {
		return recreate(e, key, old, start, keep);
	}
	st = ST_OK;
	while (st == ST_OK && m.aux[0] < kept.aux[0]) {
		st = list_elem_del(e, key, &m, m.aux[0]++);
	}
	while (st == ST_OK && m.aux[1] > kept.aux[1]) {
		st = list_elem_del(e, key, &m, --m.aux[1]);
	}
	return st == ST_OK ? list_put_large(e, key, old, &m, false) : st;
}

/* --- walks --- */

/* Remembers where each entry up to index starts, to walk down from there. */
static enum status small_reverse(struct type_list_iter *it, uint64_t index)
{
	struct small_cursor c = it->small;
	struct slice value;
	enum status st = ST_OK;

	for (uint64_t i = 0; st == ST_OK && i <= index && i < COLLECTION_INLINE_MAX; i++) {
		it->offsets[i] = (uint16_t)(c.at - it->blob.data);
		st = small_cursor_next(&c, &value);
	}
	return st == ST_END ? ST_CORRUPT : st;
}

enum status type_list_iter_open(struct engine *e, const struct store_key *key, const struct meta *m,
				uint64_t index, bool reverse, struct type_list_iter *it)
{
	struct list_subkey k;
	struct slice skipped;
	uint64_t count;
	enum status st;

	it->large = (struct ks_iter){0};
	it->is_large = m->form == FORM_LARGE;
	it->reverse = reverse;
	st = type_list_count(m, &count);
	if (st != ST_OK) {
		return st;
	}
	INVARIANT(index < count);
	it->left = reverse ? index + 1 : count - index;
	if (it->is_large) {
		it->position = m->aux[0] + index;
		return ks_elems_open(e, key->slot, m->id,
				     subkey_of(&k, it->position + (reverse ? 1 : 0)), reverse,
				     &it->large);
	}
	if (m->payload.len > COLLECTION_INLINE_MAX) {
		return ST_CORRUPT;
	}
	it->blob = m->payload;
	st = small_cursor_init(&it->small, m->payload);
	if (st == ST_OK && reverse) {
		return small_reverse(it, index);
	}
	for (uint64_t i = 0; st == ST_OK && i < index; i++) {
		st = small_cursor_next(&it->small, &skipped);
	}
	return st == ST_END ? ST_CORRUPT : st;
}

enum status type_list_iter_next(struct type_list_iter *it, struct slice *value)
{
	struct slice subkey;
	enum status st;

	if (it->left == 0) {
		return ST_END;
	}
	it->left--;
	if (it->is_large) {
		st = ks_elems_next(&it->large, &subkey, value);
		if (st == ST_OK && (subkey.len != LIST_SUBKEY_LEN ||
				    bytes_get_u64be(subkey.data) != it->position)) {
			st = ST_CORRUPT;
		}
		it->position += it->reverse ? UINT64_MAX : 1;
	} else {
		if (it->reverse) {
			it->small.at = it->blob.data + it->offsets[it->left];
			it->small.left = 1;
		}
		st = small_cursor_next(&it->small, value);
	}
	return st == ST_END ? ST_CORRUPT : st; /* fewer elements than the record says */
}

void type_list_iter_close(struct type_list_iter *it)
{
	ks_iter_close(&it->large);
}
