/* Effects into a fresh store, with the counters, the digests and the expiry index that belong to
 * them. */
#include "tools/env_writer.h"

#include "engine/base/alloc.h"
#include "engine/digest_keeper.h"
#include "engine/library_set.h"

#include <unistd.h>

#define MAP_MAX (UINT64_C(1) << 40)
#define MAP_MIN (UINT64_C(1) << 34)

enum { COMMIT_BYTES = 64 << 20, DELETE_STEP = 10000 };

struct env_writer {
	const struct io *io;
	struct buf dir, temp_dir, temp_file; /* C strings */
	struct store *store;
	struct store_txn *txn;
	uint64_t next_id;
	struct buf value; /* a stored value put together */
	struct library_set libraries;
	struct slot_stat *stats; /* [SLOTS] */
	struct digest_keeper digests;
	uint8_t dirty[SLOTS / 8]; /* stats not yet in the store */
	bool made;		  /* the temporary folder is ours */
	bool finished;		  /* it has its name */
};

static enum status path_of(struct buf *b, const char *dir, const char *tail)
{
	return buf_printf(b, "%s%s%c", dir, tail, '\0');
}

static const char *path_text(const struct buf *b)
{
	return (const char *)b->data;
}

static void count_name(void *arg, const char *name)
{
	(void)name;
	++*(uint64_t *)arg;
}

/* Refuses a target that holds anything. */
static enum status check_target(const struct io *io, const char *dir, struct buf *error)
{
	uint64_t names = 0;
	enum status st = io->ops->list(io->ctx, dir, count_name, &names);

	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK && names == 0) {
		return ST_OK;
	}
	buf_note(error, "%s exists and is not an empty directory; give a new name", dir);
	return ST_EXISTS;
}

/* Opens with room for a terabyte, or for what the address space has (ulimit -v, sanitizers). */
static enum status open_store(struct env_writer *w, struct store_options *options,
			      struct buf *error)
{
	size_t before = error->len;
	enum status st;

	options->path = path_text(&w->temp_file);
	options->map_size_max = MAP_MAX;
	while ((st = store_open(options, &w->store, error)) == ST_NO_MEMORY &&
	       options->map_size_max > MAP_MIN) {
		options->map_size_max /= 4;
		error->len = before;
	}
	return st;
}

enum status env_writer_create(const struct io *io, const char *dir, struct env_writer **out,
			      struct buf *error)
{
	struct env_writer *w;
	struct store_options options = {.io = io};
	size_t len = strlen(dir);
	char *plain;
	enum status st;

	while (len > 1 && dir[len - 1] == '/') {
		len--;
	}
	st = check_target(io, dir, error);
	if (st != ST_OK) {
		return st;
	}
	w = mem_calloc(1, sizeof *w);
	plain = mem_calloc(1, len + 1);
	if (w == NULL || plain == NULL) {
		mem_free(w);
		mem_free(plain);
		return ST_NO_MEMORY;
	}
	memcpy(plain, dir, len);
	w->io = io;
	w->stats = mem_calloc(SLOTS, sizeof *w->stats);
	st = w->stats == NULL ? ST_NO_MEMORY : path_of(&w->dir, plain, "");
	if (st == ST_OK) {
		st = path_of(&w->temp_dir, plain, ".incomplete");
	}
	if (st == ST_OK) {
		st = path_of(&w->temp_file, path_text(&w->temp_dir), "/keyspace.mdb");
	}
	mem_free(plain);
	if (st != ST_OK) {
		goto out;
	}
	st = check_target(io, path_text(&w->temp_dir), error);
	if (st != ST_OK) {
		goto out;
	}
	st = io->ops->mkdir(io->ctx, path_text(&w->temp_dir));
	if (st != ST_OK) {
		buf_note(error, "%s: cannot be made: %s", path_text(&w->temp_dir), status_text(st));
		goto out;
	}
	w->made = true;
	st = open_store(w, &options, error);
	if (st == ST_OK) {
		st = store_txn_begin(w->store, &w->txn);
		digest_keeper_begin(&w->digests, w->txn);
	}
out:
	if (st != ST_OK) {
		env_writer_destroy(w);
		return st;
	}
	*out = w;
	return ST_OK;
}

static struct slot_stat *stat_of(struct env_writer *w, uint16_t slot)
{
	w->dirty[slot / 8] |= (uint8_t)(1u << (slot % 8));
	return &w->stats[slot];
}

static enum status write_stats(struct env_writer *w)
{
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		if ((w->dirty[slot / 8] >> (slot % 8) & 1) != 0) {
			enum status st = store_txn_slot(w->txn, (uint16_t)slot, &w->stats[slot]);

			if (st != ST_OK) {
				return st;
			}
		}
	}
	memset(w->dirty, 0, sizeof w->dirty);
	return ST_OK;
}

static enum status commit(struct env_writer *w)
{
	enum status st = digest_keeper_save(&w->digests);

	if (st == ST_OK) {
		st = write_stats(w);
	}
	if (st == ST_OK) {
		struct store_txn *txn = w->txn;

		w->txn = NULL;
		st = store_txn_commit(txn);
	}
	return st;
}

/* Begins a new transaction when the running one has become large. */
static enum status breathe(struct env_writer *w)
{
	enum status st;

	if (store_txn_dirty(w->txn) < COMMIT_BYTES) {
		return ST_OK;
	}
	st = commit(w);
	if (st == ST_OK) {
		st = store_txn_begin(w->store, &w->txn);
		digest_keeper_begin(&w->digests, w->txn);
	}
	return st;
}

static enum status drop(struct env_writer *w, uint16_t slot, uint64_t id)
{
	struct store_key mark;
	uint8_t prefix[ELEM_PREFIX_LEN];
	uint32_t removed = DELETE_STEP;

	store_key_of_garbage(&mark, slot, id);
	memcpy(prefix, mark.bytes, sizeof prefix);
	prefix[KEY_PREFIX_LEN - 1] = KEYSPACE_ELEM;
	while (removed == DELETE_STEP) {
		uint64_t bytes = 0;
		enum status st = store_txn_del_prefix(w->txn, slice_of(prefix, sizeof prefix),
						      DELETE_STEP, &removed, &bytes);

		if (st != ST_OK) {
			return st;
		}
		stat_of(w, slot)->bytes -= bytes;
		st = breathe(w);
		if (st != ST_OK) {
			return st;
		}
	}
	return digest_keeper_empty(&w->digests, stat_of(w, slot), slot, id);
}

/* Takes the entry that is about to be replaced out of counters and expiry index. *old is filled for
 * a key record, *kept for every entry. */
static enum status forget_old(struct env_writer *w, struct slice key, struct meta *old, bool *had,
			      struct kept_entry *kept)
{
	struct slot_stat *stat = stat_of(w, store_key_slot(key));
	struct slice stored, name, value;
	enum status st = store_txn_get(w->txn, key, &stored);

	*had = false;
	*kept = (struct kept_entry){0};
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_OK : st;
	}
	kept->digest = digest_of_entry(key, stored);
	stat->bytes -= key.len + stored.len;
	if (store_key_space(key) != KEYSPACE_KEY) {
		return ST_OK;
	}
	st = stored_split(key, stored, &name, &value);
	if (st == ST_OK) {
		st = meta_decode(value, old);
	}
	if (st != ST_OK) {
		return st;
	}
	*had = true;
	kept->id = old->form == FORM_LARGE ? old->id : 0;
	stat->keys--;
	stat->expires -= old->expire_at_ms != 0;
	if (meta_due_ms(old) != 0) {
		st = store_txn_expiry(w->txn, meta_due_ms(old), key, false);
	}
	return st;
}

static enum status count_new(struct env_writer *w, struct slice key, struct slice stored,
			     struct meta *fresh)
{
	struct slot_stat *stat = stat_of(w, store_key_slot(key));
	struct slice name, value;
	enum status st;

	stat->bytes += key.len + stored.len;
	if (store_key_space(key) != KEYSPACE_KEY) {
		if (store_key_id(key) >= w->next_id) {
			w->next_id = store_key_id(key) + 1;
		}
		stat->garbage += store_key_space(key) == KEYSPACE_GARBAGE;
		return ST_OK;
	}
	st = stored_split(key, stored, &name, &value);
	if (st == ST_OK) {
		st = meta_decode(value, fresh);
	}
	if (st != ST_OK) {
		return st;
	}
	if (fresh->form == FORM_LARGE && fresh->id >= w->next_id) {
		w->next_id = fresh->id + 1;
	}
	stat->keys++;
	stat->expires += fresh->expire_at_ms != 0;
	if (meta_due_ms(fresh) != 0) {
		st = store_txn_expiry(w->txn, meta_due_ms(fresh), key, true);
	}
	return st;
}

/* Keeps the digest through a change of an entry. */
static enum status keep(struct env_writer *w, struct slice key, const struct kept_entry *before,
			const struct kept_entry *after)
{
	struct slot_stat *stat = stat_of(w, store_key_slot(key));

	switch (store_key_space(key)) {
	case KEYSPACE_KEY:
		return digest_keeper_record(&w->digests, stat, key, before, after);
	case KEYSPACE_ELEM:
		return digest_keeper_element(&w->digests, stat, key, before->digest, after->digest);
	default:
		return ST_OK;
	}
}

static enum status put(struct env_writer *w, struct slice key, struct slice stored, bool blind)
{
	struct meta old = {0}, fresh = {0};
	struct kept_entry before, after = {.digest = digest_of_entry(key, stored)};
	bool had;
	enum status st = forget_old(w, key, &old, &had, &before);

	if (st == ST_OK) {
		st = count_new(w, key, stored, &fresh);
	}
	if (st == ST_OK) {
		st = store_txn_put(w->txn, key, stored);
	}
	if (st == ST_OK) {
		after.id = fresh.form == FORM_LARGE ? fresh.id : 0;
		st = keep(w, key, &before, &after);
	}
	/* A write that did not look at what it replaced leaves its elements to us. */
	if (st == ST_OK && blind && had && old.form == FORM_LARGE &&
	    (fresh.form != FORM_LARGE || fresh.id != old.id)) {
		st = drop(w, store_key_slot(key), old.id);
	}
	return st == ST_OK ? breathe(w) : st;
}

static enum status apply_put(struct env_writer *w, const struct effect *e)
{
	w->value.len = 0;
	for (size_t i = 0; i < e->stored_count; i++) {
		enum status st = buf_append(&w->value, e->stored[i].data, e->stored[i].len);

		if (st != ST_OK) {
			return st;
		}
	}
	return put(w, store_key_slice(&e->key), buf_slice(&w->value), e->blind);
}

static enum status apply_del(struct env_writer *w, struct slice key)
{
	static const struct kept_entry none;
	struct kept_entry before;
	struct meta old;
	bool had;
	enum status st = forget_old(w, key, &old, &had, &before);

	if (st == ST_OK) {
		st = store_txn_del(w->txn, key);
	}
	if (st == ST_OK) {
		st = keep(w, key, &before, &none);
	}
	return st == ST_OK ? breathe(w) : st;
}

enum status env_writer_apply(struct env_writer *w, const struct effect *e)
{
	switch (e->kind) {
	case EFFECT_PUT:
		return apply_put(w, e);
	case EFFECT_DEL:
		return apply_del(w, store_key_slice(&e->key));
	case EFFECT_DROP:
		return drop(w, e->slot, e->id);
	case EFFECT_FLUSH:
		memset(w->stats, 0, SLOTS * sizeof *w->stats);
		memset(w->dirty, 0, sizeof w->dirty);
		digest_keeper_begin(&w->digests, w->txn);
		return store_txn_clear(w->txn);
	case EFFECT_LIBRARY: {
		enum status st = library_set_apply(&w->libraries, &e->op);

		return st == ST_LIMIT ? ST_CORRUPT : st;
	}
	}
	return ST_INVALID;
}

enum status env_writer_copy(struct env_writer *w, struct store_reader *base)
{
	struct store_cursor *cursor;
	struct slice key, value;
	enum status st = store_cursor_open(base, &cursor);

	if (st != ST_OK) {
		return st;
	}
	st = store_cursor_seek(cursor, slice_of("", 0), &key, &value);
	while (st == ST_OK) {
		st = store_key_check(key);
		if (st == ST_OK) {
			st = put(w, key, value, false);
		}
		if (st == ST_OK) {
			st = store_cursor_next(cursor, &key, &value);
		}
	}
	store_cursor_close(cursor);
	return st == ST_NOT_FOUND ? library_set_load(base, &w->libraries) : st;
}

uint64_t env_writer_next_id(const struct env_writer *w)
{
	return w->next_id;
}

enum status env_writer_seal(struct env_writer *w, const struct store_state *state)
{
	enum status st = store_txn_state(w->txn, state);

	if (st == ST_OK) {
		st = library_set_encode(&w->libraries, &w->value);
	}
	if (st == ST_OK && w->value.len > 0) {
		st = store_txn_note(w->txn, library_set_note, buf_slice(&w->value));
	}
	if (st == ST_OK) {
		st = commit(w);
	}
	if (st == ST_OK) {
		store_close(w->store);
		w->store = NULL;
	}
	return st;
}

const char *env_writer_dir(const struct env_writer *w)
{
	return path_text(&w->temp_dir);
}

/* Makes the folder's new name durable. */
static enum status sync_parent(struct env_writer *w)
{
	const char *dir = path_text(&w->dir), *slash = strrchr(dir, '/');
	struct buf parent = {0};
	enum status st;

	if (slash == NULL) {
		return w->io->ops->sync_dir(w->io->ctx, ".");
	}
	st = buf_printf(&parent, "%.*s%c", slash == dir ? 1 : (int)(slash - dir), dir, '\0');
	if (st == ST_OK) {
		st = w->io->ops->sync_dir(w->io->ctx, path_text(&parent));
	}
	buf_deinit(&parent);
	return st;
}

enum status env_writer_publish(struct env_writer *w, struct buf *error)
{
	enum status st = w->io->ops->sync_dir(w->io->ctx, path_text(&w->temp_dir));

	if (st == ST_OK) {
		st = w->io->ops->rename(w->io->ctx, path_text(&w->temp_dir), path_text(&w->dir));
	}
	if (st != ST_OK) {
		buf_note(error, "%s: cannot be renamed to %s: %s", path_text(&w->temp_dir),
			 path_text(&w->dir), status_text(st));
		return st;
	}
	w->finished = true;
	return sync_parent(w);
}

struct removal {
	const struct io *io;
	const char *dir;
	bool deep;
};

static void remove_dir(const struct io *io, const char *dir, bool deep);

static void remove_name(void *arg, const char *name)
{
	const struct removal *r = arg;
	struct buf path = {0};

	if (buf_printf(&path, "%s/%s%c", r->dir, name, '\0') == ST_OK &&
	    r->io->ops->unlink(r->io->ctx, path_text(&path)) != ST_OK && r->deep) {
		remove_dir(r->io, path_text(&path), false);
	}
	buf_deinit(&path);
}

/* Removes the files of a folder, with deep those of its folders too, and the folder. */
static void remove_dir(const struct io *io, const char *dir, bool deep)
{
	struct removal r = {io, dir, deep};

	(void)io->ops->list(io->ctx, dir, remove_name, &r);
	(void)rmdir(dir);
}

void env_writer_destroy(struct env_writer *w)
{
	if (w == NULL) {
		return;
	}
	if (w->txn != NULL) {
		store_txn_abort(w->txn);
	}
	if (w->store != NULL) {
		store_close(w->store);
	}
	if (!w->finished && w->made) {
		remove_dir(w->io, path_text(&w->temp_dir), true);
	}
	buf_deinit(&w->dir);
	buf_deinit(&w->temp_dir);
	buf_deinit(&w->temp_file);
	buf_deinit(&w->value);
	library_set_deinit(&w->libraries);
	mem_free(w->stats);
	mem_free(w);
}
