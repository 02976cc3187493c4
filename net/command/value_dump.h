/* A key's value as Redis's DUMP payload, in pieces: nothing is held but the piece being made, so a
 * value of any size can be given out over many turns, as long as nobody changes it meanwhile.
 *
 * Executor thread, inside a batch. */
#ifndef CAIRN_NET_COMMAND_VALUE_DUMP_H
#define CAIRN_NET_COMMAND_VALUE_DUMP_H

#include "engine/types/type_stream.h"

/* Where a walk through the value stands. Private. */
struct value_dump {
	struct engine *engine;
	const struct store_key *key;
	enum value_type type;
	enum value_form form;
	uint64_t count;	   /* bytes of a string, elements of a collection */
	uint64_t id;	   /* of a large one */
	uint64_t position; /* string: bytes given; list: elements given; else: order of the next */
	uint64_t given;	   /* elements given */
	uint64_t bytes;	   /* of the payload so far */
	uint64_t total;	   /* for the caller: bytes of the payload, once it was counted */
	uint64_t crc;
	struct stream_id next; /* of a stream: the next entry is not before */
	uint64_t together;     /* of a stream: entries that are written together */
	uint64_t fields_at_ms; /* of a hash with fields that expire: when the first does */
	bool begun, ended;
};

/* Begins with the value that ks_lookup found as m. key stays borrowed. ST_WRONG_TYPE: a type
 * without a serialized form yet; ST_CORRUPT. */
MUST_CHECK enum status value_dump_open(struct value_dump *d, struct engine *e,
				       const struct store_key *key, const struct meta *m);

/* Appends the next piece of the payload to out: at least so many bytes while there are more, and
 * not much more than that unless a single element is larger. out NULL: only counts them, in
 * d->bytes, to learn the payload's length. ST_END: that was the last one. ST_NOT_FOUND: the key has
 * gone or holds something else. ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status value_dump_next(struct value_dump *d, struct buf *out, size_t bytes);

#endif
