/* Keeping the values at the fork. */
#include "engine/rewind_fork.h"

#include "engine/divergent_names.h"
#include "engine/keyspace.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_record.h"
#include "engine/wal/wal_segment.h"

#include <stdio.h>

enum {
	NAMES_MAX = 1 << 20,
	VALUE_BYTES_MAX = 1 << 20,
	FILE_BYTES_MAX = 64 << 20,
	ZSTD_LEVEL = 1,
};

static const char command[] = "fork", tmp_name[] = "fork.tmp";

struct fork_file {
	struct engine *e;
	struct wal_segment segment;
	struct wal_frame_encoder *encoder;
	struct buf records; /* of the frame to come */
	uint32_t records_count;
	uint64_t next_lsn, chain;
	struct buf bytes; /* the file so far */
	uint64_t keys;
};

/* --- frames --- */

static enum status seal(struct fork_file *f, unsigned flags)
{
	const struct wal_timeline *line = &f->segment.history.items[0];
	struct wal_frame frame = {
	    .flags = flags,
	    .records = f->records_count,
	    .first_lsn = f->next_lsn,
	    .epoch = line->epoch,
	    .timeline = line->id,
	    .time_ms = f->segment.created_ms,
	    .chain = f->chain,
	    .watermark = f->next_lsn - 1,
	};
	enum status st = wal_frame_encode(f->encoder, &frame, buf_slice(&f->records),
					  f->segment.salt, &f->bytes);

	if (st == ST_OK) {
		f->chain = frame.digest;
		f->next_lsn += f->records_count;
		f->records.len = 0;
		f->records_count = 0;
	}
	return st;
}

static enum status end_record(struct fork_file *f, size_t start)
{
	wal_record_end(&f->records, start);
	f->records_count++;
	f->keys++;
	return f->records.len >= WAL_FRAME_RAW_TARGET ? seal(f, 0) : ST_OK;
}

/* --- values --- */

/* ST_LIMIT: longer than what is kept. */
static enum status add(struct fork_file *f, size_t start, const struct wal_op *op,
		       const struct slice *parts, size_t count)
{
	enum status st = wal_record_add(&f->records, start, op, parts, count);

	return st == ST_OK && f->records.len - start > VALUE_BYTES_MAX ? ST_LIMIT : st;
}

static enum status add_named(struct fork_file *f, size_t start, uint16_t slot, uint64_t id)
{
	struct wal_op op = {.kind = WAL_OP_PUT_FIELD, .slot = slot, .id = id};
	struct slice value;
	struct ks_iter it = {0};
	uint64_t order;
	enum status st = ks_fields_open(f->e, slot, id, 0, &it);

	while (st == ST_OK) {
		st = ks_fields_next(&it, &order, &op.name, &value);
		if (st == ST_OK) {
			st = add(f, start, &op, &value, 1);
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* beside: only what stands beside fields, to say when they expire. */
static enum status add_ordered(struct fork_file *f, size_t start, uint16_t slot, uint64_t id,
			       bool beside)
{
	struct wal_op op = {.kind = WAL_OP_PUT_ELEM, .slot = slot, .id = id};
	struct slice value;
	struct ks_iter it = {0};
	enum status st = ks_elems_open(f->e, slot, id, slice_of(NULL, 0), false, &it);

	while (st == ST_OK) {
		st = ks_elems_next(&it, &op.name, &value);
		if (st == ST_OK && (!beside || op.name.len < KEY_ORDER_LEN)) {
			st = add(f, start, &op, &value, 1);
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

static enum status add_elements(struct fork_file *f, size_t start, uint16_t slot,
				const struct meta *m)
{
	enum status st;

	if (!type_is_named(m->type)) {
		return add_ordered(f, start, slot, m->id, false);
	}
	st = add_named(f, start, slot, m->id);
	return st == ST_OK && m->fields_timed > 0 ? add_ordered(f, start, slot, m->id, true) : st;
}

static enum status add_value(struct fork_file *f, size_t start, const struct store_key *key)
{
	struct wal_op op = {.kind = WAL_OP_DEL_KEY, .name = key->name};
	uint8_t head[META_ENCODED_MAX];
	struct slice parts[2];
	struct meta m;
	enum status st = ks_lookup(f->e, key, &m);

	if (st == ST_NOT_FOUND) {
		return add(f, start, &op, NULL, 0);
	}
	if (st != ST_OK) {
		return st;
	}
	op.kind = WAL_OP_PUT_KEY;
	parts[0] = slice_of(head, meta_encode(&m, head));
	parts[1] = m.payload;
	if (m.form == FORM_INLINE) {
		return add(f, start, &op, parts, 2);
	}
	st = add(f, start, &op, parts, 1);
	return st == ST_OK ? add_elements(f, start, key->slot, &m) : st;
}

static enum status add_key(struct fork_file *f, struct slice name)
{
	size_t start, before = f->records.len;
	struct store_key key;
	enum status st;

	if (f->bytes.len + f->records.len > FILE_BYTES_MAX) {
		return ST_OK;
	}
	store_key_of_key(&key, name);
	st = wal_record_begin(&f->records, slice_str(command), f->segment.created_ms, 0, &start);
	if (st != ST_OK) {
		return st;
	}
	st = add_value(f, start, &key);
	if (st == ST_OK) {
		return end_record(f, start);
	}
	f->records.len = before;
	return st == ST_LIMIT ? ST_OK : st;
}

/* A collection's elements were written and its key was not: one of the slot's keys has it. */
static enum status add_owners(struct fork_file *f, struct divergent_names *names)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < names->ids_count; i++) {
		uint16_t slot = names->ids[i].slot;
		struct ks_iter it = {0};
		struct slice name;
		struct meta m;
		uint64_t order;

		if (i > 0 && names->ids[i - 1].slot == slot) {
			continue; /* this slot has been looked through */
		}
		st = ks_keys_open(f->e, slot, 0, &it);
		while (st == ST_OK && (st = ks_keys_next(&it, &order, &name, &m)) == ST_OK) {
			if (m.form == FORM_LARGE && divergent_names_has_id(names, slot, m.id)) {
				st = byte_list_add(&names->keys, name);
			}
		}
		ks_iter_close(&it);
		st = st == ST_END ? ST_OK : st;
	}
	return st == ST_OK ? divergent_names_settle(names) : st;
}

static enum status fill(struct fork_file *f, struct divergent_names *names)
{
	enum status st = wal_segment_encode(&f->segment, &f->bytes);

	/* At the time 0 nothing has expired: what was there is told with its expiry. */
	engine_begin(f->e, slice_str(command), 0, 0);
	if (st == ST_OK) {
		st = add_owners(f, names);
	}
	for (size_t i = 0; st == ST_OK && i < byte_list_count(&names->keys); i++) {
		st = add_key(f, byte_list_at(&names->keys, i));
	}
	engine_rollback(f->e);
	if (st == ST_OK && f->records_count > 0) {
		st = seal(f, 0);
	}
	return st == ST_OK ? seal(f, WAL_FRAME_CLEAN) : st;
}

/* --- the file --- */

static enum status publish(const struct fork_file *f, const struct io *io, const char *dir,
			   const struct divergent_name *name)
{
	char folder[DIVERGENT_PATH_SIZE], path[DIVERGENT_PATH_SIZE], tmp[DIVERGENT_PATH_SIZE];
	char archive[DIVERGENT_PATH_SIZE], file_name[DIVERGENT_NAME_SIZE];
	struct io_file *file;
	enum status st;

	divergent_name_format(name, file_name);
	st = wal_segment_path(dir, DIVERGENT_FOLDER, folder);
	if (st == ST_OK) {
		st = wal_segment_path(folder, tmp_name, tmp);
	}
	if (st == ST_OK) {
		st = wal_segment_path(folder, file_name, archive);
	}
	if (st == ST_OK) {
		st = divergent_fork_path(archive, path) ? ST_OK : ST_LIMIT;
	}
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &file);
	}
	if (st != ST_OK) {
		return st;
	}
	st = io->ops->pwrite(io->ctx, file, f->bytes.data, f->bytes.len, 0);
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, file);
	}
	io->ops->close(io->ctx, file);
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, tmp, path);
	}
	return st == ST_OK ? io->ops->sync_dir(io->ctx, folder) : st;
}

enum status rewind_keep_fork(struct engine *e, const struct io *io, const char *dir,
			     const struct divergent_name *name, uint64_t *keys)
{
	struct fork_file f = {.e = e, .next_lsn = 1};
	struct divergent_names names;
	struct divergent_archive archive;
	enum status st = divergent_look(io, dir, name, &archive);

	if (st == ST_OK) {
		st = divergent_names_read(io, dir, name, NAMES_MAX, &names);
	}
	if (st != ST_OK) {
		return st;
	}
	f.segment = (struct wal_segment){
	    .first_lsn = 1,
	    .created_ms = archive.first_ms,
	    .history = {.shard_id = name->timeline,
			.count = 1,
			.items = {{.id = name->timeline, .epoch = name->epoch, .first_lsn = 1}}},
	};
	st = wal_frame_encoder_create(ZSTD_LEVEL, slice_of(NULL, 0), &f.encoder);
	if (st == ST_OK) {
		st = fill(&f, &names);
	}
	if (st == ST_OK) {
		st = publish(&f, io, dir, name);
	}
	*keys = f.keys;
	wal_frame_encoder_destroy(f.encoder);
	buf_deinit(&f.records);
	buf_deinit(&f.bytes);
	divergent_names_deinit(&names);
	return st;
}

void rewind_forget_fork(const struct io *io, const char *dir)
{
	char folder[DIVERGENT_PATH_SIZE], tmp[DIVERGENT_PATH_SIZE];

	if (wal_segment_path(dir, DIVERGENT_FOLDER, folder) == ST_OK &&
	    wal_segment_path(folder, tmp_name, tmp) == ST_OK) {
		(void)io->ops->unlink(io->ctx, tmp); /* there is none, or it is written over */
	}
}
