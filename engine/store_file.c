/* The LMDB 0.9 data file seen as bytes, as far as a check before opening needs it.
 *
 * Page: [pgno u64][pad u16][flags u16][lower u16][upper u16], then from byte 16 the offsets (u16)
 * of (lower - 16) / 2 nodes. Node: [lo u16][hi u16][flags u16][key size u16][key][data]; in a leaf
 * lo | hi << 16 is the data's size (node flag 1: the data is the number of an overflow page), in a
 * branch lo | hi << 16 | flags << 32 is the child page. Overflow page: data from byte 16 on.
 * Meta page (pages 0 and 1; the higher transaction number counts), from byte 16 of the page:
 * [magic u32][version u32][address u64][map size u64], two databases of 48 bytes (free list, main):
 * [page size or 0 u32][flags u16][depth u16][branch, leaf, overflow pages, entries, root: u64],
 * then [last page u64][transaction u64]. Free list: transaction number -> [count u64][page numbers
 * u64]. */
#include "engine/store_file.h"

#include "engine/base/bytes.h"
#include "engine/base/planted.h"

#include <inttypes.h>
#include <stdbool.h>

enum {
	PAGE_HEADER = 16,
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_META = 8,
	NODE_HEADER = 8,
	NODE_BIG = 1,
	META_READ = PAGE_HEADER + 136, /* bytes of a meta page that mean anything */
	PSIZE_MIN = 512,
	PSIZE_MAX = 65536,
	TREE_DEPTH_MAX = 32, /* as LMDB's own limit */
	ATTEMPTS = 3,	     /* a meta page may be read while a writer rewrites it */
};

static const uint32_t magic = 0xBEEFC0DE;
static const uint32_t version = 1;
static const uint64_t no_page = UINT64_MAX;

struct file {
	const struct io *io;
	struct io_file *f;
	const char *path;
	uint64_t pages; /* whole pages that are there */
	uint32_t psize;
};

struct meta_page {
	uint32_t psize;
	uint64_t free_root, main_root, last_pg, txnid;
};

#define SAY(error, ...)                                                                            \
	do {                                                                                       \
		if (buf_printf(error, __VA_ARGS__) != ST_OK) {                                     \
			(error)->len = 0;                                                          \
		}                                                                                  \
	} while (0)

/* Reads exactly len bytes; ST_CORRUPT when the file ends before. */
static enum status read_at(const struct file *file, uint64_t off, void *dst, size_t len)
{
	size_t got = 0;
	enum status st = file->io->ops->pread(file->io->ctx, file->f, dst, len, off, &got);

	if (st != ST_OK) {
		return st;
	}
	return got == len ? ST_OK : ST_CORRUPT;
}

static enum status read_meta(const struct file *file, unsigned number, uint32_t psize,
			     struct meta_page *out, struct buf *error)
{
	uint8_t page[META_READ];
	const uint8_t *meta = page + PAGE_HEADER;
	enum status st = read_at(file, (uint64_t)number * psize, page, sizeof page);

	if (st == ST_IO) {
		SAY(error, "%s: cannot read meta page %u", file->path, number);
		return st;
	}
	if (st != ST_OK || (bytes_get_u16le(page + 10) & PAGE_META) == 0 ||
	    bytes_get_u32le(meta) != magic || bytes_get_u64le(page) != number) {
		SAY(error,
		    "%s: page %u is not an LMDB meta page: the file is damaged or not LMDB's",
		    file->path, number);
		return st == ST_OK ? ST_CORRUPT : st;
	}
	if (bytes_get_u32le(meta + 4) != version) {
		SAY(error, "%s: LMDB data version %" PRIu32 ", only %" PRIu32 " can be read",
		    file->path, bytes_get_u32le(meta + 4), version);
		return ST_VERSION;
	}
	out->psize = bytes_get_u32le(meta + 24);
	out->free_root = bytes_get_u64le(meta + 64);
	out->main_root = bytes_get_u64le(meta + 112);
	out->last_pg = bytes_get_u64le(meta + 120);
	out->txnid = bytes_get_u64le(meta + 128);
	return ST_OK;
}

static bool root_fits(uint64_t root, uint64_t last_pg)
{
	return root == no_page || (root >= 2 && root <= last_pg);
}

static bool meta_fits(const struct meta_page *m, unsigned number)
{
	/* A transaction writes the meta page of its own parity. */
	return m->last_pg >= 1 && m->last_pg < (UINT64_C(1) << 48) &&
	       root_fits(m->free_root, m->last_pg) && root_fits(m->main_root, m->last_pg) &&
	       (m->txnid == 0 || (m->txnid & 1) == number);
}

/* Reads both meta pages; *newest is what LMDB will use. */
static enum status read_metas(struct file *file, struct meta_page *newest, struct buf *error)
{
	struct meta_page m[2];
	uint64_t apart;
	enum status st = read_meta(file, 0, 0, &m[0], error);

	if (st != ST_OK) {
		return st;
	}
	file->psize = m[0].psize;
	if (file->psize < PSIZE_MIN || file->psize > PSIZE_MAX ||
	    (file->psize & (file->psize - 1)) != 0) {
		SAY(error, "%s: meta page 0 is damaged: page size %" PRIu32, file->path,
		    file->psize);
		return ST_CORRUPT;
	}
	st = read_meta(file, 1, file->psize, &m[1], error);
	if (st != ST_OK) {
		return st;
	}
	*newest = m[0].txnid >= m[1].txnid ? m[0] : m[1];
	apart = m[0].txnid > m[1].txnid ? m[0].txnid - m[1].txnid : m[1].txnid - m[0].txnid;
	/* Every commit writes the older page with the next number, so anything else is damage. The
	 * roots of the older page mean nothing: when writing a meta page fails, LMDB puts back the
	 * old number over the new roots. */
	if (m[0].psize != m[1].psize || !meta_fits(newest, newest->txnid & 1) ||
	    (apart != 1 && newest->txnid != 0)) {
		SAY(error,
		    "%s: the meta pages are damaged (transactions %" PRIu64 " and %" PRIu64 ")",
		    file->path, m[0].txnid, m[1].txnid);
		return ST_CORRUPT;
	}
	return ST_OK;
}

/* Adds to *count the page numbers at or above file->pages in a free-list record. */
static enum status count_record(const struct file *file, uint64_t off, uint64_t size,
				uint64_t *count)
{
	uint8_t chunk[512];
	uint64_t left;
	enum status st = size < 8 ? ST_CORRUPT : read_at(file, off, chunk, 8);

	if (st != ST_OK) {
		return st;
	}
	left = bytes_get_u64le(chunk);
	if (left > size / 8 - 1) {
		return ST_CORRUPT;
	}
	off += 8;
	while (left > 0) {
		uint64_t n = left < sizeof chunk / 8 ? left : sizeof chunk / 8;

		st = read_at(file, off, chunk, (size_t)n * 8);
		if (st != ST_OK) {
			return st;
		}
		for (uint64_t i = 0; i < n; i++) {
			*count += bytes_get_u64le(chunk + i * 8) >= file->pages;
		}
		off += n * 8;
		left -= n;
	}
	return ST_OK;
}

static enum status count_leaf_node(const struct file *file, uint64_t off, uint64_t *count)
{
	uint8_t node[NODE_HEADER + 16]; /* an 8-byte key, then the data or its page number */
	uint64_t size;
	enum status st = read_at(file, off, node, sizeof node);

	if (st != ST_OK) {
		return st;
	}
	size = bytes_get_u32le(node);
	if (bytes_get_u16le(node + 6) != 8) {
		return ST_CORRUPT;
	}
	if ((bytes_get_u16le(node + 4) & NODE_BIG) == 0) {
		return count_record(file, off + NODE_HEADER + 8, size, count);
	}
	uint64_t page = bytes_get_u64le(node + NODE_HEADER + 8);

	if (page >= file->pages) {
		return ST_CORRUPT;
	}
	return count_record(file, page * file->psize + PAGE_HEADER, size, count);
}

/* Walks the free list below page. */
static enum status count_free(const struct file *file, uint64_t page, unsigned depth,
			      uint64_t *count)
{
	uint8_t header[PAGE_HEADER];
	uint64_t at = page * file->psize;
	uint16_t flags, lower;
	enum status st;

	if (depth > TREE_DEPTH_MAX || page >= file->pages) {
		return ST_CORRUPT;
	}
	st = read_at(file, at, header, sizeof header);
	if (st != ST_OK) {
		return st;
	}
	flags = bytes_get_u16le(header + 10);
	lower = bytes_get_u16le(header + 12);
	if (bytes_get_u64le(header) != page || lower < PAGE_HEADER || lower > file->psize) {
		return ST_CORRUPT;
	}
	for (unsigned i = 0; i < (lower - (unsigned)PAGE_HEADER) / 2 && st == ST_OK; i++) {
		uint8_t raw[8];
		uint64_t node;

		st = read_at(file, at + PAGE_HEADER + 2 * i, raw, 2);
		if (st != ST_OK) {
			break;
		}
		node = at + bytes_get_u16le(raw);
		if ((flags & PAGE_LEAF) != 0) {
			st = count_leaf_node(file, node, count);
		} else if ((flags & PAGE_BRANCH) != 0) {
			st = read_at(file, node, raw, sizeof raw);
			if (st == ST_OK) {
				uint64_t child = bytes_get_u64le(raw) & ((UINT64_C(1) << 48) - 1);

				st = count_free(file, child, depth + 1, count);
			}
		} else {
			st = ST_CORRUPT;
		}
	}
	return st;
}

/* A page freed by the transaction that took it from the end of the file is never written, so a
 * missing end is damage only when some of it is in use. */
static bool missing_is_free(const struct file *file, const struct meta_page *meta)
{
	uint64_t count = 0;

	return meta->free_root != no_page &&
	       count_free(file, meta->free_root, 0, &count) == ST_OK &&
	       count == meta->last_pg + 1 - file->pages;
}

/* The root page must at least say that it is that page. */
static enum status check_root(const struct file *file, uint64_t root, struct buf *error)
{
	uint8_t header[PAGE_HEADER];
	enum status st;

	if (root == no_page) {
		return ST_OK;
	}
	st = read_at(file, root * file->psize, header, sizeof header);
	if (st == ST_OK && (bytes_get_u64le(header) != root ||
			    (bytes_get_u16le(header + 10) & (PAGE_BRANCH | PAGE_LEAF)) == 0)) {
		st = ST_CORRUPT;
	}
	if (st != ST_OK) {
		SAY(error, "%s: root page %" PRIu64 " is damaged or cannot be read", file->path,
		    root);
	}
	return st;
}

static enum status check_once(struct file *file, struct buf *error)
{
	struct meta_page meta;
	uint64_t bytes;
	enum status st = read_metas(file, &meta, error);

	if (st != ST_OK) {
		return st;
	}
	if (PLANTED(30)) {
		return ST_OK;
	}
	/* After the meta pages: a running writer grows the file before it publishes a meta page. */
	st = file->io->ops->size(file->io->ctx, file->f, &bytes);
	if (st != ST_OK) {
		SAY(error, "%s: cannot get the file's length", file->path);
		return st;
	}
	file->pages = bytes / file->psize;
	if (file->pages <= meta.last_pg && !missing_is_free(file, &meta)) {
		SAY(error,
		    "%s: the file is cut: %" PRIu64 " bytes, but pages up to %" PRIu64 " (%" PRIu64
		    " bytes) are in use; restore it from a backup or rebuild it from "
		    "the log with cairn-wal replay",
		    file->path, bytes, meta.last_pg, (meta.last_pg + 1) * file->psize);
		return ST_CORRUPT;
	}
	st = check_root(file, meta.main_root, error);
	return st == ST_OK ? check_root(file, meta.free_root, error) : st;
}

enum status store_file_check(const struct io *io, const char *path, struct buf *error)
{
	struct file file = {.io = io, .path = path};
	enum status st = io->ops->open(io->ctx, path, IO_READ, &file.f);

	if (st == ST_NOT_FOUND) {
		return st;
	}
	if (st != ST_OK) {
		SAY(error, "%s: cannot be opened", path);
		return st;
	}
	for (int i = 0; i < ATTEMPTS; i++) {
		error->len = 0;
		st = check_once(&file, error);
		if (st == ST_OK || st == ST_IO) {
			break;
		}
	}
	io->ops->close(io->ctx, file.f);
	return st;
}
