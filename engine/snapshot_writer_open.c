/* Beginning a copy, or going on with one that was broken off. */
#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/dataset.h"
#include "engine/snapshot_writer_impl.h"
#include "engine/wal/wal_segment.h"

enum {
	COMMIT_BYTES = 32 << 20, /* dirty pages of a transaction: LMDB keeps them on the heap */
	REMOVE_MAX = 2000,	 /* entries of a broken slot removed per transaction */
	LOOK_MAP_SIZE = 1 << 20, /* to look at a copy with: LMDB takes as much as is committed */
};

/* --- the note --- */

static enum status note_decode(struct slice note, struct snapshot_resume *place,
			       struct snapshot_head *head)
{
	enum status st;

	if (note.len < SNAPSHOT_RESUME_LEN) {
		return ST_CORRUPT;
	}
	st = snapshot_resume_decode(slice_of(note.data, SNAPSHOT_RESUME_LEN), place);
	return st == ST_OK ? snapshot_head_decode(slice_skip(note, SNAPSHOT_RESUME_LEN), head) : st;
}

static enum status read_note(struct store *store, struct snapshot_resume *place,
			     struct snapshot_head *head)
{
	struct store_reader *r;
	struct slice note;
	enum status st = store_reader_open(store, &r);

	if (st != ST_OK) {
		return st;
	}
	st = store_reader_note(r, snapshot_writer_note_name, &note);
	if (st == ST_OK) {
		st = note_decode(note, place, head);
	}
	store_reader_close(r);
	return st;
}

static enum status store_path(const char *dir, char copy[WAL_PATH_MAX], char path[WAL_PATH_MAX],
			      struct buf *error)
{
	enum status st = wal_segment_path(dir, DATASET_COPY, copy);

	if (st == ST_OK) {
		st = wal_segment_path(copy, "keyspace.mdb", path);
	}
	if (st != ST_OK) {
		buf_note(error, "%s: the path is too long", dir);
	}
	return st;
}

enum status snapshot_copy_resume(const struct io *io, const char *dir, struct buf *out,
				 struct buf *error)
{
	char copy[WAL_PATH_MAX], path[WAL_PATH_MAX];
	struct store_options opts = {
	    .path = path, .io = io, .map_size_max = LOOK_MAP_SIZE, .read_only = true};
	struct snapshot_resume place;
	struct snapshot_head head;
	struct store *store = NULL;
	enum status st = store_path(dir, copy, path, error);

	if (st == ST_OK) {
		st = store_open(&opts, &store, error);
	}
	if (st == ST_OK) {
		st = read_note(store, &place, &head);
	}
	store_close(store);
	/* What cannot be gone on with is no copy: the writer will begin anew. */
	if (st == ST_CORRUPT || st == ST_VERSION || st == ST_NOT_FOUND) {
		error->len = 0;
		return ST_NOT_FOUND;
	}
	if (st != ST_OK) {
		return st;
	}
	out->len = 0;
	return snapshot_resume_encode(&place, out);
}

/* --- opening --- */

/* Lists at most REMOVE_MAX entries from the place on: their keys with, each, when it is due. */
static enum status list_rest(struct snapshot_writer *w, struct buf *list, uint32_t *count)
{
	struct store_reader *r = NULL;
	struct store_cursor *c = NULL;
	struct slice key, value;
	uint8_t from[2];
	enum status st = store_reader_open(w->store, &r);

	*count = 0;
	list->len = 0;
	bytes_put_u16be(from, w->place.slot);
	if (st == ST_OK) {
		st = store_cursor_open(r, &c);
	}
	if (st == ST_OK) {
		st = store_cursor_seek(c, slice_of(from, sizeof from), &key, &value);
	}
	while (st == ST_OK && *count < REMOVE_MAX) {
		uint8_t expiry[8];
		uint64_t at = 0;
		struct meta m;

		if (store_key_space(key) == KEYSPACE_KEY) {
			st = snapshot_writer_record_of(key, value, &m);
			at = st == ST_OK ? meta_due_ms(&m) : 0;
		}
		if (st == ST_OK) {
			bytes_put_u64le(expiry, at);
			st = snapshot_entry_encode(key, slice_of(expiry, sizeof expiry), list);
		}
		if (st == ST_OK) {
			(*count)++;
			st = store_cursor_next(c, &key, &value);
		}
	}
	store_cursor_close(c);
	store_reader_close(r);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status remove_listed(struct snapshot_writer *w, struct slice list)
{
	struct slice key, expiry;
	enum status st;

	while ((st = snapshot_entry_decode(&list, &key, &expiry)) == ST_OK) {
		uint64_t at = bytes_get_u64le(expiry.data);

		st = store_txn_del(w->txn, key);
		if (st == ST_OK && at != 0) {
			st = store_txn_expiry(w->txn, at, key, false);
		}
		if (st != ST_OK) {
			return st;
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* The slot that was under way begins anew (snapshot_reader.h says why). After a crash in here the
 * place is still the same, and the rest goes. */
static enum status remove_rest(struct snapshot_writer *w)
{
	struct buf list = {0};
	uint32_t count;
	enum status st;

	do {
		st = list_rest(w, &list, &count);
		if (st == ST_OK) {
			st = snapshot_writer_begin(w);
		}
		if (st != ST_OK) {
			break;
		}
		st = remove_listed(w, buf_slice(&list));
		if (st == ST_OK && count < REMOVE_MAX && w->place.slot < SLOTS) {
			struct slot_stat *stat = snapshot_writer_touch(w, w->place.slot);

			*stat = (struct slot_stat){0};
			st = digest_keeper_clear(&w->digests, stat, w->place.slot);
		}
		if (st == ST_OK) {
			st = snapshot_writer_commit(w);
		} else {
			store_txn_abort(w->txn);
			w->txn = NULL;
		}
	} while (st == ST_OK && count == REMOVE_MAX);
	buf_deinit(&list);
	return st;
}

/* The same shard, and the same timelines up to the LSN of the copy. */
static bool same_copy(const struct snapshot_head *a, const struct snapshot_head *b)
{
	uint64_t fork;

	if (a->lsn != b->lsn || a->history.shard_id != b->history.shard_id) {
		return false;
	}
	if (a->lsn == 0 || a->history.count == 0 || b->history.count == 0) {
		return a->history.count == b->history.count;
	}
	return wal_history_fork(&a->history, a->lsn, &b->history, b->lsn, &fork) == ST_OK &&
	       fork == a->lsn;
}

static enum status take_up(struct snapshot_writer *w)
{
	struct store_reader *r = NULL;
	enum status st = store_reader_open(w->store, &r);

	if (st == ST_OK) {
		st = store_reader_slots(r, w->stats);
	}
	store_reader_close(r);
	if (st != ST_OK) {
		return st;
	}
	w->entries = w->place.entries;
	w->sum = w->place.sum;
	for (size_t i = 0; i < w->place.slot && i < SLOTS; i++) {
		w->bytes += w->stats[i].bytes;
	}
	return remove_rest(w);
}

/* ST_NOT_FOUND: there is no copy of this head. */
static enum status open_begun(struct snapshot_writer *w, const struct store_options *opts,
			      struct buf *error)
{
	struct store_options look = *opts;
	struct snapshot_head head;
	enum status st;

	/* Reading first, since opening to write would make a store where there is none. */
	look.read_only = true;
	st = store_open(&look, &w->store, error);
	if (st == ST_OK) {
		st = read_note(w->store, &w->place, &head);
		store_close(w->store);
		w->store = NULL;
	}
	if (st == ST_CORRUPT || st == ST_VERSION || (st == ST_OK && !same_copy(&head, &w->head))) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		w->head.history = head.history;
		st = store_open(opts, &w->store, error);
	}
	return st == ST_OK ? take_up(w) : st;
}

static enum status open_new(struct snapshot_writer *w, const struct io *io, const char *dir,
			    const char *copy, const struct store_options *opts, struct buf *error)
{
	enum status st = dataset_drop_copy(io, dir, error);

	if (st == ST_OK) {
		st = io->ops->mkdir(io->ctx, copy);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, dir);
	}
	if (st == ST_OK) {
		st = store_open(opts, &w->store, error);
	}
	w->place = (struct snapshot_resume){.lsn = w->head.lsn, .drain_lsn = w->head.lsn};
	if (st == ST_OK) {
		st = snapshot_writer_begin(w);
	}
	return st == ST_OK ? snapshot_writer_commit_with_note(w) : st;
}

enum status snapshot_writer_open(const struct io *io, const char *dir,
				 const struct snapshot_head *head, uint64_t map_size_max,
				 struct snapshot_writer **out, bool *goes_on, struct buf *error)
{
	char copy[WAL_PATH_MAX], path[WAL_PATH_MAX];
	struct store_options opts = {.path = path, .io = io, .map_size_max = map_size_max};
	struct snapshot_writer *w = mem_calloc(1, sizeof *w);
	enum status st;

	if (w == NULL) {
		return ST_NO_MEMORY;
	}
	w->head = *head;
	w->commit_bytes = COMMIT_BYTES;
	st = store_path(dir, copy, path, error);
	if (st == ST_OK) {
		st = snapshot_codec_create(&w->codec);
	}
	if (st == ST_OK) {
		st = open_begun(w, &opts, error);
		*goes_on = st == ST_OK;
	}
	if (st == ST_NOT_FOUND) {
		error->len = 0;
		st = open_new(w, io, dir, copy, &opts, error);
	}
	if (st != ST_OK) {
		if (error->len == 0) {
			buf_note(error, "cannot make a copy in %s: %s", copy, status_text(st));
		}
		w->failed = st;
		snapshot_writer_close(w);
		return st;
	}
	*out = w;
	return ST_OK;
}
