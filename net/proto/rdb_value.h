/* Decodes a value as Redis's DUMP serializes it: every type and encoding of Redis up to 7.2,
 * element by element, from bytes that nobody vouches for. Pure.
 *
 * What is decoded is checked to the last byte: lengths against what is there, the forms of packed
 * collections, counts, the order of an intset, scores that are numbers, nothing left over, nothing
 * empty. One thing is left to whoever takes the elements, who has to look each of them up anyway:
 * that no set member, field or zset member comes twice. Values of modules, and here streams, are
 * walked through and checked but not given out; streams are by rdb_stream.h. */
#ifndef CAIRN_NET_PROTO_RDB_VALUE_H
#define CAIRN_NET_PROTO_RDB_VALUE_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum rdb_kind {
	RDB_KIND_STRING,
	RDB_KIND_LIST,
	RDB_KIND_SET,
	RDB_KIND_ZSET,
	RDB_KIND_HASH,
	RDB_KIND_STREAM,
	RDB_KIND_MODULE
};

/* An element. What it borrows is valid during the call alone. */
struct rdb_item {
	struct slice bytes;    /* the string; list element; member; field */
	struct slice value;    /* of a field */
	double score;	       /* of a zset's member */
	uint64_t expire_at_ms; /* of a field; 0: none */
};

/* Takes elements in the payload's order: a string is one, a list comes head first. Anything but
 * ST_OK ends the decoding with that status. */
typedef enum status (*rdb_take)(void *arg, enum rdb_kind kind, const struct rdb_item *item);

/* "string", "list", "set", "zset", "hash", "stream", "module value". */
const char *rdb_kind_text(enum rdb_kind kind);

/* Checks version and checksum of a payload. *value: type and body, without them. ST_CORRUPT: too
 * short, of a newer version than Redis 7.2's, or the checksum does not match. */
MUST_CHECK enum status rdb_payload_open(struct slice payload, struct slice *value);

/* What a value's type byte says. ST_CORRUPT: no type of Redis 7.2. */
MUST_CHECK enum status rdb_value_kind(struct slice value, enum rdb_kind *out);

/* Decodes type and body. string_max: bytes of the longest string (or packed collection) that is
 * accepted. Needs memory only to unpack: of the longest packed string, or of two when field and
 * value are. ST_CORRUPT; ST_LIMIT: longer than string_max; ST_NO_MEMORY. */
MUST_CHECK enum status rdb_value_decode(struct slice value, uint64_t string_max, rdb_take take,
					void *arg);

#endif
