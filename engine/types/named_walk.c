/* Fields and members in order and at random.
 *
 * A large collection is ordered by 48 bits of its names' hashes, so a random position finds an
 * element in O(log n). An element's chance is then the gap in front of it; a few random steps on
 * from there make chances nearly equal. */
#include "engine/types/named_walk.h"

#include "engine/base/alloc.h"
#include "engine/types/hash_expiry.h"

enum {
	EXACT_MAX = 128, /* elements up to which one is counted off exactly */
	EXTRA_STEPS = 16,
	SEEK_SHARE = 8, /* a sample of less than 1/8 seeks, a larger one walks */
};

enum status named_count(const struct meta *m, uint64_t *out)
{
	uint32_t entries;
	enum status st;

	if (m->form == FORM_LARGE) {
		*out = m->count;
		return ST_OK;
	}
	st = small_blob_count(m->payload, &entries);
	if (st == ST_OK) {
		*out = m->type == TYPE_SET ? entries : entries / 2;
	}
	return st;
}

enum status named_count_visible(struct engine *e, const struct store_key *key, const struct meta *m,
				uint64_t *out)
{
	uint64_t hidden;
	enum status st = named_count(m, out);

	if (st == ST_OK && hash_any_hidden(e, m)) {
		st = hash_hidden_count(e, key->slot, m, &hidden);
		if (st == ST_OK && hidden > *out) {
			st = ST_CORRUPT;
		}
		*out -= st == ST_OK ? hidden : 0;
	}
	return st;
}

/* --- in order --- */

enum status named_iter_open(struct engine *e, const struct store_key *key, const struct meta *m,
			    uint64_t from_order, struct named_iter *it)
{
	it->is_large = m->form == FORM_LARGE;
	it->has_values = m->type != TYPE_SET;
	it->some_hidden = hash_any_hidden(e, m);
	it->engine = e;
	it->slot = key->slot;
	it->id = m->id;
	it->large = (struct ks_iter){0};
	if (it->is_large) {
		return ks_fields_open(e, key->slot, m->id, from_order, &it->large);
	}
	return small_cursor_init(&it->small, m->payload);
}

enum status named_iter_next(struct named_iter *it, uint64_t *order, struct slice *name,
			    struct slice *value)
{
	bool hidden;
	enum status st;

	do {
		st = named_iter_step(it, order, name, value, &hidden);
	} while (st == ST_OK && hidden);
	return st;
}

enum status named_iter_step(struct named_iter *it, uint64_t *order, struct slice *name,
			    struct slice *value, bool *hidden)
{
	enum status st;

	*hidden = false;
	if (it->is_large) {
		st = ks_fields_next(&it->large, order, name, value);
		if (st == ST_OK && it->some_hidden) {
			st = hash_visible(it->engine, it->slot, it->id, *name);
			*hidden = st == ST_NOT_FOUND;
		}
		return *hidden ? ST_OK : st;
	}
	*order = 0;
	*value = slice_of(NULL, 0);
	st = small_cursor_next(&it->small, name);
	if (st == ST_OK && it->has_values) {
		st = small_cursor_next(&it->small, value);
		if (st == ST_END) {
			st = ST_CORRUPT; /* a field without a value */
		}
	}
	return st;
}

void named_iter_close(struct named_iter *it)
{
	ks_iter_close(&it->large);
}

/* --- at random --- */

/* Opens it at position from and gives the element that follows after steps others, round the end.
 */
static enum status seek(struct engine *e, const struct store_key *key, const struct meta *m,
			uint64_t from, uint64_t steps, struct named_iter *it, uint64_t *order,
			struct slice *name, struct slice *value)
{
	bool wrapped = false;
	enum status st = named_iter_open(e, key, m, from, it);

	while (st == ST_OK) {
		st = named_iter_next(it, order, name, value);
		if (st == ST_OK && steps-- == 0) {
			return ST_OK;
		}
		if (st == ST_END) {
			if (wrapped && from == 0) {
				return ST_CORRUPT; /* fewer elements than the record says */
			}
			wrapped = true;
			from = 0;
			named_iter_close(it);
			st = named_iter_open(e, key, m, 0, it);
		}
	}
	return st;
}

enum status named_random(struct engine *e, const struct store_key *key, const struct meta *m,
			 struct rng *rng, struct named_iter *it, struct slice *name,
			 struct slice *value)
{
	uint64_t count = 0, order, from = 0, steps;
	enum status st = named_count_visible(e, key, m, &count);

	*it = (struct named_iter){.is_large = false};
	if (st != ST_OK || count == 0) {
		return st != ST_OK ? st : m->fields_timed > 0 ? ST_NOT_FOUND : ST_CORRUPT;
	}
	if (m->form == FORM_INLINE || count <= EXACT_MAX) {
		steps = rng_below(rng, count);
	} else {
		from = rng_next(rng) >> 16;
		steps = rng_below(rng, EXTRA_STEPS);
	}
	return seek(e, key, m, from, steps, it, &order, name, value);
}

/* --- samples without repeats --- */

struct sample {
	struct engine *e;
	const struct store_key *key;
	const struct meta *m;
	struct rng *rng;
	void (*each)(void *arg, struct slice name, struct slice value);
	void *arg;
	uint64_t *seen; /* open addressing by (order, rank among equal orders) + 1; 0: free */
	uint64_t seen_mask;
};

/* true: id was not there yet. */
static bool seen_add(struct sample *s, uint64_t id)
{
	uint64_t at = (id * 0x9e3779b97f4a7c15u) >> 20;

	for (;; at++) {
		at &= s->seen_mask;
		if (s->seen[at] == 0) {
			s->seen[at] = id + 1;
			return true;
		}
		if (s->seen[at] == id + 1) {
			return false;
		}
	}
}

/* One element that was not given before: from a random position on, the first such. */
static enum status sample_one(struct sample *s)
{
	struct named_iter it;
	struct slice name, value;
	uint64_t order, last_order = UINT64_MAX, rank = 0;
	uint64_t skip = rng_below(s->rng, EXTRA_STEPS), passed = 0;
	/* Always from the start of an order position, so that ranks mean the same each time. */
	enum status st = named_iter_open(s->e, s->key, s->m, rng_next(s->rng) >> 16, &it);

	while (st == ST_OK) {
		st = named_iter_next(&it, &order, &name, &value);
		if (st == ST_END) {
			named_iter_close(&it);
			if (passed > 2 * s->m->count + EXTRA_STEPS) {
				return ST_CORRUPT; /* fewer elements than the record says */
			}
			last_order = UINT64_MAX;
			passed++;
			st = named_iter_open(s->e, s->key, s->m, 0, &it);
			continue;
		}
		if (st != ST_OK) {
			break;
		}
		rank = order == last_order ? rank + 1 : 0;
		last_order = order;
		if (passed++ >= skip && seen_add(s, order << 16 | (rank & 0xffff))) {
			s->each(s->arg, name, value);
			break;
		}
	}
	named_iter_close(&it);
	return st;
}

static enum status sample_by_seeks(struct sample *s, uint64_t count)
{
	uint64_t slots = 16;
	enum status st = ST_OK;

	while (slots < 2 * count) {
		slots *= 2;
	}
	s->seen = mem_calloc((size_t)slots, sizeof *s->seen);
	if (s->seen == NULL) {
		return ST_NO_MEMORY;
	}
	s->seen_mask = slots - 1;
	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		st = sample_one(s);
	}
	mem_free(s->seen);
	return st;
}

/* Takes each element with the chance (still needed) / (still left): exact, in one pass. */
static enum status sample_by_walk(struct sample *s, uint64_t total, uint64_t need)
{
	struct named_iter it;
	struct slice name, value;
	uint64_t order;
	enum status st = named_iter_open(s->e, s->key, s->m, 0, &it);

	for (uint64_t left = total; st == ST_OK && need > 0; left--) {
		st = left == 0 ? ST_CORRUPT : named_iter_next(&it, &order, &name, &value);
		if (st == ST_OK && rng_below(s->rng, left) < need) {
			s->each(s->arg, name, value);
			need--;
		}
	}
	named_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}

enum status named_sample(struct engine *e, const struct store_key *key, const struct meta *m,
			 uint64_t count, struct rng *rng,
			 void (*each)(void *arg, struct slice name, struct slice value), void *arg)
{
	struct sample s = {.e = e, .key = key, .m = m, .rng = rng, .each = each, .arg = arg};
	uint64_t total = 0;
	enum status st = named_count_visible(e, key, m, &total);

	if (st != ST_OK || count == 0) {
		return st;
	}
	if (m->form == FORM_LARGE && count < total / SEEK_SHARE) {
		return sample_by_seeks(&s, count);
	}
	return sample_by_walk(&s, total, count);
}
