/* Reading RDB primitives: nothing is believed before it is known to be there. */
#include "net/proto/rdb_read.h"

#include "engine/base/bytes.h"
#include "net/proto/lzf.h"
#include "net/proto/rdb_format.h"

#include <math.h>
#include <stdlib.h>

enum {
	SCORE_TEXT_MAX = 128,
	SCORE_NAN = 253, /* instead of the length of a score's text */
	SCORE_PLUS_INF = 254,
	SCORE_MINUS_INF = 255,
};

enum status rdb_read_bytes(struct rdb_reader *r, size_t len, struct slice *out)
{
	if (len > r->left.len) {
		return ST_CORRUPT;
	}
	*out = slice_of(r->left.data, len);
	r->left = len > 0 ? slice_skip(r->left, len) : r->left;
	return ST_OK;
}

/* A length, or (*special) the number of another form. */
static enum status read_len_or_form(struct rdb_reader *r, uint64_t *out, bool *special)
{
	struct slice first, more;
	uint8_t b;
	enum status st = rdb_read_bytes(r, 1, &first);

	if (st != ST_OK) {
		return st;
	}
	b = first.data[0];
	*special = b >> 6 == 3;
	switch (b >> 6) {
	case 0:
	case 3:
		*out = b & 0x3f;
		return ST_OK;
	case 1:
		st = rdb_read_bytes(r, 1, &more);
		*out = st == ST_OK ? (uint64_t)(b & 0x3f) << 8 | more.data[0] : 0;
		return st;
	default:
		break;
	}
	if (b != RDB_LEN_32 && b != RDB_LEN_64) {
		return ST_CORRUPT;
	}
	st = rdb_read_bytes(r, b == RDB_LEN_32 ? 4 : 8, &more);
	if (st == ST_OK) {
		*out = b == RDB_LEN_32 ? bytes_get_u32be(more.data) : bytes_get_u64be(more.data);
	}
	return st;
}

enum status rdb_read_len(struct rdb_reader *r, uint64_t *out)
{
	bool special;
	enum status st = read_len_or_form(r, out, &special);

	return st == ST_OK && special ? ST_CORRUPT : st;
}

/* A number in 1, 2 or 4 bytes, as its text. */
static enum status read_int(struct rdb_reader *r, size_t bytes, struct buf *scratch,
			    struct slice *out)
{
	struct slice in;
	int32_t v = 0;
	enum status st = rdb_read_bytes(r, bytes, &in);

	if (st != ST_OK) {
		return st;
	}
	if (bytes == 1) {
		v = (int8_t)in.data[0];
	} else if (bytes == 2) {
		v = (int16_t)bytes_get_u16le(in.data);
	} else {
		v = (int32_t)bytes_get_u32le(in.data);
	}
	scratch->len = 0;
	st = buf_printf(scratch, "%d", v);
	*out = buf_slice(scratch);
	return st;
}

static enum status read_packed(struct rdb_reader *r, struct buf *scratch, struct slice *out)
{
	uint64_t packed_len, len;
	struct slice packed;
	enum status st = rdb_read_len(r, &packed_len);

	if (st == ST_OK) {
		st = rdb_read_len(r, &len);
	}
	if (st == ST_OK && (packed_len > r->left.len || !lzf_plausible((size_t)packed_len, len))) {
		return ST_CORRUPT;
	}
	if (st == ST_OK && len > r->string_max) {
		return ST_LIMIT;
	}
	if (st == ST_OK) {
		st = rdb_read_bytes(r, (size_t)packed_len, &packed);
	}
	if (st != ST_OK) {
		return st;
	}
	scratch->len = 0;
	st = buf_reserve(scratch, (size_t)len + 1); /* some memory also for nothing */
	if (st == ST_OK) {
		st = lzf_unpack(packed, scratch->data, (size_t)len);
		scratch->len = (size_t)len;
		*out = buf_slice(scratch);
	}
	return st;
}

enum status rdb_read_string(struct rdb_reader *r, struct buf *scratch, struct slice *out)
{
	uint64_t len;
	bool special;
	enum status st = read_len_or_form(r, &len, &special);

	if (st != ST_OK) {
		return st;
	}
	if (!special) {
		if (len > r->left.len) {
			return ST_CORRUPT;
		}
		return len > r->string_max ? ST_LIMIT : rdb_read_bytes(r, (size_t)len, out);
	}
	switch (len) {
	case RDB_STRING_INT8:
		return read_int(r, 1, scratch, out);
	case RDB_STRING_INT16:
		return read_int(r, 2, scratch, out);
	case RDB_STRING_INT32:
		return read_int(r, 4, scratch, out);
	case RDB_STRING_LZF:
		return read_packed(r, scratch, out);
	default:
		return ST_CORRUPT;
	}
}

enum status rdb_score_of(struct slice text, double *out)
{
	char copy[SCORE_TEXT_MAX];
	char *end;

	if (text.len == 0 || text.len >= sizeof copy) {
		return ST_CORRUPT;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = 0;
	*out = strtod(copy, &end);
	return end == copy + text.len && !isnan(*out) ? ST_OK : ST_CORRUPT;
}

enum status rdb_read_score_text(struct rdb_reader *r, double *out)
{
	struct slice in;
	enum status st = rdb_read_bytes(r, 1, &in);

	if (st != ST_OK) {
		return st;
	}
	switch (in.data[0]) {
	case SCORE_NAN:
		return ST_CORRUPT;
	case SCORE_PLUS_INF:
		*out = (double)INFINITY;
		return ST_OK;
	case SCORE_MINUS_INF:
		*out = -(double)INFINITY;
		return ST_OK;
	default:
		break;
	}
	st = rdb_read_bytes(r, in.data[0], &in);
	return st == ST_OK ? rdb_score_of(in, out) : st;
}

enum status rdb_read_score(struct rdb_reader *r, double *out)
{
	struct slice in;
	enum status st = rdb_read_bytes(r, sizeof *out, &in);

	if (st != ST_OK) {
		return st;
	}
	memcpy(out, in.data, sizeof *out);
	return isnan(*out) ? ST_CORRUPT : ST_OK;
}
