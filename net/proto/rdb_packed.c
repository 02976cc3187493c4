/* Walking listpacks, ziplists, intsets and zipmaps. */
#include "net/proto/rdb_packed.h"

#include "engine/base/bytes.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	END_MARK = 0xff,
	LONG_LEN = 0xfe, /* ziplist, zipmap: a length in four bytes follows */
	LISTPACK_HEADER = 6,
	ZIPLIST_HEADER = 10,
	INTSET_HEADER = 8,
	COUNT_UNKNOWN = 65535,
	ZIPMAP_COUNT_UNKNOWN = 254,
};

/* An entry as it was decoded: bytes of the blob, or a number. */
struct entry {
	bool is_int;
	int64_t number;
	struct slice bytes;
};

static size_t left_of(const struct packed_cursor *c)
{
	return (size_t)(c->end - c->at);
}

/* A signed number of 1 to 8 bytes. */
static int64_t signed_le(const uint8_t *at, size_t bytes)
{
	uint64_t v = 0;
	unsigned shift = 64 - 8 * (unsigned)bytes;

	for (size_t i = 0; i < bytes; i++) {
		v |= (uint64_t)at[i] << (8 * i);
	}
	return (int64_t)(v << shift) >> shift;
}

/* --- opening --- */

static enum status open_listpack(struct packed_cursor *c, struct slice blob)
{
	uint16_t count;

	if (blob.len < LISTPACK_HEADER + 1 || bytes_get_u32le(blob.data) != blob.len) {
		return ST_CORRUPT;
	}
	count = bytes_get_u16le(blob.data + 4);
	c->at = blob.data + LISTPACK_HEADER;
	c->expected = count == COUNT_UNKNOWN ? UINT64_MAX : count;
	return *c->end == END_MARK ? ST_OK : ST_CORRUPT;
}

static enum status open_ziplist(struct packed_cursor *c, struct slice blob)
{
	uint16_t count;

	if (blob.len < ZIPLIST_HEADER + 1 || bytes_get_u32le(blob.data) != blob.len) {
		return ST_CORRUPT;
	}
	count = bytes_get_u16le(blob.data + 8);
	c->last = bytes_get_u32le(blob.data + 4);
	c->at = blob.data + ZIPLIST_HEADER;
	c->expected = count == COUNT_UNKNOWN ? UINT64_MAX : count;
	return *c->end == END_MARK ? ST_OK : ST_CORRUPT;
}

static enum status open_intset(struct packed_cursor *c, struct slice blob)
{
	uint32_t count;

	if (blob.len < INTSET_HEADER) {
		return ST_CORRUPT;
	}
	c->width = bytes_get_u32le(blob.data);
	count = bytes_get_u32le(blob.data + 4);
	if ((c->width != 2 && c->width != 4 && c->width != 8) ||
	    (uint64_t)count * c->width != blob.len - INTSET_HEADER) {
		return ST_CORRUPT;
	}
	c->at = blob.data + INTSET_HEADER;
	c->end = blob.data + blob.len;
	c->expected = count;
	return ST_OK;
}

static enum status open_zipmap(struct packed_cursor *c, struct slice blob)
{
	if (blob.len < 2) {
		return ST_CORRUPT;
	}
	c->at = blob.data + 1;
	c->expected =
	    blob.data[0] >= ZIPMAP_COUNT_UNKNOWN ? UINT64_MAX : 2 * (uint64_t)blob.data[0];
	return *c->end == END_MARK ? ST_OK : ST_CORRUPT;
}

enum status packed_open(struct packed_cursor *c, enum packed_form form, struct slice blob)
{
	if (blob.len == 0) {
		return ST_CORRUPT;
	}
	*c = (struct packed_cursor){
	    .form = form, .base = blob.data, .end = blob.data + blob.len - 1};
	switch (form) {
	case PACKED_LISTPACK:
		return open_listpack(c, blob);
	case PACKED_ZIPLIST:
		return open_ziplist(c, blob);
	case PACKED_INTSET:
		return open_intset(c, blob);
	default:
		return open_zipmap(c, blob);
	}
}

/* --- entries --- */

/* Takes a string of len bytes behind head bytes. Returns the entry's length so far; 0: it does not
 * fit. */
static size_t take_string(const struct packed_cursor *c, size_t head, size_t len, struct entry *out)
{
	if (head > left_of(c) || len > left_of(c) - head) {
		return 0;
	}
	out->bytes = slice_of(c->at + head, len);
	return head + len;
}

/* Likewise a number of so many bytes behind the encoding byte. */
static size_t take_int(const struct packed_cursor *c, size_t head, size_t bytes, struct entry *out)
{
	if (head + bytes > left_of(c)) {
		return 0;
	}
	out->is_int = true;
	out->number = signed_le(c->at + head, bytes);
	return head + bytes;
}

/* Decodes a listpack's entry up to its repeated length; 0: it is none. */
static size_t listpack_entry(const struct packed_cursor *c, struct entry *out)
{
	const uint8_t *p = c->at;
	uint8_t b = p[0];

	if (b < 0x80) {
		out->is_int = true;
		out->number = b;
		return 1;
	}
	if (b < 0xc0) {
		return take_string(c, 1, b & 0x3f, out);
	}
	if (b < 0xf0 && left_of(c) < 2) {
		return 0;
	}
	if (b < 0xe0) {
		int64_t v = (int64_t)(b & 0x1f) << 8 | p[1];

		out->is_int = true;
		out->number = v >= 4096 ? v - 8192 : v;
		return 2;
	}
	if (b < 0xf0) {
		return take_string(c, 2, (size_t)(b & 0x0f) << 8 | p[1], out);
	}
	switch (b) {
	case 0xf0:
		return left_of(c) < 5 ? 0 : take_string(c, 5, bytes_get_u32le(p + 1), out);
	case 0xf1:
		return take_int(c, 1, 2, out);
	case 0xf2:
		return take_int(c, 1, 3, out);
	case 0xf3:
		return take_int(c, 1, 4, out);
	case 0xf4:
		return take_int(c, 1, 8, out);
	default:
		return 0;
	}
}

/* Bytes that a listpack's entry of len bytes repeats its length in. The limits are Redis's, one
 * less than the bits would allow. */
static size_t back_len(size_t len)
{
	return len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}

static enum status next_listpack(struct packed_cursor *c, struct entry *out)
{
	size_t len = listpack_entry(c, out), bytes = back_len(len);
	uint64_t repeated = 0;

	if (len == 0 || bytes > left_of(c) - len) {
		return ST_CORRUPT;
	}
	for (size_t i = 0; i < bytes; i++) {
		uint8_t b = c->at[len + i];

		/* Only the first byte, where a walk from the end stops, is without the high bit. */
		if ((b >= 0x80) != (i > 0)) {
			return ST_CORRUPT;
		}
		repeated = repeated << 7 | (b & 0x7f);
	}
	if (repeated != len) {
		return ST_CORRUPT;
	}
	c->at += len + bytes;
	return ST_OK;
}

/* Decodes what stands behind the length of the entry before; at is moved there already. */
static size_t ziplist_entry(const struct packed_cursor *c, struct entry *out)
{
	const uint8_t *p = c->at;
	uint8_t b;

	if (left_of(c) == 0) {
		return 0;
	}
	b = p[0];
	if (b < 0x40) {
		return take_string(c, 1, b, out);
	}
	if (b < 0x80) {
		return left_of(c) < 2 ? 0 : take_string(c, 2, (size_t)(b & 0x3f) << 8 | p[1], out);
	}
	if (b < 0xc0) {
		return left_of(c) < 5 ? 0 : take_string(c, 5, bytes_get_u32be(p + 1), out);
	}
	switch (b) {
	case 0xc0:
		return take_int(c, 1, 2, out);
	case 0xd0:
		return take_int(c, 1, 4, out);
	case 0xe0:
		return take_int(c, 1, 8, out);
	case 0xf0:
		return take_int(c, 1, 3, out);
	case 0xfe:
		return take_int(c, 1, 1, out);
	default:
		break;
	}
	if (b < 0xf1 || b > 0xfd) {
		return 0;
	}
	out->is_int = true;
	out->number = b - 0xf1;
	return 1;
}

static enum status next_ziplist(struct packed_cursor *c, struct entry *out)
{
	const uint8_t *start = c->at;
	size_t head = *start == LONG_LEN ? 5 : 1, len;

	if (*start == END_MARK || head >= left_of(c) ||
	    (head == 1 ? *start : bytes_get_u32le(start + 1)) != c->previous) {
		return ST_CORRUPT;
	}
	c->at += head;
	len = ziplist_entry(c, out);
	if (len == 0) {
		return ST_CORRUPT;
	}
	c->at += len;
	c->previous = head + len;
	return ST_OK;
}

static enum status next_intset(struct packed_cursor *c, struct entry *out)
{
	out->is_int = true;
	out->number = signed_le(c->at, c->width);
	c->at += c->width;
	if (c->seen > 0 && out->number <= c->greatest) {
		return ST_CORRUPT;
	}
	c->greatest = out->number;
	return ST_OK;
}

static enum status next_zipmap(struct packed_cursor *c, struct entry *out)
{
	bool is_value = c->seen % 2 != 0;
	size_t head = *c->at == LONG_LEN ? 5 : 1, unused = 0, len;

	if (*c->at == END_MARK || head + is_value > left_of(c)) {
		return ST_CORRUPT;
	}
	len = head == 1 ? *c->at : bytes_get_u32le(c->at + 1);
	if (is_value) {
		unused = c->at[head];
		head++;
	}
	len = take_string(c, head, len, out);
	if ((len == 0) || unused > left_of(c) - len) {
		return ST_CORRUPT;
	}
	c->at += len + unused;
	return ST_OK;
}

/* What the header promised, once all entries were seen. */
static enum status check_end(const struct packed_cursor *c)
{
	if (c->expected != UINT64_MAX && c->expected != c->seen) {
		return ST_CORRUPT;
	}
	if (c->form == PACKED_ZIPMAP && c->seen % 2 != 0) {
		return ST_CORRUPT;
	}
	if (c->form == PACKED_ZIPLIST && (size_t)(c->end - c->base) - c->previous != c->last) {
		return ST_CORRUPT;
	}
	return ST_END;
}

static enum status next(struct packed_cursor *c, struct entry *out)
{
	enum status st;

	*out = (struct entry){0};
	if (c->at == c->end) {
		return check_end(c);
	}
	switch (c->form) {
	case PACKED_LISTPACK:
		st = next_listpack(c, out);
		break;
	case PACKED_ZIPLIST:
		st = next_ziplist(c, out);
		break;
	case PACKED_INTSET:
		st = next_intset(c, out);
		break;
	default:
		st = next_zipmap(c, out);
		break;
	}
	c->seen += st == ST_OK;
	return st;
}

enum status packed_next(struct packed_cursor *c, uint8_t digits[PACKED_DIGITS], struct slice *out)
{
	struct entry e;
	enum status st = next(c, &e);

	if (st == ST_OK && e.is_int) {
		int len = snprintf((char *)digits, PACKED_DIGITS, "%" PRId64, e.number);

		*out = slice_of(digits, len > 0 ? (size_t)len : 0);
	} else if (st == ST_OK) {
		*out = e.bytes;
	}
	return st;
}

enum status packed_next_int(struct packed_cursor *c, bool *is_int, int64_t *out)
{
	struct entry e;
	enum status st = next(c, &e);

	if (st == ST_OK) {
		*is_int = e.is_int;
		*out = e.number;
	}
	return st;
}
