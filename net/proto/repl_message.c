/* Messages of the replication stream: headers, checksums, the small payloads. */
#include "net/proto/repl_message.h"

#include "engine/base/bytes.h"

#include <string.h>
#include <xxhash.h>

static const uint8_t magic[4] = {'C', 'R', 'S', '1'};

enum { SUMMED_LEN = 12, HEARTBEAT_LEN = 32, ACK_LEN = 16, MARK_LEN = 8 };

/* Of contents: where the bits and the digests are. */
enum {
	KNOWN_AT = 8,
	FILLED_AT = KNOWN_AT + REPL_SLOT_BITS,
	DIGESTS_AT = FILLED_AT + REPL_SLOT_BITS
};

static bool known(uint8_t type)
{
	switch ((enum repl_type)type) {
	case REPL_SEGMENT:
	case REPL_FRAMES:
	case REPL_HEARTBEAT:
	case REPL_COPY_BEGIN:
	case REPL_COPY_BLOCK:
	case REPL_COPY_END:
	case REPL_PATCH:
	case REPL_MARK:
	case REPL_CONTENTS:
	case REPL_ACK:
		return true;
	}
	return false;
}

static uint32_t sum(const uint8_t *header, struct slice payload)
{
	uint64_t of_payload = XXH3_64bits(payload.data, payload.len);

	return (uint32_t)XXH3_64bits_withSeed(header, SUMMED_LEN, of_payload);
}

void repl_header(enum repl_type type, struct slice payload, uint8_t out[REPL_HEADER_LEN])
{
	memcpy(out, magic, sizeof magic);
	bytes_put_u32le(out + 4, (uint32_t)type);
	bytes_put_u32le(out + 8, (uint32_t)payload.len);
	bytes_put_u32le(out + SUMMED_LEN, sum(out, payload));
}

enum status repl_decode(struct slice in, struct repl_message *out, size_t *used)
{
	uint32_t len;

	*used = REPL_HEADER_LEN;
	if (in.len > 0 &&
	    memcmp(in.data, magic, in.len < sizeof magic ? in.len : sizeof magic) != 0) {
		return ST_CORRUPT;
	}
	if (in.len < REPL_HEADER_LEN) {
		return ST_NEED_MORE;
	}
	len = bytes_get_u32le(in.data + 8);
	if (!known(in.data[4]) || in.data[5] != 0 || in.data[6] != 0 || in.data[7] != 0 ||
	    len > REPL_PAYLOAD_MAX) {
		return ST_CORRUPT;
	}
	*used += len;
	if (in.len < *used) {
		return ST_NEED_MORE;
	}
	out->type = (enum repl_type)in.data[4];
	out->payload = slice_of(in.data + REPL_HEADER_LEN, len);
	return sum(in.data, out->payload) == bytes_get_u32le(in.data + SUMMED_LEN) ? ST_OK
										   : ST_CORRUPT;
}

static enum status put(enum repl_type type, const uint8_t *payload, size_t len, struct buf *out)
{
	uint8_t header[REPL_HEADER_LEN];
	enum status st = buf_reserve(out, sizeof header + len);

	if (st != ST_OK) {
		return st;
	}
	repl_header(type, slice_of(payload, len), header);
	st = buf_append(out, header, sizeof header);
	return st == ST_OK ? buf_append(out, payload, len) : st;
}

enum status repl_put_heartbeat(const struct repl_heartbeat *h, struct buf *out)
{
	uint8_t payload[HEARTBEAT_LEN];

	bytes_put_u64le(payload, h->last_lsn);
	bytes_put_u64le(payload + 8, h->durable_lsn);
	bytes_put_u64le(payload + 16, h->horizon_lsn);
	bytes_put_u64le(payload + 24, h->wall_ms);
	return put(REPL_HEARTBEAT, payload, sizeof payload, out);
}

enum status repl_put_ack(const struct repl_ack *a, struct buf *out)
{
	uint8_t payload[ACK_LEN];

	bytes_put_u64le(payload, a->received_lsn);
	bytes_put_u64le(payload + 8, a->durable_lsn);
	return put(REPL_ACK, payload, sizeof payload, out);
}

enum status repl_get_heartbeat(struct slice payload, struct repl_heartbeat *out)
{
	if (payload.len != HEARTBEAT_LEN) {
		return ST_CORRUPT;
	}
	*out = (struct repl_heartbeat){
	    .last_lsn = bytes_get_u64le(payload.data),
	    .durable_lsn = bytes_get_u64le(payload.data + 8),
	    .horizon_lsn = bytes_get_u64le(payload.data + 16),
	    .wall_ms = bytes_get_u64le(payload.data + 24),
	};
	return ST_OK;
}

enum status repl_get_ack(struct slice payload, struct repl_ack *out)
{
	if (payload.len != ACK_LEN) {
		return ST_CORRUPT;
	}
	*out = (struct repl_ack){
	    .received_lsn = bytes_get_u64le(payload.data),
	    .durable_lsn = bytes_get_u64le(payload.data + 8),
	};
	return ST_OK;
}

enum status repl_put_mark(uint64_t lsn, struct buf *out)
{
	uint8_t payload[MARK_LEN];

	bytes_put_u64le(payload, lsn);
	return put(REPL_MARK, payload, sizeof payload, out);
}

enum status repl_put_contents(struct slice payload, struct buf *out)
{
	return put(REPL_CONTENTS, payload.data, payload.len, out);
}

enum status repl_get_mark(struct slice payload, uint64_t *lsn)
{
	if (payload.len != MARK_LEN) {
		return ST_CORRUPT;
	}
	*lsn = bytes_get_u64le(payload.data);
	return ST_OK;
}

enum status repl_contents_begin(uint64_t lsn, struct buf *out)
{
	enum status st = buf_reserve(out, DIGESTS_AT);

	if (st == ST_OK) {
		memset(out->data, 0, DIGESTS_AT);
		bytes_put_u64le(out->data, lsn);
		out->len = DIGESTS_AT;
	}
	return st;
}

enum status repl_contents_add(struct buf *out, uint16_t slot, const uint8_t *digest)
{
	uint8_t bit = (uint8_t)(1u << (slot % 8));

	out->data[KNOWN_AT + slot / 8] |= bit;
	if (digest == NULL) {
		return ST_OK;
	}
	out->data[FILLED_AT + slot / 8] |= bit;
	return buf_append(out, digest, REPL_DIGEST_LEN);
}

enum status repl_get_contents(struct slice payload, struct repl_contents *out)
{
	size_t filled = 0;

	if (payload.len < DIGESTS_AT) {
		return ST_CORRUPT;
	}
	for (size_t i = 0; i < REPL_SLOT_BITS; i++) {
		uint8_t bits = payload.data[FILLED_AT + i];

		if ((bits & ~payload.data[KNOWN_AT + i]) != 0) {
			return ST_CORRUPT;
		}
		filled += (size_t)__builtin_popcount(bits);
	}
	if (payload.len != DIGESTS_AT + filled * REPL_DIGEST_LEN) {
		return ST_CORRUPT;
	}
	*out = (struct repl_contents){
	    .lsn = bytes_get_u64le(payload.data),
	    .known = payload.data + KNOWN_AT,
	    .filled = payload.data + FILLED_AT,
	    .digests = payload.data + DIGESTS_AT,
	};
	return ST_OK;
}
