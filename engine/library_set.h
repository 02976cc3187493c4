/* The libraries of functions as data: names and code, nothing of what the code means. They are no
 * keys: they lie in no slot, a FLUSH leaves them alone, and a node holds all of them in memory.
 *
 * As bytes, in the store ("libraries", a note beside its state) and in a full copy:
 *   [version u8, 1], then for each library in the order of names
 *   [name length u32 LE][code length u32 LE][name][code]
 * No library at all is no byte at all. */
#ifndef CAIRN_ENGINE_LIBRARY_SET_H
#define CAIRN_ENGINE_LIBRARY_SET_H

#include "engine/base/buf.h"
#include "engine/wal/wal_record.h"

enum { LIBRARY_SET_BYTES_MAX = 256 << 20 }; /* of the encoded set */

/* Never changed once made. Who holds one counts as a ref. */
struct library {
	size_t refs;
	size_t name_len, code_len;
	uint8_t bytes[]; /* name, then code */
};

static inline struct slice library_name(const struct library *l)
{
	return slice_of(l->bytes, l->name_len);
}

static inline struct slice library_code(const struct library *l)
{
	return slice_of(l->bytes + l->name_len, l->code_len);
}

/* Another holder of a library; one less, the last of whom frees it. One thread at a time for all
 * holders. */
struct library *library_hold(struct library *l);
void library_let_go(struct library *l); /* NULL is fine */

/* A zeroed one is empty. */
struct library_set {
	struct library **items; /* by name */
	size_t count, cap;
	size_t bytes; /* of the encoded libraries */
};

struct store_reader;

/* The name under which the store has the set. */
extern const char library_set_note[];

/* Reads the store's set into out, which must be empty. Errors as library_set_decode and
 * store_reader_note, but for ST_NOT_FOUND. */
MUST_CHECK enum status library_set_load(struct store_reader *r, struct library_set *out);

void library_set_deinit(struct library_set *s); /* it is empty then */

/* NULL: none of that name. */
struct library *library_set_find(const struct library_set *s, struct slice name);

/* Adds a library or replaces the one of that name. ST_NO_MEMORY; ST_LIMIT: the set would be larger
 * than LIBRARY_SET_BYTES_MAX. The set is unchanged then. */
MUST_CHECK enum status library_set_put(struct library_set *s, struct slice name, struct slice code);
/* False: there is none. */
bool library_set_del(struct library_set *s, struct slice name);

/* Makes out, which must be empty, hold the same libraries. ST_NO_MEMORY: out stays empty. */
MUST_CHECK enum status library_set_copy(const struct library_set *s, struct library_set *out);

/* What an operation of the log does to the set; one that is about keys does nothing. Errors as
 * library_set_put. */
MUST_CHECK enum status library_set_apply(struct library_set *s, const struct wal_op *op);
/* Whether it is an operation on libraries. */
bool library_set_concerns(const struct wal_op *op);

/* Replaces what is in out by the bytes. ST_NO_MEMORY. */
MUST_CHECK enum status library_set_encode(const struct library_set *s, struct buf *out);
/* Reads exactly these bytes into out, which must be empty. ST_VERSION; ST_CORRUPT: lengths that do
 * not fit, or names out of order; ST_NO_MEMORY. */
MUST_CHECK enum status library_set_decode(struct slice in, struct library_set *out);

#endif
