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

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/store_page.h"

#include <inttypes.h>
#include <stdbool.h>

enum {
	PAGE_HEADER = 16,
	PAGE_META = 8,
	TABLE_LEN = 48, /* the record of a table */
	TABLE_DEPTH = 6,
	TABLE_ROOT = 40,
	CHUNK = 4096,
	FREE_FLAGS = 0x4008,	       /* integer keys, and that the file is no directory */
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
	unsigned free_depth, main_depth, free_flags, main_flags;
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

/* Reads a meta page. ST_CORRUPT: it is none. */
static enum status read_meta(const struct file *file, unsigned number, uint64_t off,
			     struct meta_page *out)
{
	uint8_t page[META_READ];
	const uint8_t *meta = page + PAGE_HEADER;
	enum status st = read_at(file, off, page, sizeof page);

	if (st != ST_OK) {
		return st;
	}
	if ((bytes_get_u16le(page + 10) & PAGE_META) == 0 || bytes_get_u32le(meta) != magic ||
	    bytes_get_u64le(page) != number) {
		return ST_CORRUPT;
	}
	if (bytes_get_u32le(meta + 4) != version) {
		return ST_VERSION;
	}
	out->psize = bytes_get_u32le(meta + 24);
	out->free_flags = bytes_get_u16le(meta + 28);
	out->main_flags = bytes_get_u16le(meta + 76);
	out->free_depth = bytes_get_u16le(meta + 30);
	out->main_depth = bytes_get_u16le(meta + 78);
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
	return m->free_flags == FREE_FLAGS && m->main_flags == 0 && m->last_pg >= 1 &&
	       m->last_pg < (UINT64_C(1) << 48) && root_fits(m->free_root, m->last_pg) &&
	       root_fits(m->main_root, m->last_pg) && (m->txnid == 0 || (m->txnid & 1) == number);
}

static bool size_fits(uint32_t psize)
{
	return psize >= PSIZE_MIN && psize <= PSIZE_MAX && (psize & (psize - 1)) == 0;
}

/* What there is to begin with: m[i] is good for something where st[i] is ST_OK. */
struct metas {
	struct meta_page m[2];
	enum status st[2];
};

/* Reads both meta pages. Where the second one lies, the first one says, or it does itself. */
static void read_metas(struct file *file, struct metas *out)
{
	out->st[0] = read_meta(file, 0, 0, &out->m[0]);
	out->st[1] = ST_CORRUPT;
	if (out->st[0] == ST_OK && !size_fits(out->m[0].psize)) {
		out->st[0] = ST_CORRUPT;
	}
	for (uint32_t size = PSIZE_MIN; size <= PSIZE_MAX; size *= 2) {
		if (out->st[0] == ST_OK && out->m[0].psize != size) {
			continue;
		}
		file->psize = size;
		out->st[1] = read_meta(file, 1, size, &out->m[1]);
		if (out->st[1] == ST_OK && out->m[1].psize == size) {
			break;
		}
		out->st[1] = out->st[1] == ST_OK ? ST_CORRUPT : out->st[1];
		if (out->st[0] == ST_OK) {
			break;
		}
	}
	if (out->st[0] == ST_OK && out->m[0].psize != file->psize) {
		out->st[0] = ST_CORRUPT;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (out->st[i] == ST_OK && !meta_fits(&out->m[i], i)) {
			out->st[i] = ST_CORRUPT;
		}
	}
}

/* Reads a page of a tree and checks it whole. */
static enum status read_page(const struct file *file, uint64_t number, enum store_page_kind kind,
			     enum store_page_keys keys, uint8_t *dst)
{
	struct slice none = {NULL, 0};
	enum status st = ST_CORRUPT;

	if (number < 2 || number >= file->pages) {
		return st;
	}
	st = read_at(file, number * file->psize, dst, file->psize);
	if (st == ST_OK && !store_page_whole(dst, file->psize, number, kind, keys, none, none)) {
		st = ST_CORRUPT;
	}
	return st;
}

/* One record of the free list: page numbers that fall, all of the file. Adds to *missing those at
 * or above file->pages. */
static enum status check_record(const struct file *file, uint64_t off, uint64_t size,
				uint64_t last_pg, uint64_t *missing)
{
	uint8_t chunk[CHUNK];
	uint64_t left, before = last_pg + 1;
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
			uint64_t page = bytes_get_u64le(chunk + i * 8);

			if (page < 2 || page >= before) {
				return ST_CORRUPT;
			}
			before = page;
			*missing += page >= file->pages;
		}
		off += n * 8;
		left -= n;
	}
	return ST_OK;
}

static enum status check_free_node(const struct file *file, const uint8_t *page, uint64_t number,
				   const struct store_node *node, uint64_t last_pg,
				   uint64_t *missing)
{
	uint64_t off = number * file->psize;

	if (node->key.len != 8) {
		return ST_CORRUPT;
	}
	if (node->page == STORE_NO_PAGE) {
		off += (uint64_t)(node->data.data - page);
		return check_record(file, off, node->data.len, last_pg, missing);
	}
	if (node->page >= file->pages) {
		return ST_CORRUPT;
	}
	return check_record(file, node->page * file->psize + PAGE_HEADER, node->data.len, last_pg,
			    missing);
}

/* Walks the free list below a page; level counts from 1. */
static enum status check_free(const struct file *file, const struct meta_page *meta,
			      uint64_t number, unsigned level, uint64_t *missing)
{
	bool leaf = level == meta->free_depth;
	enum store_page_kind kind = leaf ? STORE_PAGE_LEAF : STORE_PAGE_BRANCH;
	uint8_t *page =
	    level > meta->free_depth || level > TREE_DEPTH_MAX ? NULL : mem_alloc(file->psize);
	unsigned count;
	enum status st =
	    page == NULL ? ST_CORRUPT : read_page(file, number, kind, STORE_KEYS_NUMBERS, page);

	if (st == ST_OK && !store_page_header(page, file->psize, number, kind, &count)) {
		st = ST_CORRUPT;
	}
	for (unsigned i = 0; st == ST_OK && i < count; i++) {
		struct store_node node;

		if (!store_page_node(page, file->psize, kind, i, &node)) {
			st = ST_CORRUPT;
		} else if (leaf) {
			st = check_free_node(file, page, number, &node, meta->last_pg, missing);
		} else {
			st = check_free(file, meta, node.page, level + 1, missing);
		}
	}
	mem_free(page);
	return st;
}

/* A page freed by the transaction that took it from the end of the file is never written, so a
 * missing end is damage only when some of it is in use. */
static bool missing_is_free(const struct file *file, const struct meta_page *meta)
{
	uint64_t missing = 0;

	return meta->free_root != no_page &&
	       check_free(file, meta, meta->free_root, 1, &missing) == ST_OK &&
	       missing == meta->last_pg + 1 - file->pages;
}

/* The list of the tables, and the root of each: LMDB steps on them before anybody can look. */
static enum status check_tables(const struct file *file, const struct meta_page *meta)
{
	uint8_t *page = mem_alloc((size_t)file->psize * 2);
	unsigned count = 0;
	enum status st = page == NULL ? ST_NO_MEMORY : ST_CORRUPT;

	if (page != NULL && meta->main_depth == 1) {
		st = read_page(file, meta->main_root, STORE_PAGE_LEAF, STORE_KEYS_BYTES, page);
	}
	if (st == ST_OK &&
	    !store_page_header(page, file->psize, meta->main_root, STORE_PAGE_LEAF, &count)) {
		st = ST_CORRUPT;
	}
	for (unsigned i = 0; st == ST_OK && i < count; i++) {
		struct store_node node;
		unsigned depth;

		if (!store_page_node(page, file->psize, STORE_PAGE_LEAF, i, &node) || !node.table ||
		    node.data.len != TABLE_LEN) {
			st = ST_CORRUPT;
			break;
		}
		depth = bytes_get_u16le(node.data.data + TABLE_DEPTH);
		if (depth > 0) {
			st = read_page(file, bytes_get_u64le(node.data.data + TABLE_ROOT),
				       depth == 1 ? STORE_PAGE_LEAF : STORE_PAGE_BRANCH,
				       STORE_KEYS_BYTES, page + file->psize);
		}
	}
	mem_free(page);
	return st;
}

static enum status check_trees(const struct file *file, const struct meta_page *meta, bool write,
			       struct buf *error)
{
	uint64_t missing = 0;
	enum status st;

	if (meta->main_root != no_page) {
		st = check_tables(file, meta);
		if (st != ST_OK) {
			SAY(error,
			    "%s: root page %" PRIu64
			    " or one of its tables is damaged or cannot be read; restore it from a "
			    "backup or rebuild it from the log with cairn-wal replay",
			    file->path, meta->main_root);
			return st;
		}
	}
	/* A page that is wrongly called free would be overwritten. Who only reads does not care,
	 * and would trip over a writer that uses the list. */
	if (write && meta->free_root != no_page) {
		st = check_free(file, meta, meta->free_root, 1, &missing);
		if (st != ST_OK) {
			SAY(error,
			    "%s: the list of free pages (page %" PRIu64
			    ") is damaged or cannot be read; restore the file from a backup or "
			    "rebuild it from the log with cairn-wal replay",
			    file->path, meta->free_root);
			return st;
		}
	}
	return ST_OK;
}

/* Checks all that hangs on a meta page. */
static enum status check_commit(struct file *file, const struct meta_page *meta, bool write,
				struct buf *error)
{
	uint64_t bytes;
	enum status st;

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
	if (file->pages <= meta->last_pg && !missing_is_free(file, meta)) {
		SAY(error,
		    "%s: the file is cut: %" PRIu64 " bytes, but pages up to %" PRIu64 " (%" PRIu64
		    " bytes) are in use; restore it from a backup or rebuild it from "
		    "the log with cairn-wal replay",
		    file->path, bytes, meta->last_pg, (meta->last_pg + 1) * file->psize);
		return ST_CORRUPT;
	}
	return check_trees(file, meta, write, error);
}

/* Writes the meta page beside number anew, as that of the commit before, so that LMDB takes number.
 */
static enum status mend(const struct file *file, unsigned number)
{
	uint8_t page[META_READ];
	unsigned other = number ^ 1u;
	struct io_file *f;
	enum status st = read_at(file, (uint64_t)number * file->psize, page, sizeof page);

	if (st == ST_OK) {
		uint64_t txnid = bytes_get_u64le(page + PAGE_HEADER + 128);

		bytes_put_u64le(page, other);
		bytes_put_u64le(page + PAGE_HEADER + 128, txnid == 0 ? 0 : txnid - 1);
		st = file->io->ops->open(file->io->ctx, file->path, IO_READ | IO_WRITE, &f);
	}
	if (st != ST_OK) {
		return st;
	}
	st = file->io->ops->pwrite(file->io->ctx, f, page, sizeof page,
				   (uint64_t)other * file->psize);
	if (st == ST_OK) {
		st = file->io->ops->datasync(file->io->ctx, f);
	}
	file->io->ops->close(file->io->ctx, f);
	return st;
}

/* A commit never touches what the one before it consists of, so that one still stands when the
 * newest, or its meta page, is damaged; the log is kept back to it. */
static enum status go_back(struct file *file, const struct metas *metas, unsigned first,
			   enum status st, struct buf *error)
{
	for (unsigned k = 0; k < 2; k++) {
		unsigned i = k == 0 ? first : first ^ 1u;
		struct buf why = {0};
		enum status now = metas->st[i] == ST_OK
				      ? check_commit(file, &metas->m[i], true, &why)
				      : metas->st[i];

		buf_deinit(&why);
		if (now != ST_OK) {
			continue;
		}
		now = mend(file, i);
		if (now != ST_OK) {
			error->len = 0;
			SAY(error, "%s: meta page %u is damaged and cannot be written: %s",
			    file->path, i ^ 1u, status_text(now));
			return now;
		}
		logger(LOG_LVL_WARNING,
		       "%s: the newest commit or its meta page is damaged (%.*s); going on from "
		       "commit %llu, the log has what came after it",
		       file->path, (int)error->len, (const char *)error->data,
		       (unsigned long long)metas->m[i].txnid);
		error->len = 0;
		return ST_OK;
	}
	return st;
}

static enum status check_once(struct file *file, bool write, struct buf *error)
{
	struct metas metas = {0};
	unsigned newest;
	enum status st;

	read_metas(file, &metas);
	newest =
	    metas.st[0] == ST_OK && (metas.st[1] != ST_OK || metas.m[0].txnid >= metas.m[1].txnid)
		? 0
		: 1;
	if (metas.st[0] == ST_IO || metas.st[1] == ST_IO) {
		SAY(error, "%s: cannot read the meta pages", file->path);
		return ST_IO;
	}
	if (metas.st[0] == ST_VERSION && metas.st[1] != ST_OK) {
		SAY(error, "%s: another LMDB data version than %" PRIu32, file->path, version);
		return ST_VERSION;
	}
	if (metas.st[newest] != ST_OK) {
		SAY(error,
		    "%s: there is no LMDB meta page: the file is damaged or not LMDB's; restore it "
		    "from a backup or rebuild it from the log with cairn-wal replay",
		    file->path);
		return ST_CORRUPT;
	}
	/* Every commit writes the older page with the next number, so anything else is damage. The
	 * roots of the older page mean nothing: when writing a meta page fails, LMDB puts back the
	 * old number over the new roots. */
	if (metas.st[newest ^ 1u] == ST_OK &&
	    (metas.m[newest].txnid == 0 ||
	     metas.m[newest].txnid == metas.m[newest ^ 1u].txnid + 1)) {
		st = check_commit(file, &metas.m[newest], write, error);
		newest ^= st == ST_OK ? 0u : 1u;
	} else {
		SAY(error, "%s: a meta page is damaged; start the node once, it mends it",
		    file->path);
		st = ST_CORRUPT;
	}
	return st == ST_CORRUPT && write ? go_back(file, &metas, newest, st, error) : st;
}

enum status store_file_check(const struct io *io, const char *path, bool write, struct buf *error)
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
		st = check_once(&file, write, error);
		if (st == ST_OK || st == ST_IO) {
			break;
		}
	}
	io->ops->close(io->ctx, file.f);
	return st;
}
