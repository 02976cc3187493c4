/* When fields of hashes expire: buckets by name, a tree by time. */
#include "engine/types/hash_expiry.h"

#include "engine/base/buf.h"
#include "engine/base/bytes.h"
#include "engine/types/zset_tree.h"

enum { ENTRY_HEADER = 12, BUCKET_SHIFT = 16 };

/* The tree as that of a sorted set whose elements are the fields that expire. */
static struct meta tree_meta(const struct meta *m)
{
	return (struct meta){.type = TYPE_ZSET,
			     .form = FORM_LARGE,
			     .id = m->id,
			     .count = m->fields_timed,
			     .aux = {m->aux[0], m->aux[1]}};
}

/* --- buckets --- */

enum status hash_bucket_next(struct slice *bucket, struct slice *field, uint64_t *at_ms)
{
	uint32_t len;

	if (bucket->len == 0) {
		return ST_END;
	}
	if (bucket->len < ENTRY_HEADER) {
		return ST_CORRUPT;
	}
	*at_ms = bytes_get_u64le(bucket->data);
	len = bytes_get_u32le(bucket->data + 8);
	if (*at_ms == 0 || *at_ms > HASH_EXPIRY_MAX || len > bucket->len - ENTRY_HEADER) {
		return ST_CORRUPT;
	}
	*field = slice_of(bucket->data + ENTRY_HEADER, len);
	*bucket = slice_skip(*bucket, ENTRY_HEADER + (size_t)len);
	return ST_OK;
}

struct slice hash_bucket_key(uint8_t dst[HASH_BUCKET_KEY_LEN], struct slice field)
{
	bytes_put_u32be(dst, (uint32_t)(key_order(field) >> BUCKET_SHIFT));
	return slice_of(dst, HASH_BUCKET_KEY_LEN);
}

/* The bucket of a field, empty when there is none. */
static enum status bucket_of(struct engine *e, uint16_t slot, uint64_t id, struct slice field,
			     struct slice *out)
{
	uint8_t key[HASH_BUCKET_KEY_LEN];
	enum status st = ks_elem_get(e, slot, id, hash_bucket_key(key, field), out);

	if (st == ST_NOT_FOUND) {
		*out = slice_of(NULL, 0);
		return ST_OK;
	}
	return st;
}

static enum status find(struct engine *e, uint16_t slot, uint64_t id, struct slice field,
			uint64_t *at_ms)
{
	struct slice bucket, name;
	uint64_t at;
	enum status st = bucket_of(e, slot, id, field, &bucket);

	*at_ms = 0;
	while (st == ST_OK) {
		st = hash_bucket_next(&bucket, &name, &at);
		if (st == ST_OK && slice_eq(name, field)) {
			*at_ms = at;
			return ST_OK;
		}
	}
	return st == ST_END ? ST_OK : st;
}

enum status hash_expiry_get(struct engine *e, uint16_t slot, const struct meta *m,
			    struct slice field, uint64_t *at_ms)
{
	*at_ms = 0;
	return m->fields_timed == 0 ? ST_OK : find(e, slot, m->id, field, at_ms);
}

enum status hash_visible(struct engine *e, uint16_t slot, uint64_t id, struct slice field)
{
	uint64_t at;
	enum status st = find(e, slot, id, field, &at);

	return st == ST_OK && at != 0 && at <= engine_now_ms(e) ? ST_NOT_FOUND : st;
}

static enum status add_entry(struct buf *b, struct slice field, uint64_t at_ms)
{
	uint8_t header[ENTRY_HEADER];
	enum status st;

	bytes_put_u64le(header, at_ms);
	bytes_put_u32le(header + 8, (uint32_t)field.len);
	st = buf_append(b, header, sizeof header);
	return st == ST_OK && field.len > 0 ? buf_append(b, field.data, field.len) : st;
}

/* Writes a field's entry anew, or (at_ms 0) takes it away. */
static enum status bucket_set(struct engine *e, uint16_t slot, uint64_t id, struct slice field,
			      uint64_t at_ms)
{
	struct slice bucket, name, part;
	struct buf fresh = {0};
	uint8_t key[HASH_BUCKET_KEY_LEN];
	uint64_t at;
	enum status st = bucket_of(e, slot, id, field, &bucket);

	while (st == ST_OK) {
		st = hash_bucket_next(&bucket, &name, &at);
		if (st == ST_OK && !slice_eq(name, field)) {
			st = add_entry(&fresh, name, at);
		}
	}
	st = st == ST_END ? ST_OK : st;
	if (st == ST_OK && at_ms != 0) {
		st = add_entry(&fresh, field, at_ms);
	}
	if (st == ST_OK) {
		part = slice_of(fresh.data, fresh.len);
		st = fresh.len > 0 ? ks_elem_put(e, slot, id, hash_bucket_key(key, field), &part, 1)
				   : ks_elem_del(e, slot, id, hash_bucket_key(key, field));
	}
	buf_deinit(&fresh);
	return st;
}

enum status hash_expiry_repeat(struct engine *e, uint16_t slot, const struct meta *m,
			       struct slice field, uint64_t at_ms)
{
	return bucket_set(e, slot, m->id, field, at_ms);
}

/* --- the tree --- */

static enum status tree_remove(struct zset_tree *t, struct slice field, uint64_t at_ms)
{
	struct zset_bound bound = {
	    .kind = ZSET_BOUND_ITEM, .score = (double)at_ms, .member = field};
	struct zset_path path;
	struct zset_view leaf;
	enum status st = zset_tree_find(t, &bound, false, &path, &leaf);

	if (st == ST_OK && (path.at[0].index >= leaf.count ||
			    zset_view_score(&leaf, path.at[0].index) != bound.score)) {
		st = ST_CORRUPT;
	}
	return st == ST_OK ? zset_tree_remove(t, &path, 1) : st;
}

static enum status first_at(const struct zset_tree *t, uint64_t *at_ms)
{
	struct zset_path path;
	struct zset_view leaf;
	enum status st = zset_tree_seek(t, 0, &path, &leaf);

	if (st == ST_OK) {
		double score = zset_view_score(&leaf, path.at[0].index);

		if (!(score >= 1 && score <= (double)HASH_EXPIRY_MAX)) {
			return ST_CORRUPT;
		}
		*at_ms = (uint64_t)score;
	}
	return st;
}

static enum status tree_set(struct zset_tree *t, struct slice field, uint64_t old_ms,
			    uint64_t at_ms)
{
	struct zset_element element = {.score = (double)(old_ms != 0 ? old_ms : at_ms),
				       .member = field};

	if (at_ms == 0) {
		return tree_remove(t, field, old_ms);
	}
	if (old_ms != 0) {
		return zset_tree_move(t, &element, (double)at_ms);
	}
	return t->m->count == 0 ? zset_tree_build(t, &element, 1) : zset_tree_insert(t, &element);
}

enum status hash_expiry_set(struct engine *e, uint16_t slot, struct meta *m, struct slice field,
			    uint64_t at_ms)
{
	struct meta tm = tree_meta(m);
	struct zset_tree t = {.e = e, .slot = slot, .m = &tm};
	uint64_t old, first = 0;
	enum status st = hash_expiry_get(e, slot, m, field, &old);

	if (st != ST_OK || old == at_ms) {
		return st;
	}
	st = bucket_set(e, slot, m->id, field, at_ms);
	if (st == ST_OK) {
		st = tree_set(&t, field, old, at_ms);
	}
	if (st == ST_OK && tm.count > 0) {
		st = first_at(&t, &first);
	}
	if (st == ST_OK) {
		m->fields_timed = tm.count;
		m->fields_at_ms = first;
		m->aux[0] = tm.aux[0];
		m->aux[1] = tm.aux[1];
	}
	return st == ST_NOT_FOUND || st == ST_END ? ST_CORRUPT : st;
}

enum status hash_hidden_count(struct engine *e, uint16_t slot, const struct meta *m, uint64_t *out)
{
	struct meta tm = tree_meta(m);
	struct zset_tree t = {.e = e, .slot = slot, .m = &tm};
	struct zset_bound bound = {.kind = ZSET_BOUND_SCORE, .after = true};
	struct zset_path path;
	struct zset_view leaf;
	enum status st;

	*out = 0;
	if (!hash_any_hidden(e, m)) {
		return ST_OK;
	}
	bound.score = (double)engine_now_ms(e);
	st = zset_tree_find(&t, &bound, true, &path, &leaf);
	if (st == ST_OK) {
		*out = path.rank;
	}
	return st;
}

enum status hash_expiry_first(struct engine *e, uint16_t slot, const struct meta *m,
			      struct buf *field, uint64_t *at_ms)
{
	struct meta tm = tree_meta(m);
	struct zset_tree t = {.e = e, .slot = slot, .m = &tm};
	struct zset_path path;
	struct zset_view leaf;
	struct zset_element element;
	enum status st = zset_tree_seek(&t, 0, &path, &leaf);

	if (st == ST_OK) {
		st = zset_tree_element(&t, &leaf, path.at[0].index, &element);
	}
	if (st == ST_OK) {
		field->len = 0;
		*at_ms = (uint64_t)element.score;
		st = element.member.len > 0
			 ? buf_append(field, element.member.data, element.member.len)
			 : ST_OK;
	}
	return st;
}
