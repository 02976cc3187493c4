/* Gathering names out of an archive. */
#include "engine/divergent_names.h"

#include "engine/base/alloc.h"

#include <stdlib.h>

/* Names are put in order, and doubles dropped, whenever this many more have come. */
enum { SETTLE_EVERY = 1 << 16, IDS_MIN = 64 };

struct gathering {
	struct divergent_names *out;
	size_t max, fresh; /* names since they were settled */
	enum status st;
};

void divergent_names_deinit(struct divergent_names *n)
{
	byte_list_deinit(&n->keys);
	mem_free(n->ids);
	*n = (struct divergent_names){0};
}

/* --- order --- */

static int by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int by_id(const void *a, const void *b)
{
	const struct collection_id *x = a, *y = b;

	if (x->slot != y->slot) {
		return x->slot < y->slot ? -1 : 1;
	}
	return x->id < y->id ? -1 : x->id > y->id;
}

static enum status settle_keys(struct divergent_names *n)
{
	size_t count = byte_list_count(&n->keys);
	struct slice *all = byte_list_slices(&n->keys);
	struct byte_list once = {0};
	enum status st = all == NULL ? ST_NO_MEMORY : ST_OK;

	if (st == ST_OK) {
		qsort(all, count, sizeof *all, by_bytes);
	}
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		if (i == 0 || !slice_eq(all[i], all[i - 1])) {
			st = byte_list_add(&once, all[i]);
		}
	}
	mem_free(all);
	if (st != ST_OK) {
		byte_list_deinit(&once);
		return st;
	}
	byte_list_deinit(&n->keys);
	n->keys = once;
	return ST_OK;
}

enum status divergent_names_settle(struct divergent_names *n)
{
	size_t kept = 0;

	if (n->ids_count > 0) {
		qsort(n->ids, n->ids_count, sizeof *n->ids, by_id);
	}
	for (size_t i = 0; i < n->ids_count; i++) {
		if (i == 0 || by_id(&n->ids[i], &n->ids[kept - 1]) != 0) {
			n->ids[kept++] = n->ids[i];
		}
	}
	n->ids_count = kept;
	return settle_keys(n);
}

bool divergent_names_has_id(const struct divergent_names *n, uint16_t slot, uint64_t id)
{
	struct collection_id wanted = {.id = id, .slot = slot};

	return n->ids_count > 0 &&
	       bsearch(&wanted, n->ids, n->ids_count, sizeof *n->ids, by_id) != NULL;
}

bool divergent_names_has_key(const struct divergent_names *n, struct slice key)
{
	size_t low = 0, high = byte_list_count(&n->keys);

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = slice_cmp(byte_list_at(&n->keys, mid), key);

		if (order == 0) {
			return true;
		}
		if (order < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return false;
}

enum status divergent_names_add_id(struct divergent_names *n, uint16_t slot, uint64_t id)
{
	if (n->ids_count == n->ids_cap) {
		size_t cap = n->ids_cap == 0 ? IDS_MIN : 2 * n->ids_cap;
		struct collection_id *more = mem_realloc(n->ids, cap * sizeof *more);

		if (more == NULL) {
			return ST_NO_MEMORY;
		}
		n->ids = more;
		n->ids_cap = cap;
	}
	n->ids[n->ids_count++] = (struct collection_id){.id = id, .slot = slot};
	return ST_OK;
}

/* --- reading --- */

static void take(void *arg, const struct divergent_op *op)
{
	struct gathering *g = arg;
	struct divergent_names *n = g->out;

	if (g->st != ST_OK) {
		return;
	}
	if (!op->has_slot) {
		n->whole = true;
		return;
	}
	if (op->has_key) {
		g->st = byte_list_add(&n->keys, op->key);
		g->fresh++;
	}
	if (g->st == ST_OK && op->id != 0) {
		g->st = divergent_names_add_id(n, op->slot, op->id);
		g->fresh++;
	}
	if (op->blind) {
		n->blind[op->slot / 64] |= UINT64_C(1) << (op->slot % 64);
	}
	if (g->st == ST_OK && g->fresh >= SETTLE_EVERY) {
		g->st = divergent_names_settle(n);
		g->fresh = 0;
		if (g->st == ST_OK && byte_list_count(&n->keys) + n->ids_count > g->max) {
			g->st = ST_LIMIT;
		}
	}
}

enum status divergent_names_read(const struct io *io, const char *dir,
				 const struct divergent_name *name, size_t max,
				 struct divergent_names *out)
{
	struct gathering g = {.out = out, .max = max, .st = ST_OK};
	enum status st;

	*out = (struct divergent_names){0};
	st = divergent_read(io, dir, name, 0, UINT64_MAX, take, &g);
	if (st == ST_OK) {
		st = g.st;
	}
	if (st == ST_OK) {
		st = divergent_names_settle(out);
	}
	if (st == ST_OK && byte_list_count(&out->keys) + out->ids_count > max) {
		st = ST_LIMIT;
	}
	if (st != ST_OK) {
		divergent_names_deinit(out);
	}
	return st;
}
