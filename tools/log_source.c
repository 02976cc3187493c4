/* Segments from operands, and a reader over them that is opened again when a node moved on. */
#include "tools/log_source.h"

#include "engine/base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

enum { RETRIES = 3, RETRY_MS = 20, POLL_MS = 100, PEEK = 16384 };

/* What the reader's sources read through: one file open at a time, whatever the log's length. */
struct log_file {
	struct log_source *log;
	size_t index;
};

struct log_source {
	struct tool *tool;
	char *const *operands;
	size_t operands_count;

	struct log_segment *segments;
	size_t count, cap;
	struct log_file *files;		    /* [count] */
	struct wal_reader_segment *sources; /* [count] */
	struct io_file *open;		    /* of segment open_index */
	size_t open_index;

	struct wal_reader *reader;
	uint64_t want;	    /* the LSN that comes next; 0: whatever is first */
	bool need_all;	    /* the first record must be the one wanted */
	enum status listed; /* of the last listing, gathered in a callback */
	const char *list_dir;
	bool torn;     /* the last stop was in the middle of a write */
	uint64_t seen; /* digest of what lay where the log ended, when it was last read */
	struct buf error;
};

/* --- finding segments --- */

static void forget_segments(struct log_source *l)
{
	wal_reader_close(l->reader);
	l->reader = NULL;
	if (l->open != NULL) {
		l->tool->io->ops->close(l->tool->io->ctx, l->open);
		l->open = NULL;
	}
	for (size_t i = 0; i < l->count; i++) {
		mem_free(l->segments[i].path);
	}
	l->count = 0;
	mem_free(l->files);
	mem_free(l->sources);
	l->files = NULL;
	l->sources = NULL;
}

/* The path to open: a link's target, since files are not opened through links. Freed by mem_free;
 * NULL: out of memory. */
static char *resolved(const char *path)
{
	char target[PATH_MAX];
	struct stat info;

	if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode) && realpath(path, target) != NULL) {
		return mem_strdup(target);
	}
	return mem_strdup(path);
}

/* Takes a file as the segment of first_lsn. */
static enum status add_segment(struct log_source *l, const char *path, uint64_t first_lsn)
{
	struct stat info;
	struct log_segment *s = NULL;
	char *copy;

	if (stat(path, &info) != 0) {
		/* Gone since it was listed: a running node has recycled it. */
		return errno == ENOENT ? ST_OK : ST_IO;
	}
	if (!S_ISREG(info.st_mode)) {
		buf_note(&l->error, "%s is not a regular file%c", path, '\0');
		return ST_CORRUPT;
	}
	for (size_t i = 0; i < l->count && s == NULL; i++) {
		s = l->segments[i].first_lsn == first_lsn ? &l->segments[i] : NULL;
	}
	if (s != NULL && s->file_bytes >= (uint64_t)info.st_size) {
		return ST_OK;
	}
	copy = resolved(path);
	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	if (s != NULL) {
		mem_free(s->path);
	} else {
		if (l->count == l->cap) {
			size_t cap = l->cap == 0 ? 16 : l->cap * 2;
			struct log_segment *wider = mem_realloc(l->segments, cap * sizeof *wider);

			if (wider == NULL) {
				mem_free(copy);
				return ST_NO_MEMORY;
			}
			l->segments = wider;
			l->cap = cap;
		}
		s = &l->segments[l->count++];
	}
	*s = (struct log_segment){copy, first_lsn, (uint64_t)info.st_size};
	return ST_OK;
}

static void take_name(void *arg, const char *name)
{
	struct log_source *l = arg;
	char path[WAL_PATH_MAX];
	uint64_t first_lsn;

	if (l->listed != ST_OK || !wal_segment_name_parse(name, &first_lsn)) {
		return;
	}
	l->listed = wal_segment_path(l->list_dir, name, path);
	if (l->listed == ST_OK) {
		l->listed = add_segment(l, path, first_lsn);
	}
}

static enum status add_dir(struct log_source *l, const char *dir)
{
	const struct io *io = l->tool->io;
	enum status st;

	l->listed = ST_OK;
	l->list_dir = dir;
	st = io->ops->list(io->ctx, dir, take_name, l);
	return st == ST_OK ? l->listed : st;
}

/* A file by any name: its header says which segment it is. */
static enum status add_file(struct log_source *l, const char *path)
{
	const struct io *io = l->tool->io;
	const char *slash = strrchr(path, '/');
	struct wal_source_file file = {.io = io};
	struct wal_segment segment;
	struct buf storage = {0};
	uint64_t first_lsn;
	char *opened;
	enum status st;

	if (wal_segment_name_parse(slash == NULL ? path : slash + 1, &first_lsn)) {
		return add_segment(l, path, first_lsn);
	}
	opened = resolved(path);
	st = opened == NULL ? ST_NO_MEMORY : io->ops->open(io->ctx, opened, IO_READ, &file.file);
	mem_free(opened);
	if (st != ST_OK) {
		return st;
	}
	st = wal_segment_read(wal_source_of_file(&file), &storage, &segment);
	io->ops->close(io->ctx, file.file);
	if (st == ST_OK) {
		st = add_segment(l, path, segment.first_lsn);
	}
	buf_deinit(&storage);
	return st == ST_NOT_FOUND ? ST_CORRUPT : st;
}

static int add_operand(struct log_source *l, const char *path)
{
	char inner[WAL_PATH_MAX];
	struct stat info;
	enum status st;

	if (stat(path, &info) != 0) {
		return tool_fail(l->tool, EXIT_IO, "%s: %m", path);
	}
	if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
		return tool_fail(l->tool, EXIT_IO, "%s is neither a directory nor a regular file",
				 path);
	}
	l->error.len = 0;
	if (S_ISREG(info.st_mode)) {
		st = add_file(l, path);
		if (st == ST_CORRUPT) {
			return tool_fail(l->tool, EXIT_DAMAGE,
					 "%s: not a WAL segment, or its header is damaged", path);
		}
	} else if (wal_segment_path(path, "wal", inner) == ST_OK && stat(inner, &info) == 0 &&
		   S_ISDIR(info.st_mode)) {
		st = add_dir(l, inner);
	} else {
		st = add_dir(l, path);
	}
	if (l->error.len > 0) {
		return tool_fail(l->tool, tool_exit_of(st), "%s", (const char *)l->error.data);
	}
	return st == ST_OK ? EXIT_GO_ON
	       : st == ST_IO
		   ? tool_fail(l->tool, EXIT_IO, "%s: %m", path)
		   : tool_fail(l->tool, tool_exit_of(st), "%s: %s", path, status_text(st));
}

static int by_lsn(const void *a, const void *b)
{
	const struct log_segment *x = a, *y = b;

	return x->first_lsn < y->first_lsn ? -1 : x->first_lsn > y->first_lsn;
}

/* Reads the open file of a segment, opening it first. */
static enum status read_at(void *ctx, void *dst, size_t len, uint64_t off, size_t *got)
{
	struct log_file *file = ctx;
	struct log_source *l = file->log;
	const struct io *io = l->tool->io;
	enum status st;

	if (l->open == NULL || l->open_index != file->index) {
		if (l->open != NULL) {
			io->ops->close(io->ctx, l->open);
			l->open = NULL;
		}
		st = io->ops->open(io->ctx, l->segments[file->index].path, IO_READ, &l->open);
		if (st != ST_OK) {
			l->open = NULL;
			return st == ST_NOT_FOUND ? ST_IO : st;
		}
		l->open_index = file->index;
	}
	return io->ops->pread(io->ctx, l->open, dst, len, off, got);
}

static int find_segments(struct log_source *l)
{
	int code = EXIT_GO_ON;

	forget_segments(l);
	for (size_t i = 0; i < l->operands_count && code == EXIT_GO_ON; i++) {
		code = add_operand(l, l->operands[i]);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	if (l->count > 1) {
		qsort(l->segments, l->count, sizeof *l->segments, by_lsn);
	}
	l->files = mem_calloc(l->count + 1, sizeof *l->files);
	l->sources = mem_calloc(l->count + 1, sizeof *l->sources);
	if (l->files == NULL || l->sources == NULL) {
		return tool_fail(l->tool, EXIT_IO, "out of memory");
	}
	for (size_t i = 0; i < l->count; i++) {
		l->files[i] = (struct log_file){l, i};
		l->sources[i] = (struct wal_reader_segment){
		    .first_lsn = l->segments[i].first_lsn,
		    .source = {.read_at = read_at, .ctx = &l->files[i]},
		    .name = l->segments[i].path,
		};
	}
	return EXIT_GO_ON;
}

int log_open(struct tool *t, char *const *operands, size_t count, struct log_source **out)
{
	struct log_source *l = mem_calloc(1, sizeof *l);
	int code;

	if (l == NULL) {
		return tool_fail(t, EXIT_IO, "out of memory");
	}
	l->tool = t;
	l->operands = operands;
	l->operands_count = count;
	code = find_segments(l);
	if (code == EXIT_GO_ON && l->count == 0) {
		code = tool_fail(t, EXIT_IO, "%s: no log segments (*.wal) there", operands[0]);
	}
	if (code != EXIT_GO_ON) {
		log_close(l);
		return code;
	}
	*out = l;
	return EXIT_GO_ON;
}

void log_close(struct log_source *l)
{
	if (l == NULL) {
		return;
	}
	forget_segments(l);
	mem_free(l->segments);
	buf_deinit(&l->error);
	mem_free(l);
}

const struct log_segment *log_segments(const struct log_source *l, size_t *count)
{
	*count = l->count;
	return l->segments;
}

enum status log_segment_header(const struct log_source *l, size_t index, struct buf *storage,
			       struct wal_segment *out)
{
	return wal_segment_read(l->sources[index].source, storage, out);
}

/* --- reading --- */

static enum status open_reader(struct log_source *l)
{
	struct wal_reader_options opts = {.from_lsn = l->want};

	wal_reader_close(l->reader);
	l->reader = NULL;
	l->error.len = 0;
	return wal_reader_open_segments(l->sources, l->count, &opts, &l->reader);
}

int log_seek(struct log_source *l, uint64_t lsn, bool need_all)
{
	enum status st;

	l->want = lsn;
	l->need_all = need_all && lsn > 0;
	st = open_reader(l);
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(l->tool, tool_exit_of(st), "%s", status_text(st));
}

static void sleep_ms(uint32_t ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* Reads once more from what is on disk now. */
static enum status look_again(struct log_source *l, struct wal_record *rec)
{
	if (find_segments(l) != EXIT_GO_ON) {
		return ST_IO;
	}
	if (open_reader(l) != ST_OK) {
		return ST_NO_MEMORY;
	}
	return wal_reader_next(l->reader, rec);
}

static enum status note(struct log_source *l, enum status st, uint64_t lsn)
{
	l->error.len = 0;
	buf_note(&l->error,
		 "the log begins at LSN %" PRIu64 ", but LSN %" PRIu64
		 " is needed: add older segments (the archive) to the command line%c",
		 lsn, l->want, '\0');
	return st;
}

enum status log_next(struct log_source *l, struct wal_record *rec, struct log_place *place)
{
	struct wal_place at;
	enum status st = wal_reader_next(l->reader, rec);

	/* A node that writes meanwhile may complete a frame between two looks, or recycle a segment
	 * under the reader: only what stays wrong is wrong. */
	for (int i = 0; i < RETRIES && (st == ST_CORRUPT || st == ST_IO || st == ST_TORN); i++) {
		sleep_ms(RETRY_MS);
		if (st == ST_TORN) {
			wal_reader_resume(l->reader);
			st = wal_reader_next(l->reader, rec);
		} else {
			st = look_again(l, rec);
		}
	}
	l->torn = st == ST_TORN;
	if (st != ST_OK) {
		return st;
	}
	if (l->need_all && rec->lsn != l->want) {
		return note(l, ST_CORRUPT, rec->lsn);
	}
	l->need_all = true; /* from here on without gaps, also over a second look */
	l->want = rec->lsn + 1;
	wal_reader_place(l->reader, &at);
	*place = (struct log_place){.file = at.file,
				    .off = at.offset,
				    .stored_len = at.stored_len,
				    .raw_len = at.raw_len,
				    .records = at.records,
				    .epoch = at.epoch,
				    .timeline = at.timeline,
				    .flags = at.flags};
	return ST_OK;
}

/* Whether a segment newer than all known ones has appeared. */
static bool has_new_segment(struct log_source *l)
{
	struct log_source probe = {
	    .tool = l->tool, .operands = l->operands, .operands_count = l->operands_count};
	uint64_t newest = l->count == 0 ? 0 : l->segments[l->count - 1].first_lsn;
	bool news = find_segments(&probe) == EXIT_GO_ON && probe.count > 0 &&
		    probe.segments[probe.count - 1].first_lsn != newest;

	forget_segments(&probe);
	mem_free(probe.segments);
	return news;
}

/* A digest of what lies where the log ended. */
static uint64_t digest_of_end(struct log_source *l)
{
	const struct io *io = l->tool->io;
	struct wal_reader_end end;
	struct io_file *file;
	uint8_t bytes[PEEK];
	size_t got = 0;

	wal_reader_end(l->reader, &end);
	if (l->count == 0 ||
	    io->ops->open(io->ctx, l->segments[l->count - 1].path, IO_READ, &file) != ST_OK) {
		return 0;
	}
	if (io->ops->pread(io->ctx, file, bytes, PEEK, end.at.segment_off, &got) != ST_OK) {
		got = 0;
	}
	io->ops->close(io->ctx, file);
	return XXH3_64bits(bytes, got) | 1;
}

bool log_wait(struct log_source *l, uint32_t wait_ms)
{
	for (uint32_t waited = 0; waited < wait_ms; waited += POLL_MS) {
		uint64_t digest;

		sleep_ms(POLL_MS);
		if (has_new_segment(l)) {
			l->seen = 0;
			return find_segments(l) == EXIT_GO_ON && open_reader(l) == ST_OK;
		}
		/* Taken before the reader looks: what comes after it changes it again. */
		digest = digest_of_end(l);
		if (digest != l->seen || l->torn) {
			l->seen = digest;
			wal_reader_resume(l->reader);
			return true;
		}
	}
	return false;
}

void log_end(const struct log_source *l, struct wal_reader_end *out)
{
	wal_reader_end(l->reader, out);
}

const char *log_error(const struct log_source *l)
{
	if (l->error.len > 0) {
		return (const char *)l->error.data;
	}
	return l->reader == NULL ? "the log's segments cannot be listed"
				 : wal_reader_error(l->reader);
}

int log_bad_record(const struct log_source *l, enum status st, const struct wal_record *rec,
		   const struct log_place *place)
{
	return tool_fail(l->tool, tool_exit_of(st),
			 "%s: the frame at offset %" PRIu64 " holds LSN %" PRIu64
			 ", which cannot be used: %s",
			 place->file, place->off, rec->lsn, status_text(st));
}

int log_report(const struct log_source *l, enum status st)
{
	const char *text = log_error(l);

	if (st == ST_END) {
		return EXIT_CLEAN;
	}
	return tool_fail(l->tool, tool_exit_of(st), "%s", text[0] != '\0' ? text : status_text(st));
}
