/* Order in a memtable: sorted runs for scans, the checkpoint's sort, and the expiry heap. */
#include "engine/memtable.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/key_codec.h"
#include "engine/memtable_impl.h"

#include <stdlib.h>

/* An entry with the 8 key bytes that differ first, so that most comparisons touch no entry. */
struct sort_item {
	uint64_t prefix;
	struct mt_entry *entry;
};

static uint64_t sort_prefix(const struct mt_entry *e, size_t skip)
{
	uint8_t bytes[8] = {0};
	size_t n = e->key_len - skip;

	memcpy(bytes, e->key + skip, n < sizeof bytes ? n : sizeof bytes);
	return bytes_get_u64be(bytes);
}

static int compare_items(const void *pa, const void *pb)
{
	const struct sort_item *a = pa, *b = pb;

	if (a->prefix != b->prefix) {
		return a->prefix < b->prefix ? -1 : 1;
	}
	return slice_cmp(mt_entry_key(a->entry), mt_entry_key(b->entry));
}

/* Sorts the entries of one group from its newest down to, not including, until. items has room for
 * them. Returns how many there are. */
static size_t sort_group(const struct mt_group *g, const struct mt_entry *until,
			 struct sort_item *items)
{
	size_t skip = g->space == KEYSPACE_ELEM ? ELEM_PREFIX_LEN : KEY_PREFIX_LEN;
	size_t n = 0;

	for (struct mt_entry *e = g->head; e != until; e = e->next) {
		items[n++] = (struct sort_item){sort_prefix(e, skip), e};
	}
	qsort(items, n, sizeof *items, compare_items);
	return n;
}

/* --- runs --- */

static enum status merge_last_two(struct mt_runs *r)
{
	struct mt_run *a = &r->items[r->count - 2];
	struct mt_run *b = &r->items[r->count - 1];
	struct mt_entry **to = mem_alloc((a->count + b->count) * sizeof(struct mt_entry *));
	size_t i = 0, j = 0, n = 0;

	if (to == NULL) {
		return ST_NO_MEMORY;
	}
	while (i < a->count && j < b->count) {
		bool first =
		    slice_cmp(mt_entry_key(a->entries[i]), mt_entry_key(b->entries[j])) < 0;

		to[n++] = first ? a->entries[i++] : b->entries[j++];
	}
	while (i < a->count) {
		to[n++] = a->entries[i++];
	}
	while (j < b->count) {
		to[n++] = b->entries[j++];
	}
	mem_free(a->entries);
	mem_free(b->entries);
	*a = (struct mt_run){to, n};
	r->count--;
	return ST_OK;
}

static enum status runs_of(struct memtable *mt, struct mt_group *g, struct mt_runs **out)
{
	if (g->runs == NULL) {
		struct mt_runs *r = mem_calloc(1, sizeof *r);

		if (r == NULL) {
			return ST_NO_MEMORY;
		}
		r->next = mt->runs;
		r->group = g;
		mt->runs = r;
		g->runs = r;
	}
	*out = g->runs;
	return ST_OK;
}

/* Makes a new run of the entries that arrived since the last scan, and merges runs of like size. */
static enum status sort_new_entries(struct mt_group *g, struct mt_runs *r)
{
	struct sort_item *items;
	struct mt_entry **run;
	size_t n = 0;

	for (struct mt_entry *e = g->head; e != r->sorted_head; e = e->next) {
		n++;
	}
	if (n == 0) {
		return ST_OK;
	}
	if (r->count == MT_RUNS_MAX) {
		/* Only when merges kept failing for want of memory. */
		enum status st = merge_last_two(r);

		if (st != ST_OK) {
			return st;
		}
	}
	items = mem_alloc(n * sizeof *items);
	run = mem_alloc(n * sizeof(struct mt_entry *));
	if (items == NULL || run == NULL) {
		mem_free(items);
		mem_free(run);
		return ST_NO_MEMORY;
	}
	(void)sort_group(g, r->sorted_head, items);
	for (size_t i = 0; i < n; i++) {
		run[i] = items[i].entry;
	}
	mem_free(items);
	r->items[r->count++] = (struct mt_run){run, n};
	r->sorted_head = g->head;
	while (r->count > 1 && r->items[r->count - 1].count * 2 > r->items[r->count - 2].count) {
		/* Unmerged runs are still right, so a failure here costs speed alone. */
		if (merge_last_two(r) != ST_OK) {
			break;
		}
	}
	return ST_OK;
}

/* Index of the first entry of a run with key >= from. */
static size_t lower_bound(const struct mt_run *r, struct slice from)
{
	size_t lo = 0, hi = r->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(mt_entry_key(r->entries[mid]), from) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

enum status mt_scan_open(struct memtable *mt, struct mt_group *group, struct slice from,
			 bool reverse, struct mt_scan *out)
{
	struct mt_runs *r;
	enum status st;

	out->count = 0;
	out->reverse = reverse;
	if (group == NULL) {
		return ST_OK;
	}
	st = runs_of(mt, group, &r);
	if (st == ST_OK) {
		st = sort_new_entries(group, r);
	}
	if (st != ST_OK) {
		return st;
	}
	for (uint32_t i = 0; i < r->count; i++) {
		struct mt_run *run = &r->items[i];
		size_t at = reverse && from.len == 0 ? run->count : lower_bound(run, from);

		out->runs[i].begin = run->entries;
		out->runs[i].end = run->entries + run->count;
		out->runs[i].at = run->entries + at; /* reverse: one past the entry stood at */
	}
	out->count = r->count;
	return ST_OK;
}

struct mt_entry *mt_scan_peek(struct mt_scan *s)
{
	struct mt_entry *best = NULL;

	for (uint32_t i = 0; i < s->count; i++) {
		struct mt_entry *e;
		int c;

		if (s->runs[i].at == (s->reverse ? s->runs[i].begin : s->runs[i].end)) {
			continue;
		}
		e = s->reverse ? s->runs[i].at[-1] : s->runs[i].at[0];
		if (best == NULL) {
			best = e;
			continue;
		}
		c = slice_cmp(mt_entry_key(e), mt_entry_key(best));
		if (s->reverse ? c > 0 : c < 0) {
			best = e;
		}
	}
	return best;
}

void mt_scan_advance(struct mt_scan *s, const struct mt_entry *e)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->reverse) {
			if (s->runs[i].at != s->runs[i].begin && s->runs[i].at[-1] == e) {
				s->runs[i].at--;
				return;
			}
		} else if (s->runs[i].at != s->runs[i].end && s->runs[i].at[0] == e) {
			s->runs[i].at++;
			return;
		}
	}
}

/* --- the checkpoint's sort --- */

static int compare_groups(const void *pa, const void *pb)
{
	const struct mt_group *a = *(struct mt_group *const *)pa;
	const struct mt_group *b = *(struct mt_group *const *)pb;

	if (a->slot != b->slot) {
		return a->slot < b->slot ? -1 : 1;
	}
	if (a->space != b->space) {
		return a->space < b->space ? -1 : 1;
	}
	return a->id < b->id ? -1 : a->id > b->id;
}

enum status memtable_sort(const struct memtable *mt, struct mt_sorted *out)
{
	struct mt_group **groups = mem_alloc(mt->groups_count * sizeof(struct mt_group *));
	struct sort_item *items = mem_alloc(mt->entries * sizeof *items);
	struct mt_entry **entries = mem_alloc(mt->entries * sizeof(struct mt_entry *));
	size_t groups_count = 0, n = 0;

	if (groups == NULL || items == NULL || entries == NULL) {
		mem_free(groups);
		mem_free(items);
		mem_free(entries);
		return ST_NO_MEMORY;
	}
	for (struct mt_group *g = mt->groups; g != NULL; g = g->next) {
		groups[groups_count++] = g;
	}
	qsort(groups, groups_count, sizeof(struct mt_group *), compare_groups);
	for (size_t i = 0; i < groups_count; i++) {
		size_t count = sort_group(groups[i], NULL, items);

		for (size_t j = 0; j < count; j++) {
			if ((items[j].entry->flags & MT_ABSENT) == 0) {
				entries[n++] = items[j].entry;
			}
		}
	}
	mem_free(groups);
	mem_free(items);
	out->entries = entries;
	out->count = n;
	return ST_OK;
}

void mt_sorted_deinit(struct mt_sorted *s)
{
	mem_free(s->entries);
	*s = (struct mt_sorted){0};
}

/* --- expiry heap --- */

struct mt_timer {
	uint64_t at_ms;
	struct mt_entry *entry;
};

static void timer_swap(struct mt_timer *a, struct mt_timer *b)
{
	struct mt_timer t = *a;

	*a = *b;
	*b = t;
}

enum status memtable_timer_add(struct memtable *mt, uint64_t expire_at_ms, struct mt_entry *e)
{
	struct mt_timer item = {expire_at_ms, e};
	enum status st = buf_append(&mt->timers, &item, sizeof item);
	struct mt_timer *heap = (struct mt_timer *)(void *)mt->timers.data;

	if (st != ST_OK) {
		return st;
	}
	for (size_t i = mt->timers.len / sizeof item - 1; i > 0;) {
		size_t parent = (i - 1) / 2;

		if (heap[parent].at_ms <= heap[i].at_ms) {
			break;
		}
		timer_swap(&heap[parent], &heap[i]);
		i = parent;
	}
	return ST_OK;
}

struct mt_entry *memtable_timer_pop(struct memtable *mt, uint64_t now_ms)
{
	struct mt_timer *heap = (struct mt_timer *)(void *)mt->timers.data;
	size_t n = mt->timers.len / sizeof *heap;
	struct mt_entry *top;

	if (n == 0 || heap[0].at_ms > now_ms) {
		return NULL;
	}
	top = heap[0].entry;
	heap[0] = heap[--n];
	mt->timers.len = n * sizeof *heap;
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1;

		if (left < n && heap[left].at_ms < heap[least].at_ms) {
			least = left;
		}
		if (left + 1 < n && heap[left + 1].at_ms < heap[least].at_ms) {
			least = left + 1;
		}
		if (least == i) {
			return top;
		}
		timer_swap(&heap[i], &heap[least]);
		i = least;
	}
}
