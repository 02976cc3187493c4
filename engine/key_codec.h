/* Keys and key records as bytes: how user keys, collection elements and their values look in the
 * memtable and in LMDB. Pure; the one home of this format, used by the engine, the checkpoint and
 * the tools.
 *
 * Store keys (at most 511 bytes, ordered by bytes; a slot is one contiguous range):
 *   [slot u16 BE]['G'][id u64 BE]                  -> empty: collection id is garbage, its range is
 * to be removed [slot u16 BE]['K'][order 6][user key]          -> key record [slot u16 BE]['S'][id
 * u64 BE][order 6][name]   -> value of a named element (hash field, set member) [slot u16
 * BE]['S'][id u64 BE][raw subkey]      -> value of an ordered element (list position, score, ...)
 * order = the first 6 bytes of the big-endian unseeded XXH3-64 of the name. It gives SCAN, HSCAN
 * and SSCAN a position that fits a stateless 64-bit cursor; what an iteration has passed never
 * moves. A name that would make the store key longer than 510 bytes is cut, and the key ends with
 * the 16 bytes of the canonical XXH3-128 of the whole name, at exactly 511 bytes. The stored value
 * then starts with [name length u32 LE][name]; a lookup compares the whole name.
 *
 * Key record: [type | form << 4][flags] [expire_at_ms u64 LE when flagged]
 * [fields_at_ms u64 LE][fields_timed u64 LE, when flagged: META_TIMED] then
 *   FORM_INLINE: the string's bytes, or a small collection's elements as its type module lays them
 * out FORM_LARGE:  [id u64][count u64][aux0 u64][aux1 u64], all LE: elements are records of their
 * own */
#ifndef CAIRN_ENGINE_KEY_CODEC_H
#define CAIRN_ENGINE_KEY_CODEC_H

#include "engine/base/keyslot.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

enum {
	STORE_KEY_MAX = 511,
	STORE_KEY_DIRECT_MAX = 510, /* longer ones are cut and hashed: exactly 511 bytes */
	KEY_ORDER_LEN = 6,
	KEY_PREFIX_LEN = 3,   /* slot and 'K' */
	ELEM_PREFIX_LEN = 11, /* slot, 'S' and id */
	META_HEADER_MAX = 10, /* type, flags, expiry */
	META_TIMED_LEN = 16,
	META_LARGE_LEN = 32,
	META_ENCODED_MAX =
	    META_HEADER_MAX + META_TIMED_LEN + META_LARGE_LEN, /* without an inline payload */
};

enum { KEYSPACE_GARBAGE = 'G', KEYSPACE_KEY = 'K', KEYSPACE_ELEM = 'S' };

enum value_type {
	TYPE_STRING = 1,
	TYPE_LIST = 2,
	TYPE_HASH = 3,
	TYPE_SET = 4,
	TYPE_ZSET = 5,
	TYPE_STREAM = 6,
};

enum value_form { FORM_INLINE = 0, FORM_LARGE = 1 };

enum meta_flags {
	META_EXPIRE = 1, /* expire_at_ms is present */
	/* A string that Redis would keep as raw: appended to or written in part; a set that once
	 * had a member that is no integer (intset to listpack). */
	META_RAW = 2,
	/* A collection that outgrew Redis's small encoding once (listpack to hashtable); a string
	 * that Redis would not keep as an integer though it looks like one: INCRBYFLOAT's result.
	 */
	META_ENCODED = 4,
	/* A large hash with fields that expire (engine/types/hash_expiry.h). */
	META_TIMED = 8,
};

/* A decoded key record. */
struct meta {
	enum value_type type;
	enum value_form form;
	uint8_t flags;
	uint64_t expire_at_ms; /* 0: no expiry */
	uint64_t fields_at_ms; /* when the first field expires; 0: none does */
	uint64_t fields_timed; /* fields that expire */
	struct slice payload;  /* FORM_INLINE; borrows the record */
	uint64_t id, count; /* FORM_LARGE: collection, number of elements (bytes, for a string) */
	uint64_t aux[2];    /* FORM_LARGE: what the type needs */
};

/* A store key with its parts. Only the first len bytes of bytes are set. */
struct store_key {
	struct slice name; /* the user key, field or raw subkey; borrowed */
	uint16_t slot;
	uint16_t len;
	uint8_t bytes[STORE_KEY_MAX];
};

/* The key of a user key (slot computed), of a named element, of an ordered element (subkey at most
 * 499 bytes, asserted), and of a garbage mark. The result borrows name. */
void store_key_of_key(struct store_key *k, struct slice name);
void store_key_of_field(struct store_key *k, uint16_t slot, uint64_t id, struct slice field);
void store_key_of_elem(struct store_key *k, uint16_t slot, uint64_t id, struct slice subkey);
void store_key_of_garbage(struct store_key *k, uint16_t slot, uint64_t id);

/* The 6 order bytes of a name as an integer below 2^48. */
uint64_t key_order(struct slice name);

static inline struct slice store_key_slice(const struct store_key *k)
{
	return slice_of(k->bytes, k->len);
}

/* True when the key was cut and hashed, so that its stored value starts with the whole name. */
static inline bool store_key_is_long(struct slice key)
{
	return key.len == STORE_KEY_MAX;
}

/* Parts of a store key. The caller knows that it has at least KEY_PREFIX_LEN bytes (ELEM_PREFIX_LEN
 * for the id). */
uint16_t store_key_slot(struct slice key);
uint8_t store_key_space(struct slice key);
uint64_t store_key_id(struct slice key);

/* ST_CORRUPT unless the key has one of the four shapes above. */
MUST_CHECK enum status store_key_check(struct slice key);

/* Splits a stored value of a key or named element into its whole name and the value proper; both
 * borrow key and stored. ST_CORRUPT: a long key whose stored value does not hold a fitting name. */
MUST_CHECK enum status stored_split(struct slice key, struct slice stored, struct slice *name,
				    struct slice *value);

/* When something about the key is due, its own expiry or that of a field; 0: never. */
static inline uint64_t meta_due_ms(const struct meta *m)
{
	bool fields_first =
	    m->fields_at_ms != 0 && (m->expire_at_ms == 0 || m->fields_at_ms < m->expire_at_ms);

	return fields_first ? m->fields_at_ms : m->expire_at_ms;
}

/* Writes the record up to its inline payload (which the caller appends) into dst of
 * META_ENCODED_MAX bytes; returns the length. The flags META_EXPIRE and META_TIMED are derived from
 * expire_at_ms and fields_timed. */
size_t meta_encode(const struct meta *m, uint8_t *dst);

/* Decodes a key record (the value proper). ST_CORRUPT: too short, unknown type, form or flags. */
MUST_CHECK enum status meta_decode(struct slice value, struct meta *out);

/* Whether a large collection's elements have names (fields, members); those of lists and streams
 * have raw subkeys. */
static inline bool type_is_named(enum value_type type)
{
	return type == TYPE_HASH || type == TYPE_SET || type == TYPE_ZSET;
}

/* "string", "list", ... as the TYPE command says. */
const char *value_type_text(enum value_type type);

#endif
