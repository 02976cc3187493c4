/* The blob of a small collection: bytes from disk are checked before they are edited, and edits do
 * what they do to a plain array.
 *
 * Input: a counted blob as it might come from disk, then edits: kind, place, entry. */
#include "engine/base/invariant.h"
#include "engine/types/small_blob.h"
#include "tests/fuzz/fuzz_input.h"

enum { ENTRIES_MAX = COLLECTION_INLINE_MAX };

/* The blob's entries as they should be; they borrow the input. */
struct model {
	struct slice entries[ENTRIES_MAX];
	uint32_t count;
	size_t bytes;
};

static void load_model(struct model *m, struct slice blob)
{
	struct small_cursor c;

	m->count = 0;
	INVARIANT(small_cursor_init(&c, blob) == ST_OK);
	while (small_cursor_next(&c, &m->entries[m->count]) == ST_OK) {
		m->count++;
	}
}

static size_t offset_of(const struct model *m, uint32_t index)
{
	size_t off = SMALL_BLOB_HEADER;

	for (uint32_t i = 0; i < index; i++) {
		off += small_blob_entry_size(m->entries[i].len);
	}
	return off;
}

static void check(const struct small_blob *b, const struct model *m)
{
	uint8_t *exact = fuzz_exact(small_blob_slice(b));
	struct small_cursor c;
	struct slice entry;
	uint32_t n = 0;

	INVARIANT(b->len == offset_of(m, m->count) && small_blob_entries(b) == m->count);
	INVARIANT(small_cursor_init(&c, slice_of(exact, b->len)) == ST_OK);
	for (; small_cursor_next(&c, &entry) == ST_OK; n++) {
		INVARIANT(n < m->count && slice_eq(entry, m->entries[n]));
	}
	INVARIANT(n == m->count && small_cursor_next(&c, &entry) == ST_END);
	free(exact);
}

/* Replaces erase entries from index on by one, or by none. */
static void edit(struct small_blob *b, struct model *m, uint32_t index, uint32_t erase,
		 const struct slice *entry, size_t max)
{
	uint32_t add = entry != NULL;
	size_t off = offset_of(m, index), erase_len = offset_of(m, index + erase) - off;
	size_t len = b->len - erase_len + (add ? small_blob_entry_size(entry->len) : 0);
	bool done = small_blob_splice(b, off, erase_len, erase, entry, add, max);

	INVARIANT(done == (len <= max));
	if (!done) {
		return;
	}
	memmove(m->entries + index + add, m->entries + index + erase,
		(m->count - index - erase) * sizeof m->entries[0]);
	if (add) {
		m->entries[index] = *entry;
	}
	m->count += add - erase;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m;
	struct slice in = slice_of(data, size);
	struct slice blob = fuzz_counted(&in);
	uint8_t *exact = fuzz_exact(blob);
	struct small_blob b;

	/* What the blob holds is borrowed from the copy, not from b, which is edited. */
	if (small_blob_load(&b, slice_of(exact, blob.len)) != ST_OK) {
		small_blob_clear(&b);
		load_model(&m, small_blob_slice(&b));
	} else {
		load_model(&m, slice_of(exact, blob.len));
	}
	check(&b, &m);
	while (in.len > 0) {
		uint8_t kind = fuzz_u8(&in);
		uint32_t index = fuzz_u8(&in) % (m.count + 1);
		uint32_t erase = (kind >> 1 & 3u) % (m.count - index + 1);
		struct slice entry = fuzz_counted(&in);
		size_t max = (kind & 8) != 0 ? COLLECTION_SHRINK_MAX : COLLECTION_INLINE_MAX;

		edit(&b, &m, index, erase, (kind & 1) != 0 ? &entry : NULL, max);
		check(&b, &m);
		FUZZ_CANARY(m.count == 7 && m.entries[3].len == 130);
	}
	free(exact);
	return 0;
}
