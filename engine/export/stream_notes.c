/* Groups and consumers in a sorted array. */
#include "engine/export/stream_notes.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"

enum { CONSUMER_SUBKEY_LEN = 1 + 8 + 8 };

enum status stream_notes_create(struct stream_notes **out)
{
	struct stream_notes *n = mem_calloc(1, sizeof *n);

	if (n == NULL) {
		return ST_NO_MEMORY;
	}
	*out = n;
	return ST_OK;
}

void stream_notes_destroy(struct stream_notes *n)
{
	if (n == NULL) {
		return;
	}
	for (size_t i = 0; i < n->count; i++) {
		mem_free(n->items[i]);
	}
	mem_free(n->items);
	mem_free(n);
}

/* The first item at or behind the place. */
static size_t seek(const struct stream_notes *n, uint64_t group, uint64_t consumer)
{
	size_t lo = 0, hi = n->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct stream_note *m = n->items[mid];

		if (m->group < group || (m->group == group && m->consumer < consumer)) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

const struct stream_note *stream_notes_find(const struct stream_notes *n, uint64_t group,
					    uint64_t consumer)
{
	size_t i = seek(n, group, consumer);

	return i < n->count && n->items[i]->group == group && n->items[i]->consumer == consumer
		   ? n->items[i]
		   : NULL;
}

const struct stream_note *stream_notes_group(const struct stream_notes *n, struct slice subkey)
{
	for (size_t i = 0; i < n->count; i++) {
		struct stream_subkey k;

		if (n->items[i]->consumer != 0) {
			continue;
		}
		stream_subkey_init(&k, STREAM_GROUP);
		stream_subkey_name(&k, stream_note_name(n->items[i]));
		if (slice_eq(stream_subkey_slice(&k), subkey)) {
			return n->items[i];
		}
	}
	return NULL;
}

/* Removes the items [from, to). */
static void cut(struct stream_notes *n, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		mem_free(n->items[i]);
	}
	if (to > from) {
		memmove(n->items + from, n->items + to, (n->count - to) * sizeof *n->items);
		n->count -= to - from;
	}
}

static enum status make_room(struct stream_notes *n)
{
	size_t cap = n->cap == 0 ? 4 : n->cap * 2;
	struct stream_note **wider;

	if (n->count < n->cap) {
		return ST_OK;
	}
	wider = mem_realloc(n->items, cap * sizeof *wider);
	if (wider == NULL) {
		return ST_NO_MEMORY;
	}
	n->items = wider;
	n->cap = cap;
	return ST_OK;
}

/* The item of that place, made when it is not there. NULL: out of memory. */
static struct stream_note *item(struct stream_notes *n, uint64_t group, uint64_t consumer,
				struct slice name)
{
	size_t i = seek(n, group, consumer);
	struct stream_note *made;

	if (stream_notes_find(n, group, consumer) != NULL) {
		return n->items[i];
	}
	made = mem_alloc(sizeof *made + name.len);
	if (made == NULL || make_room(n) != ST_OK) {
		mem_free(made);
		return NULL;
	}
	*made = (struct stream_note){.group = group, .consumer = consumer, .name_len = name.len};
	if (name.len > 0) {
		memcpy(made->name, name.data, name.len);
	}
	memmove(n->items + i + 1, n->items + i, (n->count - i) * sizeof *n->items);
	n->items[i] = made;
	n->count++;
	return made;
}

static enum status take_group(struct stream_notes *n, struct slice subkey,
			      const struct slice *value)
{
	const struct stream_note *old = stream_notes_group(n, subkey);
	struct stream_note *note;

	if (value != NULL && value->len < STREAM_GROUP_LEN) {
		return ST_CORRUPT;
	}
	/* Gone, or another one of its name has its place. */
	if (old != NULL && (value == NULL || bytes_get_u64le(value->data) != old->group)) {
		uint64_t group = old->group;

		cut(n, seek(n, group, 0), seek(n, group + 1, 0));
	}
	if (value == NULL) {
		return ST_OK;
	}
	note = item(n, bytes_get_u64le(value->data), 0, slice_skip(*value, STREAM_GROUP_LEN));
	if (note == NULL) {
		return ST_NO_MEMORY;
	}
	note->last = stream_id_at(value->data + 8);
	note->entries_read = (int64_t)bytes_get_u64le(value->data + 40);
	return ST_OK;
}

static enum status take_consumer(struct stream_notes *n, struct slice subkey,
				 const struct slice *value)
{
	uint64_t group, consumer;

	if (subkey.len != CONSUMER_SUBKEY_LEN ||
	    (value != NULL && value->len < STREAM_CONSUMER_LEN)) {
		return ST_CORRUPT;
	}
	group = bytes_get_u64be(subkey.data + 1);
	consumer = bytes_get_u64be(subkey.data + 9);
	if (value == NULL) {
		size_t i = seek(n, group, consumer);

		cut(n, i, i + (stream_notes_find(n, group, consumer) != NULL));
		return ST_OK;
	}
	return item(n, group, consumer, slice_skip(*value, STREAM_CONSUMER_LEN)) == NULL
		   ? ST_NO_MEMORY
		   : ST_OK;
}

enum status stream_notes_take(struct stream_notes *n, struct slice subkey,
			      const struct slice *value)
{
	if (subkey.len == 0) {
		return ST_CORRUPT;
	}
	switch (subkey.data[0]) {
	case STREAM_GROUP:
		return take_group(n, subkey, value);
	case STREAM_CONSUMER:
		return take_consumer(n, subkey, value);
	case STREAM_EXTRA:
		if (value != NULL && value->len != STREAM_EXTRA_LEN) {
			return ST_CORRUPT;
		}
		n->removed = value == NULL ? 0 : bytes_get_u64le(value->data);
		n->max_deleted = value == NULL ? STREAM_ID_MIN : stream_id_at(value->data + 8);
		return ST_OK;
	default:
		return ST_OK;
	}
}

enum status stream_notes_read(struct stream_notes *n, const struct view *v,
			      const struct key_record *record)
{
	/* In order: a consumer needs no group to be known, but they belong together. */
	static const enum stream_record kinds[] = {STREAM_GROUP, STREAM_CONSUMER, STREAM_EXTRA};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < sizeof kinds / sizeof kinds[0]; i++) {
		struct stream_subkey prefix;
		struct stream_walk w;
		struct slice rest, value;

		stream_subkey_init(&prefix, kinds[i]);
		stream_walk_open(&w, v, record, &prefix);
		while (st == ST_OK && stream_walk_next(&w, &rest, &value)) {
			/* The kind stands in front of what is behind the prefix. */
			st = stream_notes_take(n, slice_of(rest.data - 1, rest.len + 1), &value);
		}
		if (st == ST_OK && w.st != ST_END) {
			st = w.st;
		}
		stream_walk_close(&w);
	}
	return st;
}
