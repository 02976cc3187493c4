/* The replication stream from bytes: what a primary or a replica may be sent by anybody.
 *
 * Input: a byte that chooses, then either the stream as it comes, or payloads that are put into
 * messages with the right checksum ([type u8][length u16][payload] each), so that what lies behind
 * it is reached. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/refetch.h"
#include "engine/snapshot_block.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_segment.h"
#include "net/proto/repl_message.h"
#include "tests/fuzz/fuzz_input.h"

/* A message means the same however much of it has come: parts ask for more. */
static void check_parts(struct slice whole, size_t used)
{
	for (size_t len = 0; len < used; len += 1 + len / 4) {
		struct repl_message m;
		size_t want;

		INVARIANT(repl_decode(slice_of(whole.data, len), &m, &want) == ST_NEED_MORE);
		INVARIANT(want > len && want <= used);
	}
}

static void take_frames(struct slice in, uint64_t salt)
{
	struct wal_frame f;

	while (in.len > 0 && wal_frame_decode_header(in, salt, &f) == ST_OK &&
	       wal_frame_span(&f) <= in.len) {
		(void)!wal_frame_check_payload(
		    &f, slice_of(in.data + WAL_FRAME_HEADER_LEN, f.stored_len));
		in = slice_skip(in, wal_frame_span(&f));
	}
}

static void take_begin(struct slice payload)
{
	struct wal_history h;
	struct snapshot_head head;
	struct buf again = {0};

	if (wal_history_decode(&payload, &h) == ST_OK) {
		INVARIANT(h.count >= 1 && h.count <= WAL_HISTORY_MAX);
		INVARIANT(wal_history_encode(&h, &again) == ST_OK);
		FUZZ_CANARY(h.count == 3 && h.items[2].epoch != 0);
		(void)!snapshot_head_decode(payload, &head);
	}
	buf_deinit(&again);
}

/* Put together from its parts it is the same. */
static void take_contents(const struct repl_contents *c, struct slice payload)
{
	const uint8_t *at = c->digests;
	struct buf again = {0};

	INVARIANT(repl_contents_begin(c->lsn, &again) == ST_OK);
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		bool filled = repl_slot_bit(c->filled, (uint16_t)slot);

		if (repl_slot_bit(c->known, (uint16_t)slot)) {
			INVARIANT(repl_contents_add(&again, (uint16_t)slot, filled ? at : NULL) ==
				  ST_OK);
			at += filled ? REPL_DIGEST_LEN : 0;
		}
	}
	INVARIANT(slice_eq(buf_slice(&again), payload));
	buf_deinit(&again);
}

static void take(const struct repl_message *m, uint64_t *salt)
{
	struct repl_heartbeat heartbeat;
	struct repl_ack ack;
	struct snapshot_tail tail;
	struct wal_segment segment;
	struct refetch patch;
	struct repl_contents contents;
	uint64_t len;

	switch (m->type) {
	case REPL_MARK:
		INVARIANT((repl_get_mark(m->payload, &len) == ST_OK) == (m->payload.len == 8));
		break;
	case REPL_CONTENTS:
		if (repl_get_contents(m->payload, &contents) == ST_OK) {
			take_contents(&contents, m->payload);
		}
		break;
	case REPL_SEGMENT:
		if (wal_segment_decode(m->payload, &segment) == ST_OK) {
			*salt = segment.salt;
		}
		break;
	case REPL_FRAMES:
		take_frames(m->payload, *salt);
		break;
	case REPL_HEARTBEAT:
		INVARIANT((repl_get_heartbeat(m->payload, &heartbeat) == ST_OK) ==
			  (m->payload.len == 32));
		break;
	case REPL_ACK:
		INVARIANT((repl_get_ack(m->payload, &ack) == ST_OK) == (m->payload.len == 16));
		break;
	case REPL_COPY_BEGIN:
		take_begin(m->payload);
		break;
	case REPL_COPY_BLOCK:
		(void)!snapshot_block_len(m->payload, &len);
		break;
	case REPL_COPY_END:
		(void)!snapshot_tail_decode(m->payload, &tail);
		break;
	case REPL_PATCH:
		if (refetch_decode(m->payload, &patch) == ST_OK) {
			INVARIANT(patch.block.len <= m->payload.len);
			divergent_names_deinit(&patch.names);
		}
		break;
	}
}

static void take_stream(struct slice in)
{
	struct repl_message m;
	uint64_t salt = 0;
	size_t used;

	while (in.len > 0 && repl_decode(in, &m, &used) == ST_OK) {
		INVARIANT(used >= REPL_HEADER_LEN && used <= in.len);
		INVARIANT(m.payload.len == used - REPL_HEADER_LEN);
		check_parts(in, used);
		take(&m, &salt);
		in = slice_skip(in, used);
	}
}

/* Wraps the payloads of the input. */
static void wrap(struct slice in, struct buf *out)
{
	static const char types[] = "SFHBDEAP";

	while (in.len >= 3) {
		uint8_t header[REPL_HEADER_LEN];
		size_t len = (size_t)in.data[1] | (size_t)in.data[2] << 8;
		enum repl_type type = (enum repl_type)types[in.data[0] % 7];
		struct slice payload;

		in = slice_skip(in, 3);
		payload = slice_of(in.data, len < in.len ? len : in.len);
		repl_header(type, payload, header);
		INVARIANT(buf_append(out, header, sizeof header) == ST_OK);
		INVARIANT(buf_append(out, payload.data, payload.len) == ST_OK);
		in = slice_skip(in, payload.len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_exact(slice_of(data, size));
	struct slice in = slice_of(copy, size);
	struct buf stream = {0};

	if (size > 0 && (copy[0] & 1) != 0) {
		wrap(slice_skip(in, 1), &stream);
		take_stream(buf_slice(&stream));
	} else if (size > 0) {
		take_stream(slice_skip(in, 1));
	}
	buf_deinit(&stream);
	free(copy);
	return 0;
}
