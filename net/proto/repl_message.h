/* The replication stream as bytes: messages between a primary and one replica. Pure.
 *
 * A replica opens an ordinary client connection, authenticates, and sends the command
 *
 *   WALSTREAM version node-id port ip lsn chain history [FULL] [RESUME place] [FAILOVER]
 *             [REFETCH fork names] [DIGESTS]
 *
 * version: 1. node-id: the replica's run id. port, ip: where it serves clients ("" = as seen).
 * lsn, chain (16 hexadecimal digits), history (wal_history_encode): where its log ends. FULL: its
 * own log can't be continued. RESUME: the place where an
 * unfinished full copy goes on (snapshot_block.h). FAILOVER: the sender was the primary and hands
 * over: promote yourself first. REFETCH: what a REWIND to that LSN is answered with by a replica
 * whose store has gone further: the names of what it has to have anew (engine/refetch.h). DIGESTS:
 * the replica understands M and C, which others are not sent; a primary from before them answers
 * that word with a syntax error, and is asked again without. The answer is one line:
 *
 *   +CONTINUE lsn   frames follow from the replica's LSN on
 *   +REWIND lsn     the replica has records after lsn that are not this node's history: it is to go
 *                   back there and ask again; the connection ends
 *   +REFETCH lsn    a patch follows, then frames from lsn + 1 on
 *   +FULLCOPY       a full copy follows, then frames
 *   -...            why not; the connection ends. -NOTREPLICA: asked to take the role over, this
 *                   node has it already
 *
 * Then both sides send messages. Integers are little-endian.
 *
 *   off  size  field
 *     0     4  magic "CRS1"
 *     4     1  type
 *     5     3  0
 *     8     4  payload length
 *    12     4  low half of XXH3-64 over bytes 0..11, seeded with XXH3-64 of the payload
 *    16        payload
 *
 * From the primary:
 *   S  a segment header as stored (wal_segment.h): the frames that follow are sealed for it
 *   F  frames as stored (wal_frame.h), back to back with their padding
 *   H  heartbeat: last LSN, durable LSN, horizon, wall clock ms, each u64
 *   B  full copy begins: snapshot head
 *   D  a block of the copy (snapshot_block.h)
 *   E  full copy ends: snapshot tail, u64 newest LSN of the log by then: the copy is of use with
 *      the records up to there; a segment header and frames from the copy's LSN on follow
 *   P  patch (engine/refetch.h)
 *   M  mark: u64 LSN at which the primary puts aside what it has in memory, for a checkpoint; a
 *      replica that can does so too. It comes before the frame with that record, or right behind
 *   C  contents: what the primary's slots held at the LSN of a checkpoint: u64 LSN, a bit for each
 *      slot whose digest is known (2048 bytes, slot 0 the lowest bit of the first), a bit for each
 *      of them that is not empty (likewise), and for each of those its digest (16 bytes,
 *      engine/content_digest.h), in order
 * From the replica:
 *   A  ack: newest LSN received, newest durable LSN, each u64
 *
 * Frames carry their own checksums, chain and LSNs: the message's checksum only keeps a broken
 * stream from being misread. */
#ifndef CAIRN_NET_PROTO_REPL_MESSAGE_H
#define CAIRN_NET_PROTO_REPL_MESSAGE_H

#include "engine/base/buf.h"
#include "engine/base/keyslot.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

enum {
	REPL_VERSION = 1,
	REPL_HEADER_LEN = 16,
	/* The largest frame there can be, and some. Nothing longer is believed. */
	REPL_PAYLOAD_MAX = (1 << 30) + (1 << 20),
	REPL_SLOT_BITS = SLOTS / 8,
	REPL_DIGEST_LEN = 16,
};

enum repl_type {
	REPL_SEGMENT = 'S',
	REPL_FRAMES = 'F',
	REPL_HEARTBEAT = 'H',
	REPL_COPY_BEGIN = 'B',
	REPL_COPY_BLOCK = 'D',
	REPL_COPY_END = 'E',
	REPL_PATCH = 'P',
	REPL_MARK = 'M',
	REPL_CONTENTS = 'C',
	REPL_ACK = 'A',
};

struct repl_message {
	enum repl_type type;
	struct slice payload; /* borrows the input */
};

struct repl_heartbeat {
	uint64_t last_lsn, durable_lsn, horizon_lsn, wall_ms;
};

struct repl_ack {
	uint64_t received_lsn, durable_lsn;
};

/* A decoded C; borrows its payload. */
struct repl_contents {
	uint64_t lsn;
	const uint8_t *known, *filled; /* bits */
	const uint8_t *digests;
};

static inline bool repl_slot_bit(const uint8_t *bits, uint16_t slot)
{
	return (bits[slot / 8] >> (slot % 8) & 1) != 0;
}

/* Writes the header of a message; the payload is sent behind it by the caller. */
void repl_header(enum repl_type type, struct slice payload, uint8_t out[REPL_HEADER_LEN]);

/* Reads one message from the front of in; *used gets its whole length. ST_NEED_MORE: *used gets how
 * many bytes it has in all, as far as known. ST_CORRUPT: no such message. */
MUST_CHECK enum status repl_decode(struct slice in, struct repl_message *out, size_t *used);

/* Whole messages, appended to out. ST_NO_MEMORY. */
MUST_CHECK enum status repl_put_heartbeat(const struct repl_heartbeat *h, struct buf *out);
MUST_CHECK enum status repl_put_ack(const struct repl_ack *a, struct buf *out);
MUST_CHECK enum status repl_put_mark(uint64_t lsn, struct buf *out);
MUST_CHECK enum status repl_put_contents(struct slice payload, struct buf *out);

/* Begins a payload of C in out, which is empty before: no slot is known at first. ST_NO_MEMORY. */
MUST_CHECK enum status repl_contents_begin(uint64_t lsn, struct buf *out);
/* A slot is known, each after all before it; digest NULL: it is empty. ST_NO_MEMORY. */
MUST_CHECK enum status repl_contents_add(struct buf *out, uint16_t slot, const uint8_t *digest);

/* Payloads. ST_CORRUPT: not of the right length; for C also an empty slot with a digest. */
MUST_CHECK enum status repl_get_heartbeat(struct slice payload, struct repl_heartbeat *out);
MUST_CHECK enum status repl_get_ack(struct slice payload, struct repl_ack *out);
MUST_CHECK enum status repl_get_mark(struct slice payload, uint64_t *lsn);
MUST_CHECK enum status repl_get_contents(struct slice payload, struct repl_contents *out);

#endif
