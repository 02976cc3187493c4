/* Messages of the Redis Cluster bus, protocol version 1: bytes to values and back. Pure.
 *
 * Every message begins with a header of 2256 bytes; integers are big-endian:
 *
 *   off  size  field
 *     0     4  "RCmb"
 *     4     4  length of the whole message
 *     8     2  version, 1
 *    10     2  client port
 *    12     2  type (enum bus_type)
 *    14     2  number of gossip entries
 *    16     8  current epoch of the sender
 *    24     8  config epoch: the sender's, or its primary's
 *    32     8  replication offset
 *    40    40  id of the sender
 *    80  2048  slots of the sender, or of its primary
 *  2128    40  id of the sender's primary; 40 zero bytes: it is a primary
 *  2168    46  announced IP, or zeros
 *  2214     2  number of extensions
 *  2216    30  reserved: receivers ignore it. Cairn writes "CRN1" and, 8 bytes, the epoch of the
 *              history its data belongs to, then zeros
 *  2246     2  client port of the other kind (TLS or plain), or 0
 *  2248     2  bus port
 *  2250     2  flags of the sender (enum node_flags)
 *  2252     1  0: cluster is ok for the sender, 1: it is not
 *  2253     3  message flags: byte 0 is enum bus_mflags, the others are 0
 *
 * Then, by type: gossip entries of 104 bytes and extensions (PING, PONG, MEET), an id (FAIL), two
 * lengths and two texts (PUBLISH, PUBLISHSHARD), epoch, id and slots (UPDATE), or nothing.
 *
 * Gossip entry: id 40, ping sent 4 and pong received 4 (Unix seconds), ip 46, client port 2, bus
 * port 2, flags 2, other client port 2, zero 2. Extension: length 4 (of the whole record, a
 * multiple of 8), type 2, zero 2, data padded with zeros. */
#ifndef CAIRN_CLUSTER_BUS_MSG_H
#define CAIRN_CLUSTER_BUS_MSG_H

#include "cluster/cluster_types.h"

enum {
	BUS_HEADER_LEN = 2256,
	BUS_GOSSIP_LEN = 104,
	BUS_LENGTH_OFF = 4,
	BUS_FRAME_MIN = 8, /* bytes that bus_msg_length needs */
	BUS_EXT_HEAD_LEN = 8,
	BUS_FORGOTTEN_LEN = BUS_EXT_HEAD_LEN + NODE_ID_LEN + 8,
	BUS_SHARD_LEN = BUS_EXT_HEAD_LEN + NODE_ID_LEN,
	BUS_UPDATE_LEN = BUS_HEADER_LEN + 8 + NODE_ID_LEN + SLOT_BITS_LEN,
};

enum bus_type {
	BUS_PING,
	BUS_PONG,
	BUS_MEET,
	BUS_FAIL,
	BUS_PUBLISH,
	BUS_AUTH_REQUEST,
	BUS_AUTH_ACK,
	BUS_UPDATE,
	BUS_MFSTART,
	BUS_MODULE,
	BUS_PUBLISHSHARD,
	BUS_TYPES,
};

enum bus_mflags {
	BUS_PAUSED = 1,	  /* a primary whose writes are paused for a manual failover */
	BUS_FORCEACK = 2, /* vote although the primary has not failed */
	BUS_EXT_DATA = 4, /* extensions may follow */
};

enum bus_ext_type {
	BUS_EXT_HOSTNAME,
	BUS_EXT_NODENAME,
	BUS_EXT_FORGOTTEN,
	BUS_EXT_SHARD_ID,
};

struct bus_header {
	uint16_t type;
	uint16_t gossip_count;
	uint16_t ext_count;
	uint16_t flags; /* NODE_* */
	uint8_t mflags; /* BUS_PAUSED and its kin */
	bool state_fail;
	bool cairn; /* the sender wrote history_epoch */
	uint64_t current_epoch;
	uint64_t config_epoch;
	uint64_t offset;
	uint64_t history_epoch; /* 0 unless cairn */
	struct node_id sender;
	struct node_id primary;	       /* empty: the sender is a primary */
	struct node_addr addr;	       /* ip is empty unless announced */
	const struct slot_bits *slots; /* borrowed */
};

struct bus_gossip {
	struct node_id id;
	uint32_t ping_sent_s; /* wall clock, 0 for none */
	uint32_t pong_s;
	struct node_addr addr;
	uint16_t flags;
};

struct bus_ext {
	uint16_t type;
	struct slice data; /* borrowed; padding included */
};

/* A decoded message; slices and pointers borrow the bytes it was decoded from. */
struct bus_msg {
	struct bus_header h;
	struct slice gossip;	       /* whole entries */
	struct slice exts;	       /* whole records */
	struct node_id id;	       /* FAIL: who; UPDATE: whose slots */
	uint64_t epoch;		       /* UPDATE */
	const struct slot_bits *slots; /* UPDATE */
	struct slice channel;	       /* PUBLISH, PUBLISHSHARD */
	struct slice payload;	       /* likewise: the message */
};

/* The length of the message that begins at in, for whoever cuts a stream into messages.
 * ST_NEED_MORE: fewer than BUS_FRAME_MIN bytes. ST_CORRUPT: not a message, or longer than max:
 * close the link. */
MUST_CHECK enum status bus_msg_length(struct slice in, uint32_t max, uint32_t *out);

/* Reads one whole message. ST_VERSION: another protocol version, ST_INVALID: a type unknown here
 * (both to be ignored); ST_CORRUPT: lengths, ids or texts that no node sends. */
MUST_CHECK enum status bus_msg_decode(struct slice in, struct bus_msg *out);

/* The i-th gossip entry (i below m->h.gossip_count). False when the entry is not to be believed:
 * an id or address that no node sends. */
bool bus_msg_gossip(const struct bus_msg *m, unsigned i, struct bus_gossip *out);

/* Takes the next extension off *rest (start with m->exts). False at the end. */
bool bus_ext_next(struct slice *rest, struct bus_ext *out);

/* The text of a hostname extension. False: not terminated, too long, or unsafe. */
bool bus_ext_hostname(const struct bus_ext *e, char out[NODE_HOSTNAME_CAP]);

/* The text of an extension with the name that people gave the sender. False as above. */
bool bus_ext_nodename(const struct bus_ext *e, char out[NODE_NAME_CAP]);

/* The content of a forgotten-node extension: who, and for how many more seconds. */
bool bus_ext_forgotten(const struct bus_ext *e, struct node_id *out, uint64_t *ttl_s);

/* The content of a shard-id extension. */
bool bus_ext_shard(const struct bus_ext *e, struct node_id *out);

/* Writes the header at dst (BUS_HEADER_LEN bytes) with the length of a message without a body. */
void bus_put_header(uint8_t *dst, const struct bus_header *h);

/* Writes one gossip entry (BUS_GOSSIP_LEN bytes). */
void bus_put_gossip(uint8_t *dst, const struct bus_gossip *g);

/* Each writes one extension and returns its length: 8 more than the text and its
 * terminator rounded up to 8, BUS_FORGOTTEN_LEN, BUS_SHARD_LEN. */
size_t bus_put_hostname(uint8_t *dst, const char *hostname);
size_t bus_put_nodename(uint8_t *dst, const char *name);
size_t bus_put_forgotten(uint8_t *dst, const struct node_id *id, uint64_t ttl_s);
size_t bus_put_shard(uint8_t *dst, const struct node_id *shard);

/* Corrects the counts and the length of a message at dst once its body is complete. */
void bus_msg_seal(uint8_t *dst, size_t len, unsigned gossip_count, unsigned ext_count);

/* Bodies of the types that have one besides gossip. dst holds a header already; each returns the
 * length of the whole, sealed message. */
size_t bus_put_fail(uint8_t *dst, const struct node_id *id);
size_t bus_put_update(uint8_t *dst, uint64_t epoch, const struct node_id *id,
		      const struct slot_bits *slots);
size_t bus_put_publish(uint8_t *dst, struct slice channel, struct slice payload);

/* The name of a type as CLUSTER INFO spells it ("ping", "auth-req", ...). */
const char *bus_type_name(unsigned type);

#endif
