/* Values that every part of the cluster layer shares: node ids, addresses, slot bitmaps, flags.
 *
 * Words: primary and replica here; "master" and "slave" appear only in texts that other programs
 * read (nodes.conf, CLUSTER NODES). Epochs, LSNs and times are plain uint64_t; a time in _ms is
 * monotonic unless its name says wall. */
#ifndef CAIRN_CLUSTER_CLUSTER_TYPES_H
#define CAIRN_CLUSTER_CLUSTER_TYPES_H

#include "engine/base/keyslot.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	NODE_ID_LEN = 40,
	NODE_IP_CAP = 46,	 /* with the terminator; the size of the field on the wire */
	NODE_HOSTNAME_CAP = 256, /* with the terminator */
	NODE_NAME_CAP = 256,	 /* of a name for people, likewise */
	SLOT_BITS_LEN = SLOTS / 8,
};

/* Flags of a node, with the numbers they have on the wire. */
enum node_flags {
	NODE_PRIMARY = 1,
	NODE_REPLICA = 2,
	NODE_PFAIL = 4, /* suspected by me */
	NODE_FAIL = 8,	/* agreed by a majority */
	NODE_MYSELF = 16,
	NODE_HANDSHAKE = 32, /* not yet identified: its id is made up */
	NODE_NOADDR = 64,
	NODE_MEET = 128,       /* the next packet to it is a MEET */
	NODE_MIGRATE_TO = 256, /* a primary that lost replicas may be given one */
	NODE_NOFAILOVER = 512, /* a replica that never stands by itself */
	/* Only on the wire, from one Cairn to the other in an entry about the receiver: I voted to
	 * replace you and don't know whether it came to that. */
	NODE_CONTESTED = 0x4000,
};

/* The name of a node or shard: 40 of [a-z0-9], or empty. Terminated, so it prints with %s. */
struct node_id {
	char text[NODE_ID_LEN + 1];
};

struct node_addr {
	char ip[NODE_IP_CAP]; /* text form, empty when unknown */
	uint16_t port;	      /* for clients: plain TCP, or TLS where the cluster runs on TLS */
	uint16_t other_port;  /* the client port of the other kind, 0 for none */
	uint16_t bus_port;
};

/* One bit per slot, lowest bit of a byte first, as on the wire. */
struct slot_bits {
	uint8_t byte[SLOT_BITS_LEN];
};

static inline bool slot_bits_get(const struct slot_bits *b, unsigned slot)
{
	return (b->byte[slot / 8] >> (slot % 8) & 1) != 0;
}

static inline void slot_bits_set(struct slot_bits *b, unsigned slot)
{
	b->byte[slot / 8] = (uint8_t)(b->byte[slot / 8] | 1u << (slot % 8));
}

static inline void slot_bits_clear(struct slot_bits *b, unsigned slot)
{
	b->byte[slot / 8] = (uint8_t)(b->byte[slot / 8] & ~(1u << (slot % 8)));
}

/* Whether some slot is in both. Asked for every message, so a word at a time. */
static inline bool slot_bits_meet(const struct slot_bits *a, const struct slot_bits *b)
{
	uint64_t both = 0;

	for (int i = 0; i < SLOT_BITS_LEN; i += 8) {
		uint64_t x;
		uint64_t y;

		memcpy(&x, a->byte + i, sizeof x);
		memcpy(&y, b->byte + i, sizeof y);
		both |= x & y;
	}
	return both != 0;
}

static inline bool node_id_eq(const struct node_id *a, const struct node_id *b)
{
	return memcmp(a->text, b->text, NODE_ID_LEN) == 0;
}

static inline bool node_id_empty(const struct node_id *id)
{
	return id->text[0] == '\0';
}

/* Reads NODE_ID_LEN bytes. False, and *out empty, unless each is in [a-z0-9]. */
static inline bool node_id_read(const void *at, struct node_id *out)
{
	const char *c = at;

	memset(out, 0, sizeof *out);
	for (int i = 0; i < NODE_ID_LEN; i++) {
		if (!((c[i] >= 'a' && c[i] <= 'z') || (c[i] >= '0' && c[i] <= '9'))) {
			return false;
		}
	}
	memcpy(out->text, c, NODE_ID_LEN);
	return true;
}

/* True when a text is terminated within cap bytes, and of letters, digits and the marks alone. */
static inline bool node_chars_safe(const char *text, size_t cap, const char *marks)
{
	for (size_t i = 0; i < cap; i++) {
		char c = text[i];

		if (c == '\0') {
			return true;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      strchr(marks, c) != NULL)) {
			return false;
		}
	}
	return false;
}

/* True when a text may stand in an address or host name field: terminated within cap bytes, and
 * without a byte that would break a line of nodes.conf. */
static inline bool node_text_safe(const char *text, size_t cap)
{
	return node_chars_safe(text, cap, ".:-_%");
}

/* True when a text may be what people call a node. Redis 7.2 takes more, among it what breaks a
 * line of its nodes.conf. */
static inline bool node_name_safe(const char *text, size_t cap)
{
	return node_chars_safe(text, cap, "-_./");
}

static inline bool node_addr_eq(const struct node_addr *a, const struct node_addr *b)
{
	return strcmp(a->ip, b->ip) == 0 && a->port == b->port && a->bus_port == b->bus_port &&
	       a->other_port == b->other_port;
}

#endif
