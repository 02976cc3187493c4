/* Headers and names of log files.
 *
 * Input: a byte of switches (1: sealed, 2: magic and version as they should be, 4: cut by one byte,
 * 8 and 16: the header's length in units of 4096 less one), then the header from its start; zeros
 * follow. The same bytes are tried as a file name. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/wal/wal_segment.h"
#include "tests/fuzz/fuzz_input.h"

#include <xxhash.h>

static void check_name(struct slice text)
{
	char name[64] = {0}, again[WAL_SEGMENT_NAME_SIZE];
	uint64_t lsn;

	memcpy(name, text.data, text.len < sizeof name - 1 ? text.len : sizeof name - 1);
	if (wal_segment_name_parse(name, &lsn)) {
		wal_segment_name(lsn, again);
		INVARIANT(strcmp(name, again) == 0);
	}
}

static void check_header(struct slice header)
{
	struct slice in = header;
	struct buf storage = {0}, encoded = {0};
	struct wal_segment s, again;
	enum status st = wal_segment_read(wal_source_of_memory(&in), &storage, &s);

	INVARIANT(st == ST_OK || st == ST_NOT_FOUND || st == ST_VERSION || st == ST_CORRUPT);
	if (st == ST_OK) {
		size_t used = 80 + 24 * (size_t)s.history.count + s.dictionary.len;

		again = s;
		INVARIANT(s.history.count > 0 && s.watermark < s.first_lsn);
		INVARIANT(wal_segment_encode(&again, &encoded) == ST_OK);
		/* A longer header than needed, or something behind the dictionary, is read too. */
		INVARIANT(encoded.len <= header.len && used <= encoded.len);
		INVARIANT(memcmp(encoded.data + 24, header.data + 24, used - 24) == 0);
		INVARIANT(again.salt == s.salt);
		FUZZ_CANARY(s.history.count == 3 && s.recycled && s.dictionary.len > 200);
	}
	buf_deinit(&storage);
	buf_deinit(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	uint8_t switches = fuzz_u8(&in);
	uint32_t len = (1 + (uint32_t)(switches >> 3 & 3)) * WAL_SEGMENT_HEADER_UNIT;
	uint8_t *header = calloc(1, len);
	uint8_t *exact;

	INVARIANT(header != NULL);
	if (in.len > 0) {
		check_name(in);
		memcpy(header, in.data, in.len < len ? in.len : len);
	}
	if ((switches & 2) != 0) {
		memcpy(header, "CairnWAL", 8);
		bytes_put_u32le(header + 8, WAL_SEGMENT_VERSION);
		bytes_put_u32le(header + 12, len);
	}
	if ((switches & 1) != 0) {
		bytes_put_u64le(header + 16,
				XXH3_64bits_withSeed(header + 24, len - 24,
						     (uint64_t)WAL_SEGMENT_VERSION << 32 | len));
	}
	len -= (switches & 4) != 0;
	exact = fuzz_exact(slice_of(header, len));
	check_header(slice_of(exact, len));
	free(exact);
	free(header);
	return 0;
}
