/* The LMDB file: creating, checking and opening it, its tables, and its figures. */
#include "engine/store.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/store_file.h"
#include "engine/store_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
	TABLES = 5,
	FREE_TABLE = 0, /* LMDB's own list of free pages is its table number 0 */
	PATH_LEN_MAX = 4096,
	MMAP_FILE_MODE = 0600,
};

static const char format_key[] = "format", state_key[] = STORE_STATE_KEY;

#define SAY(error, ...)                                                                            \
	do {                                                                                       \
		if (buf_printf(error, __VA_ARGS__) != ST_OK) {                                     \
			(error)->len = 0;                                                          \
		}                                                                                  \
	} while (0)

enum status store_from_lmdb(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return ST_OK;
	case MDB_NOTFOUND:
		return ST_NOT_FOUND;
	case MDB_MAP_FULL:
		return ST_MAP_FULL;
	case ENOSPC:
	case EDQUOT:
		return ST_NO_SPACE;
	case ENOMEM:
		return ST_NO_MEMORY;
	case ENOENT:
		return ST_NOT_FOUND;
	case MDB_VERSION_MISMATCH:
		return ST_VERSION;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
		return ST_CORRUPT;
	case MDB_READERS_FULL:
	case MDB_TXN_FULL:
	case MDB_MAP_RESIZED:
	case MDB_BAD_VALSIZE:
		return ST_LIMIT;
	case MDB_KEYEXIST: /* of an append */
	case MDB_BAD_TXN:
	case EINVAL:
		return ST_INVALID;
	default:
		return ST_IO;
	}
}

/* A node looks up single keys, and reading ahead would fetch what nobody asked for; tools, who read
 * only, walk through everything. */
static unsigned env_flags(bool walks)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (walks ? 0u : (unsigned)MDB_NORDAHEAD);

	return PLANTED(24) ? flags | MDB_NOSYNC : flags;
}

static int env_open(const char *path, uint64_t map_size, unsigned flags, MDB_env **out)
{
	MDB_env *env = NULL;
	int rc = mdb_env_create(&env);

	if (rc != 0) {
		return rc;
	}
	rc = mdb_env_set_mapsize(env, map_size);
	if (rc == 0) {
		rc = mdb_env_set_maxdbs(env, TABLES);
	}
	if (rc == 0) {
		rc = mdb_env_open(env, path, env_flags((flags & MDB_RDONLY) != 0) | flags,
				  MMAP_FILE_MODE);
	}
	if (rc != 0) {
		mdb_env_close(env);
		return rc;
	}
	*out = env;
	return 0;
}

struct slice store_note_key(const char *name, char *dst)
{
	int n = snprintf(dst, STORE_NOTE_MAX, "note %s", name);

	return slice_of(dst, n < STORE_NOTE_MAX ? (size_t)n : STORE_NOTE_MAX - 1);
}

int store_put_record(MDB_txn *txn, MDB_dbi dbi, struct slice key, struct slice value)
{
	MDB_val k = to_val(key);
	MDB_val v = {.mv_size = value.len + STORE_SUM_LEN};
	int rc = mdb_put(txn, dbi, &k, &v, MDB_RESERVE);

	if (rc == 0) {
		if (value.len > 0) {
			memcpy(v.mv_data, value.data, value.len);
		}
		bytes_put_u32le((uint8_t *)v.mv_data + value.len, store_sum(key, value));
	}
	return rc;
}

enum status store_get_record(MDB_txn *txn, MDB_dbi dbi, struct slice key, struct slice *value)
{
	MDB_val k = to_val(key), v;
	int rc = mdb_get(txn, dbi, &k, &v);

	return rc != 0 ? store_from_lmdb(rc) : store_sum_check(key, from_val(v), value);
}

int store_put_state(MDB_txn *txn, MDB_dbi node, const struct store_state *state)
{
	uint8_t raw[STORE_STATE_MAX];
	size_t len = store_state_encode(state, raw);

	return store_put_record(txn, node, slice_str(state_key), slice_of(raw, len));
}

enum status store_get_state(const struct store *s, MDB_txn *txn, struct store_state *out)
{
	struct slice value;
	enum status st = store_get_record(txn, s->node, slice_str(state_key), &value);

	if (st == ST_NOT_FOUND) {
		return ST_CORRUPT; /* written at creation */
	}
	return st == ST_OK ? store_state_decode(value, out) : st;
}

static int open_tables(struct store *s, MDB_txn *txn, unsigned flags)
{
	int rc = mdb_dbi_open(txn, "keyspace", flags, &s->keyspace);

	if (rc == 0) {
		rc = mdb_dbi_open(txn, "expires", flags, &s->expires);
	}
	if (rc == 0) {
		rc = mdb_dbi_open(txn, "slots", flags, &s->slots);
	}
	if (rc == 0) {
		rc = mdb_dbi_open(txn, "node", flags, &s->node);
	}
	if (rc == 0) {
		rc = mdb_dbi_open(txn, "sums", flags, &s->sums);
		s->has_sums = rc == 0;
		rc = rc == MDB_NOTFOUND ? 0 : rc; /* the oldest format has none */
	}
	return rc;
}

int store_put_version(MDB_txn *txn, MDB_dbi node)
{
	uint8_t version[STORE_VERSION_LEN];

	bytes_put_u32le(version, STORE_FORMAT_VERSION);
	return store_put_record(txn, node, slice_str(format_key),
				slice_of(version, sizeof version));
}

static int create_content(MDB_env *env)
{
	struct store tables = {0};
	struct store_state state = {.next_id = 1};
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(env, NULL, 0, &txn);

	if (rc != 0) {
		return rc;
	}
	rc = open_tables(&tables, txn, MDB_CREATE);
	if (rc == 0) {
		rc = store_put_version(txn, tables.node);
	}
	if (rc == 0) {
		rc = store_put_state(txn, tables.node, &state);
	}
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	rc = mdb_txn_commit(txn);
	return rc != 0 ? rc : mdb_env_sync(env, 1);
}

static enum status remove_file(const struct io *io, const char *path)
{
	enum status st = io->ops->unlink(io->ctx, path);

	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status sync_parent(const struct io *io, const char *path)
{
	char dir[PATH_LEN_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (slash == NULL) {
		return io->ops->sync_dir(io->ctx, ".");
	}
	len = len == 0 ? 1 : len; /* the root itself */
	memcpy(dir, path, len);
	dir[len] = '\0';
	return io->ops->sync_dir(io->ctx, dir);
}

static bool path_with(char *dst, const char *path, const char *suffix)
{
	size_t len = strlen(path), more = strlen(suffix);

	if (len + more >= PATH_LEN_MAX) {
		return false;
	}
	memcpy(dst, path, len);
	memcpy(dst + len, suffix, more + 1);
	return true;
}

/* LMDB's own creation is not safe against power loss, so a new file gets its name only when it is
 * complete and on disk. */
static enum status create(const struct store_options *opts, uint64_t map_size, struct buf *error)
{
	char fresh[PATH_LEN_MAX], lock[PATH_LEN_MAX];
	MDB_env *env = NULL;
	enum status st;
	int rc;

	if (!path_with(fresh, opts->path, PLANTED(29) ? "" : ".new") ||
	    !path_with(lock, fresh, "-lock")) {
		SAY(error, "%s: the path is too long", opts->path);
		return ST_LIMIT;
	}
	st = remove_file(opts->io, fresh);
	if (st == ST_OK) {
		st = remove_file(opts->io, lock);
	}
	if (st == ST_OK) {
		rc = env_open(fresh, map_size, 0, &env);
		if (rc == 0) {
			rc = create_content(env);
			mdb_env_close(env);
		}
		st = store_from_lmdb(rc);
		errno = rc > 0 ? rc : 0;
	}
	if (st == ST_OK) {
		st = remove_file(opts->io, lock);
	}
	if (st == ST_OK && !PLANTED(29)) {
		st = opts->io->ops->rename(opts->io->ctx, fresh, opts->path);
	}
	if (st == ST_OK && !PLANTED(29)) {
		st = sync_parent(opts->io, opts->path);
	}
	if (st != ST_OK) {
		SAY(error, "%s: cannot be created: %s (errno %d)", opts->path, status_text(st),
		    errno);
	}
	return st;
}

/* How a read-only environment deals with the lock file. Opening must not create it: where there is
 * none, no node has the file open, and none can be blocked or misled by a reader that is not
 * registered. On a read-only file system LMDB does without by itself. */
static enum status read_only_flags(const struct store_options *opts, unsigned *flags,
				   struct buf *error)
{
	char lock[PATH_LEN_MAX];
	struct io_file *f = NULL;
	enum status st;

	*flags = MDB_RDONLY;
	if (!path_with(lock, opts->path, "-lock")) {
		SAY(error, "%s: the path is too long", opts->path);
		return ST_LIMIT;
	}
	st = opts->io->ops->open(opts->io->ctx, lock, IO_READ | IO_WRITE, &f);
	if (st == ST_OK) {
		opts->io->ops->close(opts->io->ctx, f);
		return ST_OK;
	}
	if (st == ST_NOT_FOUND) {
		*flags |= MDB_NOLOCK;
		return ST_OK;
	}
	if (errno == EROFS) {
		return ST_OK;
	}
	SAY(error,
	    "%s: cannot be opened for writing (errno %d): a reader must register there so that a "
	    "running node keeps its pages; run this as the user who owns the data directory",
	    lock, errno);
	return st;
}

static enum status explain_open(const struct store_options *opts, uint64_t map_size, int rc,
				struct buf *error)
{
	enum status st = store_from_lmdb(rc);

	if (rc == ENOMEM) {
		SAY(error,
		    "%s: cannot map %" PRIu64 " bytes of address space: lower map-size-max or "
		    "raise the limit (ulimit -v)",
		    opts->path, map_size);
	} else {
		SAY(error, "%s: LMDB cannot open it: %s", opts->path, mdb_strerror(rc));
	}
	return st;
}

/* Finds where page 0 is mapped: a small value lies in a page that begins with its own number. */
static void find_map(struct store *s, const void *value)
{
	const uint8_t *page;

	if (s->page_size > s->os_page && s->page_size % s->os_page != 0) {
		return;
	}
	if (s->page_size > s->os_page) {
		return; /* pages need not be aligned to their own size: cannot tell */
	}
	page = (const uint8_t *)((uintptr_t)value & ~(uintptr_t)(s->page_size - 1));
	s->map = page - bytes_get_u64le(page) * s->page_size;
}

static enum status check_format(struct store *s, MDB_txn *txn, const char *path, struct buf *error)
{
	struct slice value;
	struct store_state state;
	enum status st = store_get_record(txn, s->node, slice_str(format_key), &value);

	if (st != ST_OK || value.len != STORE_VERSION_LEN) {
		SAY(error, "%s: no valid format record: damaged, or not a Cairn keyspace", path);
		return st == ST_OK || st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	if (bytes_get_u32le(value.data) < STORE_FORMAT_OLDEST ||
	    bytes_get_u32le(value.data) > STORE_FORMAT_VERSION) {
		SAY(error,
		    "%s: format version %" PRIu32 ", this program knows only %d; nothing was "
		    "changed; use the version of Cairn that wrote it",
		    path, bytes_get_u32le(value.data), STORE_FORMAT_VERSION);
		return ST_VERSION;
	}
	if (bytes_get_u32le(value.data) > STORE_FORMAT_OLDEST && !s->has_sums) {
		SAY(error, "%s: one of its tables is missing: damaged", path);
		return ST_CORRUPT;
	}
	find_map(s, value.data);
	if (s->map == NULL) {
		SAY(error,
		    "%s: its pages of %zu bytes are larger than this machine's: copy the keyspace "
		    "with cairn-slot dump on a machine like the one that wrote it",
		    path, s->page_size);
		return ST_LIMIT;
	}
	st = store_get_state(s, txn, &state);
	if (st != ST_OK) {
		SAY(error, "%s: the checkpoint's state record is damaged", path);
	}
	return st;
}

static enum status open_content(struct store *s, const char *path, struct buf *error)
{
	MDB_txn *txn = NULL;
	MDB_stat stat;
	enum status st;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc == 0) {
		rc = mdb_env_stat(s->env, &stat);
	}
	if (rc == 0) {
		s->page_size = stat.ms_psize;
		rc = open_tables(s, txn, 0);
	}
	if (rc != 0) {
		st = rc == MDB_NOTFOUND ? ST_CORRUPT : store_from_lmdb(rc);
		SAY(error, "%s: cannot open its tables (%s): damaged, or not a Cairn keyspace",
		    path, mdb_strerror(rc));
		mdb_txn_abort(txn);
		return st;
	}
	st = check_format(s, txn, path, error);
	if (st != ST_OK) {
		mdb_txn_abort(txn);
		return st;
	}
	rc = mdb_txn_commit(txn); /* keeps the handles */
	if (rc == 0 && !s->has_sums && !s->read_only) {
		rc = store_sums_create(s);
		if (rc != 0) {
			SAY(error, "%s: cannot be brought to format version %d: %s", path,
			    STORE_FORMAT_VERSION, mdb_strerror(rc));
		}
	}
	return store_from_lmdb(rc);
}

/* Counts pages as of the newest commit. */
static enum status measure(struct store *s, struct store_info *out)
{
	MDB_txn *txn = NULL;
	MDB_cursor *cursor = NULL;
	MDB_envinfo env;
	MDB_stat stat;
	MDB_val k, v;
	uint64_t bytes = 0, free_pages = 0;
	enum status st;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0) {
		return store_from_lmdb(rc);
	}
	rc = mdb_env_info(s->env, &env);
	if (rc == 0) {
		rc = mdb_stat(txn, s->keyspace, &stat);
	}
	if (rc == 0) {
		rc = mdb_cursor_open(txn, FREE_TABLE, &cursor);
	}
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		free_pages += v.mv_size < 8 ? 0 : bytes_get_u64le(v.mv_data);
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	if (rc != MDB_NOTFOUND) {
		return store_from_lmdb(rc);
	}
	st = s->io->ops->size(s->io->ctx, s->file, &bytes);
	if (st != ST_OK) {
		return st;
	}
	*out = (struct store_info){
	    .map_size = env.me_mapsize,
	    .file_bytes = bytes,
	    .pages_used = env.me_last_pgno + 1 - free_pages,
	    .pages_free = free_pages,
	    .page_size = stat.ms_psize,
	    .entries = stat.ms_entries,
	    .depth = stat.ms_depth,
	    .last_txn = env.me_last_txnid,
	};
	return ST_OK;
}

void store_remember_info(struct store *s)
{
	struct store_info info;

	if (measure(s, &info) == ST_OK) {
		(void)pthread_mutex_lock(&s->info_lock);
		s->info = info;
		(void)pthread_mutex_unlock(&s->info_lock);
	}
}

static enum status open_existing(struct store *s, const struct store_options *opts,
				 struct buf *error)
{
	unsigned flags = 0;
	enum status st = ST_OK;
	int rc;

	if (opts->read_only) {
		st = read_only_flags(opts, &flags, error);
	}
	if (st != ST_OK) {
		return st;
	}
	rc = env_open(opts->path, s->map_size, flags, &s->env);
	if (rc != 0) {
		return explain_open(opts, s->map_size, rc, error);
	}
	st = opts->io->ops->open(opts->io->ctx, opts->path, IO_READ, &s->file);
	if (st == ST_OK) {
		st = opts->io->ops->open(opts->io->ctx, opts->path, IO_READ, &s->look);
	}
	if (st != ST_OK) {
		SAY(error, "%s: cannot be opened", opts->path);
		return st;
	}
	return open_content(s, opts->path, error);
}

enum status store_open(const struct store_options *opts, struct store **out, struct buf *error)
{
	struct store *s = mem_calloc(1, sizeof *s);
	uint64_t mask;
	enum status st;

	if (s == NULL) {
		SAY(error, "out of memory");
		return ST_NO_MEMORY;
	}
	s->io = opts->io;
	s->read_only = opts->read_only;
	s->os_page = (size_t)sysconf(_SC_PAGESIZE);
	mask = s->os_page - 1;
	s->map_size = (opts->map_size_max + mask) & ~mask;
	(void)pthread_mutex_init(&s->info_lock, NULL);
	st = store_file_check(opts->io, opts->path, !opts->read_only, error);
	if (st == ST_NOT_FOUND && !opts->read_only) {
		st = create(opts, s->map_size, error);
	} else if (st == ST_NOT_FOUND) {
		SAY(error, "%s: no such file", opts->path);
	}
	if (st == ST_OK) {
		st = open_existing(s, opts, error);
	}
	if (st != ST_OK) {
		store_close(s);
		return st;
	}
	s->txn.store = s;
	store_remember_info(s);
	*out = s;
	return ST_OK;
}

void store_close(struct store *s)
{
	if (s == NULL) {
		return;
	}
	if (s->txn.txn != NULL) {
		store_txn_abort(&s->txn);
	}
	if (s->file != NULL) {
		s->io->ops->close(s->io->ctx, s->file);
	}
	if (s->look != NULL) {
		s->io->ops->close(s->io->ctx, s->look);
	}
	mdb_env_close(s->env); /* NULL is fine */
	(void)pthread_mutex_destroy(&s->info_lock);
	mem_free(s);
}

enum status store_info(struct store *s, struct store_info *out)
{
	MDB_envinfo env;
	int rc;

	if (s->read_only) {
		/* Another process commits: look anew. */
		enum status st = measure(s, out);

		if (st != ST_OK) {
			return st;
		}
	} else {
		(void)pthread_mutex_lock(&s->info_lock);
		*out = s->info;
		(void)pthread_mutex_unlock(&s->info_lock);
	}
	rc = mdb_env_info(s->env, &env);
	out->readers = env.me_numreaders;
	return store_from_lmdb(rc);
}
