/* The node's list of its archives. */
#include "net/divergent_files.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/rewind_fork.h"
#include "net/archive_reader.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { LOOK_EVERY_MS = 60 * 1000, CAP_MIN = 16 };

static int by_name(const void *a, const void *b)
{
	const struct divergent_name *x = &((const struct divergent_archive *)a)->name,
				    *y = &((const struct divergent_archive *)b)->name;

	if (x->epoch != y->epoch) {
		return x->epoch < y->epoch ? -1 : 1;
	}
	if (x->first_lsn != y->first_lsn) {
		return x->first_lsn < y->first_lsn ? -1 : 1;
	}
	return x->timeline < y->timeline ? -1 : x->timeline > y->timeline;
}

static struct divergent_archive *find(const struct divergent_files *f,
				      const struct divergent_name *name)
{
	const struct divergent_archive wanted = {.name = *name};

	return f->count == 0 ? NULL
			     : bsearch(&wanted, f->items, f->count, sizeof *f->items, by_name);
}

static void count(struct divergent_files *f)
{
	f->records = f->bytes = 0;
	for (size_t i = 0; i < f->count; i++) {
		f->records += f->items[i].last_lsn + 1 - f->items[i].name.first_lsn;
		f->bytes += f->items[i].bytes;
	}
}

/* Takes an archive at the end of the list, or in the place of what has its name. */
static enum status take(struct divergent_files *f, const char *dir,
			const struct divergent_name *name)
{
	struct divergent_archive a, *old = find(f, name);
	char text[DIVERGENT_NAME_SIZE];
	enum status st = divergent_look(io_posix(), dir, name, &a);

	if (st != ST_OK) {
		divergent_name_format(name, text);
		logger(LOG_LVL_WARNING, "%s/%s/%s can't be read: %s", dir, DIVERGENT_FOLDER, text,
		       status_text(st));
		return ST_OK;
	}
	if (old != NULL) {
		*old = a;
		return ST_OK;
	}
	if (f->count == f->cap) {
		size_t cap = f->cap == 0 ? CAP_MIN : 2 * f->cap;
		struct divergent_archive *more = mem_realloc(f->items, cap * sizeof *more);

		if (more == NULL) {
			return ST_NO_MEMORY;
		}
		f->items = more;
		f->cap = cap;
	}
	f->items[f->count++] = a;
	qsort(f->items, f->count, sizeof *f->items, by_name);
	return ST_OK;
}

struct loading {
	struct divergent_files *files;
	const char *dir;
	enum status st;
};

static void load_one(void *arg, const struct divergent_name *name)
{
	struct loading *l = arg;

	if (l->st == ST_OK) {
		l->st = take(l->files, l->dir, name);
	}
}

enum status divergent_files_load(struct divergent_files *f, const char *dir)
{
	struct loading l = {f, dir, ST_OK};
	enum status st;

	rewind_forget_fork(io_posix(), dir);
	st = divergent_list(io_posix(), dir, load_one, &l);
	count(f);
	return st == ST_OK ? l.st : st;
}

void divergent_files_deinit(struct divergent_files *f)
{
	mem_free(f->items);
	*f = (struct divergent_files){0};
}

void divergent_files_add(struct divergent_files *f, const char *dir,
			 const struct divergent_name *name)
{
	if (take(f, dir, name) != ST_OK) {
		logger(LOG_LVL_WARNING,
		       "out of memory: an archive in %s/%s is not listed before "
		       "the next start",
		       dir, DIVERGENT_FOLDER);
	}
	count(f);
}

static enum status drop(struct divergent_files *f, const char *dir, struct divergent_archive *a)
{
	struct divergent_archive gone = *a;
	char text[DIVERGENT_NAME_SIZE];
	enum status st = divergent_remove(io_posix(), dir, &gone.name);

	divergent_name_format(&gone.name, text);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		logger(LOG_LVL_WARNING, "%s/%s can't be removed: %s", DIVERGENT_FOLDER, text,
		       status_text(st));
		return st;
	}
	memmove(a, a + 1, (size_t)(f->items + f->count - (a + 1)) * sizeof *a);
	f->count--;
	count(f);
	logger(LOG_LVL_NOTICE, "%s/%s with %" PRIu64 " given-up records was removed",
	       DIVERGENT_FOLDER, text, gone.last_lsn + 1 - gone.name.first_lsn);
	return ST_OK;
}

/* Seconds since an archive was written. */
static uint64_t age_of(const char *dir, const struct divergent_archive *a, uint64_t now_ms)
{
	char text[DIVERGENT_NAME_SIZE], path[DIVERGENT_PATH_SIZE];
	struct stat info;
	uint64_t now = now_ms / 1000;

	divergent_name_format(&a->name, text);
	if (snprintf(path, sizeof path, "%s/%s/%s", dir, DIVERGENT_FOLDER, text) >=
		(int)sizeof path ||
	    stat(path, &info) != 0 || (uint64_t)info.st_mtime > now) {
		return 0;
	}
	return now - (uint64_t)info.st_mtime;
}

void divergent_files_trim(struct divergent_files *f, const char *dir, uint64_t keep_s,
			  uint64_t now_ms, uint64_t mono_ms)
{
	if (keep_s == 0 || f->count == 0 ||
	    (f->looked_ms != 0 && mono_ms - f->looked_ms < LOOK_EVERY_MS)) {
		return;
	}
	f->looked_ms = mono_ms;
	for (size_t i = 0; i < f->count; i++) {
		if (age_of(dir, &f->items[i], now_ms) > keep_s) {
			(void)drop(f, dir, &f->items[i]);
			return;
		}
	}
}

const struct divergent_archive *divergent_files_find(const struct divergent_files *f, uint64_t lsn,
						     uint64_t timeline)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct divergent_archive *a = &f->items[i];
		const struct wal_timeline *line = wal_history_at(&a->history, lsn);

		if (a->name.first_lsn <= lsn && lsn <= a->last_lsn && line != NULL &&
		    line->id == timeline) {
			return a;
		}
	}
	return NULL;
}

/* --- for commands --- */

void divergent_files_each(struct command_host *h,
			  void (*each)(void *arg, const struct divergent_archive *a), void *arg)
{
	const struct divergent_files *f = &server_of_host(h)->replication->divergent;

	for (size_t i = 0; i < f->count; i++) {
		each(arg, &f->items[i]);
	}
}

static enum status begin_reading(struct command_host *h, const struct archive_request *request,
				 struct archive_reading **out)
{
	struct server *s = server_of_host(h);

	return find(&s->replication->divergent, &request->name) == NULL
		   ? ST_NOT_FOUND
		   : archive_reader_begin(s->archive_reader, request, out);
}

const struct archive_reading_ops divergent_files_reading = {
    .begin = begin_reading,
    .take = archive_reader_take,
};

enum status divergent_files_drop(struct command_host *h, const struct divergent_name *name)
{
	struct server *s = server_of_host(h);
	struct divergent_archive *a = find(&s->replication->divergent, name);

	return a == NULL ? ST_NOT_FOUND : drop(&s->replication->divergent, s->run_dir, a);
}
