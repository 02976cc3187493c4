/* What a full copy consists of, from bytes that anybody may have sent: decoding them neither
 * crashes nor believes what it could not have made itself.
 *
 * The first byte chooses: 0 a block as it is; 1 a block whose checksums are made right first, so
 * that what lies behind them is reached; 2 entries; 3 head, tail and place. */
#include "engine/base/bytes.h"
#include "engine/key_codec.h"
#include "engine/library_set.h"
#include "engine/snapshot_block.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

enum { PAYLOAD_SUM_AT = 56, HEADER_SUM_AT = 64 };

/* What is taken for libraries is what it would be written as. */
static void read_libraries(struct slice value, enum status checked)
{
	struct library_set set = {0};
	struct buf again = {0};

	if (checked == ST_OK) {
		REQUIRE(library_set_decode(value, &set) == ST_OK);
		REQUIRE(library_set_encode(&set, &again) == ST_OK);
		REQUIRE(slice_eq(buf_slice(&again), value));
	}
	library_set_deinit(&set);
	buf_deinit(&again);
}

/* Every entry that is taken stands in a store as it came. */
static void read_entries(struct slice raw)
{
	struct slice all = raw, key, value;
	struct buf again = {0};
	enum status st;

	while ((st = snapshot_entry_decode(&raw, &key, &value)) == ST_OK) {
		if (slice_eq(key, snapshot_libraries_key())) {
			read_libraries(value, snapshot_entry_check(key, value));
		} else if (snapshot_entry_check(key, value) == ST_OK) {
			REQUIRE(store_key_check(key) == ST_OK);
			REQUIRE(store_key_slot(key) < SLOTS);
		}
		(void)snapshot_entry_digest(key, value);
		if (key.len <= STORE_KEY_MAX) {
			REQUIRE(snapshot_entry_encode(key, value, &again) == ST_OK);
			REQUIRE(again.len > all.len ||
				memcmp(again.data + again.len - value.len - key.len, key.data,
				       key.len) == 0);
		}
	}
	REQUIRE(st == ST_END || st == ST_CORRUPT);
	buf_deinit(&again);
}

/* What was decoded comes back when it is encoded and decoded again. */
static void read_block(struct slice in)
{
	struct snapshot_block block, back;
	struct snapshot_codec *c;
	struct slice raw, raw_back;
	struct buf kept = {0}, out = {0};

	REQUIRE(snapshot_codec_create(&c) == ST_OK);
	if (snapshot_block_decode(c, in, &block, &raw) == ST_OK) {
		read_entries(raw);
		REQUIRE(buf_append(&kept, raw.data, raw.len) == ST_OK);
		REQUIRE(snapshot_block_encode(c, &block, buf_slice(&kept), &out) == ST_OK);
		REQUIRE(snapshot_block_decode(c, buf_slice(&out), &back, &raw_back) == ST_OK);
		REQUIRE(block.lsn == back.lsn && block.drain_lsn == back.drain_lsn);
		REQUIRE(block.entries_before == back.entries_before);
		REQUIRE(block.sum_before == back.sum_before && block.entries == back.entries);
		REQUIRE(slice_eq(raw_back, buf_slice(&kept)));
	}
	snapshot_codec_destroy(c);
	buf_deinit(&kept);
	buf_deinit(&out);
}

static void reseal(struct buf *b)
{
	if (b->len < SNAPSHOT_BLOCK_HEADER_LEN) {
		return;
	}
	memcpy(b->data,
	       "\xf7"
	       "CSB",
	       4);
	bytes_put_u64le(b->data + PAYLOAD_SUM_AT, XXH3_64bits(b->data + SNAPSHOT_BLOCK_HEADER_LEN,
							      b->len - SNAPSHOT_BLOCK_HEADER_LEN));
	bytes_put_u64le(b->data + HEADER_SUM_AT, XXH3_64bits(b->data, HEADER_SUM_AT));
}

static void read_small(struct slice in)
{
	struct snapshot_head head;
	struct snapshot_tail tail;
	struct snapshot_resume place;
	struct buf out = {0};

	if (snapshot_head_decode(in, &head) == ST_OK) {
		REQUIRE(snapshot_head_encode(&head, &out) == ST_OK);
		REQUIRE(slice_eq(buf_slice(&out), in));
	}
	out.len = 0;
	if (snapshot_tail_decode(in, &tail) == ST_OK) {
		REQUIRE(snapshot_tail_encode(&tail, &out) == ST_OK);
		REQUIRE(slice_eq(buf_slice(&out), in));
	}
	out.len = 0;
	if (snapshot_resume_decode(in, &place) == ST_OK) {
		REQUIRE(snapshot_resume_encode(&place, &out) == ST_OK);
		REQUIRE(slice_eq(buf_slice(&out), in));
	}
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf copy = {0};
	struct slice in;

	if (size == 0) {
		return 0;
	}
	in = slice_of(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		read_block(in);
		break;
	case 1:
		REQUIRE(buf_append(&copy, in.data, in.len) == ST_OK);
		reseal(&copy);
		read_block(buf_slice(&copy));
		break;
	case 2:
		read_entries(in);
		break;
	default:
		read_small(in);
	}
	buf_deinit(&copy);
	return 0;
}
