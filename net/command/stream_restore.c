/* Streams from RDB values: entries and consumer groups as they come. */
#include "net/command/cmd_stream.h"
#include "net/command/stream_dump.h"
#include "net/proto/rdb_stream.h"

#include <stdlib.h>

/* A pending entry that no consumer has claimed as its own yet. */
struct unowned {
	struct stream_pending p;
	bool owned;
};

struct restoring {
	struct stream s;
	struct stream_group g;
	struct stream_consumer c;
	bool has_consumer, has_history;
	struct buf group_name, consumer_name;
	struct buf pending; /* struct unowned, ascending */
	size_t owned;
	enum status engine_st;
};

static struct stream_id id_of(struct rdb_stream_id id)
{
	return (struct stream_id){id.ms, id.seq};
}

/* Notes what the engine said. */
static enum status said(struct restoring *r, enum status st)
{
	r->engine_st = st;
	return st;
}

static enum status take_entry(void *arg, struct rdb_stream_id id, const struct slice *fields,
			      size_t fields_count)
{
	struct restoring *r = arg;

	if (id.ms == 0 && id.seq == 0) {
		return ST_CORRUPT;
	}
	return said(r, stream_append(&r->s, id_of(id), fields, fields_count));
}

static enum status take_about(void *arg, const struct rdb_stream_about *a)
{
	struct restoring *r = arg;

	stream_set_last_id(&r->s, id_of(a->last));
	r->s.max_deleted = id_of(a->max_deleted);
	r->s.removed = a->entries_added - a->length;
	r->s.extra_changed = true;
	r->has_history = a->has_history;
	return ST_OK;
}

static enum status take_group(void *arg, const struct rdb_stream_group *g)
{
	struct restoring *r = arg;
	int64_t read = g->entries_read;
	enum status st;

	r->group_name.len = r->pending.len = r->owned = 0;
	if (buf_append(&r->group_name, g->name.data, g->name.len) != ST_OK) {
		return ST_NO_MEMORY;
	}
	st = stream_group_get(&r->s, buf_slice(&r->group_name), &r->g);
	if (st != ST_NOT_FOUND) {
		return st == ST_OK ? ST_CORRUPT : said(r, st); /* it comes twice */
	}
	st = ST_OK;
	if (!r->has_history) {
		st = stream_distance(&r->s, id_of(g->last), &read);
	}
	if (st == ST_OK) {
		st = stream_group_create(&r->s, buf_slice(&r->group_name), id_of(g->last),
					 read < 0 ? STREAM_READS_UNKNOWN : read, &r->g);
	}
	return said(r, st);
}

static enum status take_pending(void *arg, struct rdb_stream_id id, uint64_t time_ms,
				uint64_t deliveries)
{
	struct restoring *r = arg;
	struct unowned u = {.p = {.id = id_of(id), .time_ms = time_ms, .deliveries = deliveries}};

	if (r->pending.len > 0) {
		struct unowned before;

		memcpy(&before, r->pending.data + r->pending.len - sizeof before, sizeof before);
		if (stream_id_compare(before.p.id, u.p.id) >= 0) {
			return ST_CORRUPT;
		}
	}
	return buf_append(&r->pending, &u, sizeof u);
}

/* Writes the consumer whose pending entries are all there. */
static enum status end_consumer(struct restoring *r)
{
	if (!r->has_consumer) {
		return ST_OK;
	}
	r->has_consumer = false;
	return said(r, stream_consumer_put(&r->s, &r->g, &r->c));
}

static enum status take_consumer(void *arg, const struct rdb_stream_consumer *c)
{
	struct restoring *r = arg;
	struct stream_consumer there;
	enum status st = end_consumer(r);

	r->consumer_name.len = 0;
	if (st == ST_OK) {
		st = buf_append(&r->consumer_name, c->name.data, c->name.len);
	}
	if (st != ST_OK) {
		return st;
	}
	st = stream_consumer_get(&r->s, &r->g, buf_slice(&r->consumer_name), &there);
	if (st != ST_NOT_FOUND) {
		return st == ST_OK ? ST_CORRUPT : said(r, st);
	}
	st = stream_consumer_create(&r->s, &r->g, buf_slice(&r->consumer_name), c->seen_ms, &r->c);
	r->c.active_ms = c->active_ms < 0 ? -1 : c->active_ms;
	r->has_consumer = st == ST_OK;
	return said(r, st);
}

static int compare_unowned(const void *key, const void *element)
{
	const struct stream_id *id = key;
	const struct unowned *u = element;

	return stream_id_compare(*id, u->p.id);
}

static enum status take_owned(void *arg, struct rdb_stream_id id)
{
	struct restoring *r = arg;
	struct stream_id wanted = id_of(id);
	struct unowned *u = r->pending.len == 0
				? NULL
				: bsearch(&wanted, r->pending.data, r->pending.len / sizeof *u,
					  sizeof *u, compare_unowned);

	if (u == NULL || u->owned) {
		return ST_CORRUPT;
	}
	u->owned = true;
	u->p.consumer = r->c.number;
	r->owned++;
	return said(r, stream_pending_put(&r->s, &r->g, &r->c, NULL, &u->p));
}

static enum status end_group(void *arg)
{
	struct restoring *r = arg;
	enum status st = end_consumer(r);

	if (st != ST_OK) {
		return st;
	}
	if (r->owned != r->pending.len / sizeof(struct unowned)) {
		return ST_CORRUPT;
	}
	return said(r, stream_group_put(&r->s, &r->g));
}

enum status stream_restore(struct engine *e, const struct store_key *key, struct slice value,
			   uint64_t string_max, uint64_t expire_at_ms, enum status *engine_st)
{
	static const struct rdb_stream_sink sink = {
	    .entry = take_entry,
	    .about = take_about,
	    .group = take_group,
	    .pending = take_pending,
	    .consumer = take_consumer,
	    .owned = take_owned,
	    .group_end = end_group,
	};
	struct restoring r = {0};
	enum status st = said(&r, stream_open(&r.s, e, key, NULL));

	if (st == ST_OK) {
		st = rdb_stream_decode(value, string_max, &sink, &r);
	}
	if (st == ST_OK) {
		st = said(&r, stream_replace(&r.s, expire_at_ms));
	}
	*engine_st = r.engine_st;
	buf_deinit(&r.group_name);
	buf_deinit(&r.consumer_name);
	buf_deinit(&r.pending);
	return st;
}
