/* Reading an archive and, beside it, the file of the fork's values. */
#include "tools/divergence.h"

#include "engine/base/alloc.h"
#include "engine/divergent.h"
#include "engine/export/effect.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- finding archives --- */

static enum status add_path(struct divergence_list *l, const char *folder, const char *name)
{
	struct buf path = {0};
	enum status st = ST_OK;

	if (l->count == l->cap) {
		size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
		char **more = mem_realloc(l->paths, cap * sizeof *more);

		if (more == NULL) {
			return ST_NO_MEMORY;
		}
		l->paths = more;
		l->cap = cap;
	}
	st = folder == NULL ? buf_printf(&path, "%s", name)
			    : buf_printf(&path, "%s/%s", folder, name);
	if (st == ST_OK) {
		st = buf_append(&path, "", 1);
	}
	if (st != ST_OK) {
		buf_deinit(&path);
		return st;
	}
	l->paths[l->count++] = (char *)path.data;
	return ST_OK;
}

static int by_name(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	struct divergent_name n, m;

	divergent_name_parse(strrchr(x, '/') + 1, &n);
	divergent_name_parse(strrchr(y, '/') + 1, &m);
	if (n.epoch != m.epoch) {
		return n.epoch < m.epoch ? -1 : 1;
	}
	return n.first_lsn < m.first_lsn ? -1 : n.first_lsn > m.first_lsn;
}

static int find_in(struct tool *t, const char *folder, struct divergence_list *list)
{
	size_t from = list->count;
	struct divergent_name name;
	struct dirent *entry;
	enum status st = ST_OK;
	DIR *d = opendir(folder);

	if (d == NULL) {
		return tool_fail(t, EXIT_IO, "%s: %m", folder);
	}
	while (st == ST_OK && (entry = readdir(d)) != NULL) {
		if (divergent_name_parse(entry->d_name, &name)) {
			st = add_path(list, folder, entry->d_name);
		}
	}
	(void)closedir(d);
	if (list->count > from) {
		qsort(list->paths + from, list->count - from, sizeof *list->paths, by_name);
	}
	return st == ST_OK ? EXIT_GO_ON : tool_fail(t, EXIT_IO, "out of memory");
}

int divergence_find(struct tool *t, const char *operand, struct divergence_list *list)
{
	char folder[WAL_PATH_MAX], wal[WAL_PATH_MAX];
	struct stat info;

	if (stat(operand, &info) != 0) {
		return tool_fail(t, EXIT_IO, "%s: %m", operand);
	}
	if (!S_ISDIR(info.st_mode)) {
		return add_path(list, NULL, operand) == ST_OK
			   ? EXIT_GO_ON
			   : tool_fail(t, EXIT_IO, "out of memory");
	}
	if (wal_segment_path(operand, DIVERGENT_FOLDER, folder) != ST_OK ||
	    wal_segment_path(operand, "wal", wal) != ST_OK) {
		return tool_fail(t, EXIT_USAGE, "%s: the path is too long", operand);
	}
	if (stat(folder, &info) == 0) {
		return find_in(t, folder, list);
	}
	/* A data directory that never gave anything up. */
	return stat(wal, &info) == 0 ? EXIT_GO_ON : find_in(t, operand, list);
}

void divergence_list_deinit(struct divergence_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		mem_free(list->paths[i]);
	}
	mem_free(list->paths);
	*list = (struct divergence_list){0};
}

/* --- reading --- */

static enum status note_key(struct divergence *d, struct slice key)
{
	struct effect e = {.kind = EFFECT_PUT};

	store_key_of_key(&e.key, key);
	e.stored[0] = key;
	e.stored_count = 1;
	return overlay_apply(d->keys, &e);
}

static enum status take_op(struct divergence *d, const struct wal_op *op, bool fork)
{
	struct op_facts facts;
	struct effect e;
	enum status st = effect_of(op, &e);

	if (st == ST_OK) {
		st = overlay_apply(d->lost, &e);
	}
	if (st != ST_OK || fork) {
		return st == ST_OK ? overlay_apply(d->fork, &e) : st;
	}
	if (op->kind == WAL_OP_FLUSH) {
		d->flushes++;
		return ST_OK;
	}
	if (op->kind == WAL_OP_DROP) {
		return ST_OK; /* its key's operation is in the same record */
	}
	st = op_facts_of(&d->map, op, &facts);
	if (st == ST_OK && facts.is_library) {
		d->libraries++;
	} else if (st == ST_OK && facts.has_key) {
		st = note_key(d, facts.key);
	} else if (st == ST_OK) {
		d->nameless++;
	}
	return st;
}

static enum status take_record(struct divergence *d, const struct wal_record *rec, bool fork)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st = id_map_learn(&d->map, rec);

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		st = take_op(d, &op, fork);
	}
	id_map_settle(&d->map, rec);
	return st == ST_END ? ST_OK : st;
}

static int read_all(struct divergence *d, struct log_source *log, bool fork)
{
	struct log_place place;
	struct wal_record rec;
	enum status st;
	int code = log_seek(log, 0, false);

	if (code != EXIT_GO_ON) {
		return code;
	}
	while ((st = log_next(log, &rec, &place)) == ST_OK) {
		st = take_record(d, &rec, fork);
		if (st == ST_LIMIT) {
			return tool_fail(d->tool, EXIT_REFUSED,
					 "%s does not fit into --memory-max at LSN %" PRIu64,
					 place.file, rec.lsn);
		}
		if (st != ST_OK) {
			return log_bad_record(log, st, &rec, &place);
		}
		if (fork) {
			continue;
		}
		if (d->records == 0) {
			d->first_lsn = rec.lsn;
			d->first_ms = rec.time_ms;
		}
		d->records++;
		d->epoch = place.epoch;
		d->timeline = place.timeline;
		d->last_lsn = rec.lsn;
		d->last_ms = rec.time_ms;
	}
	return st == ST_END ? EXIT_GO_ON : log_report(log, st);
}

/* The file of the fork's values, if there is one: not after a rewind that had no store at the
 * fork. */
static int read_fork(struct divergence *d)
{
	char path[DIVERGENT_PATH_SIZE];
	char *operand = path;
	struct log_source *log = NULL;
	struct stat info;
	int code;

	if (!divergent_fork_path(d->path, path) || stat(path, &info) != 0) {
		return EXIT_GO_ON;
	}
	code = log_open(d->tool, &operand, 1, &log);
	if (code == EXIT_GO_ON) {
		code = read_all(d, log, true);
	}
	d->fork_known = code == EXIT_GO_ON;
	log_close(log);
	return code;
}

static int fill(struct divergence *d, uint64_t memory_max)
{
	char *operand = (char *)(uintptr_t)d->path;
	const struct log_segment *segments;
	size_t count;
	int code;
	enum status st = overlay_create(memory_max, &d->fork);

	if (st == ST_OK) {
		st = overlay_create(memory_max, &d->lost);
	}
	if (st == ST_OK) {
		st = overlay_create(memory_max, &d->keys);
	}
	code = st == ST_OK ? read_fork(d) : tool_fail(d->tool, EXIT_IO, "out of memory");
	if (code == EXIT_GO_ON) {
		code = log_open(d->tool, &operand, 1, &d->log);
	}
	if (code == EXIT_GO_ON) {
		code = read_all(d, d->log, false);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	segments = log_segments(d->log, &count);
	d->bytes = count > 0 ? segments[0].file_bytes : 0;
	if (overlay_finish(d->fork) != ST_OK || overlay_finish(d->lost) != ST_OK ||
	    overlay_finish(d->keys) != ST_OK) {
		return tool_fail(d->tool, EXIT_IO, "out of memory");
	}
	return EXIT_GO_ON;
}

int divergence_open(struct tool *t, const char *path, uint64_t memory_max, struct divergence *out)
{
	int code;

	*out = (struct divergence){.tool = t, .path = path};
	code = fill(out, memory_max);
	out->fork_view.over = out->fork;
	out->lost_view.over = out->lost;
	if (code != EXIT_GO_ON) {
		divergence_close(out);
	}
	return code;
}

void divergence_close(struct divergence *d)
{
	log_close(d->log);
	overlay_destroy(d->fork);
	overlay_destroy(d->lost);
	overlay_destroy(d->keys);
	id_map_deinit(&d->map);
	*d = (struct divergence){0};
}

/* The map learns from the fork's key records what it knew at first. */
static enum status learn_fork(struct divergence *d)
{
	enum status st = ST_OK;

	id_map_deinit(&d->map);
	for (size_t i = 0; st == ST_OK && i < overlay_count(d->fork); i++) {
		struct key_record record;
		struct slice key, stored;

		if (overlay_at(d->fork, i, &key, &stored) == OVERLAY_VALUE &&
		    store_key_space(key) == KEYSPACE_KEY &&
		    key_record_of(key, stored, &record) == ST_OK) {
			st = id_map_add(&d->map, &record.meta, record.name);
		}
	}
	return st;
}

int divergence_rewind(struct divergence *d)
{
	return learn_fork(d) == ST_OK ? log_seek(d->log, 0, false)
				      : tool_fail(d->tool, EXIT_IO, "out of memory");
}

/* --- values --- */

static enum overlay_answer at_fork(const struct divergence *d, struct slice key)
{
	struct store_key k;
	struct slice stored;

	store_key_of_key(&k, key);
	return overlay_find(d->fork, store_key_slice(&k), &stored);
}

enum status divergence_fork(const struct divergence *d, struct slice key, struct told_value *out)
{
	if (at_fork(d, key) == OVERLAY_SILENT) {
		told_deinit(out);
		return ST_OK;
	}
	return told_of_view(&d->fork_view, key, out);
}

enum status divergence_lost(const struct divergence *d, struct slice key, struct told_value *out)
{
	struct key_record record;
	struct store_key k;
	struct slice stored;

	store_key_of_key(&k, key);
	told_deinit(out);
	if (overlay_find(d->lost, store_key_slice(&k), &stored) == OVERLAY_SILENT) {
		return ST_OK; /* only elements of it were written, and the rest is not known */
	}
	/* A long string may have holes, and a stream groups that nothing names, so nothing shows
	 * that parts of it are missing here. */
	if (at_fork(d, key) == OVERLAY_SILENT &&
	    key_record_get(&d->lost_view, key, &record) == ST_OK &&
	    (record.meta.type == TYPE_STREAM ||
	     (record.meta.type == TYPE_STRING && record.meta.form == FORM_LARGE))) {
		return ST_OK;
	}
	return told_of_view(&d->lost_view, key, out);
}
