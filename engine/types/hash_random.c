/* Fields of a hash at random.
 *
 * A large hash is ordered by 48 bits of its fields' hashes, so a random position finds a field in
 * O(log n). A field's chance is then the gap in front of it; a few random steps on from there make
 * chances nearly equal. */
#include "engine/base/alloc.h"
#include "engine/types/type_hash.h"

enum {
	EXACT_MAX = 128, /* fields up to which one is counted off exactly */
	EXTRA_STEPS = 16,
	SEEK_SHARE = 8, /* a sample of less than 1/8 seeks, a larger one walks */
};

/* Opens it at position from and gives the field that follows after steps others, round the end. */
static enum status seek(struct engine *e, const struct store_key *key, const struct meta *m,
			uint64_t from, uint64_t steps, struct type_hash_iter *it, uint64_t *order,
			struct slice *field, struct slice *value)
{
	bool wrapped = false;
	enum status st = type_hash_iter_open(e, key, m, from, it);

	while (st == ST_OK) {
		st = type_hash_iter_next(it, order, field, value);
		if (st == ST_OK && steps-- == 0) {
			return ST_OK;
		}
		if (st == ST_END) {
			if (wrapped && from == 0) {
				return ST_CORRUPT; /* fewer fields than the record says */
			}
			wrapped = true;
			from = 0;
			type_hash_iter_close(it);
			st = type_hash_iter_open(e, key, m, 0, it);
		}
	}
	return st;
}

enum status type_hash_random(struct engine *e, const struct store_key *key, const struct meta *m,
			     struct rng *rng, struct type_hash_iter *it, struct slice *field,
			     struct slice *value)
{
	uint64_t count = 0, order, from = 0, steps;
	enum status st = type_hash_count(m, &count);

	*it = (struct type_hash_iter){.is_large = false};
	if (st != ST_OK || count == 0) {
		return st != ST_OK ? st : ST_CORRUPT;
	}
	if (m->form == FORM_INLINE || count <= EXACT_MAX) {
		steps = rng_below(rng, count);
	} else {
		from = rng_next(rng) >> 16;
		steps = rng_below(rng, EXTRA_STEPS);
	}
	return seek(e, key, m, from, steps, it, &order, field, value);
}

/* --- samples without repeats --- */

struct sample {
	struct engine *e;
	const struct store_key *key;
	const struct meta *m;
	struct rng *rng;
	void (*each)(void *arg, struct slice field, struct slice value);
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

/* One field that was not given before: from a random position on, the first such. */
static enum status sample_one(struct sample *s)
{
	struct type_hash_iter it;
	struct slice field, value;
	uint64_t order, last_order = UINT64_MAX, rank = 0;
	uint64_t skip = rng_below(s->rng, EXTRA_STEPS), passed = 0;
	/* Always from the start of an order position, so that ranks mean the same each time. */
	enum status st = type_hash_iter_open(s->e, s->key, s->m, rng_next(s->rng) >> 16, &it);

	while (st == ST_OK) {
		st = type_hash_iter_next(&it, &order, &field, &value);
		if (st == ST_END) {
			type_hash_iter_close(&it);
			if (passed > 2 * s->m->count + EXTRA_STEPS) {
				return ST_CORRUPT; /* fewer fields than the record says */
			}
			last_order = UINT64_MAX;
			passed++;
			st = type_hash_iter_open(s->e, s->key, s->m, 0, &it);
			continue;
		}
		if (st != ST_OK) {
			break;
		}
		rank = order == last_order ? rank + 1 : 0;
		last_order = order;
		if (passed++ >= skip && seen_add(s, order << 16 | (rank & 0xffff))) {
			s->each(s->arg, field, value);
			break;
		}
	}
	type_hash_iter_close(&it);
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

/* Takes each field with the chance (still needed) / (still left): exact, in one pass. */
static enum status sample_by_walk(struct sample *s, uint64_t total, uint64_t need)
{
	struct type_hash_iter it;
	struct slice field, value;
	uint64_t order;
	enum status st = type_hash_iter_open(s->e, s->key, s->m, 0, &it);

	for (uint64_t left = total; st == ST_OK && need > 0; left--) {
		st = left == 0 ? ST_CORRUPT : type_hash_iter_next(&it, &order, &field, &value);
		if (st == ST_OK && rng_below(s->rng, left) < need) {
			s->each(s->arg, field, value);
			need--;
		}
	}
	type_hash_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}

enum status type_hash_sample(struct engine *e, const struct store_key *key, const struct meta *m,
			     uint64_t count, struct rng *rng,
			     void (*each)(void *arg, struct slice field, struct slice value),
			     void *arg)
{
	struct sample s = {.e = e, .key = key, .m = m, .rng = rng, .each = each, .arg = arg};
	uint64_t total = 0;
	enum status st = type_hash_count(m, &total);

	if (st != ST_OK || count == 0) {
		return st;
	}
	if (m->form == FORM_LARGE && count < total / SEEK_SHARE) {
		return sample_by_seeks(&s, count);
	}
	return sample_by_walk(&s, total, count);
}
