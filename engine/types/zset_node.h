/* Nodes of the tree that orders a large sorted set, as bytes. Pure; the tools read them too.
 *
 * A leaf holds elements in order of (score, member), an inner node its children with what separates
 * them. Both are one record:
 *
 *   off   size  field
 *     0      2  number of items n, u16 LE
 *     2     8n  scores, IEEE 754 doubles LE (never NaN)
 *        [  5n  inner nodes: numbers of the children, LE ]
 *           2n  where each name ends, u16 LE: bits 0-14 the offset in the names, bit 15: the name
 * is a long one names, back to back
 *
 * A name of up to ZSET_NAME_INLINE bytes stands here whole. Of a longer one there are its first
 * ZSET_NAME_PREFIX bytes and the number (5 bytes LE) of a record that holds all of it; the item
 * owns that record.
 *
 * An inner node's item i has as score and name the separator of the children i - 1 and i: greater
 * than all elements of i - 1, at most the least of i. It is shortened: without a name where scores
 * tell. Item 0 has none (score 0, no name). How many elements the children hold is a record beside
 * the node, since it changes with every element: n numbers of zset_counts_width bytes each, LE. */
#ifndef CAIRN_ENGINE_TYPES_ZSET_NODE_H
#define CAIRN_ENGINE_TYPES_ZSET_NODE_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum {
	ZSET_LEAF_MAX = 24,    /* elements of a leaf */
	ZSET_INNER_MAX = 120,  /* children of an inner node */
	ZSET_BYTES_MAX = 2000, /* of a node, so that it fits in an LMDB leaf */
	ZSET_NAME_INLINE = 128,
	ZSET_NAME_PREFIX = 32,
	ZSET_NUMBER_LEN = 5,
	ZSET_HEIGHT_MAX = 12, /* inner levels; 10 million elements need 4 */
	ZSET_KEY_LEN = 5,     /* of a node's subkey: shorter than any named element's */
	ZSET_ITEM_MAX = 8 + ZSET_NUMBER_LEN + 2 + ZSET_NAME_INLINE,
};

/* What a record of the tree is. Its subkey: 32 bits, the high ones of its number in reverse; the 6
 * low ones; 2 bits for this. So the tree's records spread evenly among those of the members, which
 * are in hash order, and a walk over these (ZSCAN) has only few to pass at any place. */
enum zset_record { ZSET_LEAF = 0, ZSET_INNER = 1, ZSET_COUNTS = 2, ZSET_NAME = 3 };

#define ZSET_NUMBER_LIMIT (UINT64_C(1) << 38)

/* A record's subkey (engine/keyspace.h: ordered elements). */
void zset_subkey(uint8_t dst[ZSET_KEY_LEN], enum zset_record record, uint64_t number);

/* Its parts. False: the subkey is not one of the tree's (but a named element's). */
bool zset_subkey_parse(struct slice subkey, enum zset_record *record, uint64_t *number);

/* Scores as they stand in member records and blobs: 8 bytes. ST_CORRUPT: another length, NaN. */
enum { ZSET_SCORE_LEN = 8 };
void zset_score_put(uint8_t dst[ZSET_SCORE_LEN], double score);
MUST_CHECK enum status zset_score_get(struct slice bytes, double *out);

/* An element as it is given. */
struct zset_element {
	double score;
	struct slice member;
};

/* Order of elements: by score, then by the members' bytes. */
int zset_element_cmp(const struct zset_element *a, const struct zset_element *b);

/* A name as an item holds it. */
struct zset_name {
	struct slice text; /* whole, or the prefix of a long one */
	bool is_long;
	uint64_t number; /* of a long one: its record */
};

struct zset_item {
	double score;
	struct zset_name name;
	uint64_t child; /* inner nodes */
};

/* A node's bytes, borrowed. Private but for count. */
struct zset_view {
	uint32_t count;
	const uint8_t *scores, *children, *ends, *names;
	size_t names_len;
};

/* Looks at a node. ST_CORRUPT: lengths do not fit. */
MUST_CHECK enum status zset_view_open(struct slice node, bool inner, struct zset_view *v);

/* Parts of item i, which must be below count. name, item: ST_CORRUPT when they make no sense. */
double zset_view_score(const struct zset_view *v, uint32_t i);
uint64_t zset_view_child(const struct zset_view *v, uint32_t i);
MUST_CHECK enum status zset_view_name(const struct zset_view *v, uint32_t i, struct zset_name *out);
MUST_CHECK enum status zset_view_item(const struct zset_view *v, uint32_t i, struct zset_item *out);

/* A node being made; on the stack. It may come out one item too large for its record, to be split
 * then. Private but for count and the items' scores. */
struct zset_builder {
	bool inner;
	uint32_t count;
	size_t names_len;
	uint8_t header[2];
	uint8_t scores[8 * (ZSET_INNER_MAX + 2)];
	uint8_t children[ZSET_NUMBER_LEN * (ZSET_INNER_MAX + 2)];
	uint8_t ends[2 * (ZSET_INNER_MAX + 2)];
	uint8_t names[ZSET_BYTES_MAX + 2 * ZSET_ITEM_MAX];
};

/* An empty node. */
void zset_builder_init(struct zset_builder *b, bool inner);

/* Appends one item, or items from..to - 1 of a node. ST_CORRUPT: more than a node can hold, or v
 * makes no sense. */
MUST_CHECK enum status zset_builder_add(struct zset_builder *b, const struct zset_item *item);
MUST_CHECK enum status zset_builder_take(struct zset_builder *b, const struct zset_view *v,
					 uint32_t from, uint32_t to);

/* The same without the separator of its first item: of a node that begins with item from. */
MUST_CHECK enum status zset_builder_take_first(struct zset_builder *b, const struct zset_view *v,
					       uint32_t from, uint32_t to);

/* Bytes of the record, and whether that and the number of items are within their limits. */
size_t zset_builder_bytes(const struct zset_builder *b);
bool zset_builder_fits(const struct zset_builder *b);

/* The node as it stands, borrowed from b; and its record's bytes in up to ZSET_PARTS pieces. */
enum { ZSET_PARTS = 5 };
struct zset_view zset_builder_view(const struct zset_builder *b);
size_t zset_builder_parts(struct zset_builder *b, struct slice parts[ZSET_PARTS]);

/* Where a node that is too large is best cut: the first item of the right half by bytes. */
uint32_t zset_view_middle(const struct zset_view *v);

/* Bytes of one number in the counts of an inner node at level (1: above the leaves). */
size_t zset_counts_width(unsigned level);

/* A counts record as numbers, and back (into dst of 8 * count bytes; returns the length).
 * ST_CORRUPT: not count numbers. */
MUST_CHECK enum status zset_counts_get(struct slice bytes, unsigned level, uint32_t count,
				       uint64_t *out);
size_t zset_counts_put(const uint64_t *counts, uint32_t count, unsigned level, uint8_t *dst);

/* Of a counts record: what the first index numbers, which must be there, are together; and one
 * number changed where it is. ST_CORRUPT: it would become negative or too large. */
uint64_t zset_counts_sum(const uint8_t *bytes, unsigned level, uint32_t index);
MUST_CHECK enum status zset_counts_shift(uint8_t *bytes, unsigned level, uint32_t index,
					 int64_t delta);

#endif
