/* Writing streams as RDB values of version 2, which Redis 7.0 and later restore. Its form:
 * net/proto/rdb_stream.c. */
#include "net/command/stream_dump.h"

#include "engine/base/bytes.h"
#include "net/proto/listpack.h"
#include "net/proto/rdb_write.h"

enum {
	TOGETHER_MAX = 100,
	NODE_BYTES = 64 * 1024,
	AROUND_ENTRY = 64, /* bytes, more or less, of an entry beside its strings */
	SAME_FIELDS = 2,
};

uint64_t stream_dump_together(const struct stream *s)
{
	uint64_t n = NODE_BYTES / (s->entry_max + AROUND_ENTRY);

	return n < 1 ? 1 : n > TOGETHER_MAX ? TOGETHER_MAX : n;
}

/* --- nodes --- */

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

/* Entries that are written together. The first one's strings are kept, as what a walk gives is
 * borrowed until its next step. */
struct node {
	struct stream_id master;
	struct buf first;
	struct listpack entries; /* without a master entry: how many there are is not known yet */
	uint64_t count;
};

static enum status gather(const struct stream *s, struct stream_id *from, uint64_t most,
			  struct node *n)
{
	struct stream_iter it;
	struct stream_id id;
	struct slice value;
	enum status st = stream_iter_open(s, *from, STREAM_ID_MAX, false, &it);

	if (st == ST_OK) {
		st = listpack_begin(&n->entries);
	}
	while (st == ST_OK && n->count < most) {
		st = stream_iter_next(&it, &id, &value);
		if (st == ST_OK && n->count == 0) {
			n->master = id;
			st = buf_append(&n->first, value.data, value.len);
		}
		if (st == ST_OK) {
			st = put_entry(&n->entries, n->master, buf_slice(&n->first), id, value);
		}
		if (st == ST_OK) {
			n->count++;
			*from = id;
			(void)stream_id_next(from);
		}
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

static enum status put_len(stream_dump_put put, void *arg, uint64_t len)
{
	uint8_t head[RDB_LEN_MAX];

	return put(arg, head, rdb_put_len(head, len));
}

/* The id and the blob: master entry, then the entries behind their own header. */
static enum status put_node(struct node *n, stream_dump_put put, void *arg)
{
	enum { HEADER = 6 };
	struct listpack lp = {0};
	uint8_t id[STREAM_ID_LEN];
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
	stream_id_put(id, n->master);
	if (st == ST_OK) {
		st = put_len(put, arg, sizeof id);
	}
	if (st == ST_OK) {
		st = put(arg, id, sizeof id);
	}
	if (st == ST_OK) {
		st = put_len(put, arg, lp.bytes.len);
	}
	if (st == ST_OK) {
		st = put(arg, lp.bytes.data, lp.bytes.len);
	}
	buf_deinit(&lp.bytes);
	return st;
}

enum status stream_dump_node(const struct stream *s, struct stream_id *from, uint64_t most,
			     stream_dump_put put, void *arg, uint64_t *given)
{
	struct node n = {0};
	enum status st = gather(s, from, most, &n);

	if (st == ST_OK && n.count > 0) {
		st = put_node(&n, put, arg);
	}
	*given = n.count;
	buf_deinit(&n.first);
	buf_deinit(&n.entries.bytes);
	return st;
}

/* --- the rest --- */

/* Where the rest goes; st is its first failure. */
struct rest {
	const struct stream *s;
	stream_dump_put put;
	void *arg;
	enum status st;
};

static void rest_len(struct rest *r, uint64_t v)
{
	if (r->st == ST_OK) {
		r->st = put_len(r->put, r->arg, v);
	}
}

static void rest_bytes(struct rest *r, const void *bytes, size_t len)
{
	if (r->st == ST_OK) {
		r->st = r->put(r->arg, bytes, len);
	}
}

static void rest_id(struct rest *r, struct stream_id id)
{
	rest_len(r, id.ms);
	rest_len(r, id.seq);
}

static void rest_id_bytes(struct rest *r, struct stream_id id)
{
	uint8_t bytes[STREAM_ID_LEN];

	stream_id_put(bytes, id);
	rest_bytes(r, bytes, sizeof bytes);
}

static void rest_time(struct rest *r, uint64_t ms)
{
	uint8_t bytes[8];

	bytes_put_u64le(bytes, ms);
	rest_bytes(r, bytes, sizeof bytes);
}

static void rest_name(struct rest *r, struct slice name)
{
	rest_len(r, name.len);
	rest_bytes(r, name.data, name.len);
}

/* Pending entries of a group (consumer 0: with times), or the IDs of a consumer's. */
static void rest_pending(struct rest *r, const struct stream_group *g, uint64_t consumer,
			 uint64_t count)
{
	struct stream_pending_iter it;
	struct stream_pending p;
	enum status st;

	rest_len(r, count);
	st = stream_pending_open(r->s, g, consumer, STREAM_ID_MIN, &it);
	while (st == ST_OK && r->st == ST_OK) {
		st = stream_pending_next(&it, &p);
		if (st != ST_OK) {
			break;
		}
		count--;
		rest_id_bytes(r, p.id);
		if (consumer == 0) {
			rest_time(r, p.time_ms);
			rest_len(r, p.deliveries);
		}
	}
	stream_pending_close(&it);
	if (r->st == ST_OK) {
		r->st = st != ST_END ? st : count == 0 ? ST_OK : ST_CORRUPT;
	}
}

static void rest_consumers(struct rest *r, const struct stream_group *g)
{
	struct ks_iter it;
	uint64_t number;
	enum status st;

	rest_len(r, g->consumers);
	st = stream_consumers_open(r->s, g, &it);
	while (st == ST_OK && r->st == ST_OK) {
		struct stream_consumer c;

		st = stream_consumers_next(&it, g, &number);
		if (st == ST_OK) {
			st = stream_consumer_of(r->s, g, number, &c);
		}
		if (st == ST_OK) {
			rest_name(r, c.name);
			rest_time(r, c.seen_ms);
			rest_pending(r, g, number, c.pending);
		}
	}
	ks_iter_close(&it);
	if (r->st == ST_OK && st != ST_END) {
		r->st = st;
	}
}

static void rest_groups(struct rest *r)
{
	struct stream_group g;
	struct ks_iter it;
	uint64_t count = 0;
	enum status st = stream_groups_open(r->s, &it);

	while (st == ST_OK) {
		st = stream_groups_next(&it, &g);
		count += st == ST_OK;
	}
	ks_iter_close(&it);
	rest_len(r, count);
	if (st == ST_END) {
		st = stream_groups_open(r->s, &it);
	}
	while (st == ST_OK && r->st == ST_OK) {
		st = stream_groups_next(&it, &g);
		if (st == ST_OK) {
			rest_name(r, g.name);
			rest_id(r, g.last_id);
			rest_len(r, (uint64_t)g.entries_read);
			rest_pending(r, &g, 0, g.pending);
			rest_consumers(r, &g);
		}
	}
	ks_iter_close(&it);
	if (r->st == ST_OK && st != ST_END) {
		r->st = st;
	}
}

enum status stream_dump_rest(const struct stream *s, stream_dump_put put, void *arg)
{
	struct rest r = {.s = s, .put = put, .arg = arg};
	struct stream_id first;

	r.st = stream_edge(s, false, &first);
	rest_len(&r, stream_length(s));
	rest_id(&r, stream_last_id(s));
	rest_id(&r, first);
	rest_id(&r, s->max_deleted);
	rest_len(&r, stream_entries_added(s));
	rest_groups(&r);
	return r.st;
}
