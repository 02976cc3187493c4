/* Archives of given-up records, after they have been made. */
#include "engine/divergent.h"

#include "engine/key_codec.h"
#include "engine/library_set.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_reader.h"

#include <inttypes.h>
#include <stdio.h>

static const char archive_end[] = ".wal", fork_end[] = ".fork";

enum { HEX_DIGITS = 16, DECIMAL_BASE = 10, HEX_BASE = 16 };

/* --- names --- */

void divergent_name_format(const struct divergent_name *n, char out[DIVERGENT_NAME_SIZE])
{
	(void)snprintf(out, DIVERGENT_NAME_SIZE, "%" PRIu64 "-%016" PRIx64 "-%016" PRIx64 "%s",
		       n->epoch, n->first_lsn, n->timeline, archive_end);
}

/* Reads digits up to the character that ends them. */
static bool take_number(const char **at, unsigned base, char end, uint64_t *out)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; *p != end; p++) {
		unsigned digit = *p >= '0' && *p <= '9'	  ? (unsigned)(*p - '0')
				 : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a') + DECIMAL_BASE
							  : HEX_BASE;

		if (digit >= base || n > (UINT64_MAX - digit) / base) {
			return false;
		}
		n = n * base + digit;
	}
	*out = n;
	*at = p + 1;
	return true;
}

bool divergent_name_parse(const char *text, struct divergent_name *out)
{
	struct divergent_name n;
	char again[DIVERGENT_NAME_SIZE];
	const char *at = text;

	if (!take_number(&at, DECIMAL_BASE, '-', &n.epoch) ||
	    !take_number(&at, HEX_BASE, '-', &n.first_lsn) ||
	    !take_number(&at, HEX_BASE, '.', &n.timeline)) {
		return false;
	}
	divergent_name_format(&n, again);
	if (strcmp(again, text) != 0) {
		return false;
	}
	*out = n;
	return true;
}

bool divergent_fork_path(const char *archive, char out[DIVERGENT_PATH_SIZE])
{
	size_t len = strlen(archive), end = sizeof archive_end - 1;
	int n;

	if (len < end || strcmp(archive + len - end, archive_end) != 0 ||
	    len >= DIVERGENT_PATH_SIZE) {
		return false;
	}
	n = snprintf(out, DIVERGENT_PATH_SIZE, "%.*s%s", (int)(len - end), archive, fork_end);
	return n > 0 && n < DIVERGENT_PATH_SIZE;
}

static enum status path_of(const char *dir, const struct divergent_name *name,
			   char out[DIVERGENT_PATH_SIZE])
{
	char file[DIVERGENT_NAME_SIZE];
	int n;

	divergent_name_format(name, file);
	n = snprintf(out, DIVERGENT_PATH_SIZE, "%s/%s/%s", dir, DIVERGENT_FOLDER, file);
	return n > 0 && n < DIVERGENT_PATH_SIZE ? ST_OK : ST_LIMIT;
}

/* --- the folder --- */

struct listing {
	void (*each)(void *arg, const struct divergent_name *n);
	void *arg;
};

static void take_name(void *arg, const char *text)
{
	struct listing *l = arg;
	struct divergent_name name;

	if (divergent_name_parse(text, &name)) {
		l->each(l->arg, &name);
	}
}

enum status divergent_list(const struct io *io, const char *dir,
			   void (*each)(void *arg, const struct divergent_name *n), void *arg)
{
	struct listing l = {each, arg};
	char folder[DIVERGENT_PATH_SIZE];
	enum status st = wal_segment_path(dir, DIVERGENT_FOLDER, folder);

	if (st == ST_OK) {
		st = io->ops->list(io->ctx, folder, take_name, &l);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status divergent_remove(const struct io *io, const char *dir,
			     const struct divergent_name *name)
{
	char path[DIVERGENT_PATH_SIZE], fork[DIVERGENT_PATH_SIZE], folder[DIVERGENT_PATH_SIZE];
	enum status st = path_of(dir, name, path), beside = ST_OK;

	if (st == ST_OK) {
		st = wal_segment_path(dir, DIVERGENT_FOLDER, folder);
	}
	if (st == ST_OK) {
		st = io->ops->unlink(io->ctx, path);
	}
	if (st == ST_OK && divergent_fork_path(path, fork)) {
		beside = io->ops->unlink(io->ctx, fork);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, folder);
	}
	return st == ST_OK && beside != ST_NOT_FOUND ? beside : st;
}

/* --- one of them --- */

/* The mark that ends an archive is a frame without records: its header alone. */
static enum status read_mark(const struct io *io, struct io_file *file,
			     const struct wal_segment *segment, struct divergent_archive *out)
{
	uint8_t bytes[WAL_FRAME_HEADER_LEN];
	struct wal_frame mark;
	size_t got = 0;
	enum status st = io->ops->size(io->ctx, file, &out->bytes);

	if (st == ST_OK && out->bytes < segment->header_len + sizeof bytes) {
		return ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = io->ops->pread(io->ctx, file, bytes, sizeof bytes, out->bytes - sizeof bytes,
				    &got);
	}
	if (st == ST_OK) {
		st = wal_frame_decode_header(slice_of(bytes, got), segment->salt, &mark);
	}
	if (st == ST_OK && ((mark.flags & WAL_FRAME_CLEAN) == 0 || mark.records != 0 ||
			    mark.first_lsn <= segment->first_lsn)) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		out->last_lsn = mark.first_lsn - 1;
	}
	return st == ST_OK || st == ST_IO ? st : ST_CORRUPT;
}

enum status divergent_look(const struct io *io, const char *dir, const struct divergent_name *name,
			   struct divergent_archive *out)
{
	struct wal_source_file file = {.io = io};
	struct wal_segment segment;
	struct buf storage = {0};
	char path[DIVERGENT_PATH_SIZE], fork[DIVERGENT_PATH_SIZE];
	enum status st = path_of(dir, name, path);

	*out = (struct divergent_archive){.name = *name};
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, path, IO_READ, &file.file);
	}
	if (st != ST_OK) {
		return st;
	}
	st = wal_segment_read(wal_source_of_file(&file), &storage, &segment);
	st = st == ST_NOT_FOUND ? ST_CORRUPT : st;
	if (st == ST_OK) {
		out->first_ms = segment.created_ms;
		out->history = segment.history;
		st = read_mark(io, file.file, &segment, out);
	}
	io->ops->close(io->ctx, file.file);
	buf_deinit(&storage);
	if (st == ST_OK && divergent_fork_path(path, fork) &&
	    io->ops->open(io->ctx, fork, IO_READ, &file.file) == ST_OK) {
		out->fork_values = true;
		io->ops->close(io->ctx, file.file);
	}
	return st;
}

static enum status give_record(const struct wal_record *rec,
			       void (*each)(void *arg, const struct divergent_op *op), void *arg)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st;

	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		bool is_key = op.kind == WAL_OP_PUT_KEY || op.kind == WAL_OP_DEL_KEY;
		struct divergent_op told = {
		    .lsn = rec->lsn,
		    .time_ms = rec->time_ms,
		    .client_id = rec->client_id,
		    .cmd = rec->cmd,
		    .op = wal_op_kind_text(op.kind),
		    .has_key = is_key,
		    .has_library = library_set_concerns(&op),
		    .has_slot = op.kind != WAL_OP_FLUSH && !library_set_concerns(&op),
		    .blind = (op.flags & WAL_OP_BLIND) != 0,
		    .slot = op.slot,
		    .id = op.id,
		    .key = op.name,
		    .value = op.value,
		};
		struct meta meta;

		if (op.kind == WAL_OP_PUT_KEY) {
			st = meta_decode(op.value, &meta);
			if (st != ST_OK) {
				return st;
			}
			told.type = value_type_text(meta.type);
			told.value = meta.payload;
			told.id = meta.form == FORM_LARGE ? meta.id : 0;
		}
		each(arg, &told);
	}
	return st == ST_END ? ST_OK : st;
}

enum status divergent_read(const struct io *io, const char *dir, const struct divergent_name *name,
			   uint64_t from_lsn, uint64_t count,
			   void (*each)(void *arg, const struct divergent_op *op), void *arg)
{
	struct wal_source_file file = {.io = io};
	struct wal_reader_options opts = {.from_lsn = from_lsn};
	struct wal_reader_segment segment = {.first_lsn = name->first_lsn};
	struct wal_reader *r = NULL;
	struct wal_record rec;
	uint64_t bytes = 0;
	char path[DIVERGENT_PATH_SIZE];
	enum status st = path_of(dir, name, path);

	if (st == ST_OK) {
		st = io->ops->open(io->ctx, path, IO_READ, &file.file);
	}
	if (st != ST_OK) {
		return st;
	}
	segment.name = path;
	segment.source = wal_source_of_file(&file);
	st = wal_reader_open_segments(&segment, 1, &opts, &r);
	for (uint64_t n = 0; st == ST_OK && n < count && bytes < DIVERGENT_READ_MAX; n++) {
		st = wal_reader_next(r, &rec);
		if (st == ST_OK) {
			bytes += rec.ops.len;
			st = give_record(&rec, each, arg);
		}
	}
	wal_reader_close(r);
	io->ops->close(io->ctx, file.file);
	return st == ST_END ? ST_OK : st == ST_TORN || st == ST_NOT_FOUND ? ST_CORRUPT : st;
}
