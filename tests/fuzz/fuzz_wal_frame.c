/* Frames of the log from bytes: headers, payloads, compression.
 *
 * Input: a byte of switches (1: seal the header, 2: seal the payload, 4: magic and version as they
 * should be, 8: the dictionary is set, 16: the rest is also encoded
 * as records), then a header with its payload behind it. Without seals
 * nearly every input would end at the first checksum. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/wal/wal_frame.h"
#include "tests/fuzz/fuzz_input.h"

#include <xxhash.h>

enum { SALT = 77, OFF_PAYLOAD_SUM = 64, OFF_HEADER_SUM = 80 };

static const char dictionary[] =
    "user:0000{\"name\":\"someone\",\"email\":\"someone@example.org\"}";

static void seal(uint8_t *at, size_t size, uint8_t switches)
{
	static const uint8_t start[6] = {0xf7, 'C', 'W', 'F', WAL_FRAME_VERSION, 0};
	size_t payload = size - WAL_FRAME_HEADER_LEN;

	if ((switches & 4) != 0) {
		memcpy(at, start, sizeof start);
	}
	if ((switches & 2) != 0) {
		uint32_t stored = bytes_get_u32le(at + 8);

		payload = stored < payload ? stored : payload;
		bytes_put_u64le(at + OFF_PAYLOAD_SUM,
				XXH3_64bits(at + WAL_FRAME_HEADER_LEN, payload));
	}
	if ((switches & 1) != 0) {
		bytes_put_u64le(at + OFF_HEADER_SUM,
				XXH3_64bits_withSeed(at, OFF_HEADER_SUM, SALT));
	}
}

/* What is encoded is decoded to the same bytes. */
static void round_trip(struct wal_frame_decoder *d, struct slice raw, bool with_dictionary)
{
	static struct wal_frame_encoder *kept[2];
	struct wal_frame_encoder **e = &kept[with_dictionary];
	struct wal_frame f = {.first_lsn = 9, .timeline = 1}, back;
	struct buf out = {0};
	struct slice records, stored;

	f.records = (uint32_t)(raw.len / 12);
	if (f.records == 0) {
		return;
	}
	if (*e == NULL) { /* kept: making one costs more than all the rest */
		struct slice dict = slice_of(dictionary, with_dictionary ? strlen(dictionary) : 0);

		INVARIANT(wal_frame_encoder_create(1, dict, e) == ST_OK);
	}
	INVARIANT(wal_frame_encode(*e, &f, raw, SALT, &out) == ST_OK);
	INVARIANT(out.len == wal_frame_span(&f));
	INVARIANT(wal_frame_decode_header(buf_slice(&out), SALT, &back) == ST_OK);
	INVARIANT(wal_frame_decode_header(buf_slice(&out), SALT + 1, &back) == ST_NOT_FOUND);
	stored = slice_of(out.data + WAL_FRAME_HEADER_LEN, f.stored_len);
	INVARIANT(wal_frame_check_payload(&f, stored) == ST_OK);
	INVARIANT(wal_frame_decode(d, &f, stored, &records) == ST_OK);
	INVARIANT(slice_eq(records, raw));
	buf_deinit(&out);
}

static void decode(struct wal_frame_decoder *d, struct slice in)
{
	uint8_t again[WAL_FRAME_HEADER_LEN];
	struct wal_frame f, copy;
	struct slice stored, records;
	enum status st = wal_frame_decode_header(in, SALT, &f);

	if (st != ST_OK) {
		INVARIANT(st == ST_NEED_MORE || st == ST_NOT_FOUND || st == ST_VERSION ||
			  st == ST_CORRUPT);
		return;
	}
	copy = f;
	wal_frame_encode_header(&copy, SALT, again);
	INVARIANT(memcmp(again, in.data, sizeof again) == 0 && copy.digest == f.digest);
	stored = fuzz_take(
	    &(struct slice){in.data + WAL_FRAME_HEADER_LEN, in.len - WAL_FRAME_HEADER_LEN},
	    f.stored_len);
	if (wal_frame_check_payload(&f, stored) != ST_OK) {
		return;
	}
	st = wal_frame_decode(d, &f, stored, &records);
	INVARIANT(st == ST_CORRUPT || (st == ST_OK && records.len == f.raw_len));
	FUZZ_CANARY(st == ST_OK && (f.flags & WAL_FRAME_ZSTD) != 0 && f.records > 2 &&
		    f.watermark + 1 < f.first_lsn);
}

/* One without and one with the dictionary, kept. */
static struct wal_frame_decoder *decoder_for(bool with_dictionary)
{
	static struct wal_frame_decoder *kept[2];
	struct wal_frame_decoder **d = &kept[with_dictionary];

	if (*d == NULL) {
		INVARIANT(wal_frame_decoder_create(d) == ST_OK);
		if (with_dictionary) {
			INVARIANT(wal_frame_decoder_set_dictionary(*d, slice_str(dictionary)) ==
				  ST_OK);
		}
	}
	return *d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	uint8_t switches = fuzz_u8(&in);
	bool with_dictionary = (switches & 8) != 0;
	uint8_t *copy = fuzz_exact(in);

	if ((switches & 16) != 0) {
		round_trip(decoder_for(with_dictionary), slice_of(copy, in.len), with_dictionary);
	}
	if (in.len >= WAL_FRAME_HEADER_LEN) {
		seal(copy, in.len, switches);
	}
	decode(decoder_for(with_dictionary), slice_of(copy, in.len));
	free(copy);
	return 0;
}
