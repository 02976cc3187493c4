/* Libraries of functions in the engine: reading, and changing them within a batch. */
#include "engine/engine_library.h"

#include "engine/engine_impl.h"

const struct library_set *engine_libraries(struct engine *e)
{
	if (e->batch.open && e->batch.seen_lsn < e->libraries.lsn) {
		e->batch.seen_lsn = e->libraries.lsn;
	}
	return &e->libraries.set;
}

uint64_t engine_libraries_version(const struct engine *e)
{
	return e->libraries.version;
}

enum status engine_library_put(struct engine *e, struct slice name, struct slice code)
{
	struct wal_op op = {.kind = WAL_OP_PUT_LIBRARY, .name = name, .value = code};

	return batch_library(e, &op);
}

enum status engine_library_del(struct engine *e, struct slice name)
{
	struct wal_op op = {.kind = WAL_OP_DEL_LIBRARY, .name = name};

	return batch_library(e, &op);
}

enum status engine_libraries_flush(struct engine *e)
{
	struct wal_op op = {.kind = WAL_OP_FLUSH_LIBRARIES};

	return batch_library(e, &op);
}

enum status libraries_load(struct engine *e, struct buf *error)
{
	enum status st = library_set_load(e->reader, &e->libraries.set);

	e->libraries.version = 1;
	if (st != ST_OK) {
		buf_note(error,
			 "the store's libraries of functions cannot be read: %s; restore the data "
			 "directory from a backup or a replica",
			 status_text(st));
	}
	return st;
}

enum status libraries_apply(struct engine *e, const struct wal_op *op, uint64_t lsn)
{
	enum status st = library_set_apply(&e->libraries.set, op);

	if (st != ST_OK) {
		return st == ST_LIMIT ? ST_CORRUPT : st; /* no node has logged that */
	}
	e->libraries.lsn = lsn;
	e->libraries.version++;
	e->libraries.changed = true;
	return ST_OK;
}

enum status libraries_keep(struct engine *e)
{
	struct batch *b = &e->batch;
	enum status st;

	if (b->libraries_kept) {
		return ST_OK;
	}
	st = library_set_copy(&e->libraries.set, &b->undo_libraries);
	if (st == ST_OK) {
		b->libraries_kept = true;
		b->undo_libraries_lsn = e->libraries.lsn;
	}
	return st;
}

void libraries_settle(struct engine *e, bool undo)
{
	struct batch *b = &e->batch;

	if (!b->libraries_kept) {
		return;
	}
	b->libraries_kept = false;
	if (undo) {
		struct library_set undone = e->libraries.set;

		e->libraries.set = b->undo_libraries;
		e->libraries.lsn = b->undo_libraries_lsn;
		e->libraries.version++;
		b->undo_libraries = undone;
	}
	library_set_deinit(&b->undo_libraries);
}

enum status libraries_freeze(struct engine *e)
{
	return e->libraries.changed ? library_set_encode(&e->libraries.set, &e->libraries.frozen)
				    : ST_OK;
}
