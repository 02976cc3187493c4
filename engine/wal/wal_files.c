/* Segment files: their making is atomic (temporary name, sync, rename, folder sync), so that a file
 * with a segment's name always has a whole header. */
#include "engine/wal/wal_files.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"

#include <stdio.h>

static const char tmp_name[] = "next.tmp";

enum { COPY_CHUNK = 1 << 20 };

static enum status path_of(const char *dir, uint64_t first_lsn, char out[WAL_PATH_MAX])
{
	char name[WAL_SEGMENT_NAME_SIZE];

	wal_segment_name(first_lsn, name);
	return wal_segment_path(dir, name, out);
}

static enum status push(struct wal_files *f, struct wal_file_entry entry)
{
	if (f->count == f->cap) {
		size_t cap = f->cap == 0 ? 64 : f->cap * 2;
		struct wal_file_entry *grown = mem_realloc(f->entries, cap * sizeof *grown);

		if (grown == NULL) {
			return ST_NO_MEMORY;
		}
		f->entries = grown;
		f->cap = cap;
	}
	f->entries[f->count++] = entry;
	return ST_OK;
}

/* Size and age of a segment that is there. Its age comes from its header. */
static enum status stat_segment(struct wal_files *f, uint64_t first_lsn, struct wal_file_entry *out)
{
	struct wal_source_file file = {.io = f->io};
	struct buf storage = {0};
	struct wal_segment segment;
	char path[WAL_PATH_MAX];
	enum status st = path_of(f->dir, first_lsn, path);

	*out = (struct wal_file_entry){.first_lsn = first_lsn};
	if (st == ST_OK) {
		st = f->io->ops->open(f->io->ctx, path, IO_READ, &file.file);
	}
	if (st != ST_OK) {
		return st;
	}
	st = f->io->ops->size(f->io->ctx, file.file, &out->bytes);
	/* Judging a bad header is recovery's business: here it only makes the file look old. */
	if (st == ST_OK &&
	    wal_segment_read(wal_source_of_file(&file), &storage, &segment) == ST_OK) {
		out->created_ms = segment.created_ms;
	}
	f->io->ops->close(f->io->ctx, file.file);
	buf_deinit(&storage);
	return st;
}

enum status wal_files_open(struct wal_files *f, const struct io *io, const char *dir,
			   const char *archive_dir)
{
	struct wal_segment_list list = {0};
	char path[WAL_PATH_MAX];
	enum status st;

	*f = (struct wal_files){.io = io, .dir = dir, .archive_dir = archive_dir};
	st = wal_segment_path(dir, tmp_name, path);
	if (st == ST_OK) {
		st = io->ops->unlink(io->ctx, path);
		st = st == ST_NOT_FOUND ? ST_OK : st;
	}
	if (st == ST_OK) {
		st = wal_segment_list_read(io, dir, &list);
	}
	for (size_t i = 0; st == ST_OK && i < list.count; i++) {
		struct wal_file_entry entry;

		st = stat_segment(f, list.first_lsn[i], &entry);
		if (st == ST_OK) {
			st = push(f, entry);
		}
	}
	wal_segment_list_deinit(&list);
	return st;
}

void wal_files_close(struct wal_files *f)
{
	mem_free(f->entries);
	f->entries = NULL;
	f->count = 0;
}

uint64_t wal_files_bytes(const struct wal_files *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->count; i++) {
		sum += f->entries[i].bytes;
	}
	return sum;
}

/* How many of the oldest segments may go. */
static size_t removable(const struct wal_files *f, uint64_t release_lsn, uint64_t keep_size,
			uint64_t keep_ms, uint64_t now_ms)
{
	uint64_t total = wal_files_bytes(f);
	size_t n = 0;

	while (n + 1 < f->count) {
		const struct wal_file_entry *entry = &f->entries[n];
		bool young = keep_ms > 0 && entry->created_ms + keep_ms > now_ms;
		bool archived =
		    f->archive_dir == NULL || PLANTED(15) || entry->first_lsn < f->archived_below;

		if (f->entries[n + 1].first_lsn > release_lsn + (PLANTED(17) ? 2 : 1) ||
		    total <= keep_size || young || !archived) {
			break;
		}
		total -= entry->bytes;
		n++;
	}
	return n;
}

static void drop_entries(struct wal_files *f, size_t n)
{
	memmove(f->entries, f->entries + n, (f->count - n) * sizeof *f->entries);
	f->count -= n;
}

void wal_files_trim(struct wal_files *f, uint64_t release_lsn, uint64_t keep_size, uint64_t keep_ms,
		    uint64_t now_ms)
{
	size_t n = removable(f, release_lsn, keep_size, keep_ms, now_ms);

	/* The newest of them waits to be written anew. */
	for (size_t i = 0; i + 1 < n; i++) {
		char path[WAL_PATH_MAX];

		if (path_of(f->dir, f->entries[0].first_lsn, path) != ST_OK ||
		    f->io->ops->unlink(f->io->ctx, path) != ST_OK) {
			return; /* tried again with the next trim */
		}
		drop_entries(f, 1);
	}
}

/* Takes the oldest released file under the temporary name. The folder is synced before its bytes
 * change, lest a power loss leave an old name with a new header. */
static enum status take_old(struct wal_files *f, const char *tmp, struct io_file **file)
{
	char old[WAL_PATH_MAX];
	enum status st = path_of(f->dir, f->entries[0].first_lsn, old);

	if (st == ST_OK) {
		st = f->io->ops->rename(f->io->ctx, old, tmp);
	}
	if (st != ST_OK) {
		return st;
	}
	drop_entries(f, 1);
	st = PLANTED(14) ? ST_OK : f->io->ops->sync_dir(f->io->ctx, f->dir);
	if (st == ST_OK) {
		st = f->io->ops->open(f->io->ctx, tmp, IO_READ | IO_WRITE, file);
	}
	return st;
}

static enum status make_new(struct wal_files *f, const char *tmp, uint64_t size,
			    struct io_file **file)
{
	enum status st =
	    f->io->ops->open(f->io->ctx, tmp, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNC, file);

	if (st != ST_OK) {
		return st;
	}
	st = f->io->ops->allocate(f->io->ctx, *file, size);
	if (st != ST_OK) {
		f->io->ops->close(f->io->ctx, *file);
	}
	return st;
}

/* Writes the header and gives the file its name, all of it durable. */
static enum status name_file(struct wal_files *f, struct wal_segment *segment, const char *tmp,
			     struct io_file *file)
{
	struct buf header = {0};
	char path[WAL_PATH_MAX];
	enum status st = wal_segment_encode(segment, &header);

	if (st == ST_OK) {
		st = f->io->ops->pwrite(f->io->ctx, file, header.data, header.len, 0);
	}
	if (st == ST_OK) {
		st = f->io->ops->datasync(f->io->ctx, file);
	}
	if (st == ST_OK) {
		st = path_of(f->dir, segment->first_lsn, path);
	}
	if (st == ST_OK) {
		st = f->io->ops->rename(f->io->ctx, tmp, path);
	}
	if (st == ST_OK && !PLANTED(8)) {
		st = f->io->ops->sync_dir(f->io->ctx, f->dir);
	}
	buf_deinit(&header);
	return st;
}

enum status wal_files_begin(struct wal_files *f, struct wal_segment *segment, uint64_t size,
			    uint64_t release_lsn, uint64_t keep_size, uint64_t keep_ms,
			    struct io_file **out)
{
	size_t old = removable(f, release_lsn, keep_size, keep_ms, segment->created_ms);
	struct wal_file_entry entry = {.first_lsn = segment->first_lsn,
				       .created_ms = segment->created_ms};
	struct io_file *file = NULL;
	char tmp[WAL_PATH_MAX];
	enum status st = wal_segment_path(f->dir, tmp_name, tmp);

	if (st != ST_OK) {
		return st;
	}
	segment->recycled = old > 0 && f->entries[0].bytes >= size;
	st = segment->recycled ? take_old(f, tmp, &file) : make_new(f, tmp, size, &file);
	if (st != ST_OK) {
		return st;
	}
	st = f->io->ops->size(f->io->ctx, file, &entry.bytes);
	if (st == ST_OK) {
		st = name_file(f, segment, tmp, file);
	}
	if (st == ST_OK && f->count > 0 && f->entries[f->count - 1].first_lsn == entry.first_lsn) {
		f->entries[f->count - 1] = entry;
	} else if (st == ST_OK) {
		st = push(f, entry);
	}
	if (st != ST_OK) {
		f->io->ops->close(f->io->ctx, file);
		return st;
	}
	*out = file;
	return ST_OK;
}

/* --- archive --- */

static enum status copy_bytes(const struct io *io, struct io_file *from, struct io_file *to)
{
	uint8_t *chunk = mem_alloc(COPY_CHUNK);
	uint64_t off = 0;
	enum status st = chunk == NULL ? ST_NO_MEMORY : ST_OK;

	while (st == ST_OK) {
		size_t got;

		st = io->ops->pread(io->ctx, from, chunk, COPY_CHUNK, off, &got);
		if (st != ST_OK || got == 0) {
			break;
		}
		st = io->ops->pwrite(io->ctx, to, chunk, got, off);
		off += got;
	}
	mem_free(chunk);
	return st == ST_OK ? io->ops->datasync(io->ctx, to) : st;
}

static bool same_size(const struct io *io, struct io_file *from, const char *path)
{
	uint64_t want, have;
	struct io_file *there;
	bool same;

	if (io->ops->size(io->ctx, from, &want) != ST_OK ||
	    io->ops->open(io->ctx, path, IO_READ, &there) != ST_OK) {
		return false;
	}
	same = io->ops->size(io->ctx, there, &have) == ST_OK && have == want;
	io->ops->close(io->ctx, there);
	return same;
}

enum status wal_archive_copy(const struct io *io, const char *dir, const char *archive_dir,
			     uint64_t first_lsn)
{
	char from_path[WAL_PATH_MAX], to_path[WAL_PATH_MAX], tmp[WAL_PATH_MAX];
	struct io_file *from = NULL, *to = NULL;
	enum status st = path_of(dir, first_lsn, from_path);

	if (st == ST_OK) {
		st = path_of(archive_dir, first_lsn, to_path);
	}
	if (st == ST_OK) {
		st = wal_segment_path(archive_dir, "copy.tmp", tmp);
	}
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, from_path, IO_READ, &from);
	}
	if (st != ST_OK) {
		return st;
	}
	if (same_size(io, from, to_path)) {
		goto out;
	}
	st = io->ops->open(io->ctx, tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &to);
	if (st == ST_OK) {
		st = copy_bytes(io, from, to);
		io->ops->close(io->ctx, to);
	}
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, tmp, to_path);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, archive_dir);
	}
out:
	io->ops->close(io->ctx, from);
	return st;
}
