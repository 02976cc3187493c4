/* Entries of a stream as nodes of an RDB value: a master entry that names the fields of the first,
 * and a listpack of what differs. */
#include "net/command/stream_node.h"

#include "engine/base/bytes.h"
#include "net/proto/rdb_write.h"

enum {
	TOGETHER_MAX = 100,
	NODE_BYTES = 64 * 1024,
	AROUND_ENTRY = 64, /* bytes, more or less, of an entry beside its strings */
	SAME_FIELDS = 2,
};

/* --- parts --- */

void rdb_out_bytes(struct rdb_out *o, const void *bytes, size_t len)
{
	if (o->st == ST_OK && len > 0) {
		o->st = o->put(o->arg, bytes, len);
	}
}

void rdb_out_len(struct rdb_out *o, uint64_t len)
{
	uint8_t head[RDB_LEN_MAX];

	rdb_out_bytes(o, head, rdb_put_len(head, len));
}

void rdb_out_string(struct rdb_out *o, struct slice text)
{
	uint8_t head[RDB_LEN_MAX];
	bool whole;

	rdb_out_bytes(o, head, rdb_put_string(head, text, &whole));
	if (!whole) {
		rdb_out_bytes(o, text.data, text.len);
	}
}

void rdb_out_name(struct rdb_out *o, struct slice name)
{
	rdb_out_len(o, name.len);
	rdb_out_bytes(o, name.data, name.len);
}

void rdb_out_u64(struct rdb_out *o, uint64_t v)
{
	uint8_t bytes[8];

	bytes_put_u64le(bytes, v);
	rdb_out_bytes(o, bytes, sizeof bytes);
}

void rdb_out_id(struct rdb_out *o, struct stream_id id)
{
	rdb_out_len(o, id.ms);
	rdb_out_len(o, id.seq);
}

void rdb_out_id_bytes(struct rdb_out *o, struct stream_id id)
{
	uint8_t bytes[STREAM_ID_LEN];

	stream_id_put(bytes, id);
	rdb_out_bytes(o, bytes, sizeof bytes);
}

/* --- nodes --- */

uint64_t stream_node_entries(uint64_t entry_max)
{
	uint64_t n = NODE_BYTES / (entry_max + AROUND_ENTRY);

	return n < 1 ? 1 : n > TOGETHER_MAX ? TOGETHER_MAX : n;
}

/* The strings of an entry at even (0) or odd (1) places, or all (2). */
static enum status put_strings(struct listpack *lp, struct slice value, int which)
{
	struct slice text;
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && stream_entry_next(&value, &text); i++) {
		if (which == 2 || i % 2 == which) {
			st = listpack_string(lp, text);
		}
	}
	return st;
}

static bool same_fields(struct slice a, struct slice b)
{
	struct slice x, y;
	bool more = true;

	for (int i = 0; more; i++) {
		bool have_x = stream_entry_next(&a, &x), have_y = stream_entry_next(&b, &y);

		if (have_x != have_y || (have_x && i % 2 == 0 && !slice_eq(x, y))) {
			return false;
		}
		more = have_x;
	}
	return true;
}

/* The master entry: how many entries, and the fields of the first. */
static enum status put_master(struct listpack *lp, uint64_t entries, struct slice first,
			      int64_t fields)
{
	enum status st = listpack_int(lp, (int64_t)entries);

	if (st == ST_OK) {
		st = listpack_int(lp, 0);
	}
	if (st == ST_OK) {
		st = listpack_int(lp, fields);
	}
	if (st == ST_OK) {
		st = put_strings(lp, first, 0);
	}
	return st == ST_OK ? listpack_int(lp, 0) : st;
}

static enum status put_entry(struct listpack *lp, struct stream_id master, struct slice first,
			     struct stream_id id, struct slice value)
{
	size_t count;
	bool same = same_fields(first, value);
	enum status st = stream_entry_count(value, &count);
	int64_t fields = (int64_t)(count / 2);

	if (st == ST_OK) {
		st = listpack_int(lp, same ? SAME_FIELDS : 0);
	}
	if (st == ST_OK) {
		st = listpack_int(lp, (int64_t)(id.ms - master.ms));
	}
	if (st == ST_OK) {
		st = listpack_int(lp, (int64_t)(id.seq - master.seq));
	}
	if (st == ST_OK && !same) {
		st = listpack_int(lp, fields);
	}
	if (st == ST_OK) {
		st = put_strings(lp, value, same ? 1 : 2);
	}
	return st == ST_OK ? listpack_int(lp, same ? fields + 3 : 2 * fields + 4) : st;
}

enum status stream_node_add(struct stream_node *n, struct stream_id id, struct slice value)
{
	enum status st = ST_OK;

	if (n->count == 0) {
		n->master = id;
		n->first.len = 0;
		st = buf_append(&n->first, value.data, value.len);
		if (st == ST_OK) {
			st = listpack_begin(&n->entries);
		}
	}
	if (st == ST_OK) {
		st = put_entry(&n->entries, n->master, buf_slice(&n->first), id, value);
	}
	n->count += st == ST_OK;
	return st;
}

/* The id and the blob: master entry, then the entries behind their own header. */
enum status stream_node_put(struct stream_node *n, rdb_put put, void *arg)
{
	enum { HEADER = 6 };
	struct listpack lp = {0};
	size_t fields;
	enum status st = listpack_begin(&lp);

	if (st == ST_OK) {
		st = stream_entry_count(buf_slice(&n->first), &fields);
	}
	if (st == ST_OK) {
		st = put_master(&lp, n->count, buf_slice(&n->first), (int64_t)(fields / 2));
	}
	if (st == ST_OK) {
		st = buf_append(&lp.bytes, n->entries.bytes.data + HEADER,
				n->entries.bytes.len - HEADER);
		lp.entries += n->entries.entries;
	}
	if (st == ST_OK) {
		st = listpack_end(&lp);
	}
	if (st == ST_OK) {
		struct rdb_out o = {.put = put, .arg = arg};

		rdb_out_len(&o, STREAM_ID_LEN);
		rdb_out_id_bytes(&o, n->master);
		rdb_out_name(&o, buf_slice(&lp.bytes));
		st = o.st;
	}
	buf_deinit(&lp.bytes);
	n->count = 0;
	return st;
}

void stream_node_deinit(struct stream_node *n)
{
	buf_deinit(&n->first);
	buf_deinit(&n->entries.bytes);
}
