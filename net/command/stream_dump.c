/* Writing streams as RDB values of version 2, which Redis 7.0 and later restore. Its form:
 * net/proto/rdb_stream.c. */
#include "net/command/stream_dump.h"

#include "engine/base/bytes.h"
#include "net/proto/listpack.h"
#include "net/proto/rdb_write.h"

uint64_t stream_dump_together(const struct stream *s)
{
	return stream_node_entries(s->entry_max);
}

/* --- nodes --- */

static enum status gather(const struct stream *s, struct stream_id *from, uint64_t most,
			  struct stream_node *n)
{
	struct stream_iter it;
	struct stream_id id;
	struct slice value;
	enum status st = stream_iter_open(s, *from, STREAM_ID_MAX, false, &it);

	while (st == ST_OK && n->count < most) {
		st = stream_iter_next(&it, &id, &value);
		if (st == ST_OK) {
			st = stream_node_add(n, id, value);
		}
		if (st == ST_OK) {
			*from = id;
			(void)stream_id_next(from);
		}
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

enum status stream_dump_node(const struct stream *s, struct stream_id *from, uint64_t most,
			     rdb_put put, void *arg, uint64_t *given)
{
	struct stream_node n = {0};
	enum status st = gather(s, from, most, &n);

	*given = n.count;
	if (st == ST_OK && n.count > 0) {
		st = stream_node_put(&n, put, arg);
	}
	stream_node_deinit(&n);
	return st;
}

/* --- the rest --- */

struct rest {
	const struct stream *s;
	struct rdb_out out;
};

/* Pending entries of a group (consumer 0: with times), or the IDs of a consumer's. */
static void rest_pending(struct rest *r, const struct stream_group *g, uint64_t consumer,
			 uint64_t count)
{
	struct stream_pending_iter it;
	struct stream_pending p;
	enum status st;

	rdb_out_len(&r->out, count);
	st = stream_pending_open(r->s, g, consumer, STREAM_ID_MIN, &it);
	while (st == ST_OK && r->out.st == ST_OK) {
		st = stream_pending_next(&it, &p);
		if (st != ST_OK) {
			break;
		}
		count--;
		rdb_out_id_bytes(&r->out, p.id);
		if (consumer == 0) {
			rdb_out_u64(&r->out, p.time_ms);
			rdb_out_len(&r->out, p.deliveries);
		}
	}
	stream_pending_close(&it);
	if (r->out.st == ST_OK) {
		r->out.st = st != ST_END ? st : count == 0 ? ST_OK : ST_CORRUPT;
	}
}

static void rest_consumers(struct rest *r, const struct stream_group *g)
{
	struct ks_iter it;
	uint64_t number;
	enum status st;

	rdb_out_len(&r->out, g->consumers);
	st = stream_consumers_open(r->s, g, &it);
	while (st == ST_OK && r->out.st == ST_OK) {
		struct stream_consumer c;

		st = stream_consumers_next(&it, g, &number);
		if (st == ST_OK) {
			st = stream_consumer_of(r->s, g, number, &c);
		}
		if (st == ST_OK) {
			rdb_out_name(&r->out, c.name);
			rdb_out_u64(&r->out, c.seen_ms);
			rest_pending(r, g, number, c.pending);
		}
	}
	ks_iter_close(&it);
	if (r->out.st == ST_OK && st != ST_END) {
		r->out.st = st;
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
	rdb_out_len(&r->out, count);
	if (st == ST_END) {
		st = stream_groups_open(r->s, &it);
	}
	while (st == ST_OK && r->out.st == ST_OK) {
		st = stream_groups_next(&it, &g);
		if (st == ST_OK) {
			rdb_out_name(&r->out, g.name);
			rdb_out_id(&r->out, g.last_id);
			rdb_out_len(&r->out, (uint64_t)g.entries_read);
			rest_pending(r, &g, 0, g.pending);
			rest_consumers(r, &g);
		}
	}
	ks_iter_close(&it);
	if (r->out.st == ST_OK && st != ST_END) {
		r->out.st = st;
	}
}

enum status stream_dump_rest(const struct stream *s, rdb_put put, void *arg)
{
	struct rest r = {.s = s, .out = {.put = put, .arg = arg}};
	struct stream_id first;

	r.out.st = stream_edge(s, false, &first);
	rdb_out_len(&r.out, stream_length(s));
	rdb_out_id(&r.out, stream_last_id(s));
	rdb_out_id(&r.out, first);
	rdb_out_id(&r.out, s->max_deleted);
	rdb_out_len(&r.out, stream_entries_added(s));
	rest_groups(&r);
	return r.out.st;
}
