/* Changes of large collections and chunked strings as commands: the difference between what the
 * translator remembers and what the record at work says. */
#include "engine/export/translate_impl.h"

#include "engine/base/bytes.h"
#include "engine/types/hash_expiry.h"
#include "engine/types/type_string.h"
#include "engine/types/zset_node.h"

#include <inttypes.h>
#include <stdio.h>

enum { BATCH = 128, CHUNK_KEY_LEN = ELEM_PREFIX_LEN + 4, POSITION_KEY_LEN = ELEM_PREFIX_LEN + 8 };

struct range translate_elements(const struct overlay *state, uint16_t slot, uint64_t id,
				enum value_type type)
{
	struct store_key prefix;
	struct slice key, value;
	struct range r = {0};

	store_key_of_elem(&prefix, slot, id, slice_of(NULL, 0));
	r.first = r.end = overlay_seek(state, store_key_slice(&prefix));
	for (; r.end < overlay_count(state); r.end++) {
		enum overlay_answer is = overlay_at(state, r.end, &key, &value);

		if (!slice_has_prefix(key, store_key_slice(&prefix))) {
			break;
		}
		/* Records of a sorted set's tree follow from its members; those of when fields
		 * expire come after them. */
		r.live += is == OVERLAY_VALUE &&
			  (!type_is_named(type) || key.len >= ELEM_PREFIX_LEN + KEY_ORDER_LEN);
	}
	return r;
}

static enum status command_3(struct translator *t, const char *name, struct slice key,
			     struct slice a, struct slice b)
{
	struct slice argv[4] = {slice_str(name), key, a, b};

	return resp_command(&t->inner, argv, 4);
}

static enum status expiry(struct translator *t, struct slice key, uint64_t expire_at_ms)
{
	if (expire_at_ms != 0 && expire_at_ms < t->hold_before_ms) {
		t->held++;
		return ST_OK;
	}
	return emit_resp_expiry(&t->inner, key, expire_at_ms);
}

/* --- large values --- */

/* All of a collection is in the record: made anew, whatever was there. */
static enum status write_whole(struct translator *t, const struct key_record *record)
{
	struct view only = {.over = t->state};
	struct key_record bare = *record;
	enum status st;

	bare.meta.expire_at_ms = 0;
	st = emit_resp(&t->inner, &only, &bare);
	if (st == ST_OK && record->meta.expire_at_ms != 0) {
		st = expiry(t, record->name, record->meta.expire_at_ms);
	}
	return st == ST_OK ? translate_note_id(&t->whole, record->meta.id) : st;
}

/* Stored chunks end with their last byte that is not zero; what follows is zeros. */
static enum status write_chunk(struct translator *t, struct slice name, uint64_t at, uint64_t len,
			       struct slice stored)
{
	uint64_t room = len - at < STRING_CHUNK ? len - at : STRING_CHUNK;
	uint8_t bytes[STRING_CHUNK] = {0};
	char text[24];

	if (at >= len || stored.len > room) {
		return ST_CORRUPT;
	}
	if (stored.len > 0) {
		memcpy(bytes, stored.data, stored.len);
	}
	(void)snprintf(text, sizeof text, "%" PRIu64, at);
	return command_3(t, "SETRANGE", name, slice_str(text), slice_of(bytes, (size_t)room));
}

/* The chunks that changed. grown: the string became longer, also where no chunk says so. */
enum status translate_string(struct translator *t, struct slice name, struct range r, uint64_t len,
			     bool grown)
{
	uint64_t reached = 0;
	enum status st = ST_OK;
	char text[24];

	for (size_t i = r.first; st == ST_OK && i < r.end; i++) {
		struct slice key, value = {0};
		uint64_t at;

		(void)overlay_at(t->state, i, &key, &value);
		if (key.len != CHUNK_KEY_LEN) {
			return ST_CORRUPT;
		}
		at = ((uint64_t)bytes_get_u16be(key.data + ELEM_PREFIX_LEN) << 16 |
		      bytes_get_u16be(key.data + ELEM_PREFIX_LEN + 2)) *
		     STRING_CHUNK;
		st = write_chunk(t, name, at, len, value);
		reached = at + STRING_CHUNK;
	}
	if (st == ST_OK && grown && reached < len) {
		(void)snprintf(text, sizeof text, "%" PRIu64, len - 1);
		st = command_3(t, "SETRANGE", name, slice_str(text), slice_of("", 1));
	}
	return st;
}

static bool position_of(const struct translator *t, size_t i, uint64_t *at, struct slice *value)
{
	struct slice key;

	if (overlay_at(t->state, i, &key, value) != OVERLAY_VALUE || key.len != POSITION_KEY_LEN) {
		return false;
	}
	*at = bytes_get_u64be(key.data + ELEM_PREFIX_LEN);
	return true;
}

/* Appends one more argument; a full command is sent. */
struct push {
	struct slice argv[2 + BATCH];
	size_t argc;
};

static enum status push_send(struct translator *t, struct push *p)
{
	enum status st = p->argc > 2 ? resp_command(&t->inner, p->argv, p->argc) : ST_OK;

	p->argc = 2;
	return st;
}

static enum status push_add(struct translator *t, struct push *p, struct slice value)
{
	p->argv[p->argc++] = value;
	return p->argc == sizeof p->argv / sizeof p->argv[0] ? push_send(t, p) : ST_OK;
}

/* Elements at positions [from, to) of the record, pushed at the head or the tail; all of them have
 * to be there. */
static enum status push_range(struct translator *t, struct slice name, struct range r,
			      uint64_t from, uint64_t to, bool head)
{
	struct push p = {.argv = {slice_str(head ? "LPUSH" : "RPUSH"), name}, .argc = 2};
	uint64_t next = from;
	enum status st = ST_OK;

	for (size_t n = 0; st == ST_OK && n < r.end - r.first; n++) {
		struct slice value;
		uint64_t at;

		if (position_of(t, head ? r.end - 1 - n : r.first + n, &at, &value) && at >= from &&
		    at < to) {
			if (at != (head ? to - 1 - (next - from) : next)) {
				return ST_CORRUPT;
			}
			next++;
			st = push_add(t, &p, value);
		}
	}
	if (st == ST_OK && next < to) {
		return ST_CORRUPT;
	}
	return st == ST_OK ? push_send(t, &p) : st;
}

enum status translate_set_range(struct translator *t, struct slice name, struct range r,
				uint64_t from, uint64_t to, uint64_t head)
{
	enum status st = ST_OK;

	for (size_t i = r.first; st == ST_OK && i < r.end; i++) {
		struct slice value;
		uint64_t at;
		char text[24];

		if (position_of(t, i, &at, &value) && at >= from && at < to) {
			(void)snprintf(text, sizeof text, "%" PRIu64, at - head);
			st = command_3(t, "LSET", name, slice_str(text), value);
		}
	}
	return st;
}

/* From positions [old->aux[0], old->aux[1]) to those of the new record. */
static enum status change_list(struct translator *t, const struct key_record *record,
			       struct range r, const struct id_entry *old)
{
	uint64_t head = record->meta.aux[0], tail = record->meta.aux[1];
	uint64_t from = head > old->aux[0] ? head : old->aux[0];
	uint64_t to = tail < old->aux[1] ? tail : old->aux[1];
	enum status st = ST_OK;
	char a[24], b[24];

	if (from >= to) {
		return ST_CORRUPT; /* nothing is left of the old one, so all would be here */
	}
	if (from > old->aux[0] || to < old->aux[1]) {
		(void)snprintf(a, sizeof a, "%" PRIu64, from - old->aux[0]);
		(void)snprintf(b, sizeof b, "%" PRIu64, to - old->aux[0] - 1);
		st = command_3(t, "LTRIM", record->name, slice_str(a), slice_str(b));
	}
	if (st == ST_OK) {
		st = push_range(t, record->name, r, head, from, true);
	}
	if (st == ST_OK) {
		st = push_range(t, record->name, r, to, tail, false);
	}
	return st == ST_OK ? translate_set_range(t, record->name, r, from, to, head) : st;
}

enum status translate_times(struct translator *t, struct slice name, struct range r)
{
	enum status st = ST_OK;

	for (size_t i = r.first; st == ST_OK && i < r.end; i++) {
		struct slice key, bucket, field;
		uint64_t at;

		if (overlay_at(t->state, i, &key, &bucket) != OVERLAY_VALUE ||
		    key.len != ELEM_PREFIX_LEN + HASH_BUCKET_KEY_LEN) {
			continue;
		}
		while (st == ST_OK && (st = hash_bucket_next(&bucket, &field, &at)) == ST_OK) {
			st = emit_resp_field_expiry(&t->inner, name, field, at);
		}
		st = st == ST_END ? ST_OK : st;
	}
	return st;
}

/* The key record of a large collection; what its record says of fields and members
 * comes later. */
enum status translate_large(struct translator *t, const struct key_record *record)
{
	const struct meta *m = &record->meta;
	const struct id_entry *old = id_map_find(&t->map, m->id);
	struct range r = translate_elements(t->state, record->slot, m->id, m->type);
	uint64_t all =
	    m->type == TYPE_STRING ? (m->count + STRING_CHUNK - 1) / STRING_CHUNK : m->count;
	enum status st = ST_OK;

	if (m->type == TYPE_STREAM
		? old == NULL && (t->complete || translate_stream_is_whole(t, r, m->count))
		: r.live == all || (old == NULL && t->complete)) {
		return write_whole(t, record);
	}
	if (old == NULL && !type_is_named(m->type)) {
		t->left_out++;
		return translate_note_id(&t->whole, m->id);
	}
	if (m->type == TYPE_STRING) {
		st = translate_string(t, record->name, r, m->count, m->count > old->count);
	} else if (m->type == TYPE_LIST) {
		st = change_list(t, record, r, old);
	} else if (m->type == TYPE_STREAM) {
		const struct stream_id last = {m->aux[0], m->aux[1]};

		st = translate_stream(t, old, record->name, r, &last, m->count);
	}
	if (st == ST_OK && (old == NULL || old->expire_at_ms != m->expire_at_ms)) {
		st = expiry(t, record->name, m->expire_at_ms);
	}
	return st;
}
