/* Libraries as an RDB payload. */
#include "net/proto/rdb_library.h"

#include "engine/base/bytes.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_format.h"
#include "net/proto/rdb_write.h"

enum { VERSION_LEN = 2, CHECKSUM_LEN = 8 };

enum status rdb_library_put(struct buf *payload, struct slice code)
{
	size_t before = payload->len;
	uint8_t head[1 + RDB_LEN_MAX] = {RDB_LIBRARY_OPCODE};
	bool whole;
	size_t len = 1 + rdb_put_string(head + 1, code, &whole);
	enum status st = buf_append(payload, head, len);

	if (st == ST_OK && !whole) {
		st = buf_append(payload, code.data, code.len);
	}
	if (st != ST_OK) {
		payload->len = before;
	}
	return st;
}

enum status rdb_library_seal(struct buf *payload)
{
	uint8_t *at;
	enum status st = buf_reserve(payload, RDB_FOOTER);

	if (st != ST_OK) {
		return st;
	}
	at = payload->data + payload->len;
	rdb_put_version(at, RDB_VERSION_WRITTEN);
	payload->len += VERSION_LEN;
	rdb_put_checksum(at + VERSION_LEN, crc64(0, buf_slice(payload)));
	payload->len += CHECKSUM_LEN;
	return ST_OK;
}

enum status rdb_library_open(struct slice payload, struct rdb_reader *out)
{
	const uint8_t *footer;

	if (payload.len < RDB_FOOTER) {
		return ST_CORRUPT;
	}
	footer = payload.data + payload.len - RDB_FOOTER;
	if (bytes_get_u16le(footer) > RDB_VERSION_READ ||
	    bytes_get_u64le(footer + VERSION_LEN) !=
		crc64(0, slice_of(payload.data, payload.len - CHECKSUM_LEN))) {
		return ST_CORRUPT;
	}
	*out = (struct rdb_reader){.left = slice_of(payload.data, payload.len - RDB_FOOTER),
				   .string_max = RDB_LIBRARY_MAX};
	return ST_OK;
}

enum status rdb_library_next(struct rdb_reader *r, struct buf *scratch, struct slice *code)
{
	struct slice opcode;
	enum status st;

	if (r->left.len == 0) {
		return ST_END;
	}
	st = rdb_read_bytes(r, 1, &opcode);
	if (st == ST_OK && opcode.data[0] != RDB_LIBRARY_OPCODE) {
		return ST_WRONG_TYPE;
	}
	return st == ST_OK ? rdb_read_string(r, scratch, code) : st;
}
