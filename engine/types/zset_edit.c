/* Changing sorted sets: members in the blob, or in records and the tree, and the way between. */
#include "engine/base/invariant.h"
#include "engine/types/type_zset.h"

/* --- the small form --- */

/* Where an element stands in a blob, or would. */
struct place {
	size_t off, len;
	double score;
};

static enum status next_place(struct small_cursor *c, const struct small_blob *b,
			      struct place *place, struct zset_element *out)
{
	struct slice score;
	enum status st;

	place->off = (size_t)(c->at - b->bytes);
	st = small_cursor_next(c, &out->member);
	if (st == ST_OK) {
		st = small_cursor_next(c, &score);
		if (st == ST_OK) {
			st = zset_score_get(score, &out->score);
		}
		st = st == ST_END ? ST_CORRUPT : st;
	}
	place->len = (size_t)(c->at - b->bytes) - place->off;
	place->score = out->score;
	return st;
}

static enum status blob_find(const struct small_blob *b, struct slice member, struct place *place)
{
	struct small_cursor c;
	struct zset_element element;
	enum status st = small_cursor_init(&c, small_blob_slice(b));

	while (st == ST_OK) {
		st = next_place(&c, b, place, &element);
		if (st == ST_OK && slice_eq(element.member, member)) {
			return ST_OK;
		}
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

/* Puts an element that is not there in its place. ST_LIMIT: no room within max bytes. */
static enum status blob_insert(struct small_blob *b, const struct zset_element *element, size_t max)
{
	uint8_t score[ZSET_SCORE_LEN] = {0};
	struct slice pair[2] = {element->member, slice_of(score, sizeof score)};
	struct small_cursor c;
	struct zset_element there;
	struct place place = {.off = b->len};
	enum status st = small_cursor_init(&c, small_blob_slice(b));

	while (st == ST_OK) {
		st = next_place(&c, b, &place, &there);
		if (st == ST_OK && zset_element_cmp(&there, element) > 0) {
			break;
		}
	}
	if (st != ST_OK && st != ST_END) {
		return st;
	}
	zset_score_put(score, element->score);
	return small_blob_splice(b, place.off, 0, 0, pair, 2, max) ? ST_OK : ST_LIMIT;
}

static enum status put_blob(struct zset_edit *ed)
{
	struct slice part = small_blob_slice(&ed->blob);

	ed->m.form = FORM_INLINE;
	return ks_put(ed->e, ed->key, ed->existed ? &ed->before : NULL, &ed->m, &part, 1);
}

/* --- between the forms --- */

static struct zset_tree tree_of(struct zset_edit *ed)
{
	return (struct zset_tree){.e = ed->e, .slot = ed->key->slot, .m = &ed->m};
}

static enum status put_member(struct zset_edit *ed, const struct zset_element *element)
{
	uint8_t bytes[ZSET_SCORE_LEN] = {0};
	struct slice value = slice_of(bytes, sizeof bytes);

	zset_score_put(bytes, element->score);
	return ks_field_put(ed->e, ed->key->slot, ed->m.id, element->member, &value, 1);
}

/* Gives elements in order records of their own. */
static enum status make_large(struct zset_edit *ed, const struct zset_element *elements,
			      uint64_t count)
{
	struct zset_tree tree = tree_of(ed);
	enum status st = ST_OK;

	ed->m.form = FORM_LARGE;
	ed->m.id = ks_new_id(ed->e);
	ed->m.count = 0;
	ed->m.aux[0] = 0;
	ed->m.aux[1] = 0;
	ed->m.payload = slice_of(NULL, 0);
	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		st = put_member(ed, &elements[i]);
	}
	return st == ST_OK && count > 0 ? zset_tree_build(&tree, elements, count) : st;
}

static enum status spill(struct zset_edit *ed)
{
	struct zset_element elements[ZSET_SMALL_MAX];
	struct small_cursor c;
	struct place place;
	uint64_t n = 0;
	enum status st = small_cursor_init(&c, small_blob_slice(&ed->blob));

	while (st == ST_OK && n < ZSET_SMALL_MAX) {
		st = next_place(&c, &ed->blob, &place, &elements[n]);
		n += st == ST_OK;
	}
	return st == ST_OK || st == ST_END ? make_large(ed, elements, n) : st;
}

/* Reads a large set into the blob. ST_LIMIT: it is longer than a shrunk one may be. */
static enum status gather(struct zset_edit *ed)
{
	uint8_t score[ZSET_SCORE_LEN] = {0};
	struct zset_tree tree = tree_of(ed);
	struct zset_path path;
	struct zset_view leaf;
	uint64_t left = ed->m.count;
	enum status st = zset_tree_seek(&tree, 0, &path, &leaf);

	small_blob_clear(&ed->blob);
	while (st == ST_OK) {
		for (uint32_t i = 0; st == ST_OK && i < leaf.count; i++) {
			struct zset_element element;
			struct slice pair[2];

			st = zset_tree_element(&tree, &leaf, i, &element);
			if (st != ST_OK) {
				break;
			}
			zset_score_put(score, element.score);
			pair[0] = element.member;
			pair[1] = slice_of(score, sizeof score);
			if (left-- == 0) {
				return ST_CORRUPT;
			}
			if (!small_blob_splice(&ed->blob, ed->blob.len, 0, 0, pair, 2,
					       COLLECTION_SHRINK_MAX)) {
				return ST_LIMIT;
			}
		}
		if (st == ST_OK) {
			st = zset_tree_step(&tree, false, &path, &leaf);
		}
	}
	if (st == ST_END) {
		st = left == 0 ? ST_OK : ST_CORRUPT;
	}
	return st;
}

/* --- an edit --- */

enum status zset_edit_begin(struct zset_edit *ed, struct engine *e, const struct store_key *key,
			    const struct meta *old, const struct zset_limits *limits)
{
	uint64_t count;
	enum status st = ST_OK;

	ed->e = e;
	ed->key = key;
	ed->limits = *limits;
	ed->existed = old != NULL;
	ed->changed = false;
	ed->added = 0;
	ed->removed = 0;
	ed->m = (struct meta){.type = TYPE_ZSET, .form = FORM_INLINE};
	if (old != NULL) {
		ed->before = *old;
		ed->m = *old;
		st = type_zset_count(old, &count);
	}
	small_blob_clear(&ed->blob);
	if (st == ST_OK && old != NULL && old->form == FORM_INLINE) {
		st = small_blob_load(&ed->blob, old->payload);
	}
	return st;
}

enum status zset_edit_get(struct zset_edit *ed, struct slice member, double *out)
{
	struct place place;
	enum status st;

	if (ed->m.form == FORM_LARGE) {
		return type_zset_score(ed->e, ed->key, &ed->m, member, out);
	}
	st = blob_find(&ed->blob, member, &place);
	if (st == ST_OK) {
		*out = place.score;
	}
	return st;
}

/* For one more element. */
static void note_encoding(struct zset_edit *ed, struct slice member)
{
	uint64_t count = ed->m.form == FORM_LARGE ? ed->m.count : small_blob_entries(&ed->blob) / 2;

	if (member.len > ed->limits.value || count + 1 > ed->limits.entries) {
		ed->m.flags |= META_ENCODED;
	}
}

/* As Redis keeps a score: its small encoding has no negative zero. */
static double kept_score(const struct zset_edit *ed, double score)
{
	return score == 0 && (ed->m.flags & META_ENCODED) == 0 ? 0 : score;
}

enum status zset_edit_set(struct zset_edit *ed, struct slice member, const double *now,
			  double score)
{
	struct zset_element element = {.member = member}, before = element;
	struct zset_tree tree = tree_of(ed);
	struct place place;
	bool is_new = now == NULL;
	enum status st = ST_LIMIT;

	if (now != NULL && *now == score) {
		return ST_OK;
	}
	if (is_new) {
		note_encoding(ed, member);
	}
	element.score = kept_score(ed, score);
	ed->changed = true;
	if (ed->m.form == FORM_INLINE) {
		if (!is_new) {
			st = blob_find(&ed->blob, member, &place);
			if (st != ST_OK) {
				return st == ST_NOT_FOUND ? ST_CORRUPT : st;
			}
			small_blob_erase(&ed->blob, place.off, place.len, 2);
		}
		st = blob_insert(&ed->blob, &element, COLLECTION_INLINE_MAX);
		if (st == ST_LIMIT) {
			now = NULL; /* what is spilled does not have it */
			st = spill(ed);
			st = st == ST_OK ? ST_LIMIT : st;
		}
	}
	if (st == ST_LIMIT) {
		st = put_member(ed, &element);
		if (st == ST_OK && now != NULL) {
			before.score = *now;
			st = zset_tree_move(&tree, &before, element.score);
		} else if (st == ST_OK) {
			st = zset_tree_insert(&tree, &element);
		}
	}
	ed->added += st == ST_OK && is_new;
	return st;
}

enum status zset_edit_del(struct zset_edit *ed, struct slice member)
{
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .member = member};
	struct zset_tree tree = tree_of(ed);
	struct zset_path path;
	struct zset_view leaf;
	struct place place;
	enum status st;

	if (ed->m.form == FORM_INLINE) {
		st = blob_find(&ed->blob, member, &place);
		if (st == ST_OK) {
			small_blob_erase(&ed->blob, place.off, place.len, 2);
		}
	} else {
		st = type_zset_score(ed->e, ed->key, &ed->m, member, &bound.score);
		if (st == ST_OK) {
			st = zset_tree_find(&tree, &bound, false, &path, &leaf);
			if (st == ST_OK &&
			    (path.at[0].index >= leaf.count ||
			     zset_view_score(&leaf, path.at[0].index) != bound.score)) {
				st = ST_CORRUPT;
			}
			if (st == ST_OK) {
				st = zset_tree_remove(&tree, &path, 1);
			}
			if (st == ST_OK) {
				st = ks_field_del(ed->e, ed->key->slot, ed->m.id, member);
			}
			st = st == ST_NOT_FOUND ? ST_CORRUPT : st;
		}
	}
	if (st == ST_OK) {
		ed->changed = true;
		ed->removed++;
	}
	return st;
}

enum status zset_edit_end(struct zset_edit *ed)
{
	const struct meta *before = ed->existed ? &ed->before : NULL, *m = &ed->m;
	enum status st;

	if (!ed->changed) {
		return ST_OK;
	}
	if (m->form == FORM_INLINE) {
		if (small_blob_entries(&ed->blob) > 0) {
			return put_blob(ed);
		}
		return before != NULL ? ks_delete(ed->e, ed->key, before) : ST_OK;
	}
	if (m->count == 0) {
		return ks_delete(ed->e, ed->key, before != NULL ? before : m);
	}
	if (ed->removed > 0 && before != NULL && before->form == FORM_LARGE &&
	    small_blob_shrink_due(m->count)) {
		st = gather(ed);
		if (st == ST_OK) {
			return put_blob(ed);
		}
		if (st != ST_LIMIT) {
			return st;
		}
	}
	if (before != NULL && before->form == FORM_LARGE && before->id == m->id &&
	    before->count == m->count && before->flags == m->flags && before->aux[0] == m->aux[0] &&
	    before->aux[1] == m->aux[1]) {
		ks_touch(ed->e, ed->key);
		return ST_OK;
	}
	return ks_put(ed->e, ed->key, before, m, NULL, 0);
}

/* --- ranges --- */

/* Removes the member records of count elements of a leaf. Each removal is a write, after which the
 * leaf has to be looked at anew. */
static enum status del_members(struct zset_edit *ed, const struct zset_path *path, uint32_t count)
{
	struct zset_tree tree = tree_of(ed);
	enum status st = ST_OK;

	for (uint32_t i = 0; st == ST_OK && i < count; i++) {
		struct zset_view leaf;
		struct zset_element element;

		st = zset_tree_node(&tree, 0, path->at[0].number, &leaf);
		if (st == ST_OK) {
			st = zset_tree_element(&tree, &leaf, path->at[0].index + i, &element);
		}
		if (st == ST_OK) {
			st = ks_field_del(ed->e, ed->key->slot, ed->m.id, element.member);
		}
	}
	return st;
}

static enum status remove_small(struct zset_edit *ed, uint64_t from, uint64_t to)
{
	struct small_cursor c;
	struct place place, first = {.off = ed->blob.len};
	struct zset_element element;
	size_t end = 0;
	enum status st = small_cursor_init(&c, small_blob_slice(&ed->blob));

	for (uint64_t i = 0; st == ST_OK && i < to; i++) {
		st = next_place(&c, &ed->blob, &place, &element);
		if (i == from) {
			first = place;
		}
		end = place.off + place.len;
	}
	if (st == ST_OK) {
		small_blob_erase(&ed->blob, first.off, end - first.off,
				 (uint32_t)(2 * (to - from)));
	}
	return st == ST_END ? ST_CORRUPT : st;
}

enum status type_zset_remove(struct engine *e, const struct store_key *key, const struct meta *old,
			     uint64_t from, uint64_t to)
{
	struct zset_limits none = {0};
	struct zset_edit ed;
	struct zset_tree tree;
	uint64_t count, left = to - from;
	enum status st = zset_edit_begin(&ed, e, key, old, &none);

	if (st == ST_OK) {
		st = type_zset_count(old, &count);
	}
	if (st != ST_OK || from == to) {
		return st;
	}
	INVARIANT(from < to && to <= count);
	if (to - from == count) {
		return ks_delete(e, key, old);
	}
	ed.changed = true;
	ed.removed = left;
	if (old->form == FORM_INLINE) {
		st = remove_small(&ed, from, to);
		return st == ST_OK ? zset_edit_end(&ed) : st;
	}
	tree = tree_of(&ed);
	while (st == ST_OK && left > 0) {
		struct zset_path path;
		struct zset_view leaf;
		uint32_t n = 0;

		st = zset_tree_seek(&tree, from, &path, &leaf);
		if (st == ST_OK) {
			n = leaf.count - path.at[0].index;
			n = n > left ? (uint32_t)left : n;
			left -= n;
			st = del_members(&ed, &path, n);
		}
		if (st == ST_OK) {
			st = zset_tree_remove(&tree, &path, n);
		}
	}
	return st == ST_OK ? zset_edit_end(&ed) : st;
}

/* --- whole sets --- */

/* Whether they fit in a blob, which is filled then. */
static bool fill_blob(struct zset_edit *ed, const struct zset_element *elements, uint64_t count)
{
	uint8_t score[ZSET_SCORE_LEN] = {0};

	for (uint64_t i = 0; i < count; i++) {
		struct slice pair[2] = {elements[i].member, slice_of(score, sizeof score)};

		zset_score_put(score, elements[i].score);
		if (!small_blob_splice(&ed->blob, ed->blob.len, 0, 0, pair, 2,
				       COLLECTION_INLINE_MAX)) {
			return false;
		}
	}
	return true;
}

enum status type_zset_store(struct engine *e, const struct store_key *key,
			    struct zset_element *elements, uint64_t count,
			    const struct zset_limits *limits, uint64_t expire_at_ms)
{
	struct zset_edit ed;
	struct meta old;
	enum status st;

	if (count == 0) {
		return ks_remove(e, key);
	}
	st = zset_edit_begin(&ed, e, key, NULL, limits);
	ed.m.expire_at_ms = expire_at_ms;
	for (uint64_t i = 0; i < count; i++) {
		if (elements[i].member.len > limits->value || count > limits->entries) {
			ed.m.flags |= META_ENCODED;
			break;
		}
	}
	for (uint64_t i = 0; i < count; i++) {
		elements[i].score = kept_score(&ed, elements[i].score);
	}
	if (st == ST_OK && !fill_blob(&ed, elements, count)) {
		st = make_large(&ed, elements, count);
	}
	if (st != ST_OK) {
		return st;
	}
	/* Only now: what a lookup gives is borrowed until the next write. */
	st = ks_lookup(e, key, &old);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return st;
	}
	ed.existed = st == ST_OK;
	ed.before = old;
	return ed.m.form == FORM_INLINE ? put_blob(&ed)
					: ks_put(e, key, ed.existed ? &old : NULL, &ed.m, NULL, 0);
}
