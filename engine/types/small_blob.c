/* Reading and editing the blob of a small collection. */
#include "engine/types/small_blob.h"

#include "engine/base/invariant.h"

enum status small_blob_count(struct slice blob, uint32_t *out)
{
	if (blob.len < SMALL_BLOB_HEADER) {
		return ST_CORRUPT;
	}
	*out = bytes_get_u16le(blob.data);
	return ST_OK;
}

enum status small_cursor_init(struct small_cursor *c, struct slice blob)
{
	enum status st = small_blob_count(blob, &c->left);

	if (st == ST_OK) {
		c->at = blob.data + SMALL_BLOB_HEADER;
		c->end = blob.data + blob.len;
	}
	return st;
}

enum status small_cursor_next(struct small_cursor *c, struct slice *entry)
{
	size_t avail = (size_t)(c->end - c->at), n;
	uint64_t len;

	if (c->left == 0) {
		return avail == 0 ? ST_END : ST_CORRUPT;
	}
	n = bytes_get_varint(c->at, avail, &len);
	if (n == 0 || len > avail - n) {
		return ST_CORRUPT;
	}
	*entry = slice_of(c->at + n, (size_t)len);
	c->at += n + (size_t)len;
	c->left--;
	return ST_OK;
}

void small_blob_clear(struct small_blob *b)
{
	bytes_put_u16le(b->bytes, 0);
	b->len = SMALL_BLOB_HEADER;
}

enum status small_blob_load(struct small_blob *b, struct slice blob)
{
	struct small_cursor c;
	struct slice entry;
	enum status st;

	if (blob.len > COLLECTION_INLINE_MAX) {
		return ST_CORRUPT;
	}
	st = small_cursor_init(&c, blob);
	while (st == ST_OK) {
		st = small_cursor_next(&c, &entry);
	}
	if (st != ST_END) {
		return st;
	}
	memcpy(b->bytes, blob.data, blob.len);
	b->len = blob.len;
	return ST_OK;
}

size_t small_blob_entry_size(size_t len)
{
	size_t n = 1;

	for (size_t v = len; v >= 0x80; v >>= 7) {
		n++;
	}
	return n + len;
}

bool small_blob_splice(struct small_blob *b, size_t off, size_t erase_len, uint32_t erase_count,
		       const struct slice *entries, uint32_t count, size_t max)
{
	size_t add = 0;
	uint8_t *at = b->bytes + off;

	INVARIANT(max <= COLLECTION_INLINE_MAX);
	INVARIANT(off >= SMALL_BLOB_HEADER && off <= b->len && erase_len <= b->len - off);
	for (uint32_t i = 0; i < count; i++) {
		if (entries[i].len > max) {
			return false;
		}
		add += small_blob_entry_size(entries[i].len);
	}
	if (b->len - erase_len + add > max) {
		return false;
	}
	memmove(at + add, at + erase_len, b->len - off - erase_len);
	b->len = b->len - erase_len + add;
	bytes_put_u16le(b->bytes, (uint16_t)(small_blob_entries(b) - erase_count + count));
	for (uint32_t i = 0; i < count; i++) {
		at += bytes_put_varint(at, entries[i].len);
		if (entries[i].len > 0) {
			memcpy(at, entries[i].data, entries[i].len);
			at += entries[i].len;
		}
	}
	return true;
}

void small_blob_erase(struct small_blob *b, size_t off, size_t erase_len, uint32_t erase_count)
{
	bool fits =
	    small_blob_splice(b, off, erase_len, erase_count, NULL, 0, COLLECTION_INLINE_MAX);

	INVARIANT(fits); /* it only gets shorter */
}

bool small_blob_shrink_due(uint64_t count)
{
	return count <= COLLECTION_SHRINK_COUNT && (count & (count - 1)) == 0;
}
