/* Sets over the keyspace: adding, popping, and the order of integers. */
#include "engine/types/type_set.h"

#include "engine/base/alloc.h"
#include "engine/base/byte_list.h"
#include "engine/types/type_build.h"
#include "engine/types/type_string.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	/* META_RAW: left the intset; META_ENCODED: left the listpack too. */
	NO_INTSET = META_RAW,
	NO_PACK = META_RAW | META_ENCODED,
	/* With less than 1/5 of what is taken left, the rest is written anew, as in Redis, where
	 * the encoding then begins anew too. */
	REST_SHARE = 5,
};

/* --- encodings --- */

const char *type_set_encoding(const struct meta *m)
{
	return (m->flags & META_ENCODED) != 0 ? "hashtable"
	       : (m->flags & META_RAW) != 0   ? "listpack"
					      : "intset";
}

uint8_t type_set_flags(uint8_t flags, uint64_t count, struct slice member,
		       const struct set_limits *limits)
{
	int64_t ignored;

	if ((flags & META_ENCODED) != 0) {
		return flags;
	}
	if ((flags & META_RAW) == 0 && string_to_int(member, &ignored)) {
		return count < limits->intset_entries ? flags : flags | NO_PACK;
	}
	return (uint8_t)(flags |
			 (count < limits->entries && member.len <= limits->value ? NO_INTSET
										 : NO_PACK));
}

/* --- adding --- */

/* Puts a member that the set lacks into the blob. ST_EXISTS: it has it; ST_LIMIT: no room. */
static enum status blob_add(struct small_blob *b, struct slice member)
{
	struct named_place at;
	enum status st = named_blob_find(small_blob_slice(b), false, member, &at);

	if (st != ST_NOT_FOUND) {
		return st == ST_OK ? ST_EXISTS : st;
	}
	return small_blob_splice(b, b->len, 0, 0, &member, 1, COLLECTION_INLINE_MAX) ? ST_OK
										     : ST_LIMIT;
}

/* The same for a large set. */
static enum status large_add(struct engine *e, const struct store_key *key, const struct meta *m,
			     struct slice member)
{
	struct slice value;
	enum status st = ks_field_get(e, key->slot, m->id, member, &value);

	if (st != ST_NOT_FOUND) {
		return st == ST_OK ? ST_EXISTS : st;
	}
	return ks_field_put(e, key->slot, m->id, member, NULL, 0);
}

/* A set that is being added to. */
struct growth {
	struct meta m;
	struct small_blob blob;
	uint64_t count;
};

static enum status add_one(struct engine *e, const struct store_key *key, struct growth *g,
			   struct slice member, const struct set_limits *limits)
{
	enum status st = ST_LIMIT;

	if (g->m.form == FORM_INLINE) {
		st = blob_add(&g->blob, member);
		if (st == ST_LIMIT) {
			st = named_spill(e, key, &g->blob, &g->m);
			st = st == ST_OK ? ST_LIMIT : st;
		}
	}
	if (st == ST_LIMIT) {
		st = large_add(e, key, &g->m, member);
	}
	if (st == ST_OK) {
		g->m.flags = type_set_flags(g->m.flags, g->count, member, limits);
		g->count++;
	}
	return st;
}

enum status type_set_add(struct engine *e, const struct store_key *key, const struct meta *old,
			 const struct slice *members, size_t members_count,
			 const struct set_limits *limits, uint64_t *added)
{
	struct growth g;
	uint64_t before = 0;
	enum status st = ST_OK;

	g.m = (struct meta){.type = TYPE_SET, .form = FORM_INLINE};
	small_blob_clear(&g.blob);
	if (old != NULL) {
		g.m = *old;
		st = named_count(old, &before);
	}
	if (st == ST_OK && old != NULL && old->form == FORM_INLINE) {
		st = named_blob_load(&g.blob, old);
	}
	g.count = before;
	for (size_t i = 0; st == ST_OK && i < members_count; i++) {
		st = add_one(e, key, &g, members[i], limits);
		st = st == ST_EXISTS ? ST_OK : st;
	}
	if (st != ST_OK) {
		return st;
	}
	*added = g.count - before;
	if (*added == 0) {
		return ST_OK;
	}
	if (g.m.form == FORM_INLINE) {
		return named_put_blob(e, key, old, &g.m, &g.blob);
	}
	g.m.count = g.count;
	return ks_put(e, key, old, &g.m, NULL, 0);
}

/* --- popping --- */

struct pop {
	void (*each)(void *arg, struct slice member);
	void *arg;
	struct byte_list kept; /* to be removed or to stay: written only after the walk */
	enum status st;
};

static void keep(struct pop *p, struct slice member)
{
	if (p->st == ST_OK) {
		p->st = byte_list_add(&p->kept, member);
	}
}

static void take(void *arg, struct slice name, struct slice value)
{
	struct pop *p = arg;

	(void)value;
	p->each(p->arg, name);
	keep(p, name);
}

/* Few are taken: they are removed one by one. */
static enum status pop_few(struct pop *p, struct engine *e, const struct store_key *key,
			   const struct meta *old, uint64_t count, struct rng *rng)
{
	struct slice *names = NULL;
	uint64_t removed;
	enum status st = named_sample(e, key, old, count, rng, take, p);

	st = st == ST_OK ? p->st : st;
	if (st == ST_OK) {
		names = byte_list_slices(&p->kept);
		st = names == NULL ? ST_NO_MEMORY : ST_OK;
	}
	if (st == ST_OK) {
		st = named_del(e, key, old, names, count, &removed);
		st = st == ST_OK && removed != count ? ST_CORRUPT : st;
	}
	mem_free(names);
	return st;
}

/* Few are left: they become the set. */
static enum status pop_most(struct pop *p, struct engine *e, const struct store_key *key,
			    const struct meta *old, uint64_t total, uint64_t count, struct rng *rng,
			    const struct set_limits *limits)
{
	struct named_iter it;
	struct slice name, value;
	struct type_build build;
	uint64_t order, need = count, expire_at_ms = old->expire_at_ms;
	enum status st = named_iter_open(e, key, old, 0, &it);

	for (uint64_t left = total; st == ST_OK; left--) {
		st = named_iter_next(&it, &order, &name, &value);
		if (st != ST_OK) {
			st = st == ST_END && left > 0 ? ST_CORRUPT : st;
			break;
		}
		if (left == 0) {
			st = ST_CORRUPT;
		} else if (rng_below(rng, left) < need) {
			p->each(p->arg, name);
			need--;
		} else {
			keep(p, name);
			st = p->st;
		}
	}
	named_iter_close(&it);
	if (st != ST_END) {
		return st;
	}
	if (count == total) {
		return ks_delete(e, key, old);
	}
	type_build_set(&build, e, key, limits);
	st = ST_OK;
	for (size_t i = 0; st == ST_OK && i < byte_list_count(&p->kept); i++) {
		st = type_build_member(&build, byte_list_at(&p->kept, i));
	}
	return st == ST_OK ? type_build_end(&build, expire_at_ms) : st;
}

enum status type_set_pop(struct engine *e, const struct store_key *key, const struct meta *old,
			 uint64_t count, struct rng *rng, const struct set_limits *limits,
			 void (*each)(void *arg, struct slice member), void *arg)
{
	struct pop p = {.each = each, .arg = arg};
	uint64_t total;
	enum status st = named_count(old, &total);

	if (st != ST_OK || count == 0) {
		return st;
	}
	if (count > total) {
		return ST_CORRUPT;
	}
	if ((total - count) * REST_SHARE > count) {
		st = pop_few(&p, e, key, old, count, rng);
	} else {
		st = pop_most(&p, e, key, old, total, count, rng, limits);
	}
	byte_list_deinit(&p.kept);
	return st;
}

/* --- in order --- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Reads all of an intset's members. */
static enum status read_numbers(struct type_set_walk *w)
{
	struct slice name, value;
	uint64_t order, n = 0;
	enum status st = ST_OK;

	w->numbers = mem_calloc((size_t)w->count, sizeof *w->numbers);
	if (w->numbers == NULL) {
		return ST_NO_MEMORY;
	}
	while (st == ST_OK) {
		st = named_iter_next(&w->it, &order, &name, &value);
		if (st == ST_OK && (n == w->count || !string_to_int(name, &w->numbers[n++]))) {
			st = ST_CORRUPT;
		}
	}
	if (st == ST_END) {
		st = n == w->count ? ST_OK : ST_CORRUPT;
	}
	if (st == ST_OK) {
		qsort(w->numbers, (size_t)n, sizeof *w->numbers, by_value);
	}
	return st;
}

enum status type_set_walk_open(struct engine *e, const struct store_key *key, const struct meta *m,
			       struct type_set_walk *w)
{
	enum status st;

	w->numbers = NULL;
	w->at = w->count = 0;
	st = named_iter_open(e, key, m, 0, &w->it);
	if (st == ST_OK) {
		st = named_count(m, &w->count);
	}
	if (st == ST_OK && (m->flags & NO_PACK) == 0 && w->count > 1) {
		st = read_numbers(w);
		named_iter_close(&w->it);
	}
	return st;
}

enum status type_set_walk_next(struct type_set_walk *w, struct slice *member)
{
	struct slice value;
	uint64_t order;
	int len;

	if (w->numbers == NULL) {
		enum status st = named_iter_next(&w->it, &order, member, &value);

		w->at += st == ST_OK;
		/* Fewer or more than the record says: a part is never given for the whole. */
		return st == ST_END && w->at != w->count ? ST_CORRUPT : st;
	}
	if (w->at == w->count) {
		return ST_END;
	}
	len = snprintf(w->digits, sizeof w->digits, "%" PRId64, w->numbers[w->at++]);
	*member = slice_of(w->digits, (size_t)len);
	return ST_OK;
}

void type_set_walk_close(struct type_set_walk *w)
{
	named_iter_close(&w->it);
	mem_free(w->numbers);
	w->numbers = NULL;
}
