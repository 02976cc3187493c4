/* Changes of a stream as commands: the difference between what is remembered of it and the records
 * that the record at work wrote. In this order, which each step needs: entries are added, groups
 * and consumers come and go, deliveries are claimed and acknowledged while the entries are there,
 * then entries go, and at last the numbers that no other command sets. */
#include "engine/base/bytes.h"
#include "engine/export/emit_stream.h"
#include "engine/export/translate_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	NUMBER_MAX = 24,
	DELETE_BATCH = 64,
	OWNER_AT = 1, /* in subkeys: the group's number, then the consumer's or an ID */
	SECOND_AT = 9,
	CONSUMER_SUBKEY_LEN = 1 + 8 + 8,
	PENDING_SUBKEY_LEN = 1 + 8 + STREAM_ID_LEN,
};

/* A stream at work. */
struct change {
	struct translator *t;
	struct slice key;
	struct range r;
	const struct stream_notes *old;
	struct stream_id old_last, last, added; /* added: the greatest ID that was */
	uint64_t count;
	bool numbers; /* the record says what was removed: */
	uint64_t removed;
	struct stream_id max_deleted;
	struct buf argv; /* struct slice */
};

/* The subkey and the value of an element of the range; false: it is gone. */
static bool at(const struct change *c, size_t i, struct slice *subkey, struct slice *value)
{
	struct slice key;
	bool there = overlay_at(c->t->state, i, &key, value) == OVERLAY_VALUE;

	*subkey = slice_skip(key, ELEM_PREFIX_LEN);
	return there;
}

static bool is_kind(struct slice subkey, enum stream_record kind)
{
	return subkey.len > 0 && subkey.data[0] == kind;
}

/* Runs a step for each record of a kind. */
static enum status each(struct change *c, enum stream_record kind,
			enum status (*step)(struct change *c, struct slice subkey,
					    const struct slice *value))
{
	enum status st = ST_OK;

	for (size_t i = c->r.first; st == ST_OK && i < c->r.end; i++) {
		struct slice subkey, value;
		bool there = at(c, i, &subkey, &value);

		if (is_kind(subkey, kind)) {
			st = step(c, subkey, there ? &value : NULL);
		}
	}
	return st;
}

static enum status say(struct change *c, const struct slice *argv, size_t argc)
{
	return resp_command(&c->t->inner, argv, argc);
}

/* --- entries --- */

static enum status add_entry(struct change *c, struct slice subkey, const struct slice *value)
{
	if (value == NULL) {
		return ST_OK;
	}
	if (subkey.len != 1 + STREAM_ID_LEN) {
		return ST_CORRUPT;
	}
	c->added = stream_id_at(subkey.data + 1);
	return emit_stream_entry(&c->t->inner, c->key, subkey, *value, &c->argv);
}

/* Deletes what XDEL deleted, or what went before the greatest ID that it did. */
static enum status delete_entries(struct change *c)
{
	char ids[DELETE_BATCH][STREAM_ID_TEXT_MAX], minid[STREAM_ID_TEXT_MAX];
	struct slice argv[2 + DELETE_BATCH] = {slice_str("XDEL"), c->key};
	struct slice trim[4] = {slice_str("XTRIM"), c->key, slice_str("MINID")};
	struct stream_id trimmed = STREAM_ID_MIN;
	size_t argc = 2;
	enum status st = ST_OK;

	for (size_t i = c->r.first; st == ST_OK && i < c->r.end; i++) {
		struct slice subkey, value;
		struct stream_id id;

		if (at(c, i, &subkey, &value) || !is_kind(subkey, STREAM_ENTRY)) {
			continue;
		}
		if (!stream_entry_text(subkey, ids[argc - 2])) {
			return ST_CORRUPT;
		}
		id = stream_id_at(subkey.data + 1);
		if (stream_id_compare(id, c->max_deleted) > 0) {
			trimmed = id; /* from the front, without being noted as deleted */
			continue;
		}
		argv[argc] = slice_str(ids[argc - 2]);
		if (++argc == 2 + DELETE_BATCH) {
			st = say(c, argv, argc);
			argc = 2;
		}
	}
	if (st == ST_OK && argc > 2) {
		st = say(c, argv, argc);
	}
	if (st == ST_OK && !stream_id_is_zero(trimmed)) {
		(void)stream_id_next(&trimmed);
		stream_id_text(minid, trimmed);
		trim[3] = slice_str(minid);
		st = say(c, trim, 4);
	}
	return st;
}

/* --- groups and consumers --- */

/* The name of a group by its number, after the record; false: it is gone, or was never there. */
static bool group_name(const struct change *c, uint64_t number, struct slice *name)
{
	const struct stream_note *note = stream_notes_find(c->old, number, 0);

	for (size_t i = c->r.first; i < c->r.end; i++) {
		struct slice subkey, value;
		bool there = at(c, i, &subkey, &value);

		if (!is_kind(subkey, STREAM_GROUP)) {
			continue;
		}
		if (there && value.len >= STREAM_GROUP_LEN &&
		    bytes_get_u64le(value.data) == number) {
			*name = slice_skip(value, STREAM_GROUP_LEN);
			return true;
		}
		/* Another one has its name, or none. */
		if (note != NULL && stream_notes_group(c->old, subkey) == note) {
			return false;
		}
	}
	if (note == NULL) {
		return false;
	}
	*name = stream_note_name(note);
	return true;
}

static bool consumer_name(const struct change *c, uint64_t group, uint64_t number,
			  struct slice *name)
{
	const struct stream_note *note = stream_notes_find(c->old, group, number);
	struct stream_subkey k;
	struct store_key key;
	struct slice prefix, value;
	size_t i;

	stream_subkey_init(&k, STREAM_CONSUMER);
	stream_subkey_number(&k, group);
	stream_subkey_number(&k, number);
	/* All of a range begins alike. */
	if (c->r.first < c->r.end) {
		(void)overlay_at(c->t->state, c->r.first, &prefix, &value);
		memcpy(key.bytes, prefix.data, ELEM_PREFIX_LEN);
		memcpy(key.bytes + ELEM_PREFIX_LEN, k.bytes, k.len);
		i = overlay_seek(c->t->state, slice_of(key.bytes, ELEM_PREFIX_LEN + k.len));
		if (i < c->r.end && overlay_at(c->t->state, i, &prefix, &value) == OVERLAY_VALUE &&
		    slice_eq(slice_skip(prefix, ELEM_PREFIX_LEN), stream_subkey_slice(&k)) &&
		    value.len >= STREAM_CONSUMER_LEN) {
			*name = slice_skip(value, STREAM_CONSUMER_LEN);
			return true;
		}
	}
	if (note == NULL) {
		return false;
	}
	*name = stream_note_name(note);
	return true;
}

static enum status change_group(struct change *c, struct slice subkey, const struct slice *value)
{
	struct slice destroy[4] = {slice_str("XGROUP"), slice_str("DESTROY"), c->key};
	struct slice set[7] = {slice_str("XGROUP"), slice_str("SETID"), c->key};
	const struct stream_note *old = stream_notes_group(c->old, subkey);
	char id[STREAM_ID_TEXT_MAX], read[NUMBER_MAX];
	struct stream_id last;
	int64_t entries_read;
	enum status st = ST_OK;

	if (value != NULL && value->len < STREAM_GROUP_LEN) {
		return ST_CORRUPT;
	}
	if (old != NULL && (value == NULL || bytes_get_u64le(value->data) != old->group)) {
		destroy[3] = stream_note_name(old);
		st = say(c, destroy, 4);
		old = NULL;
	}
	if (st != ST_OK || value == NULL) {
		return st;
	}
	last = stream_id_at(value->data + 8);
	entries_read = (int64_t)bytes_get_u64le(value->data + 40);
	if (old == NULL) {
		set[1] = slice_str("CREATE");
	} else if (stream_id_compare(old->last, last) == 0 && old->entries_read == entries_read) {
		return ST_OK;
	}
	stream_id_text(id, last);
	(void)snprintf(read, sizeof read, "%" PRId64, entries_read);
	set[3] = slice_skip(*value, STREAM_GROUP_LEN);
	set[4] = slice_str(id);
	set[5] = slice_str("ENTRIESREAD");
	set[6] = slice_str(read);
	return say(c, set, 7);
}

static enum status change_consumer(struct change *c, struct slice subkey, const struct slice *value)
{
	struct slice argv[5] = {slice_str("XGROUP"), slice_str("CREATECONSUMER"), c->key};
	const struct stream_note *old;
	uint64_t group;

	if (subkey.len != CONSUMER_SUBKEY_LEN ||
	    (value != NULL && value->len < STREAM_CONSUMER_LEN)) {
		return ST_CORRUPT;
	}
	group = bytes_get_u64be(subkey.data + OWNER_AT);
	old = stream_notes_find(c->old, group, bytes_get_u64be(subkey.data + SECOND_AT));
	if ((old == NULL) == (value == NULL) || !group_name(c, group, &argv[3])) {
		return ST_OK;
	}
	if (value == NULL) {
		argv[1] = slice_str("DELCONSUMER");
		argv[4] = stream_note_name(old);
	} else {
		argv[4] = slice_skip(*value, STREAM_CONSUMER_LEN);
	}
	return say(c, argv, 5);
}

static enum status change_pending(struct change *c, struct slice subkey, const struct slice *value)
{
	struct slice ack[4] = {slice_str("XACK"), c->key};
	char id[STREAM_ID_TEXT_MAX];
	struct slice group, consumer;
	uint64_t number;

	if (subkey.len != PENDING_SUBKEY_LEN ||
	    (value != NULL && value->len != STREAM_PENDING_LEN)) {
		return ST_CORRUPT;
	}
	number = bytes_get_u64be(subkey.data + OWNER_AT);
	if (!group_name(c, number, &group)) {
		return ST_OK; /* it went with its group */
	}
	if (value != NULL) {
		return consumer_name(c, number, bytes_get_u64le(value->data), &consumer)
			   ? emit_stream_claim(&c->t->inner, c->key, group, consumer,
					       stream_id_at(subkey.data + SECOND_AT), *value)
			   : ST_CORRUPT;
	}
	stream_id_text(id, stream_id_at(subkey.data + SECOND_AT));
	ack[2] = group;
	ack[3] = slice_str(id);
	return say(c, ack, 4);
}

/* --- all --- */

static enum status take_numbers(struct change *c, struct slice subkey, const struct slice *value)
{
	(void)subkey;
	if (value == NULL || value->len != STREAM_EXTRA_LEN) {
		return ST_CORRUPT;
	}
	c->numbers = true;
	c->removed = bytes_get_u64le(value->data);
	c->max_deleted = stream_id_at(value->data + 8);
	return ST_OK;
}

static enum status set_numbers(struct change *c, struct stream_id last)
{
	return emit_stream_numbers(&c->t->inner, c->key, last, c->count + c->removed,
				   c->max_deleted);
}

/* The first ID that the record added; zero: none. */
static struct stream_id first_added(const struct change *c)
{
	for (size_t i = c->r.first; i < c->r.end; i++) {
		struct slice subkey, value;

		if (at(c, i, &subkey, &value) && is_kind(subkey, STREAM_ENTRY) &&
		    subkey.len == 1 + STREAM_ID_LEN) {
			return stream_id_at(subkey.data + 1);
		}
	}
	return STREAM_ID_MIN;
}

/* The last ID went back within the record, and entries were added behind it: what was before them
 * has to go, and the ID to be set, first. */
static enum status go_back(struct change *c, struct stream_id first)
{
	char id[STREAM_ID_TEXT_MAX];
	struct slice argv[3] = {slice_str("XSETID"), c->key};
	enum status st = delete_entries(c);

	(void)stream_id_previous(&first);
	stream_id_text(id, first);
	argv[2] = slice_str(id);
	return st == ST_OK ? say(c, argv, 3) : st;
}

static enum status write_all(struct change *c)
{
	struct stream_id first = first_added(c);
	bool back = !stream_id_is_zero(first) && stream_id_compare(first, c->old_last) <= 0;
	enum status st = each(c, STREAM_EXTRA, take_numbers);

	c->added = c->old_last;
	if (st == ST_OK && back) {
		st = go_back(c, first);
	}
	if (st == ST_OK) {
		st = each(c, STREAM_ENTRY, add_entry);
	}
	if (st == ST_OK) {
		st = each(c, STREAM_GROUP, change_group);
	}
	if (st == ST_OK) {
		st = each(c, STREAM_CONSUMER, change_consumer);
	}
	if (st == ST_OK) {
		st = each(c, STREAM_PENDING, change_pending);
	}
	if (st == ST_OK && !back) {
		st = delete_entries(c);
	}
	if (st == ST_OK && (c->numbers || stream_id_compare(c->added, c->last) != 0)) {
		st = set_numbers(c, c->last);
	}
	return st;
}

enum status translate_stream(struct translator *t, const struct id_entry *old, struct slice key,
			     struct range r, const struct stream_id *last, uint64_t count)
{
	static const struct stream_notes nothing = {0};
	struct change c = {.t = t,
			   .key = key,
			   .r = r,
			   .old = old->notes != NULL ? old->notes : &nothing,
			   .old_last = {old->aux[0], old->aux[1]},
			   .last = *last,
			   .count = count};
	enum status st;

	c.removed = c.old->removed;
	c.max_deleted = c.old->max_deleted;
	st = write_all(&c);
	buf_deinit(&c.argv);
	return st;
}

/* Whether all of a stream is in the record, of a log that does not tell of all there was: its first
 * entries, and there never was a group or an entry before. */
bool translate_stream_is_whole(const struct translator *t, struct range r, uint64_t count)
{
	uint64_t entries = 0;
	bool new = false;

	for (size_t i = r.first; i < r.end; i++) {
		struct slice key, value;
		bool there = overlay_at(t->state, i, &key, &value) == OVERLAY_VALUE;
		struct slice subkey = slice_skip(key, ELEM_PREFIX_LEN);

		entries += there && is_kind(subkey, STREAM_ENTRY);
		if (there && is_kind(subkey, STREAM_EXTRA) && value.len == STREAM_EXTRA_LEN) {
			new = bytes_get_u64le(value.data) == 0 &&
			      bytes_get_u64le(value.data + 40) == 0;
		}
	}
	return new &&count > 0 && entries == count;
}

enum status translate_note_streams(struct translator *t, struct slice ops)
{
	struct wal_op op;
	enum status st = ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct id_entry *e;

		if (op.kind != WAL_OP_PUT_ELEM && op.kind != WAL_OP_DEL_ELEM) {
			continue;
		}
		e = id_map_entry(&t->map, op.id);
		if (e == NULL || e->type != TYPE_STREAM) {
			continue;
		}
		if (e->notes == NULL) {
			st = stream_notes_create(&e->notes);
		}
		if (st == ST_OK) {
			st = stream_notes_take(e->notes, op.name,
					       op.kind == WAL_OP_PUT_ELEM ? &op.value : NULL);
		}
	}
	return st == ST_END ? ST_OK : st;
}
