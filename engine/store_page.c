/* Checking and reading the nodes of one LMDB page. */
#include "engine/store_page.h"

#include "engine/base/bytes.h"

enum {
	OFF_FLAGS = 10,
	OFF_LOWER = 12,
	OFF_UPPER = 14,
	OFF_PAGES = 12, /* of an overflow page, in place of lower and upper */
	NODE_HEADER = 8,
	NODE_BIG = 1,
	NODE_TABLE = 2,
	PAGE_NUMBER_LEN = 8,
};

bool store_page_header(const uint8_t *page, size_t size, uint64_t number, enum store_page_kind kind,
		       unsigned *count)
{
	unsigned lower, upper;

	if (bytes_get_u64le(page) != number || bytes_get_u16le(page + OFF_FLAGS) != kind) {
		return false;
	}
	if (kind == STORE_PAGE_OVERFLOW) {
		*count = bytes_get_u32le(page + OFF_PAGES);
		return *count > 0;
	}
	lower = bytes_get_u16le(page + OFF_LOWER);
	upper = bytes_get_u16le(page + OFF_UPPER);
	/* A page of 64 KiB that is all free has its upper bound at 65536, which wraps to 0; no
	 * such page is in a tree. */
	*count = (lower - (unsigned)STORE_PAGE_HEADER) / 2;
	return lower > STORE_PAGE_HEADER && lower % 2 == 0 && lower <= upper && upper < size;
}

bool store_page_node(const uint8_t *page, size_t size, enum store_page_kind kind, unsigned i,
		     struct store_node *out)
{
	size_t off = bytes_get_u16le(page + STORE_PAGE_HEADER + 2 * (size_t)i);
	size_t room, key_len, data_len;
	const uint8_t *node = page + off;
	unsigned flags;

	if (off < bytes_get_u16le(page + OFF_UPPER) || off + NODE_HEADER > size || off % 2 != 0) {
		return false;
	}
	room = size - off - NODE_HEADER;
	key_len = bytes_get_u16le(node + 6);
	if (key_len > room) {
		return false;
	}
	room -= key_len;
	out->key = slice_of(node + NODE_HEADER, key_len);
	out->table = false;
	if (kind == STORE_PAGE_BRANCH) {
		out->data = slice_of(NULL, 0);
		out->page = bytes_get_u64le(node) & ((UINT64_C(1) << 48) - 1);
		return true;
	}
	flags = bytes_get_u16le(node + 4);
	data_len = bytes_get_u32le(node);
	if (flags == NODE_BIG) {
		out->data = slice_of(NULL, data_len);
		out->page =
		    room < PAGE_NUMBER_LEN ? 0 : bytes_get_u64le(node + NODE_HEADER + key_len);
		return room >= PAGE_NUMBER_LEN;
	}
	out->data = slice_of(node + NODE_HEADER + key_len, data_len);
	out->page = STORE_NO_PAGE;
	out->table = flags == NODE_TABLE;
	return (flags == 0 || flags == NODE_TABLE) && data_len <= room;
}

/* Bytes that a node takes. */
static size_t node_span(const struct store_node *n, enum store_page_kind kind)
{
	size_t len = NODE_HEADER + n->key.len;

	if (kind == STORE_PAGE_LEAF) {
		len += n->data.data == NULL && n->page != STORE_NO_PAGE ? PAGE_NUMBER_LEN
									: n->data.len;
	}
	return (len + 1) & ~(size_t)1;
}

/* The order of the free list's keys. Others than numbers are in no order. */
static int compare_numbers(struct slice a, struct slice b)
{
	uint64_t x, y;

	if (a.len == 0 || b.len != sizeof y || a.len != sizeof x) {
		return a.len == sizeof x && b.len == 0 ? 1 : -1;
	}
	x = bytes_get_u64le(a.data);
	y = bytes_get_u64le(b.data);
	return x < y ? -1 : x > y;
}

bool store_page_whole(const uint8_t *page, size_t size, uint64_t number, enum store_page_kind kind,
		      enum store_page_keys keys, struct slice lo, struct slice hi)
{
	int (*compare)(struct slice, struct slice) =
	    keys == STORE_KEYS_NUMBERS ? compare_numbers : slice_cmp;
	struct store_node node = {0};
	struct slice last = lo;
	unsigned count;
	size_t sum = 0;

	if (!store_page_header(page, size, number, kind, &count)) {
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		bool bound = kind == STORE_PAGE_LEAF || i > 0;

		if (!store_page_node(page, size, kind, i, &node)) {
			return false;
		}
		sum += node_span(&node, kind);
		if (bound) {
			int c = compare(node.key, last);

			/* The first may equal its lower bound; after that each is greater. */
			if (c < 0 || (c == 0 && i > (kind == STORE_PAGE_LEAF ? 0u : 1u))) {
				return false;
			}
			last = node.key;
		}
	}
	return sum == size - bytes_get_u16le(page + OFF_UPPER) &&
	       (hi.data == NULL || compare(last, hi) < 0);
}
