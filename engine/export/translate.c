/* From the effects of a record to commands: keys first, then elements of collections whose key
 * record did not change. */
#include "engine/export/translate_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { COMMANDS_KEPT = 1 << 20 };

static enum status take_inner(void *arg, struct slice bytes, uint64_t commands)
{
	struct translator *t = arg;

	(void)commands;
	return buf_append(&t->commands, bytes.data, bytes.len);
}

enum status translate_init(struct translator *t, struct key_choice choice, bool complete,
			   uint64_t hold_before_ms)
{
	*t = (struct translator){
	    .choice = choice, .complete = complete, .hold_before_ms = hold_before_ms};
	t->inner = (struct resp_sink){.take = take_inner, .arg = t};
	return overlay_create(UINT64_MAX, &t->state);
}

void translate_deinit(struct translator *t)
{
	id_map_deinit(&t->map);
	library_set_deinit(&t->libraries);
	overlay_destroy(t->state);
	resp_sink_deinit(&t->inner);
	buf_deinit(&t->commands);
	buf_deinit(&t->whole);
	buf_deinit(&t->dropped);
}

enum status translate_know_key(struct translator *t, const struct view *v,
			       const struct key_record *record)
{
	enum status st = id_map_add(&t->map, &record->meta, record->name);
	struct id_entry *e;

	if (st != ST_OK || record->meta.type != TYPE_STREAM) {
		return st;
	}
	e = id_map_entry(&t->map, record->meta.id);
	if (e->notes == NULL) {
		st = stream_notes_create(&e->notes);
	}
	return st == ST_OK ? stream_notes_read(e->notes, v, record) : st;
}

enum status translate_know_libraries(struct translator *t, const struct library_set *set)
{
	library_set_deinit(&t->libraries);
	return library_set_copy(set, &t->libraries);
}

static bool wanted(const struct translator *t, struct slice key)
{
	return t->choice.wants == NULL || t->choice.wants(t->choice.arg, key);
}

static bool has_id(const struct buf *ids, uint64_t id)
{
	for (size_t i = 0; i + sizeof id <= ids->len; i += sizeof id) {
		if (memcmp(ids->data + i, &id, sizeof id) == 0) {
			return true;
		}
	}
	return false;
}

/* --- keys --- */

/* The other key that a record's collection was known by before; empty, false: none. */
static bool renamed_from(const struct translator *t, const struct key_record *record,
			 struct slice *old)
{
	const struct id_entry *e =
	    record->meta.form == FORM_LARGE ? id_map_find(&t->map, record->meta.id) : NULL;

	if (e == NULL || slice_eq(slice_of(e->key, e->key_len), record->name)) {
		return false;
	}
	*old = slice_of(e->key, e->key_len);
	return true;
}

static enum status each_key(struct translator *t,
			    enum status (*each)(struct translator *t,
						const struct key_record *record))
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < overlay_count(t->state); i++) {
		struct slice key, value;
		struct key_record record;

		if (overlay_at(t->state, i, &key, &value) == OVERLAY_VALUE &&
		    store_key_space(key) == KEYSPACE_KEY) {
			st = key_record_of(key, value, &record);
			if (st == ST_OK) {
				st = each(t, &record);
			}
		}
	}
	return st;
}

static enum status count_rename(struct translator *t, const struct key_record *record)
{
	struct slice old;

	t->renames += renamed_from(t, record, &old) && wanted(t, old) && wanted(t, record->name);
	return ST_OK;
}

/* One collection changes its key at once. Several, which may be changing places, first take a name
 * that nobody has, then (renames_by_step) their own. */
static enum status rename_key(struct translator *t, const struct key_record *record)
{
	struct slice argv[3] = {slice_str("RENAME")}, old;
	char between[48];

	if (!renamed_from(t, record, &old) || !wanted(t, old) || !wanted(t, record->name)) {
		return ST_OK;
	}
	(void)snprintf(between, sizeof between, "cairn-wal:%" PRIu64, record->meta.id);
	argv[1] = t->renames_by_step ? slice_str(between) : old;
	argv[2] = t->renames == 1 || t->renames_by_step ? record->name : slice_str(between);
	return resp_command(&t->inner, argv, 3);
}

static enum status rename_keys(struct translator *t)
{
	enum status st;

	t->renames = 0;
	t->renames_by_step = false;
	st = each_key(t, count_rename);
	if (st == ST_OK && t->renames > 0) {
		st = each_key(t, rename_key);
	}
	if (st == ST_OK && t->renames > 1) {
		t->renames_by_step = true;
		st = each_key(t, rename_key);
	}
	return st;
}

static enum status write_key(struct translator *t, const struct key_record *record)
{
	struct view only = {.over = t->state};
	struct slice old;
	enum status st;

	if (!wanted(t, record->name)) {
		return ST_OK;
	}
	if (!value_has_decoder(record->meta.type)) {
		t->left_out++;
		return ST_OK;
	}
	if (record->meta.form == FORM_INLINE) {
		st = emit_resp(&t->inner, &only, record);
		return st;
	}
	if (renamed_from(t, record, &old) && !wanted(t, old)) {
		t->left_out++; /* what it held before was never given to the target */
		return translate_note_id(&t->whole, record->meta.id);
	}
	return translate_large(t, record);
}

/* Keys that the record removed; their names are in its operations alone. */
static enum status remove_keys(struct translator *t, struct slice ops)
{
	struct wal_op op;
	struct slice stored;
	struct store_key key;
	enum status st = ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		if (op.kind != WAL_OP_DEL_KEY || !wanted(t, op.name)) {
			continue;
		}
		store_key_of_key(&key, op.name);
		if (overlay_find(t->state, store_key_slice(&key), &stored) == OVERLAY_GONE) {
			st = emit_resp_del(&t->inner, op.name);
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* --- elements --- */

/* The collection's entry, if it still is some key's after the record. *changed: that key's record
 * was written too. */
static const struct id_entry *owner_of(const struct translator *t, uint64_t id, bool *changed)
{
	const struct id_entry *e = id_map_find(&t->map, id);
	struct key_record record;
	struct store_key key;
	struct slice stored;

	*changed = false;
	if (e == NULL) {
		return NULL;
	}
	store_key_of_key(&key, slice_of(e->key, e->key_len));
	switch (overlay_find(t->state, store_key_slice(&key), &stored)) {
	case OVERLAY_SILENT:
		return e;
	case OVERLAY_GONE:
		return NULL;
	case OVERLAY_VALUE:
		break;
	}
	*changed = true;
	return key_record_of(store_key_slice(&key), stored, &record) == ST_OK &&
		       record.meta.form == FORM_LARGE && record.meta.id == id
		   ? e
		   : NULL;
}

/* One field's or member's command: HSET, HDEL; SADD, SREM; ZADD, ZREM. */
static enum status write_field(struct translator *t, const struct id_entry *e,
			       const struct wal_op *op)
{
	struct slice argv[4] = {slice_str("HSET"), slice_of(e->key, e->key_len), op->name,
				op->value};
	char score[VALUE_SCORE_MAX];
	bool zset = e->type == TYPE_ZSET, set = e->type == TYPE_SET;

	if (op->kind == WAL_OP_DEL_FIELD) {
		argv[0] = slice_str(zset ? "ZREM" : set ? "SREM" : "HDEL");
		return resp_command(&t->inner, argv, 3);
	}
	if (set) {
		argv[0] = slice_str("SADD");
		return resp_command(&t->inner, argv, 3);
	}
	if (zset) {
		if (value_score_text(op->value, score) != ST_OK) {
			return ST_CORRUPT;
		}
		argv[0] = slice_str("ZADD");
		argv[2] = slice_str(score);
		argv[3] = op->name;
	}
	return resp_command(&t->inner, argv, 4);
}

/* Fields of hashes and members of sets, in the order they were written: their whole names
 * are in the operations. */
static enum status write_fields(struct translator *t, struct slice ops)
{
	struct wal_op op;
	enum status st = ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		const struct id_entry *e;
		bool changed;

		if (op.kind < WAL_OP_PUT_FIELD || op.kind > WAL_OP_DEL_ELEM) {
			continue;
		}
		e = owner_of(t, op.id, &changed);
		if (e == NULL) {
			t->left_out +=
			    id_map_find(&t->map, op.id) == NULL && !has_id(&t->dropped, op.id);
			continue;
		}
		if ((op.kind == WAL_OP_PUT_FIELD || op.kind == WAL_OP_DEL_FIELD) &&
		    !has_id(&t->whole, op.id) && wanted(t, slice_of(e->key, e->key_len))) {
			st = write_field(t, e, &op);
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* Elements of lists, strings and streams whose key record is as it was; when fields of hashes
 * expire. */
static enum status write_elements(struct translator *t)
{
	enum status st = ST_OK;
	size_t i = 0;

	while (st == ST_OK && i < overlay_count(t->state)) {
		const struct id_entry *e;
		struct slice key, value, name;
		struct range r;
		bool changed;

		(void)overlay_at(t->state, i, &key, &value);
		if (store_key_space(key) != KEYSPACE_ELEM) {
			i++;
			continue;
		}
		e = owner_of(t, store_key_id(key), &changed);
		r = translate_elements(t->state, store_key_slot(key), store_key_id(key),
				       e == NULL ? TYPE_LIST : e->type);
		i = r.end;
		if (e == NULL || (changed && e->type != TYPE_HASH)) {
			continue;
		}
		name = slice_of(e->key, e->key_len);
		if (!wanted(t, name) || has_id(&t->whole, e->id)) {
			continue;
		}
		if (e->type == TYPE_LIST) {
			st = translate_set_range(t, name, r, e->aux[0], e->aux[1], e->aux[0]);
		} else if (e->type == TYPE_STRING) {
			st = translate_string(t, name, r, e->count, false);
		} else if (e->type == TYPE_STREAM) {
			const struct stream_id last = {e->aux[0], e->aux[1]};

			st = translate_stream(t, e, name, r, &last, e->count);
		} else if (e->type == TYPE_HASH) {
			st = translate_times(t, name, r);
		}
	}
	return st;
}

/* --- records --- */

/* An operation on libraries: its command, unless only some keys are wanted, and what is known after
 * it. */
static enum status take_library(struct translator *t, const struct wal_op *op)
{
	bool wanted_too = t->choice.wants == NULL;
	bool known = library_set_find(&t->libraries, op->name) != NULL;
	enum status st = ST_OK;

	if (wanted_too && op->kind == WAL_OP_PUT_LIBRARY) {
		st = emit_resp_library(&t->inner, op->value);
	} else if (wanted_too && op->kind == WAL_OP_DEL_LIBRARY && (known || !t->complete)) {
		st = emit_resp_library_del(&t->inner, op->name, known);
	} else if (wanted_too && op->kind == WAL_OP_FLUSH_LIBRARIES) {
		st = emit_resp_library_flush(&t->inner);
	}
	return st == ST_OK ? library_set_apply(&t->libraries, op) : st;
}

/* Of several libraries that a record changes, one may get a function that another one loses: the
 * old ones go first, as far as they are known. */
static enum status make_way(struct translator *t, struct slice ops)
{
	struct slice all = ops;
	struct wal_op op;
	size_t changes = 0;
	enum status st = ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		changes += library_set_concerns(&op);
	}
	if (st != ST_END || changes < 2 || t->choice.wants != NULL) {
		return st == ST_END ? ST_OK : st;
	}
	st = ST_OK;
	while (st == ST_OK && (st = wal_op_next(&all, &op)) == ST_OK) {
		if (op.kind == WAL_OP_PUT_LIBRARY && library_set_del(&t->libraries, op.name)) {
			st = emit_resp_library_del(&t->inner, op.name, true);
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* Makes the record's net effect; *rest gets the operations after its last FLUSH. */
static enum status take_in(struct translator *t, const struct wal_record *rec,
			   struct wal_record *rest)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st = overlay_reset(t->state);

	*rest = *rec;
	t->whole.len = t->dropped.len = t->commands.len = t->inner.pending.len = 0;
	t->inner.commands = 0;
	if (st == ST_OK) {
		st = make_way(t, ops);
	}
	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct effect effect;

		st = effect_of(&op, &effect);
		if (st == ST_OK) {
			st = overlay_apply(t->state, &effect);
		}
		if (st == ST_OK && op.kind == WAL_OP_DROP) {
			st = translate_note_id(&t->dropped, op.id);
		}
		if (st == ST_OK && library_set_concerns(&op)) {
			st = take_library(t, &op);
		}
		if (op.kind == WAL_OP_FLUSH) {
			rest->ops = ops;
		}
	}
	return st == ST_END ? overlay_finish(t->state) : st;
}

static enum status flush_all(struct translator *t)
{
	struct slice argv[1] = {slice_str("FLUSHALL")};

	id_map_deinit(&t->map);
	if (t->choice.wants != NULL) {
		t->left_out++; /* no command removes just the keys that are wanted */
		return ST_OK;
	}
	return resp_command(&t->inner, argv, 1);
}

/* The record's commands, as one transaction when there are several. */
static enum status hand_over(struct translator *t, struct resp_sink *sink)
{
	struct slice multi = slice_str("MULTI"), exec = slice_str("EXEC");
	bool several = t->inner.commands > 1;
	enum status st = resp_flush(&t->inner);

	if (st == ST_OK && several) {
		st = resp_command(sink, &multi, 1);
	}
	if (st == ST_OK && t->commands.len > 0) {
		st = resp_encoded(sink, buf_slice(&t->commands), t->inner.commands);
	}
	if (st == ST_OK && several) {
		st = resp_command(sink, &exec, 1);
	}
	t->commands.len = 0;
	buf_shrink(&t->commands, COMMANDS_KEPT);
	return st;
}

enum status translate_record(struct translator *t, const struct wal_record *rec,
			     struct resp_sink *sink)
{
	struct wal_record rest;
	enum status st = take_in(t, rec, &rest);

	if (st == ST_OK && overlay_flushed(t->state)) {
		st = flush_all(t);
	}
	if (st == ST_OK) {
		st = rename_keys(t);
	}
	if (st == ST_OK) {
		st = remove_keys(t, rest.ops);
	}
	if (st == ST_OK) {
		st = each_key(t, write_key);
	}
	if (st == ST_OK) {
		st = id_map_learn(&t->map, &rest);
	}
	if (st == ST_OK) {
		st = write_fields(t, rest.ops);
	}
	if (st == ST_OK) {
		st = write_elements(t);
	}
	if (st == ST_OK) {
		st = translate_note_streams(t, rest.ops);
	}
	if (st == ST_OK) {
		id_map_settle(&t->map, &rest);
		st = hand_over(t, sink);
	}
	return st;
}

enum status translate_skip(struct translator *t, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st = id_map_learn(&t->map, rec);

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		st = library_set_apply(&t->libraries, &op);
	}
	if (st == ST_END) {
		st = translate_note_streams(t, rec->ops);
	}
	if (st == ST_OK) {
		id_map_settle(&t->map, rec);
	}
	return st;
}

enum status translate_finish(struct translator *t, struct resp_sink *sink)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < t->map.buckets_count; i++) {
		const struct id_entry *e = t->map.by_id[i];
		struct slice key;

		if (e == NULL || e->expire_at_ms == 0 || e->expire_at_ms >= t->hold_before_ms) {
			continue;
		}
		key = slice_of(e->key, e->key_len);
		if (wanted(t, key)) {
			st = emit_resp_expiry(sink, key, e->expire_at_ms);
		}
	}
	return st;
}
