/* Reading and making the nodes of a sorted set's tree. */
#include "engine/types/zset_node.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"

#include <math.h>

enum {
	HEADER = 2,
	LONG_BIT = 0x8000,
	LONG_LEN = ZSET_NAME_PREFIX + ZSET_NUMBER_LEN,
	NEAR_BITS = 6,	 /* so many nodes that were made one after the other lie side by side */
	RECORD_BITS = 2, /* what of a node it is: its records lie side by side, too */
};

static void put_number(uint8_t *dst, uint64_t number)
{
	bytes_put_u32le(dst, (uint32_t)number);
	dst[4] = (uint8_t)(number >> 32);
}

static uint64_t get_number(const uint8_t *at)
{
	return bytes_get_u32le(at) | (uint64_t)at[4] << 32;
}

/* The bits of a number of 32 bits the other way round. */
static uint32_t reversed(uint32_t v)
{
	v = (v & 0x55555555) << 1 | (v >> 1 & 0x55555555);
	v = (v & 0x33333333) << 2 | (v >> 2 & 0x33333333);
	v = (v & 0x0f0f0f0f) << 4 | (v >> 4 & 0x0f0f0f0f);
	return __builtin_bswap32(v);
}

void zset_subkey(uint8_t dst[ZSET_KEY_LEN], enum zset_record record, uint64_t number)
{
	INVARIANT(number < ZSET_NUMBER_LIMIT);
	bytes_put_u32be(dst, reversed((uint32_t)(number >> NEAR_BITS)));
	dst[4] = (uint8_t)(number << RECORD_BITS | (uint64_t)record);
}

bool zset_subkey_parse(struct slice subkey, enum zset_record *record, uint64_t *number)
{
	if (subkey.len != ZSET_KEY_LEN) {
		return false;
	}
	*record = (enum zset_record)(subkey.data[4] & ((1 << RECORD_BITS) - 1));
	*number = (uint64_t)reversed(bytes_get_u32be(subkey.data)) << NEAR_BITS |
		  subkey.data[4] >> RECORD_BITS;
	return true;
}

void zset_score_put(uint8_t dst[ZSET_SCORE_LEN], double score)
{
	memcpy(dst, &score, sizeof score);
}

enum status zset_score_get(struct slice bytes, double *out)
{
	double score;

	if (bytes.len != ZSET_SCORE_LEN) {
		return ST_CORRUPT;
	}
	memcpy(&score, bytes.data, sizeof score);
	if (isnan(score)) {
		return ST_CORRUPT;
	}
	*out = score;
	return ST_OK;
}

int zset_element_cmp(const struct zset_element *a, const struct zset_element *b)
{
	if (a->score != b->score) {
		return a->score < b->score ? -1 : 1;
	}
	return slice_cmp(a->member, b->member);
}

/* --- reading --- */

static size_t end_of(const struct zset_view *v, uint32_t i)
{
	return bytes_get_u16le(v->ends + 2 * (size_t)i) & (LONG_BIT - 1);
}

enum status zset_view_open(struct slice node, bool inner, struct zset_view *v)
{
	size_t fixed = 8 + (inner ? ZSET_NUMBER_LEN : 0) + 2, n;

	if (node.len < HEADER) {
		return ST_CORRUPT;
	}
	n = bytes_get_u16le(node.data);
	if (n == 0 || n > (inner ? ZSET_INNER_MAX : ZSET_LEAF_MAX) ||
	    node.len < HEADER + n * fixed) {
		return ST_CORRUPT;
	}
	v->count = (uint32_t)n;
	v->scores = node.data + HEADER;
	v->children = v->scores + 8 * n;
	v->ends = v->children + (inner ? ZSET_NUMBER_LEN * n : 0);
	v->names = v->ends + 2 * n;
	v->names_len = node.len - HEADER - n * fixed;
	return end_of(v, v->count - 1) == v->names_len ? ST_OK : ST_CORRUPT;
}

double zset_view_score(const struct zset_view *v, uint32_t i)
{
	double score;

	memcpy(&score, v->scores + 8 * (size_t)i, sizeof score);
	return score;
}

uint64_t zset_view_child(const struct zset_view *v, uint32_t i)
{
	return get_number(v->children + ZSET_NUMBER_LEN * (size_t)i);
}

enum status zset_view_name(const struct zset_view *v, uint32_t i, struct zset_name *out)
{
	size_t start = i == 0 ? 0 : end_of(v, i - 1), end = end_of(v, i);

	if (start > end || end > v->names_len) {
		return ST_CORRUPT;
	}
	out->is_long = (bytes_get_u16le(v->ends + 2 * (size_t)i) & LONG_BIT) != 0;
	if (!out->is_long) {
		out->text = slice_of(v->names + start, end - start);
		return out->text.len <= ZSET_NAME_INLINE ? ST_OK : ST_CORRUPT;
	}
	if (end - start != LONG_LEN) {
		return ST_CORRUPT;
	}
	out->text = slice_of(v->names + start, ZSET_NAME_PREFIX);
	out->number = get_number(v->names + start + ZSET_NAME_PREFIX);
	return out->number < ZSET_NUMBER_LIMIT ? ST_OK : ST_CORRUPT;
}

enum status zset_view_item(const struct zset_view *v, uint32_t i, struct zset_item *out)
{
	out->score = zset_view_score(v, i);
	out->child = v->children == v->ends ? 0 : zset_view_child(v, i);
	return zset_view_name(v, i, &out->name);
}

uint32_t zset_view_middle(const struct zset_view *v)
{
	size_t fixed = 8 + 2 + (v->children == v->ends ? 0 : ZSET_NUMBER_LEN);
	size_t half = (fixed * v->count + v->names_len) / 2;
	uint32_t i = 1;

	while (i < v->count - 1 && fixed * i + end_of(v, i - 1) < half) {
		i++;
	}
	return i;
}

/* --- making --- */

void zset_builder_init(struct zset_builder *b, bool inner)
{
	b->inner = inner;
	b->count = 0;
	b->names_len = 0;
}

static bool has_room(const struct zset_builder *b, size_t items, size_t names_len)
{
	return b->count + items <= ZSET_INNER_MAX + 2 &&
	       names_len <= sizeof b->names - b->names_len;
}

enum status zset_builder_add(struct zset_builder *b, const struct zset_item *item)
{
	uint16_t mark = item->name.is_long ? LONG_BIT : 0;
	size_t len = item->name.is_long ? LONG_LEN : item->name.text.len;
	uint8_t *at = b->names + b->names_len;

	if (!has_room(b, 1, len)) {
		return ST_CORRUPT;
	}
	if (item->name.is_long) {
		memcpy(at, item->name.text.data, ZSET_NAME_PREFIX);
		put_number(at + ZSET_NAME_PREFIX, item->name.number);
	} else if (len > 0) {
		memcpy(at, item->name.text.data, len);
	}
	b->names_len += len;
	memcpy(b->scores + 8 * (size_t)b->count, &item->score, sizeof item->score);
	put_number(b->children + ZSET_NUMBER_LEN * (size_t)b->count, item->child);
	bytes_put_u16le(b->ends + 2 * (size_t)b->count, (uint16_t)(b->names_len | mark));
	b->count++;
	return ST_OK;
}

enum status zset_builder_take(struct zset_builder *b, const struct zset_view *v, uint32_t from,
			      uint32_t to)
{
	size_t start, end, n = to - from;

	if (from >= to) {
		return ST_OK;
	}
	start = from == 0 ? 0 : end_of(v, from - 1);
	end = end_of(v, to - 1);
	if (start > end || end > v->names_len || !has_room(b, n, end - start)) {
		return ST_CORRUPT;
	}
	memcpy(b->scores + 8 * (size_t)b->count, v->scores + 8 * (size_t)from, 8 * n);
	if (b->inner) {
		memcpy(b->children + ZSET_NUMBER_LEN * (size_t)b->count,
		       v->children + ZSET_NUMBER_LEN * (size_t)from, ZSET_NUMBER_LEN * n);
	}
	memcpy(b->names + b->names_len, v->names + start, end - start);
	for (uint32_t i = from; i < to; i++) {
		uint16_t old = bytes_get_u16le(v->ends + 2 * (size_t)i);
		size_t moved = (size_t)(old & (LONG_BIT - 1)) - start + b->names_len;

		if (moved > sizeof b->names) {
			return ST_CORRUPT; /* it ends in front of where the first one starts */
		}
		bytes_put_u16le(b->ends + 2 * (size_t)b->count++,
				(uint16_t)(moved | (old & LONG_BIT)));
	}
	b->names_len += end - start;
	return ST_OK;
}

enum status zset_builder_take_first(struct zset_builder *b, const struct zset_view *v,
				    uint32_t from, uint32_t to)
{
	struct zset_item first = {.child = zset_view_child(v, from)};
	enum status st = zset_builder_add(b, &first);

	return st == ST_OK ? zset_builder_take(b, v, from + 1, to) : st;
}

size_t zset_builder_bytes(const struct zset_builder *b)
{
	return HEADER + (size_t)(b->inner ? 10 + ZSET_NUMBER_LEN : 10) * b->count + b->names_len;
}

bool zset_builder_fits(const struct zset_builder *b)
{
	return b->count <= (b->inner ? ZSET_INNER_MAX : ZSET_LEAF_MAX) &&
	       zset_builder_bytes(b) <= ZSET_BYTES_MAX;
}

struct zset_view zset_builder_view(const struct zset_builder *b)
{
	return (struct zset_view){.count = b->count,
				  .scores = b->scores,
				  .children = b->inner ? b->children : b->ends,
				  .ends = b->ends,
				  .names = b->names,
				  .names_len = b->names_len};
}

size_t zset_builder_parts(struct zset_builder *b, struct slice parts[ZSET_PARTS])
{
	size_t n = 0;

	bytes_put_u16le(b->header, (uint16_t)b->count);
	parts[n++] = slice_of(b->header, sizeof b->header);
	parts[n++] = slice_of(b->scores, 8 * (size_t)b->count);
	if (b->inner) {
		parts[n++] = slice_of(b->children, ZSET_NUMBER_LEN * (size_t)b->count);
	}
	parts[n++] = slice_of(b->ends, 2 * (size_t)b->count);
	parts[n++] = slice_of(b->names, b->names_len);
	return n;
}

/* --- counts --- */

size_t zset_counts_width(unsigned level)
{
	/* A leaf has at most 24 elements, and each level multiplies that by at most 120. */
	return level == 1 ? 1 : level == 2 ? 2 : level <= 4 ? 4 : 8;
}

/* One number of a record. */
static inline uint64_t count_at(const uint8_t *bytes, size_t width, uint32_t i)
{
	const uint8_t *at = bytes + width * i;

	switch (width) {
	case 1:
		return *at;
	case 2:
		return bytes_get_u16le(at);
	case 4:
		return bytes_get_u32le(at);
	default:
		return bytes_get_u64le(at);
	}
}

enum status zset_counts_get(struct slice bytes, unsigned level, uint32_t count, uint64_t *out)
{
	size_t width = zset_counts_width(level);

	if (bytes.len != width * count) {
		return ST_CORRUPT;
	}
	for (uint32_t i = 0; i < count; i++) {
		out[i] = count_at(bytes.data, width, i);
	}
	return ST_OK;
}

/* Each width has a loop of its own, so that the compiler can add several numbers at once. */
uint64_t zset_counts_sum(const uint8_t *bytes, unsigned level, uint32_t index)
{
	size_t width = zset_counts_width(level);
	uint64_t sum = 0;

	if (width == 1) {
		for (uint32_t i = 0; i < index; i++) {
			sum += count_at(bytes, 1, i);
		}
	} else if (width == 2) {
		for (uint32_t i = 0; i < index; i++) {
			sum += count_at(bytes, 2, i);
		}
	} else {
		for (uint32_t i = 0; i < index; i++) {
			sum += count_at(bytes, width, i);
		}
	}
	return sum;
}

enum status zset_counts_shift(uint8_t *bytes, unsigned level, uint32_t index, int64_t delta)
{
	size_t width = zset_counts_width(level);
	uint64_t before = count_at(bytes, width, index), after = before + (uint64_t)delta;

	if ((delta < 0) != (after < before) || (width < 8 && after >> (8 * width) != 0)) {
		return ST_CORRUPT;
	}
	memcpy(bytes + width * index, &after, width);
	return ST_OK;
}

size_t zset_counts_put(const uint64_t *counts, uint32_t count, unsigned level, uint8_t *dst)
{
	size_t width = zset_counts_width(level);

	for (uint32_t i = 0; i < count; i++) {
		memcpy(dst + width * i, &counts[i], width); /* little-endian */
	}
	return width * count;
}
