/* Sorted sets over the keyspace: reading both forms. Changes are in engine/types/zset_edit.c. */
#include "engine/types/type_zset.h"

#include "engine/base/invariant.h"

/* --- the small form --- */

/* The next element of a blob. */
static enum status small_next(struct small_cursor *c, struct zset_element *out)
{
	struct slice score;
	enum status st = small_cursor_next(c, &out->member);

	if (st != ST_OK) {
		return st;
	}
	st = small_cursor_next(c, &score);
	if (st == ST_OK) {
		st = zset_score_get(score, &out->score);
	}
	return st == ST_END ? ST_CORRUPT : st; /* a member without a score */
}

static enum status small_find(struct slice blob, struct slice member, uint64_t *rank, double *score)
{
	struct small_cursor c;
	struct zset_element element;
	enum status st = small_cursor_init(&c, blob);

	for (*rank = 0; st == ST_OK; *rank += 1) {
		st = small_next(&c, &element);
		if (st == ST_OK && slice_eq(element.member, member)) {
			*score = element.score;
			return ST_OK;
		}
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

/* --- reading --- */

enum status type_zset_count(const struct meta *m, uint64_t *out)
{
	uint32_t entries;
	enum status st;

	if (m->form == FORM_LARGE) {
		*out = m->count;
		return m->count > 0 ? ST_OK : ST_CORRUPT;
	}
	st = small_blob_count(m->payload, &entries);
	if (st == ST_OK) {
		*out = entries / 2;
	}
	return st == ST_OK && (entries == 0 || entries % 2 != 0) ? ST_CORRUPT : st;
}

enum status type_zset_score(struct engine *e, const struct store_key *key, const struct meta *m,
			    struct slice member, double *out)
{
	struct slice value;
	uint64_t rank;
	enum status st;

	if (m->form == FORM_INLINE) {
		return small_find(m->payload, member, &rank, out);
	}
	st = ks_field_get(e, key->slot, m->id, member, &value);
	return st == ST_OK ? zset_score_get(value, out) : st;
}

enum status type_zset_rank(struct engine *e, const struct store_key *key, const struct meta *m,
			   struct slice member, uint64_t *rank, double *score)
{
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .member = member};
	struct meta meta = *m;
	struct zset_tree tree = {.e = e, .slot = key->slot, .m = &meta};
	struct zset_path path;
	struct zset_view leaf;
	enum status st;

	if (m->form == FORM_INLINE) {
		return small_find(m->payload, member, rank, score);
	}
	st = type_zset_score(e, key, m, member, &bound.score);
	if (st != ST_OK) {
		return st;
	}
	st = zset_tree_find(&tree, &bound, true, &path, &leaf);
	if (st == ST_OK && (path.at[0].index >= leaf.count ||
			    zset_view_score(&leaf, path.at[0].index) != bound.score)) {
		st = ST_CORRUPT; /* the member has a score that the order does not know */
	}
	if (st == ST_OK) {
		*rank = path.rank;
		*score = bound.score;
	}
	return st;
}

enum status type_zset_position(struct engine *e, const struct store_key *key, const struct meta *m,
			       const struct zset_bound *bound, uint64_t *out)
{
	struct meta meta = *m;
	struct zset_tree tree = {.e = e, .slot = key->slot, .m = &meta};
	struct zset_path path;
	struct zset_view leaf;
	struct small_cursor c;
	struct zset_element element;
	uint64_t n = 0;
	enum status st;

	if (m->form == FORM_LARGE) {
		st = zset_tree_find(&tree, bound, true, &path, &leaf);
		*out = st == ST_OK ? path.rank : 0;
		return st;
	}
	st = small_cursor_init(&c, m->payload);
	while (st == ST_OK) {
		st = small_next(&c, &element);
		if (st == ST_OK && !zset_bound_passes(bound, &element)) {
			break;
		}
		n += st == ST_OK;
	}
	*out = n;
	return st == ST_END ? ST_OK : st;
}

const char *type_zset_encoding(const struct meta *m)
{
	return (m->flags & META_ENCODED) != 0 ? "skiplist" : "listpack";
}

/* --- walks --- */

/* Remembers where each element of a blob starts. */
static enum status find_offsets(struct type_zset_iter *it, uint64_t count)
{
	struct small_cursor c;
	struct zset_element element;
	enum status st = small_cursor_init(&c, it->blob);

	if (count > ZSET_SMALL_MAX || it->blob.len > COLLECTION_INLINE_MAX) {
		return ST_CORRUPT;
	}
	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		it->offsets[i] = (uint16_t)(c.at - it->blob.data);
		st = small_next(&c, &element);
	}
	return st == ST_END ? ST_CORRUPT : st;
}

enum status type_zset_iter_open(struct engine *e, const struct store_key *key, const struct meta *m,
				uint64_t rank, bool reverse, struct type_zset_iter *it)
{
	uint64_t count;
	enum status st = type_zset_count(m, &count);

	if (st != ST_OK) {
		return st;
	}
	INVARIANT(rank < count);
	it->is_large = m->form == FORM_LARGE;
	it->reverse = reverse;
	it->begun = false;
	it->left = reverse ? rank + 1 : count - rank;
	if (it->is_large) {
		it->meta = *m;
		it->tree = (struct zset_tree){.e = e, .slot = key->slot, .m = &it->meta};
		return zset_tree_seek(&it->tree, rank, &it->path, &it->leaf);
	}
	it->blob = m->payload;
	it->small_at = (uint32_t)rank;
	return find_offsets(it, count);
}

static enum status next_large(struct type_zset_iter *it, struct zset_element *out)
{
	uint32_t *index = &it->path.at[0].index;
	enum status st = ST_OK;

	it->tree.m = &it->meta; /* the iterator may have been copied */
	if (it->begun) {
		if (it->reverse ? *index > 0 : *index + 1 < it->leaf.count) {
			*index += it->reverse ? UINT32_MAX : 1;
		} else {
			st = zset_tree_step(&it->tree, it->reverse, &it->path, &it->leaf);
		}
	}
	it->begun = true;
	return st == ST_OK ? zset_tree_element(&it->tree, &it->leaf, *index, out) : st;
}

enum status type_zset_iter_next(struct type_zset_iter *it, struct zset_element *out)
{
	struct small_cursor c;
	enum status st;

	if (it->left == 0) {
		return ST_END;
	}
	it->left--;
	if (it->is_large) {
		st = next_large(it, out);
	} else {
		c = (struct small_cursor){.at = it->blob.data + it->offsets[it->small_at],
					  .end = it->blob.data + it->blob.len,
					  .left = 2};
		st = small_next(&c, out);
		it->small_at += it->reverse ? UINT32_MAX : 1;
	}
	return st == ST_END ? ST_CORRUPT : st; /* fewer elements than the record says */
}
