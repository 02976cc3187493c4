/* Decodes streams.
 *
 * A stream: number of blobs, then for each the id of its first entry (16 bytes in a string) and a
 * listpack of entries; number of entries, last id; from version 2 on first id, greatest deleted id
 * and entries ever added; number of groups. A group: name, last id, from version 2 on entries read;
 * pending entries (id of 16 bytes, time of 8, number of deliveries); consumers (name, time last
 * seen, from version 3 on time last active, ids of their pending entries). Ids elsewhere are two
 * lengths.
 *
 * A stream's listpack begins with a master entry: entries, deleted entries, number of fields, the
 * fields, 0. Each entry: flags (1 deleted, 2 the master's fields), two numbers that, added to the
 * blob's id, make its id, unless 2 the number of fields, fields and values (values alone with 2),
 * number of elements. */
#include "net/proto/rdb_stream.h"

#include "engine/base/bytes.h"
#include "net/proto/rdb_packed.h"
#include "net/proto/rdb_value_impl.h"

enum { ID_LEN = 16, TIME_LEN = 8 };

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 };

/* One decoding under way. */
struct stream_walk {
	struct rdb_decode *d;
	enum rdb_type type;
	const struct rdb_stream_sink *sink; /* NULL: nobody listens */
	void *arg;
	struct rdb_stream_id master, last; /* of the blob; of the entry before */
	uint64_t entries;		   /* given out */
	struct buf text;   /* bytes of the master's fields, then of an entry's strings */
	struct buf spans;  /* struct span of each */
	struct buf slices; /* what an entry is given out as */
	size_t master_text, master_fields;
};

struct span {
	size_t at, len;
};

/* --- a blob --- */

/* A number that has to be there. */
static enum status blob_int(struct packed_cursor *c, int64_t *out)
{
	bool is_int;
	enum status st = packed_next_int(c, &is_int, out);

	return st == ST_END || (st == ST_OK && !is_int) ? ST_CORRUPT : st;
}

/* A number that says how many of something there are: no more than bytes. */
static enum status blob_count(struct packed_cursor *c, int64_t *out)
{
	enum status st = blob_int(c, out);

	return st == ST_OK && (*out < 0 || *out > c->end - c->base) ? ST_CORRUPT : st;
}

/* Keeps the next count strings. */
static enum status keep_strings(struct stream_walk *w, struct packed_cursor *c, int64_t count)
{
	enum status st = ST_OK;

	for (int64_t i = 0; st == ST_OK && i < count; i++) {
		uint8_t digits[PACKED_DIGITS];
		struct slice text;
		struct span span = {.at = w->text.len};

		st = packed_next(c, digits, &text);
		if (st == ST_OK) {
			span.len = text.len;
			st = buf_append(&w->text, text.data, text.len);
		}
		if (st == ST_OK) {
			st = buf_append(&w->spans, &span, sizeof span);
		}
	}
	return st == ST_END ? ST_CORRUPT : st;
}

static struct slice kept(const struct stream_walk *w, size_t i)
{
	struct span span;

	memcpy(&span, w->spans.data + i * sizeof span, sizeof span);
	return slice_of(w->text.data + span.at, span.len);
}

/* Gives an entry out whose strings were kept behind the master's fields. */
static enum status give_entry(struct stream_walk *w, struct rdb_stream_id id, bool same,
			      size_t fields)
{
	bool behind = id.ms > w->last.ms || (id.ms == w->last.ms && id.seq > w->last.seq);
	size_t first = w->master_fields;

	if (!behind) {
		return ST_CORRUPT;
	}
	w->last = id;
	w->entries++;
	if (w->sink == NULL) {
		return ST_OK;
	}
	w->slices.len = 0;
	for (size_t i = 0; i < fields; i++) {
		struct slice pair[2] = {kept(w, same ? i : first + 2 * i),
					kept(w, same ? first + i : first + 2 * i + 1)};

		if (buf_append(&w->slices, pair, sizeof pair) != ST_OK) {
			return ST_NO_MEMORY;
		}
	}
	return w->sink->entry(w->arg, id, (const struct slice *)(const void *)w->slices.data,
			      2 * fields);
}

static enum status stream_entry(struct stream_walk *w, struct packed_cursor *c, bool *deleted)
{
	int64_t flags, ms, seq, fields = (int64_t)w->master_fields, elements;
	enum status st = blob_int(c, &flags);
	bool same = (flags & ENTRY_SAME_FIELDS) != 0;

	if (st == ST_OK) {
		st = blob_int(c, &ms);
	}
	if (st == ST_OK) {
		st = blob_int(c, &seq);
	}
	if (st == ST_OK && !same) {
		st = blob_count(c, &fields);
	}
	if (st != ST_OK) {
		return st;
	}
	w->text.len = w->master_text;
	w->spans.len = w->master_fields * sizeof(struct span);
	st = keep_strings(w, c, same ? fields : 2 * fields);
	if (st == ST_OK) {
		st = blob_int(c, &elements);
	}
	if (st == ST_OK && elements != (same ? fields + 3 : 2 * fields + 4)) {
		st = ST_CORRUPT;
	}
	*deleted = (flags & ENTRY_DELETED) != 0;
	if (st != ST_OK || *deleted) {
		return st;
	}
	/* Differences are signed, and wrap. */
	return give_entry(
	    w, (struct rdb_stream_id){w->master.ms + (uint64_t)ms, w->master.seq + (uint64_t)seq},
	    same, (size_t)fields);
}

static enum status master_entry(struct stream_walk *w, struct packed_cursor *c, int64_t *entries,
				int64_t *deleted)
{
	int64_t fields, zero;
	enum status st = blob_count(c, entries);

	w->text.len = w->spans.len = 0;
	if (st == ST_OK) {
		st = blob_count(c, deleted);
	}
	if (st == ST_OK) {
		st = blob_count(c, &fields);
	}
	if (st == ST_OK) {
		st = keep_strings(w, c, fields);
	}
	if (st == ST_OK) {
		st = blob_int(c, &zero);
		st = st == ST_OK && zero != 0 ? ST_CORRUPT : st;
	}
	if (st == ST_OK) {
		w->master_text = w->text.len;
		w->master_fields = (size_t)fields;
	}
	return st;
}

static enum status stream_blob(struct stream_walk *w, struct slice blob)
{
	struct packed_cursor c;
	int64_t entries = 0, deleted = 0, ignored;
	bool is_int;
	enum status st = packed_open(&c, PACKED_LISTPACK, blob);

	if (st == ST_OK) {
		st = master_entry(w, &c, &entries, &deleted);
	}
	for (int64_t left = entries + deleted; st == ST_OK && left > 0; left--) {
		bool gone = false;

		st = stream_entry(w, &c, &gone);
		deleted -= gone;
	}
	if (st == ST_OK) {
		st = packed_next_int(&c, &is_int, &ignored) == ST_END ? ST_OK : ST_CORRUPT;
	}
	return st == ST_OK && deleted != 0 ? ST_CORRUPT : st;
}

/* --- around the blobs --- */

static struct rdb_stream_id id_at(const uint8_t *bytes)
{
	return (struct rdb_stream_id){bytes_get_u64be(bytes), bytes_get_u64be(bytes + 8)};
}

static enum status read_id_bytes(struct stream_walk *w, struct rdb_stream_id *out)
{
	struct slice bytes;
	enum status st = rdb_read_bytes(&w->d->in, ID_LEN, &bytes);

	if (st == ST_OK) {
		*out = id_at(bytes.data);
	}
	return st;
}

static enum status read_id(struct stream_walk *w, struct rdb_stream_id *out)
{
	enum status st = rdb_read_len(&w->d->in, &out->ms);

	return st == ST_OK ? rdb_read_len(&w->d->in, &out->seq) : st;
}

static enum status read_time(struct stream_walk *w, uint64_t *out)
{
	struct slice bytes;
	enum status st = rdb_read_bytes(&w->d->in, TIME_LEN, &bytes);

	if (st == ST_OK) {
		*out = bytes_get_u64le(bytes.data);
	}
	return st;
}

static enum status read_name(struct stream_walk *w, struct slice *out)
{
	return rdb_read_string(&w->d->in, &w->d->scratch[0], out);
}

static enum status walk_pending(struct stream_walk *w)
{
	uint64_t count;
	enum status st = rdb_read_len(&w->d->in, &count);

	for (; st == ST_OK && count > 0; count--) {
		struct rdb_stream_id id;
		uint64_t time_ms, deliveries;

		st = read_id_bytes(w, &id);
		if (st == ST_OK) {
			st = read_time(w, &time_ms);
		}
		if (st == ST_OK) {
			st = rdb_read_len(&w->d->in, &deliveries);
		}
		if (st == ST_OK && w->sink != NULL) {
			st = w->sink->pending(w->arg, id, time_ms, deliveries);
		}
	}
	return st;
}

static enum status walk_consumer(struct stream_walk *w)
{
	struct rdb_stream_consumer c = {.active_ms = -1};
	uint64_t active, count = 0;
	enum status st = read_name(w, &c.name);

	if (st == ST_OK) {
		st = read_time(w, &c.seen_ms);
	}
	if (st == ST_OK && w->type == RDB_TYPE_STREAM_3) {
		st = read_time(w, &active);
		c.active_ms = st == ST_OK ? (int64_t)active : -1;
	}
	if (st == ST_OK) {
		st = rdb_read_len(&w->d->in, &count);
	}
	if (st == ST_OK && w->type != RDB_TYPE_STREAM_3 && count > 0) {
		c.active_ms = (int64_t)c.seen_ms;
	}
	if (st == ST_OK && w->sink != NULL) {
		st = w->sink->consumer(w->arg, &c);
	}
	for (; st == ST_OK && count > 0; count--) {
		struct rdb_stream_id id;

		st = read_id_bytes(w, &id);
		if (st == ST_OK && w->sink != NULL) {
			st = w->sink->owned(w->arg, id);
		}
	}
	return st;
}

static enum status walk_group(struct stream_walk *w)
{
	struct rdb_stream_group g = {.entries_read = -1};
	uint64_t read, count;
	enum status st = read_name(w, &g.name);

	if (st == ST_OK) {
		st = read_id(w, &g.last);
	}
	if (st == ST_OK && w->type != RDB_TYPE_STREAM) {
		st = rdb_read_len(&w->d->in, &read);
		g.entries_read = st == ST_OK ? (int64_t)read : -1;
	}
	if (st == ST_OK && w->sink != NULL) {
		st = w->sink->group(w->arg, &g);
	}
	if (st == ST_OK) {
		st = walk_pending(w);
	}
	if (st == ST_OK) {
		st = rdb_read_len(&w->d->in, &count);
	}
	for (; st == ST_OK && count > 0; count--) {
		st = walk_consumer(w);
	}
	return st == ST_OK && w->sink != NULL ? w->sink->group_end(w->arg) : st;
}

static enum status walk_about(struct stream_walk *w)
{
	struct rdb_stream_about a = {0};
	enum status st = rdb_read_len(&w->d->in, &a.length);

	if (st == ST_OK) {
		st = read_id(w, &a.last);
	}
	a.entries_added = a.length;
	if (st == ST_OK && w->type != RDB_TYPE_STREAM) {
		a.has_history = true;
		st = read_id(w, &a.first);
		if (st == ST_OK) {
			st = read_id(w, &a.max_deleted);
		}
		if (st == ST_OK) {
			st = rdb_read_len(&w->d->in, &a.entries_added);
		}
	}
	if (st != ST_OK) {
		return st;
	}
	if (a.length != w->entries || a.last.ms < w->last.ms ||
	    (a.last.ms == w->last.ms && a.last.seq < w->last.seq)) {
		return ST_CORRUPT;
	}
	return w->sink == NULL ? ST_OK : w->sink->about(w->arg, &a);
}

static enum status walk_stream(struct stream_walk *w)
{
	struct rdb_decode *d = w->d;
	struct slice bytes;
	uint64_t count;
	enum status st = rdb_read_len(&d->in, &count);

	for (; st == ST_OK && count > 0; count--) {
		st = rdb_read_string(&d->in, &d->scratch[0], &bytes);
		if (st == ST_OK && bytes.len != ID_LEN) {
			return ST_CORRUPT;
		}
		if (st == ST_OK) {
			w->master = id_at(bytes.data);
			st = rdb_read_string(&d->in, &d->scratch[0], &bytes);
		}
		if (st == ST_OK) {
			st = stream_blob(w, bytes);
		}
	}
	if (st == ST_OK) {
		st = walk_about(w);
	}
	if (st == ST_OK) {
		st = rdb_read_len(&d->in, &count);
	}
	for (; st == ST_OK && count > 0; count--) {
		st = walk_group(w);
	}
	return st;
}

enum status rdb_walk_stream(struct rdb_decode *d, enum rdb_type type,
			    const struct rdb_stream_sink *sink, void *arg)
{
	struct stream_walk w = {.d = d, .type = type, .sink = sink, .arg = arg};
	enum status st = walk_stream(&w);

	buf_deinit(&w.text);
	buf_deinit(&w.spans);
	buf_deinit(&w.slices);
	return st;
}

enum status rdb_stream_decode(struct slice value, uint64_t string_max,
			      const struct rdb_stream_sink *sink, void *arg)
{
	struct rdb_decode d = {.kind = RDB_KIND_STREAM};
	enum rdb_kind kind;
	enum status st = rdb_value_kind(value, &kind);

	if (st != ST_OK || kind != RDB_KIND_STREAM) {
		return ST_CORRUPT;
	}
	d.in = (struct rdb_reader){slice_skip(value, 1), string_max};
	st = rdb_walk_stream(&d, (enum rdb_type)value.data[0], sink, arg);
	if (st == ST_OK && d.in.left.len > 0) {
		st = ST_CORRUPT;
	}
	buf_deinit(&d.scratch[0]);
	buf_deinit(&d.scratch[1]);
	return st;
}
