/* RDB values that are checked without being given out: streams and what modules keep.
 *
 * A stream: number of blobs, then for each the id of its first entry (16 bytes in a string) and a
 * listpack of entries; number of entries, last id; from version 2 on first id, greatest deleted id
 * and entries ever added; number of groups. A group: name, last id, from version 2 on entries read;
 * pending entries (id of 16 bytes, time of 8, number of deliveries); consumers (name, time last
 * seen, from version 3 on time last active, ids of their pending entries). Ids elsewhere are two
 * lengths.
 *
 * A stream's listpack begins with a master entry: entries, deleted entries, number of fields, the
 * fields, 0. Each entry: flags (1 deleted, 2 the master's fields), two numbers that make its id,
 * unless 2 the number of fields, fields and values (values alone with 2), number of elements. */
#include "net/proto/rdb_packed.h"
#include "net/proto/rdb_value_impl.h"

enum { ID_LEN = 16, TIME_LEN = 8 };

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 };

/* --- a stream's blobs --- */

/* A number that has to be there. */
static enum status blob_int(struct packed_cursor *c, int64_t *out)
{
	bool is_int;
	enum status st = packed_next_int(c, &is_int, out);

	return st == ST_END || (st == ST_OK && !is_int) ? ST_CORRUPT : st;
}

/* A number that says how many of something there are. */
static enum status blob_count(struct packed_cursor *c, int64_t *out)
{
	enum status st = blob_int(c, out);

	return st == ST_OK && *out < 0 ? ST_CORRUPT : st;
}

static enum status blob_skip(struct packed_cursor *c, int64_t count)
{
	enum status st = ST_OK;
	bool is_int;
	int64_t ignored;

	for (int64_t i = 0; st == ST_OK && i < count; i++) {
		st = packed_next_int(c, &is_int, &ignored);
	}
	return st == ST_END ? ST_CORRUPT : st;
}

/* One entry, of a blob whose master entry has so many fields. */
static enum status stream_entry(struct packed_cursor *c, int64_t master_fields, bool *deleted)
{
	int64_t flags, id, fields = master_fields, elements, expected;
	enum status st = blob_count(c, &flags);

	if (st == ST_OK) {
		st = blob_int(c, &id);
	}
	if (st == ST_OK) {
		st = blob_int(c, &id);
	}
	if (st != ST_OK) {
		return st;
	}
	if ((flags & ENTRY_SAME_FIELDS) != 0) {
		expected = fields + 3;
		st = blob_skip(c, fields);
	} else {
		st = blob_count(c, &fields);
		/* As many as there are bytes is more than can be; also keeps the sums small. */
		if (st == ST_OK && fields > c->end - c->base) {
			return ST_CORRUPT;
		}
		expected = 2 * fields + 4;
		st = st == ST_OK ? blob_skip(c, 2 * fields) : st;
	}
	if (st == ST_OK) {
		st = blob_int(c, &elements);
	}
	*deleted = (flags & ENTRY_DELETED) != 0;
	return st == ST_OK && elements != expected ? ST_CORRUPT : st;
}

static enum status stream_blob(struct slice blob)
{
	struct packed_cursor c;
	int64_t entries, deleted, fields, zero;
	enum status st = packed_open(&c, PACKED_LISTPACK, blob);

	if (st == ST_OK) {
		st = blob_count(&c, &entries);
	}
	if (st == ST_OK) {
		st = blob_count(&c, &deleted);
	}
	if (st == ST_OK) {
		st = blob_count(&c, &fields);
	}
	if (st != ST_OK) {
		return st;
	}
	if (entries > (int64_t)blob.len || deleted > (int64_t)blob.len ||
	    fields > (int64_t)blob.len) {
		return ST_CORRUPT;
	}
	st = blob_skip(&c, fields);
	if (st == ST_OK) {
		st = blob_int(&c, &zero);
		st = st == ST_OK && zero != 0 ? ST_CORRUPT : st;
	}
	for (int64_t left = entries + deleted; st == ST_OK && left > 0; left--) {
		bool gone = false;

		st = stream_entry(&c, fields, &gone);
		deleted -= gone;
	}
	if (st == ST_OK) {
		bool is_int;

		st = packed_next_int(&c, &is_int, &zero) == ST_END ? ST_OK : ST_CORRUPT;
	}
	return st == ST_OK && deleted != 0 ? ST_CORRUPT : st;
}

/* --- around the blobs --- */

static enum status skip_bytes(struct rdb_decode *d, size_t len)
{
	struct slice ignored;

	return rdb_read_bytes(&d->in, len, &ignored);
}

static enum status skip_lens(struct rdb_decode *d, unsigned count)
{
	uint64_t ignored;
	enum status st = ST_OK;

	for (; st == ST_OK && count > 0; count--) {
		st = rdb_read_len(&d->in, &ignored);
	}
	return st;
}

static enum status skip_string(struct rdb_decode *d, struct slice *out)
{
	return rdb_read_string(&d->in, &d->scratch[0], out);
}

static enum status walk_consumer(struct rdb_decode *d, enum rdb_type type)
{
	struct slice name;
	uint64_t pending;
	enum status st = skip_string(d, &name);

	if (st == ST_OK) {
		st = skip_bytes(d, type == RDB_TYPE_STREAM_3 ? 2 * TIME_LEN : TIME_LEN);
	}
	if (st == ST_OK) {
		st = rdb_read_len(&d->in, &pending);
	}
	for (; st == ST_OK && pending > 0; pending--) {
		st = skip_bytes(d, ID_LEN);
	}
	return st;
}

static enum status walk_group(struct rdb_decode *d, enum rdb_type type)
{
	struct slice name;
	uint64_t count;
	enum status st = skip_string(d, &name);

	if (st == ST_OK) {
		st = skip_lens(d, type == RDB_TYPE_STREAM ? 2 : 3);
	}
	if (st == ST_OK) {
		st = rdb_read_len(&d->in, &count);
	}
	for (; st == ST_OK && count > 0; count--) {
		st = skip_bytes(d, ID_LEN + TIME_LEN);
		if (st == ST_OK) {
			st = skip_lens(d, 1);
		}
	}
	if (st == ST_OK) {
		st = rdb_read_len(&d->in, &count);
	}
	for (; st == ST_OK && count > 0; count--) {
		st = walk_consumer(d, type);
	}
	return st;
}

enum status rdb_walk_stream(struct rdb_decode *d, enum rdb_type type)
{
	struct slice bytes;
	uint64_t count;
	enum status st = rdb_read_len(&d->in, &count);

	for (; st == ST_OK && count > 0; count--) {
		st = skip_string(d, &bytes);
		if (st == ST_OK && bytes.len != ID_LEN) {
			return ST_CORRUPT;
		}
		if (st == ST_OK) {
			st = skip_string(d, &bytes);
		}
		if (st == ST_OK) {
			st = stream_blob(bytes);
		}
	}
	if (st == ST_OK) {
		st = skip_lens(d, type == RDB_TYPE_STREAM ? 3 : 8);
	}
	if (st == ST_OK) {
		st = rdb_read_len(&d->in, &count);
	}
	for (; st == ST_OK && count > 0; count--) {
		st = walk_group(d, type);
	}
	return st;
}

/* --- modules --- */

enum { MODULE_EOF, MODULE_SIGNED, MODULE_UNSIGNED, MODULE_FLOAT, MODULE_DOUBLE, MODULE_STRING };

enum status rdb_walk_module(struct rdb_decode *d)
{
	struct slice ignored;
	uint64_t op = MODULE_SIGNED;
	enum status st = skip_lens(d, 1); /* the module's id */

	while (st == ST_OK && op != MODULE_EOF) {
		st = rdb_read_len(&d->in, &op);
		if (st != ST_OK) {
			break;
		}
		switch (op) {
		case MODULE_EOF:
			break;
		case MODULE_SIGNED:
		case MODULE_UNSIGNED:
			st = skip_lens(d, 1);
			break;
		case MODULE_FLOAT:
			st = skip_bytes(d, sizeof(float));
			break;
		case MODULE_DOUBLE:
			st = skip_bytes(d, sizeof(double));
			break;
		case MODULE_STRING:
			st = skip_string(d, &ignored);
			break;
		default:
			st = ST_CORRUPT;
			break;
		}
	}
	return st;
}
