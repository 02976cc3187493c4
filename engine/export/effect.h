/* A logged operation as what it does to the store: which store key, which stored value. */
#ifndef CAIRN_ENGINE_EXPORT_EFFECT_H
#define CAIRN_ENGINE_EXPORT_EFFECT_H

#include "engine/key_codec.h"
#include "engine/wal/wal_record.h"

enum effect_kind {
	EFFECT_PUT,
	EFFECT_DEL,
	EFFECT_DROP,
	EFFECT_FLUSH,
	EFFECT_LIBRARY /* on the libraries of functions: library_set_apply tells */
};

struct effect {
	enum effect_kind kind;
	bool blind;
	struct store_key key;	/* PUT, DEL */
	struct slice stored[3]; /* PUT: the stored value in pieces */
	size_t stored_count;	/* pieces; 0 but for PUT */
	uint8_t name_len[4];	/* backs a piece: the effect must stay where it is */
	uint16_t slot;		/* DROP */
	uint64_t id;		/* DROP */
	struct wal_op op;	/* LIBRARY */
};

/* Fills *out, which borrows the operation. ST_CORRUPT: a subkey that no store key can hold, a slot
 * out of range, or a key record that does not decode. */
MUST_CHECK enum status effect_of(const struct wal_op *op, struct effect *out);

/* Length of the stored value. */
size_t effect_stored_len(const struct effect *e);

#endif
