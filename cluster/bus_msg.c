/* Encoding and decoding of bus messages. Lengths are compared in 64 bits and nothing is read before
 * its length is known to be there. */
#include "cluster/bus_msg.h"

#include "engine/base/bytes.h"

#include <assert.h>

enum {
	OFF_VERSION = 8,
	OFF_PORT = 10,
	OFF_TYPE = 12,
	OFF_COUNT = 14,
	OFF_CURRENT_EPOCH = 16,
	OFF_CONFIG_EPOCH = 24,
	OFF_OFFSET = 32,
	OFF_SENDER = 40,
	OFF_SLOTS = 80,
	OFF_PRIMARY = OFF_SLOTS + SLOT_BITS_LEN,
	OFF_IP = OFF_PRIMARY + NODE_ID_LEN,
	OFF_EXTENSIONS = OFF_IP + NODE_IP_CAP,
	OFF_RESERVED = 2216,
	OFF_HISTORY = OFF_RESERVED + 4,
	OFF_OTHER_PORT = 2246,
	OFF_BUS_PORT = 2248,
	OFF_FLAGS = 2250,
	OFF_STATE = 2252,
	OFF_MFLAGS = 2253,

	GOSSIP_PING = 40,
	GOSSIP_PONG = 44,
	GOSSIP_IP = 48,
	GOSSIP_PORT = 94,
	GOSSIP_BUS_PORT = 96,
	GOSSIP_FLAGS = 98,
	GOSSIP_OTHER_PORT = 100,

	PUBLISH_HEAD_LEN = 8,
	MODULE_HEAD_LEN = 13,
	MODULE_LEN_OFF = BUS_HEADER_LEN + 8,
};

static_assert(OFF_EXTENSIONS == 2214, "the wire's layout");
static_assert(BUS_UPDATE_LEN == 4352, "the wire's layout");
static_assert(sizeof(struct slot_bits) == SLOT_BITS_LEN, "bitmaps are borrowed from the bytes");

static const char signature[4] = {'R', 'C', 'm', 'b'};
static const char cairn_mark[4] = {'C', 'R', 'N', '1'};

const char *bus_type_name(unsigned type)
{
	static const char *const names[BUS_TYPES] = {
	    "ping",	"pong",	  "meet",    "fail",   "publish",      "auth-req",
	    "auth-ack", "update", "mfstart", "module", "publishshard",
	};

	return type < BUS_TYPES ? names[type] : "unknown";
}

enum status bus_msg_length(struct slice in, uint32_t max, uint32_t *out)
{
	uint32_t len;

	if (in.len < BUS_FRAME_MIN) {
		return ST_NEED_MORE;
	}
	len = bytes_get_u32be(in.data + BUS_LENGTH_OFF);
	if (memcmp(in.data, signature, sizeof signature) != 0 || len < BUS_HEADER_LEN ||
	    len > max) {
		return ST_CORRUPT;
	}
	*out = len;
	return ST_OK;
}

static bool read_ip(const uint8_t *at, char out[NODE_IP_CAP])
{
	memcpy(out, at, NODE_IP_CAP);
	return node_text_safe(out, NODE_IP_CAP);
}

static bool read_header(const uint8_t *at, struct bus_header *h)
{
	static const uint8_t zeros[NODE_ID_LEN];

	memset(h, 0, sizeof *h);
	h->type = bytes_get_u16be(at + OFF_TYPE);
	h->gossip_count = bytes_get_u16be(at + OFF_COUNT);
	h->ext_count = bytes_get_u16be(at + OFF_EXTENSIONS);
	h->flags = bytes_get_u16be(at + OFF_FLAGS);
	h->mflags = at[OFF_MFLAGS];
	h->state_fail = at[OFF_STATE] != 0;
	h->current_epoch = bytes_get_u64be(at + OFF_CURRENT_EPOCH);
	h->config_epoch = bytes_get_u64be(at + OFF_CONFIG_EPOCH);
	h->offset = bytes_get_u64be(at + OFF_OFFSET);
	h->cairn = memcmp(at + OFF_RESERVED, cairn_mark, sizeof cairn_mark) == 0;
	h->history_epoch = h->cairn ? bytes_get_u64be(at + OFF_HISTORY) : 0;
	h->addr.port = bytes_get_u16be(at + OFF_PORT);
	h->addr.other_port = bytes_get_u16be(at + OFF_OTHER_PORT);
	h->addr.bus_port = bytes_get_u16be(at + OFF_BUS_PORT);
	h->slots = (const struct slot_bits *)(at + OFF_SLOTS);
	if (memcmp(at + OFF_PRIMARY, zeros, NODE_ID_LEN) != 0 &&
	    !node_id_read(at + OFF_PRIMARY, &h->primary)) {
		return false;
	}
	return node_id_read(at + OFF_SENDER, &h->sender) && read_ip(at + OFF_IP, h->addr.ip);
}

/* The extensions of a PING, PONG or MEET: as many records as the header says, to the very end. */
static bool extensions_fit(const struct bus_header *h, struct slice exts)
{
	if ((h->mflags & BUS_EXT_DATA) == 0) {
		return exts.len == 0;
	}
	for (unsigned i = 0; i < h->ext_count; i++) {
		uint32_t len;

		if (exts.len < BUS_EXT_HEAD_LEN) {
			return false;
		}
		len = bytes_get_u32be(exts.data);
		if (len < BUS_EXT_HEAD_LEN || len % 8 != 0 || len > exts.len) {
			return false;
		}
		exts = slice_skip(exts, len);
	}
	return exts.len == 0;
}

static bool read_gossip_body(struct slice body, struct bus_msg *out)
{
	uint64_t gossip = (uint64_t)out->h.gossip_count * BUS_GOSSIP_LEN;

	if (gossip > body.len) {
		return false;
	}
	out->gossip = slice_of(body.data, (size_t)gossip);
	out->exts = slice_skip(body, (size_t)gossip);
	return extensions_fit(&out->h, out->exts);
}

static bool read_update(struct slice body, struct bus_msg *out)
{
	if (body.len != BUS_UPDATE_LEN - BUS_HEADER_LEN || !node_id_read(body.data + 8, &out->id)) {
		return false;
	}
	out->epoch = bytes_get_u64be(body.data);
	out->slots = (const struct slot_bits *)(body.data + 8 + NODE_ID_LEN);
	return true;
}

static bool read_publish(struct slice body, struct bus_msg *out)
{
	uint32_t channel;
	uint32_t payload;

	if (body.len < PUBLISH_HEAD_LEN) {
		return false;
	}
	channel = bytes_get_u32be(body.data);
	payload = bytes_get_u32be(body.data + 4);
	body = slice_skip(body, PUBLISH_HEAD_LEN);
	if ((uint64_t)channel + payload != body.len) {
		return false;
	}
	out->channel = slice_of(body.data, channel);
	out->payload = slice_skip(body, channel);
	return true;
}

static bool read_module(struct slice in)
{
	return in.len >= BUS_HEADER_LEN + MODULE_HEAD_LEN &&
	       (uint64_t)BUS_HEADER_LEN + MODULE_HEAD_LEN +
		       bytes_get_u32be(in.data + MODULE_LEN_OFF) ==
		   in.len;
}

enum status bus_msg_decode(struct slice in, struct bus_msg *out)
{
	struct slice body;
	uint32_t len;
	bool good = false;

	memset(out, 0, sizeof *out);
	if (bus_msg_length(in, UINT32_MAX, &len) != ST_OK || len != in.len) {
		return ST_CORRUPT;
	}
	if (bytes_get_u16be(in.data + OFF_VERSION) != 1) {
		return ST_VERSION;
	}
	if (bytes_get_u16be(in.data + OFF_TYPE) >= BUS_TYPES) {
		return ST_INVALID;
	}
	if (!read_header(in.data, &out->h)) {
		return ST_CORRUPT;
	}
	body = slice_skip(in, BUS_HEADER_LEN);
	switch ((enum bus_type)out->h.type) {
	case BUS_PING:
	case BUS_PONG:
	case BUS_MEET:
		good = read_gossip_body(body, out);
		break;
	case BUS_FAIL:
		good = body.len == NODE_ID_LEN && node_id_read(body.data, &out->id);
		break;
	case BUS_PUBLISH:
	case BUS_PUBLISHSHARD:
		good = read_publish(body, out);
		break;
	case BUS_UPDATE:
		good = read_update(body, out);
		break;
	case BUS_AUTH_REQUEST:
	case BUS_AUTH_ACK:
	case BUS_MFSTART:
		good = body.len == 0;
		break;
	case BUS_MODULE:
		good = read_module(in);
		break;
	case BUS_TYPES:
		break;
	}
	return good ? ST_OK : ST_CORRUPT;
}

bool bus_msg_gossip(const struct bus_msg *m, unsigned i, struct bus_gossip *out)
{
	const uint8_t *at = m->gossip.data + (size_t)i * BUS_GOSSIP_LEN;

	memset(out, 0, sizeof *out);
	out->ping_sent_s = bytes_get_u32be(at + GOSSIP_PING);
	out->pong_s = bytes_get_u32be(at + GOSSIP_PONG);
	out->addr.port = bytes_get_u16be(at + GOSSIP_PORT);
	out->addr.bus_port = bytes_get_u16be(at + GOSSIP_BUS_PORT);
	out->addr.other_port = bytes_get_u16be(at + GOSSIP_OTHER_PORT);
	out->flags = bytes_get_u16be(at + GOSSIP_FLAGS);
	return node_id_read(at, &out->id) && read_ip(at + GOSSIP_IP, out->addr.ip);
}

bool bus_ext_next(struct slice *rest, struct bus_ext *out)
{
	uint32_t len;

	if (rest->len < BUS_EXT_HEAD_LEN) {
		return false;
	}
	len = bytes_get_u32be(rest->data);
	if (len < BUS_EXT_HEAD_LEN || len > rest->len) {
		return false;
	}
	out->type = bytes_get_u16be(rest->data + 4);
	out->data = slice_of(rest->data + BUS_EXT_HEAD_LEN, len - BUS_EXT_HEAD_LEN);
	*rest = slice_skip(*rest, len);
	return true;
}

/* The text of an extension, in cap bytes; safe says whether it may be taken. */
static bool ext_text(const struct bus_ext *e, char *out, size_t cap,
		     bool (*safe)(const char *text, size_t cap))
{
	size_t len = e->data.len < cap ? e->data.len : cap;

	memset(out, 0, cap);
	if (len == 0 || !safe((const char *)e->data.data, len)) {
		return false;
	}
	/* Terminated within len, as safe has found. */
	memcpy(out, e->data.data, len);
	return true;
}

bool bus_ext_hostname(const struct bus_ext *e, char out[NODE_HOSTNAME_CAP])
{
	return ext_text(e, out, NODE_HOSTNAME_CAP, node_text_safe);
}

bool bus_ext_nodename(const struct bus_ext *e, char out[NODE_NAME_CAP])
{
	return ext_text(e, out, NODE_NAME_CAP, node_name_safe);
}

bool bus_ext_forgotten(const struct bus_ext *e, struct node_id *out, uint64_t *ttl_s)
{
	if (e->data.len < BUS_FORGOTTEN_LEN - BUS_EXT_HEAD_LEN ||
	    !node_id_read(e->data.data, out)) {
		return false;
	}
	*ttl_s = bytes_get_u64be(e->data.data + NODE_ID_LEN);
	return true;
}

bool bus_ext_shard(const struct bus_ext *e, struct node_id *out)
{
	return e->data.len >= NODE_ID_LEN && node_id_read(e->data.data, out);
}

void bus_put_header(uint8_t *dst, const struct bus_header *h)
{
	memset(dst, 0, OFF_SLOTS);
	memset(dst + OFF_PRIMARY, 0, BUS_HEADER_LEN - OFF_PRIMARY);
	memcpy(dst, signature, sizeof signature);
	bytes_put_u32be(dst + BUS_LENGTH_OFF, BUS_HEADER_LEN);
	bytes_put_u16be(dst + OFF_VERSION, 1);
	bytes_put_u16be(dst + OFF_PORT, h->addr.port);
	bytes_put_u16be(dst + OFF_TYPE, h->type);
	bytes_put_u16be(dst + OFF_COUNT, h->gossip_count);
	bytes_put_u64be(dst + OFF_CURRENT_EPOCH, h->current_epoch);
	bytes_put_u64be(dst + OFF_CONFIG_EPOCH, h->config_epoch);
	bytes_put_u64be(dst + OFF_OFFSET, h->offset);
	memcpy(dst + OFF_SENDER, h->sender.text, NODE_ID_LEN);
	memcpy(dst + OFF_SLOTS, h->slots->byte, SLOT_BITS_LEN);
	memcpy(dst + OFF_PRIMARY, h->primary.text, NODE_ID_LEN);
	memcpy(dst + OFF_IP, h->addr.ip, NODE_IP_CAP);
	bytes_put_u16be(dst + OFF_EXTENSIONS, h->ext_count);
	if (h->cairn) {
		memcpy(dst + OFF_RESERVED, cairn_mark, sizeof cairn_mark);
		bytes_put_u64be(dst + OFF_HISTORY, h->history_epoch);
	}
	bytes_put_u16be(dst + OFF_OTHER_PORT, h->addr.other_port);
	bytes_put_u16be(dst + OFF_BUS_PORT, h->addr.bus_port);
	bytes_put_u16be(dst + OFF_FLAGS, h->flags);
	dst[OFF_STATE] = h->state_fail ? 1 : 0;
	dst[OFF_MFLAGS] = h->mflags;
}

void bus_put_gossip(uint8_t *dst, const struct bus_gossip *g)
{
	memset(dst, 0, BUS_GOSSIP_LEN);
	memcpy(dst, g->id.text, NODE_ID_LEN);
	bytes_put_u32be(dst + GOSSIP_PING, g->ping_sent_s);
	bytes_put_u32be(dst + GOSSIP_PONG, g->pong_s);
	memcpy(dst + GOSSIP_IP, g->addr.ip, NODE_IP_CAP);
	bytes_put_u16be(dst + GOSSIP_PORT, g->addr.port);
	bytes_put_u16be(dst + GOSSIP_BUS_PORT, g->addr.bus_port);
	bytes_put_u16be(dst + GOSSIP_FLAGS, g->flags);
	bytes_put_u16be(dst + GOSSIP_OTHER_PORT, g->addr.other_port);
}

static void put_ext_head(uint8_t *dst, size_t len, enum bus_ext_type type)
{
	memset(dst, 0, len);
	bytes_put_u32be(dst, (uint32_t)len);
	bytes_put_u16be(dst + 4, (uint16_t)type);
}

static size_t put_text(uint8_t *dst, const char *text, enum bus_ext_type type)
{
	size_t text_len = strlen(text);
	size_t len = BUS_EXT_HEAD_LEN + ((text_len + 1 + 7) & ~(size_t)7);

	put_ext_head(dst, len, type);
	memcpy(dst + BUS_EXT_HEAD_LEN, text, text_len);
	return len;
}

size_t bus_put_hostname(uint8_t *dst, const char *hostname)
{
	return put_text(dst, hostname, BUS_EXT_HOSTNAME);
}

size_t bus_put_nodename(uint8_t *dst, const char *name)
{
	return put_text(dst, name, BUS_EXT_NODENAME);
}

size_t bus_put_forgotten(uint8_t *dst, const struct node_id *id, uint64_t ttl_s)
{
	put_ext_head(dst, BUS_FORGOTTEN_LEN, BUS_EXT_FORGOTTEN);
	memcpy(dst + BUS_EXT_HEAD_LEN, id->text, NODE_ID_LEN);
	bytes_put_u64be(dst + BUS_EXT_HEAD_LEN + NODE_ID_LEN, ttl_s);
	return BUS_FORGOTTEN_LEN;
}

size_t bus_put_shard(uint8_t *dst, const struct node_id *shard)
{
	put_ext_head(dst, BUS_SHARD_LEN, BUS_EXT_SHARD_ID);
	memcpy(dst + BUS_EXT_HEAD_LEN, shard->text, NODE_ID_LEN);
	return BUS_SHARD_LEN;
}

void bus_msg_seal(uint8_t *dst, size_t len, unsigned gossip_count, unsigned ext_count)
{
	bytes_put_u32be(dst + BUS_LENGTH_OFF, (uint32_t)len);
	bytes_put_u16be(dst + OFF_COUNT, (uint16_t)gossip_count);
	bytes_put_u16be(dst + OFF_EXTENSIONS, (uint16_t)ext_count);
}

size_t bus_put_fail(uint8_t *dst, const struct node_id *id)
{
	memcpy(dst + BUS_HEADER_LEN, id->text, NODE_ID_LEN);
	bus_msg_seal(dst, BUS_HEADER_LEN + NODE_ID_LEN, 0, 0);
	return BUS_HEADER_LEN + NODE_ID_LEN;
}

size_t bus_put_update(uint8_t *dst, uint64_t epoch, const struct node_id *id,
		      const struct slot_bits *slots)
{
	uint8_t *at = dst + BUS_HEADER_LEN;

	bytes_put_u64be(at, epoch);
	memcpy(at + 8, id->text, NODE_ID_LEN);
	memcpy(at + 8 + NODE_ID_LEN, slots->byte, SLOT_BITS_LEN);
	bus_msg_seal(dst, BUS_UPDATE_LEN, 0, 0);
	return BUS_UPDATE_LEN;
}

size_t bus_put_publish(uint8_t *dst, struct slice channel, struct slice payload)
{
	uint8_t *at = dst + BUS_HEADER_LEN;
	size_t len = BUS_HEADER_LEN + PUBLISH_HEAD_LEN + channel.len + payload.len;

	bytes_put_u32be(at, (uint32_t)channel.len);
	bytes_put_u32be(at + 4, (uint32_t)payload.len);
	at += PUBLISH_HEAD_LEN;
	if (channel.len > 0) {
		memcpy(at, channel.data, channel.len);
	}
	if (payload.len > 0) {
		memcpy(at + channel.len, payload.data, payload.len);
	}
	bus_msg_seal(dst, len, 0, 0);
	return len;
}
