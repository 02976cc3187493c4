/* What changes a list elsewhere than at one end: insert, remove, move between ends; and the name of
 * the encoding that Redis would use. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/types/type_list.h"

/* Copies count elements, the first at position from, to positions that are smaller (left) or larger
 * by by. Ranges may overlap; what stood in the way is overwritten. */
static enum status shift(struct engine *e, const struct store_key *key, const struct meta *m,
			 uint64_t from, uint64_t count, uint64_t by, bool left)
{
	struct slice value;
	enum status st = ST_OK;

	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		uint64_t p = left ? from + i : from + count - 1 - i;

		st = list_elem_get(e, key, m, p, &value);
		if (st == ST_OK) {
			st = list_elem_put(e, key, m, left ? p - by : p + by, value);
		}
	}
	return st;
}

/* --- insert --- */

/* Where the entry at index of a checked blob starts. */
static size_t blob_offset(const struct small_blob *b, uint64_t index)
{
	struct small_cursor c;
	struct slice value;
	enum status st = small_cursor_init(&c, small_blob_slice(b));

	while (st == ST_OK && index-- > 0) {
		st = small_cursor_next(&c, &value);
	}
	INVARIANT(st == ST_OK);
	return (size_t)(c.at - b->bytes);
}

/* Makes room at index by moving the shorter side, and puts value there. */
static enum status large_insert(struct engine *e, const struct store_key *key, struct meta *m,
				uint64_t index, struct slice value)
{
	uint64_t at = m->aux[0] + index, behind = m->aux[1] - at;
	enum status st;

	if (index < behind) {
		if (m->aux[0] == 0) {
			return ST_LIMIT;
		}
		st = shift(e, key, m, m->aux[0], index, 1, true);
		m->aux[0]--;
		at--;
	} else {
		if (m->aux[1] == UINT64_MAX) {
			return ST_LIMIT;
		}
		st = shift(e, key, m, at, behind, 1, false);
		m->aux[1]++;
	}
	return st == ST_OK ? list_elem_put(e, key, m, at, value) : st;
}

enum status type_list_insert(struct engine *e, const struct store_key *key, const struct meta *old,
			     uint64_t index, struct slice value, uint64_t *length)
{
	struct small_blob blob;
	struct meta m = *old;
	uint64_t count;
	enum status st = type_list_count(old, &count);

	if (st != ST_OK) {
		return st;
	}
	INVARIANT(index <= count);
	if (old->form == FORM_INLINE) {
		st = small_blob_load(&blob, old->payload);
		if (st != ST_OK) {
			return st;
		}
		if (small_blob_splice(&blob, blob_offset(&blob, index), 0, 0, &value, 1,
				      COLLECTION_INLINE_MAX)) {
			*length = count + 1;
			return list_put_blob(e, key, old, old, &blob);
		}
		st = list_spill(e, key, &blob, &m);
	}
	if (st == ST_OK) {
		st = large_insert(e, key, &m, index, value);
	}
	if (st == ST_OK) {
		*length = count + 1;
		st = list_put_large(e, key, old, &m, false);
	}
	return st;
}

/* --- remove --- */

static enum status small_remove(struct engine *e, const struct store_key *key,
				const struct meta *old, struct slice value, int64_t count,
				uint64_t *removed)
{
	struct small_blob blob;
	struct small_cursor c;
	uint16_t found[COLLECTION_INLINE_MAX];
	uint64_t n = 0, first = 0, max = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	size_t size = small_blob_entry_size(value.len);
	struct slice entry;
	enum status st = small_blob_load(&blob, old->payload);

	if (st == ST_OK) {
		st = small_cursor_init(&c, small_blob_slice(&blob));
	}
	while (st == ST_OK) {
		size_t at = (size_t)(c.at - blob.bytes);

		st = small_cursor_next(&c, &entry);
		if (st == ST_OK && slice_eq(entry, value)) {
			found[n++] = (uint16_t)at;
		}
	}
	if (st != ST_END) {
		return st;
	}
	if (max != 0 && n > max) {
		first = count < 0 ? n - max : 0;
		n = first + max;
	}
	*removed = n - first;
	if (*removed == 0) {
		return ST_OK;
	}
	while (n > first) { /* from the back, so that offsets in front stay right */
		small_blob_erase(&blob, found[--n], size, 1);
	}
	return small_blob_entries(&blob) == 0 ? ks_delete(e, key, old)
					      : list_put_blob(e, key, old, old, &blob);
}

/* Collects the positions of elements equal to value, at most max (0: all), in the order of the
 * walk.
 */
static enum status find_equal(struct engine *e, const struct store_key *key, const struct meta *m,
			      struct slice value, bool reverse, uint64_t max, struct buf *found)
{
	struct type_list_iter it;
	struct slice elem;
	enum status st = type_list_iter_open(e, key, m, reverse ? m->count - 1 : 0, reverse, &it);

	while (st == ST_OK) {
		uint64_t position = it.position;

		st = type_list_iter_next(&it, &elem);
		if (st == ST_OK && slice_eq(elem, value)) {
			st = buf_append(found, &position, sizeof position);
			if (st == ST_OK && found->len / sizeof position == max) {
				break;
			}
		}
	}
	type_list_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* Positions collected by find_equal, in ascending order whatever the walk's direction. */
struct positions {
	const struct buf *found;
	uint64_t count;
	bool reverse;
};

static uint64_t position_at(const struct positions *p, uint64_t i)
{
	uint64_t v;

	memcpy(&v, p->found->data + (p->reverse ? p->count - 1 - i : i) * sizeof v, sizeof v);
	return v;
}

/* The stretch of elements in front of the i-th removed one (i = count: behind the last). */
static void stretch(const struct meta *m, const struct positions *p, uint64_t i, uint64_t *from,
		    uint64_t *count)
{
	*from = i == 0 ? m->aux[0] : position_at(p, i - 1) + 1;
	*count = (i == p->count ? m->aux[1] : position_at(p, i)) - *from;
}

/* Closes the gaps of removed elements: the longest stretch between two of them stays where it is,
 * and all others move towards it. Then the freed positions at the ends go. */
static enum status close_gaps(struct engine *e, const struct store_key *key, struct meta *m,
			      const struct positions *p)
{
	uint64_t from, count, longest = 0, pivot = 0, head, tail;
	enum status st = ST_OK;

	for (uint64_t i = 0; i <= p->count; i++) {
		stretch(m, p, i, &from, &count);
		if (count > longest) {
			longest = count;
			pivot = i;
		}
	}
	for (uint64_t i = pivot; st == ST_OK && i-- > 0;) {
		stretch(m, p, i, &from, &count);
		st = shift(e, key, m, from, count, pivot - i, false);
	}
	for (uint64_t i = pivot + 1; st == ST_OK && i <= p->count; i++) {
		stretch(m, p, i, &from, &count);
		st = shift(e, key, m, from, count, i - pivot, true);
	}
	head = m->aux[0] + pivot;
	tail = m->aux[1] - (p->count - pivot);
	while (st == ST_OK && m->aux[0] < head) {
		st = list_elem_del(e, key, m, m->aux[0]++);
	}
	while (st == ST_OK && m->aux[1] > tail) {
		st = list_elem_del(e, key, m, --m->aux[1]);
	}
	return st;
}

enum status type_list_remove(struct engine *e, const struct store_key *key, const struct meta *old,
			     struct slice value, int64_t count, uint64_t *removed)
{
	struct meta m = *old;
	struct buf found = {0};
	struct positions p = {.found = &found, .reverse = count < 0};
	enum status st;

	if (old->form == FORM_INLINE) {
		return small_remove(e, key, old, value, count, removed);
	}
	st = list_check(old);
	if (st == ST_OK) {
		st = find_equal(e, key, old, value, p.reverse,
				p.reverse ? 0 - (uint64_t)count : (uint64_t)count, &found);
	}
	if (st != ST_OK) {
		goto out;
	}
	p.count = found.len / sizeof(uint64_t);
	*removed = p.count;
	if (p.count == 0) {
		goto out;
	}
	if (p.count == m.count) {
		st = ks_delete(e, key, old);
		goto out;
	}
	st = close_gaps(e, key, &m, &p);
	if (st == ST_OK) {
		uint64_t left = m.aux[1] - m.aux[0];

		st = list_put_large(e, key, old, &m,
				    small_blob_shrink_due(left) ||
					(p.count > left && left <= COLLECTION_SHRINK_COUNT));
	}
out:
	buf_deinit(&found);
	return st;
}

/* --- move --- */

static enum status small_rotate(struct engine *e, const struct store_key *key,
				const struct meta *old, bool from_left)
{
	struct small_blob blob;
	struct slice value, moved;
	uint8_t copy[COLLECTION_INLINE_MAX];
	size_t off, size;
	bool fits;
	enum status st = small_blob_load(&blob, old->payload);

	if (st != ST_OK) {
		return st;
	}
	st = type_list_get(e, key, old, from_left ? 0 : small_blob_entries(&blob) - 1, &value);
	if (st != ST_OK) {
		return st;
	}
	memcpy(copy, value.data, value.len);
	moved = slice_of(copy, value.len);
	size = small_blob_entry_size(value.len);
	off = from_left ? SMALL_BLOB_HEADER : blob.len - size;
	small_blob_erase(&blob, off, size, 1);
	fits = small_blob_splice(&blob, from_left ? blob.len : SMALL_BLOB_HEADER, 0, 0, &moved, 1,
				 COLLECTION_INLINE_MAX);
	INVARIANT(fits);
	return list_put_blob(e, key, old, old, &blob);
}

/* Moves an element from one end of a list to the other. */
static enum status rotate(struct engine *e, const struct store_key *key, const struct meta *old,
			  bool from_left)
{
	struct meta m = *old;
	struct slice value;
	uint64_t from, to;
	enum status st;

	if (old->form == FORM_INLINE) {
		return small_rotate(e, key, old, from_left);
	}
	st = list_check(old);
	if (st == ST_OK && (from_left ? m.aux[1] == UINT64_MAX : m.aux[0] == 0)) {
		st = ST_LIMIT;
	}
	if (st != ST_OK) {
		return st;
	}
	from = from_left ? m.aux[0] : m.aux[1] - 1;
	to = from_left ? m.aux[1] : m.aux[0] - 1;
	st = list_elem_get(e, key, old, from, &value);
	if (st == ST_OK) {
		st = list_elem_put(e, key, old, to, value);
	}
	if (st == ST_OK) {
		st = list_elem_del(e, key, old, from);
	}
	m.aux[0] += from_left ? 1 : UINT64_MAX;
	m.aux[1] += from_left ? 1 : UINT64_MAX;
	return st == ST_OK ? list_put_large(e, key, old, &m, false) : st;
}

enum status type_list_move(struct engine *e, const struct store_key *from,
			   const struct meta *from_meta, bool from_left, const struct store_key *to,
			   bool to_left)
{
	uint8_t small[COLLECTION_INLINE_MAX], *copy = small;
	struct slice value;
	struct meta to_meta;
	uint64_t count, length;
	enum status st = type_list_count(from_meta, &count);

	if (st != ST_OK) {
		return st;
	}
	if (slice_eq(from->name, to->name)) {
		if (from_left != to_left && count > 1) {
			return rotate(e, from, from_meta, from_left);
		}
		ks_touch(e, from);
		return ST_OK;
	}
	st = type_list_get(e, from, from_meta, from_left ? 0 : count - 1, &value);
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	if (value.len > sizeof small) {
		copy = mem_alloc(value.len);
		if (copy == NULL) {
			return ST_NO_MEMORY;
		}
	}
	if (value.len > 0) {
		memcpy(copy, value.data, value.len); /* the writes below end what value borrows */
	}
	value.data = copy;
	st = type_list_trim(e, from, from_meta, from_left ? 1 : 0, count - 1);
	if (st != ST_OK) {
		goto out;
	}
	st = ks_lookup(e, to, &to_meta);
	if (st == ST_OK && to_meta.type != TYPE_LIST) {
		st = ST_WRONG_TYPE;
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		st = type_list_push(e, to, st == ST_OK ? &to_meta : NULL, to_left, &value, 1,
				    &length);
	}
out:
	if (copy != small) {
		mem_free(copy);
	}
	return st;
}

/* --- encoding --- */

/* True when the bytes are a decimal integer of 64 bits as Redis would store it; *out is its value.
 */
static bool as_integer(struct slice text, int64_t *out)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	struct slice digits = slice_skip(text, negative ? 1 : 0);
	uint64_t v = 0;

	if (digits.len == 0 || digits.len > 19 ||
	    (digits.data[0] == '0' && (digits.len > 1 || negative))) {
		return false;
	}
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9') {
			return false;
		}
		v = v * 10 + (uint64_t)(digits.data[i] - '0'); /* 19 digits fit 64 bits */
	}
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
		return false;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

/* Bytes that an element takes in a listpack: header, data, and the length repeated behind. */
static uint64_t listpack_size(struct slice value)
{
	uint64_t n, back = 1;
	int64_t v;

	if (value.len <= 20 && as_integer(value, &v)) {
		if (v >= 0 && v <= 127) {
			n = 1;
		} else if (v >= -4096 && v <= 4095) {
			n = 2;
		} else if (v >= INT16_MIN && v <= INT16_MAX) {
			n = 3;
		} else if (v >= -8388608 && v <= 8388607) {
			n = 4;
		} else {
			n = v >= INT32_MIN && v <= INT32_MAX ? 5 : 9;
		}
	} else {
		n = value.len + (value.len < 64 ? 1 : value.len < 4096 ? 2 : 5);
	}
	for (uint64_t rest = n >> 7; rest > 0; rest >>= 7) {
		back++;
	}
	return n + back;
}

enum status type_list_encoding(struct engine *e, const struct store_key *key, const struct meta *m,
			       int64_t listpack_max, const char **out)
{
	static const uint32_t sizes[] = {4096, 8192, 16384, 32768, 65536};
	enum { HEADER_AND_END = 7, SIZE_WITH_COUNT = 8192 };
	struct type_list_iter it;
	uint64_t count, bytes = HEADER_AND_END, bytes_max = SIZE_WITH_COUNT;
	struct slice value;
	enum status st = type_list_count(m, &count);

	if (st != ST_OK) {
		return st;
	}
	*out = "quicklist";
	if (listpack_max < 0) {
		bytes_max = sizes[(listpack_max < -5 ? 5 : -listpack_max) - 1];
	} else if (count > (uint64_t)listpack_max || count == 0) {
		return ST_OK;
	}
	if (count > bytes_max / 2) {
		return ST_OK; /* no element takes less than two bytes */
	}
	st = type_list_iter_open(e, key, m, 0, false, &it);
	while (st == ST_OK && bytes <= bytes_max) {
		st = type_list_iter_next(&it, &value);
		if (st == ST_OK) {
			bytes += listpack_size(value);
		}
	}
	type_list_iter_close(&it);
	if (st == ST_END) {
		*out = "listpack";
		st = ST_OK;
	}
	return st;
}
