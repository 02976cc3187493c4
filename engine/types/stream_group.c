/* Consumer groups over the keyspace. */
#include "engine/types/stream_group.h"

#include "engine/base/bytes.h"

/* --- records --- */

static enum status get(const struct stream *s, const struct stream_subkey *k, struct slice *v)
{
	return ks_elem_get(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(k), v);
}

static enum status put(struct stream *s, const struct stream_subkey *k, const void *bytes,
		       size_t len, struct slice name)
{
	struct slice parts[2] = {slice_of(bytes, len), name};

	s->changed = true;
	return ks_elem_put(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(k), parts,
			   name.len > 0 ? 2 : 1);
}

static enum status del(struct stream *s, const struct stream_subkey *k)
{
	s->changed = true;
	return ks_elem_del(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(k));
}

/* Opens a walk at a subkey. */
static enum status open_at(const struct stream *s, const struct stream_subkey *from,
			   struct ks_iter *it)
{
	*it = (struct ks_iter){0};
	return ks_elems_open(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(from), false,
			     it);
}

static struct stream_subkey key_of(enum stream_record kind, uint64_t group)
{
	struct stream_subkey k;

	stream_subkey_init(&k, kind);
	stream_subkey_number(&k, group);
	return k;
}

/* Removes every record whose subkey begins with prefix. */
static enum status del_all(struct stream *s, const struct stream_subkey *prefix)
{
	enum { AT_ONCE = 64 };
	struct stream_subkey found[AT_ONCE], from = *prefix;
	size_t count = AT_ONCE;
	enum status st = ST_OK;

	while (st == ST_OK && count == AT_ONCE) {
		struct slice subkey, ignored;
		struct ks_iter it;

		count = 0;
		st = open_at(s, &from, &it);
		while (st == ST_OK && count < AT_ONCE) {
			st = ks_elems_next(&it, &subkey, &ignored);
			if (st == ST_OK && !slice_has_prefix(subkey, stream_subkey_slice(prefix))) {
				st = ST_END;
			}
			if (st == ST_OK && subkey.len > STREAM_SUBKEY_MAX) {
				st = ST_CORRUPT;
			}
			if (st == ST_OK) {
				memcpy(found[count].bytes, subkey.data, subkey.len);
				found[count++].len = subkey.len;
			}
		}
		ks_iter_close(&it);
		st = st == ST_END ? ST_OK : st;
		for (size_t i = 0; st == ST_OK && i < count; i++) {
			st = del(s, &found[i]);
		}
		/* On behind what is gone, instead of past it once more. */
		if (count > 0) {
			from = found[count - 1];
			from.bytes[from.len++] = 0;
		}
	}
	return st;
}

/* --- groups --- */

static struct stream_subkey group_key(struct slice name)
{
	struct stream_subkey k;

	stream_subkey_init(&k, STREAM_GROUP);
	stream_subkey_name(&k, name);
	return k;
}

static enum status group_decode(struct slice v, struct stream_group *g)
{
	if (v.len < STREAM_GROUP_LEN) {
		return ST_CORRUPT;
	}
	*g = (struct stream_group){
	    .number = bytes_get_u64le(v.data),
	    .last_id = stream_id_at(v.data + 8),
	    .oldest = stream_id_at(v.data + 24),
	    .entries_read = (int64_t)bytes_get_u64le(v.data + 40),
	    .pending = bytes_get_u64le(v.data + 48),
	    .consumers = bytes_get_u64le(v.data + 56),
	    .name = slice_skip(v, STREAM_GROUP_LEN),
	};
	return ST_OK;
}

enum status stream_group_get(const struct stream *s, struct slice name, struct stream_group *out)
{
	struct stream_subkey k = group_key(name);
	struct slice v;
	enum status st = get(s, &k, &v);

	if (st == ST_OK) {
		st = group_decode(v, out);
	}
	if (st == ST_OK && !slice_eq(out->name, name)) {
		st = ST_CORRUPT;
	}
	out->name = name;
	return st;
}

enum status stream_group_put(struct stream *s, const struct stream_group *g)
{
	struct stream_subkey k = group_key(g->name);
	uint8_t bytes[STREAM_GROUP_LEN];

	bytes_put_u64le(bytes, g->number);
	stream_id_put(bytes + 8, g->last_id);
	stream_id_put(bytes + 24, g->oldest);
	bytes_put_u64le(bytes + 40, (uint64_t)g->entries_read);
	bytes_put_u64le(bytes + 48, g->pending);
	bytes_put_u64le(bytes + 56, g->consumers);
	return put(s, &k, bytes, sizeof bytes, g->name);
}

enum status stream_group_create(struct stream *s, struct slice name, struct stream_id last_id,
				int64_t entries_read, struct stream_group *out)
{
	*out = (struct stream_group){.number = ++s->last_number,
				     .last_id = last_id,
				     .entries_read = entries_read,
				     .name = name};
	s->extra_changed = true;
	return stream_group_put(s, out);
}

enum status stream_group_destroy(struct stream *s, const struct stream_group *g)
{
	static const enum stream_record kinds[] = {STREAM_CONSUMER_NAME, STREAM_CONSUMER,
						   STREAM_PENDING, STREAM_PENDING_OF};
	struct stream_subkey k = group_key(g->name);
	enum status st = del(s, &k);

	for (size_t i = 0; st == ST_OK && i < sizeof kinds / sizeof kinds[0]; i++) {
		k = key_of(kinds[i], g->number);
		st = del_all(s, &k);
	}
	return st;
}

enum status stream_groups_open(const struct stream *s, struct ks_iter *it)
{
	struct stream_subkey k;

	stream_subkey_init(&k, STREAM_GROUP);
	return open_at(s, &k, it);
}

enum status stream_groups_next(struct ks_iter *it, struct stream_group *out)
{
	struct slice subkey, v;
	enum status st = ks_elems_next(it, &subkey, &v);

	if (st == ST_OK && (subkey.len == 0 || subkey.data[0] != STREAM_GROUP)) {
		return ST_END;
	}
	return st == ST_OK ? group_decode(v, out) : st;
}

/* --- consumers --- */

static struct stream_subkey consumer_name_key(const struct stream_group *g, struct slice name)
{
	struct stream_subkey k = key_of(STREAM_CONSUMER_NAME, g->number);

	stream_subkey_name(&k, name);
	return k;
}

static struct stream_subkey consumer_key(const struct stream_group *g, uint64_t number)
{
	struct stream_subkey k = key_of(STREAM_CONSUMER, g->number);

	stream_subkey_number(&k, number);
	return k;
}

enum status stream_consumer_of(const struct stream *s, const struct stream_group *g,
			       uint64_t number, struct stream_consumer *out)
{
	struct stream_subkey k = consumer_key(g, number);
	struct slice v;
	enum status st = get(s, &k, &v);

	if (st != ST_OK || v.len < STREAM_CONSUMER_LEN) {
		return st == ST_OK || st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	*out = (struct stream_consumer){
	    .number = number,
	    .seen_ms = bytes_get_u64le(v.data),
	    .active_ms = (int64_t)bytes_get_u64le(v.data + 8),
	    .pending = bytes_get_u64le(v.data + 16),
	    .name = slice_skip(v, STREAM_CONSUMER_LEN),
	};
	return ST_OK;
}

enum status stream_consumer_get(const struct stream *s, const struct stream_group *g,
				struct slice name, struct stream_consumer *out)
{
	struct stream_subkey k = consumer_name_key(g, name);
	struct slice v;
	enum status st = get(s, &k, &v);

	if (st != ST_OK || v.len < 8) {
		return st != ST_OK ? st : ST_CORRUPT;
	}
	if (!slice_eq(slice_skip(v, 8), name)) {
		return ST_CORRUPT;
	}
	st = stream_consumer_of(s, g, bytes_get_u64le(v.data), out);
	out->name = name;
	return st;
}

enum status stream_consumer_put(struct stream *s, const struct stream_group *g,
				const struct stream_consumer *c)
{
	struct stream_subkey k = consumer_key(g, c->number);
	uint8_t bytes[STREAM_CONSUMER_LEN];

	bytes_put_u64le(bytes, c->seen_ms);
	bytes_put_u64le(bytes + 8, (uint64_t)c->active_ms);
	bytes_put_u64le(bytes + 16, c->pending);
	return put(s, &k, bytes, sizeof bytes, c->name);
}

enum status stream_consumer_create(struct stream *s, struct stream_group *g, struct slice name,
				   uint64_t seen_ms, struct stream_consumer *out)
{
	struct stream_subkey k = consumer_name_key(g, name);
	uint8_t number[8];
	enum status st;

	*out = (struct stream_consumer){
	    .number = ++s->last_number, .seen_ms = seen_ms, .active_ms = -1, .name = name};
	s->extra_changed = true;
	g->consumers++;
	bytes_put_u64le(number, out->number);
	st = put(s, &k, number, sizeof number, name);
	if (st == ST_OK) {
		st = stream_consumer_put(s, g, out);
	}
	return st == ST_OK ? stream_group_put(s, g) : st;
}

/* Removes what a consumer has not acknowledged from the group's list; its own goes as a whole. */
static enum status del_pending_of(struct stream *s, const struct stream_group *g,
				  const struct stream_subkey *prefix)
{
	enum { AT_ONCE = 256 };
	struct stream_id ids[AT_ONCE];
	struct stream_subkey from = *prefix;
	size_t count = AT_ONCE;
	enum status st = ST_OK;

	while (st == ST_OK && count == AT_ONCE) {
		struct slice subkey, ignored;
		struct ks_iter it;

		count = 0;
		st = open_at(s, &from, &it);
		while (st == ST_OK && count < AT_ONCE) {
			st = ks_elems_next(&it, &subkey, &ignored);
			if (st == ST_OK &&
			    (!slice_has_prefix(subkey, stream_subkey_slice(prefix)) ||
			     subkey.len != prefix->len + STREAM_ID_LEN)) {
				st = ST_END;
			}
			if (st == ST_OK) {
				ids[count++] = stream_id_at(subkey.data + prefix->len);
			}
		}
		ks_iter_close(&it);
		st = st == ST_END ? ST_OK : st;
		for (size_t i = 0; st == ST_OK && i < count; i++) {
			struct stream_subkey k = key_of(STREAM_PENDING, g->number);

			stream_subkey_id(&k, ids[i]);
			st = del(s, &k);
		}
		if (count == AT_ONCE && stream_id_next(&ids[count - 1])) {
			from = *prefix;
			stream_subkey_id(&from, ids[count - 1]);
		}
	}
	return st;
}

enum status stream_consumer_delete(struct stream *s, struct stream_group *g,
				   const struct stream_consumer *c)
{
	struct stream_subkey k = key_of(STREAM_PENDING_OF, g->number);
	enum status st;

	if (g->consumers == 0 || g->pending < c->pending) {
		return ST_CORRUPT;
	}
	g->consumers--;
	g->pending -= c->pending;
	stream_subkey_number(&k, c->number);
	st = del_pending_of(s, g, &k);
	if (st == ST_OK) {
		st = del_all(s, &k);
	}
	if (st == ST_OK) {
		k = consumer_name_key(g, c->name);
		st = del(s, &k);
	}
	if (st == ST_OK) {
		k = consumer_key(g, c->number);
		st = del(s, &k);
	}
	return st == ST_OK ? stream_group_put(s, g) : st;
}

enum status stream_consumers_open(const struct stream *s, const struct stream_group *g,
				  struct ks_iter *it)
{
	struct stream_subkey k = key_of(STREAM_CONSUMER_NAME, g->number);

	return open_at(s, &k, it);
}

enum status stream_consumers_next(struct ks_iter *it, const struct stream_group *g,
				  uint64_t *number)
{
	struct stream_subkey prefix = key_of(STREAM_CONSUMER_NAME, g->number);
	struct slice subkey, v;
	enum status st = ks_elems_next(it, &subkey, &v);

	if (st != ST_OK) {
		return st;
	}
	if (!slice_has_prefix(subkey, stream_subkey_slice(&prefix))) {
		return ST_END;
	}
	if (v.len < 8) {
		return ST_CORRUPT;
	}
	*number = bytes_get_u64le(v.data);
	return ST_OK;
}

/* --- pending entries --- */

static struct stream_subkey pending_key(const struct stream_group *g, struct stream_id id)
{
	struct stream_subkey k = key_of(STREAM_PENDING, g->number);

	stream_subkey_id(&k, id);
	return k;
}

static struct stream_subkey pending_of_key(const struct stream_group *g, uint64_t consumer,
					   struct stream_id id)
{
	struct stream_subkey k = key_of(STREAM_PENDING_OF, g->number);

	stream_subkey_number(&k, consumer);
	stream_subkey_id(&k, id);
	return k;
}

static enum status pending_decode(struct slice v, struct stream_pending *out)
{
	if (v.len != STREAM_PENDING_LEN) {
		return ST_CORRUPT;
	}
	out->consumer = bytes_get_u64le(v.data);
	out->time_ms = bytes_get_u64le(v.data + 8);
	out->deliveries = bytes_get_u64le(v.data + 16);
	return ST_OK;
}

enum status stream_pending_get(const struct stream *s, const struct stream_group *g,
			       struct stream_id id, struct stream_pending *out)
{
	struct stream_subkey k = pending_key(g, id);
	struct slice v;
	enum status st = get(s, &k, &v);

	out->id = id;
	return st == ST_OK ? pending_decode(v, out) : st;
}

/* A consumer has one pending entry less. */
static enum status count_down(struct stream *s, const struct stream_group *g, uint64_t number)
{
	struct stream_consumer c;
	struct buf name = {0};
	enum status st = stream_consumer_of(s, g, number, &c);

	if (st == ST_OK && c.pending == 0) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		c.pending--;
		st = buf_append(&name, c.name.data, c.name.len); /* the record is replaced */
	}
	if (st == ST_OK) {
		c.name = buf_slice(&name);
		st = stream_consumer_put(s, g, &c);
	}
	buf_deinit(&name);
	return st;
}

enum status stream_pending_put(struct stream *s, struct stream_group *g, struct stream_consumer *c,
			       const struct stream_pending *old, const struct stream_pending *p)
{
	struct stream_subkey k;
	uint8_t bytes[STREAM_PENDING_LEN];
	enum status st = ST_OK;

	if (old == NULL || old->consumer != p->consumer) {
		if (old != NULL) {
			k = pending_of_key(g, old->consumer, p->id);
			st = del(s, &k);
			st = st == ST_OK ? count_down(s, g, old->consumer) : st;
		} else {
			if (g->pending == 0 || stream_id_compare(p->id, g->oldest) < 0) {
				g->oldest = p->id;
			}
			g->pending++;
		}
		c->pending++;
		if (st == ST_OK) {
			k = pending_of_key(g, p->consumer, p->id);
			st = put(s, &k, NULL, 0, slice_of(NULL, 0));
		}
	}
	if (st != ST_OK) {
		return st;
	}
	bytes_put_u64le(bytes, p->consumer);
	bytes_put_u64le(bytes + 8, p->time_ms);
	bytes_put_u64le(bytes + 16, p->deliveries);
	k = pending_key(g, p->id);
	return put(s, &k, bytes, sizeof bytes, slice_of(NULL, 0));
}

enum status stream_pending_delete(struct stream *s, struct stream_group *g,
				  const struct stream_pending *p)
{
	struct stream_subkey k = pending_key(g, p->id);
	struct stream_pending_iter it;
	struct stream_pending first;
	struct stream_id after = p->id;
	enum status st;

	if (g->pending == 0) {
		return ST_CORRUPT;
	}
	st = stream_pending_open(s, g, 0, g->oldest, &it);
	if (st == ST_OK) {
		st = stream_pending_next(&it, &first);
	}
	stream_pending_close(&it);
	if (st != ST_OK) {
		return st == ST_END ? ST_CORRUPT : st;
	}
	if (stream_id_compare(first.id, p->id) == 0 && stream_id_next(&after)) {
		g->oldest = after;
	}
	g->pending--;
	st = del(s, &k);
	if (st == ST_OK) {
		k = pending_of_key(g, p->consumer, p->id);
		st = del(s, &k);
	}
	return st == ST_OK ? count_down(s, g, p->consumer) : st;
}

enum status stream_pending_open(const struct stream *s, const struct stream_group *g,
				uint64_t consumer, struct stream_id from,
				struct stream_pending_iter *it)
{
	struct stream_subkey k;

	if (stream_id_compare(from, g->oldest) < 0) {
		from = g->oldest;
	}
	k = consumer == 0 ? pending_key(g, from) : pending_of_key(g, consumer, from);

	*it = (struct stream_pending_iter){.stream = s, .group = g, .consumer = consumer};
	return open_at(s, &k, &it->it);
}

enum status stream_pending_next(struct stream_pending_iter *it, struct stream_pending *out)
{
	struct stream_subkey prefix =
	    key_of(it->consumer == 0 ? STREAM_PENDING : STREAM_PENDING_OF, it->group->number);
	struct slice subkey, v;
	enum status st = ks_elems_next(&it->it, &subkey, &v);

	if (st != ST_OK) {
		return st;
	}
	if (it->consumer != 0) {
		stream_subkey_number(&prefix, it->consumer);
	}
	if (!slice_has_prefix(subkey, stream_subkey_slice(&prefix))) {
		return ST_END;
	}
	if (subkey.len != prefix.len + STREAM_ID_LEN) {
		return ST_CORRUPT;
	}
	out->id = stream_id_at(subkey.data + prefix.len);
	if (it->consumer == 0) {
		return pending_decode(v, out);
	}
	st = stream_pending_get(it->stream, it->group, out->id, out);
	return st == ST_NOT_FOUND ? ST_CORRUPT : st;
}

void stream_pending_close(struct stream_pending_iter *it)
{
	ks_iter_close(&it->it);
}
