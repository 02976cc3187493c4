/* From a recording of disk operations to the folder that a power loss would have left. */
#include "tests/support/disk_shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, NAMES_MAX = 4096, PATH_LEN = 1024 };

struct image_file {
	uint8_t *data;
	size_t len, cap;
};

struct name {
	char *path;
	uint32_t file;
	bool dir;
};

struct image {
	const struct disk_op *ops;
	size_t n;
	enum disk_image how;
	struct rng *rng;
	struct name names[NAMES_MAX];
	size_t names_count;
	struct image_file *files;
	uint32_t files_count;
};

static bool is_name_op(enum disk_op_kind kind)
{
	return kind == DISK_CREATE || kind == DISK_RENAME || kind == DISK_UNLINK ||
	       kind == DISK_MKDIR || kind == DISK_RMDIR;
}

/* True when the name change at index i lies in the folder dir ("" is the root). */
static bool in_dir(const char *path, const char *dir)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	return strlen(dir) == len && strncmp(path, dir, len) == 0;
}

size_t disk_find_ack(const struct disk_op *ops, size_t count, uint64_t lsn)
{
	for (size_t i = 0; i < count; i++) {
		if (ops[i].kind == DISK_ACK && ops[i].off == lsn) {
			return i;
		}
	}
	abort();
}

size_t disk_find_renamed(const struct disk_op *ops, size_t count, const char *path)
{
	bool renamed = false;

	for (size_t i = 0; i < count; i++) {
		renamed |= ops[i].kind == DISK_RENAME && strcmp(ops[i].path2, path) == 0;
		if (renamed && ops[i].kind == DISK_SYNC_DIR && in_dir(path, ops[i].path)) {
			return i + 1;
		}
	}
	abort();
}

/* A rename across folders is durable when both are. */
static bool name_op_synced(const struct image *im, size_t i)
{
	const struct disk_op *op = &im->ops[i];
	bool source = false, target = op->kind != DISK_RENAME;

	for (size_t j = i + 1; j < im->n && !(source && target); j++) {
		if (im->ops[j].kind == DISK_SYNC_DIR) {
			source |= in_dir(op->path, im->ops[j].path);
			target |= op->kind == DISK_RENAME && in_dir(op->path2, im->ops[j].path);
		}
	}
	return source && target;
}

static void remove_name(struct image *im, const char *path)
{
	for (size_t i = 0; i < im->names_count; i++) {
		if (strcmp(im->names[i].path, path) == 0) {
			free(im->names[i].path);
			im->names[i] = im->names[--im->names_count];
			return;
		}
	}
}

static struct name *find_name(struct image *im, const char *path)
{
	for (size_t i = 0; i < im->names_count; i++) {
		if (strcmp(im->names[i].path, path) == 0) {
			return &im->names[i];
		}
	}
	return NULL;
}

static void add_name(struct image *im, const char *path, uint32_t file, bool dir)
{
	remove_name(im, path);
	if (im->names_count == NAMES_MAX) {
		abort();
	}
	im->names[im->names_count++] = (struct name){strdup(path), file, dir};
}

/* A rename whose source never reached the disk changes nothing. */
static void rename_name(struct image *im, const char *from, const char *to)
{
	struct name *name = find_name(im, from);
	size_t len = strlen(from);
	uint32_t file;
	bool dir;

	if (name == NULL) {
		return;
	}
	file = name->file;
	dir = name->dir;
	remove_name(im, from);
	add_name(im, to, file, dir);
	for (size_t i = 0; dir && i < im->names_count; i++) {
		char path[PATH_LEN];

		if (strncmp(im->names[i].path, from, len) == 0 && im->names[i].path[len] == '/') {
			(void)snprintf(path, sizeof path, "%s%s", to, im->names[i].path + len);
			free(im->names[i].path);
			im->names[i].path = strdup(path);
		}
	}
}

/* Whether a name change that was not synced is there; *keep counts those that are, in order. */
static bool survives(struct image *im, size_t *keep)
{
	if (im->how == DISK_REORDERED) {
		return rng_below(im->rng, 2) == 0;
	}
	if (*keep == 0) {
		return false;
	}
	(*keep)--;
	return true;
}

/* Names: what was synced, and a first part of what came since, in order, as a file system's journal
 * keeps it. */
static void build_names(struct image *im)
{
	size_t unsynced = 0, keep;

	for (size_t i = 0; i < im->n; i++) {
		unsynced += is_name_op(im->ops[i].kind) && !name_op_synced(im, i);
	}
	keep = im->how == DISK_ALL	? unsynced
	       : im->how == DISK_SYNCED ? 0
					: (size_t)rng_below(im->rng, unsynced + 1);
	for (size_t i = 0; i < im->n; i++) {
		const struct disk_op *op = &im->ops[i];

		if (!is_name_op(op->kind)) {
			continue;
		}
		if (!name_op_synced(im, i) && !survives(im, &keep)) {
			continue;
		}
		switch (op->kind) {
		case DISK_CREATE:
			add_name(im, op->path, op->file, false);
			break;
		case DISK_MKDIR:
			add_name(im, op->path, 0, true);
			break;
		case DISK_UNLINK:
		case DISK_RMDIR:
			remove_name(im, op->path);
			break;
		default:
			rename_name(im, op->path, op->path2);
		}
	}
}

static void set_len(struct image_file *f, size_t len)
{
	if (len > f->cap) {
		f->cap = len * 2;
		f->data = realloc(f->data, f->cap);
		if (f->data == NULL) {
			abort();
		}
	}
	if (len > f->len) {
		memset(f->data + f->len, 0, len - f->len);
	}
	f->len = len;
}

static void put(struct image_file *f, uint64_t off, const uint8_t *data, size_t len)
{
	if (off + len > f->len) {
		set_len(f, off + len);
	}
	memcpy(f->data + off, data, len);
}

/* A write that was under way: some sectors of it, or its first part. */
static void put_torn(struct image *im, struct image_file *f, const struct disk_op *op, bool bytes)
{
	if (bytes && rng_below(im->rng, 2) == 0) {
		put(f, op->off, op->data, (size_t)rng_below(im->rng, op->len + 1));
		return;
	}
	for (uint64_t at = op->off; at < op->off + op->len;) {
		uint64_t end = (at / SECTOR + 1) * SECTOR;

		end = end < op->off + op->len ? end : op->off + op->len;
		if (rng_below(im->rng, 2) == 0) {
			put(f, at, op->data + (at - op->off), end - at);
		}
		at = end;
	}
}

static void apply_file_op(struct image *im, size_t i, bool durable, const bool *store_file)
{
	const struct disk_op *op = &im->ops[i];
	struct image_file *f = &im->files[op->file];
	bool random = im->how == DISK_RANDOM || im->how == DISK_REORDERED;
	uint64_t dice = random ? rng_below(im->rng, 3) : 0;

	if (!durable && (im->how == DISK_SYNCED || (random && dice == 0))) {
		return;
	}
	if (op->kind == DISK_TRUNCATE) {
		set_len(f, op->off);
	} else if (op->kind == DISK_ALLOCATE) {
		if (op->off > f->len) {
			set_len(f, op->off);
		}
	} else if (!durable && random && dice == 1) {
		/* LMDB trusts a sector to be written whole; the log trusts nothing. */
		put_torn(im, f, op, !store_file[op->file]);
	} else {
		put(f, op->off, op->data, op->len);
	}
}

static void build_files(struct image *im)
{
	bool *durable = calloc(im->n + 1, sizeof *durable);
	bool *store_file = calloc(im->files_count + 1, sizeof *store_file);
	size_t *synced_to = calloc(im->files_count + 1, sizeof *synced_to);

	for (size_t i = 0; i < im->n; i++) {
		const struct disk_op *op = &im->ops[i];

		if (op->kind == DISK_SYNC) {
			synced_to[op->file] = i;
		} else if (op->kind == DISK_DSYNC) {
			durable[op->ref] = true;
		} else if (op->kind == DISK_CREATE && strstr(op->path, ".mdb") != NULL) {
			store_file[op->file] = true;
		}
	}
	for (size_t i = 0; i < im->n; i++) {
		enum disk_op_kind kind = im->ops[i].kind;

		if (kind == DISK_WRITE || kind == DISK_TRUNCATE || kind == DISK_ALLOCATE) {
			apply_file_op(im, i, durable[i] || i < synced_to[im->ops[i].file],
				      store_file);
		}
	}
	free(durable);
	free(store_file);
	free(synced_to);
}

static void write_file(const struct image *im, const struct name *name, const char *path)
{
	const struct image_file *f = &im->files[name->file];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0) {
		return; /* its folder never reached the disk */
	}
	if (f->len > 0 && write(fd, f->data, f->len) < 0) {
		abort();
	}
	(void)close(fd);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

/* In order of paths, so that a folder comes before what is in it. */
static void write_names(struct image *im, const char *root)
{
	char path[PATH_LEN];

	qsort(im->names, im->names_count, sizeof im->names[0], by_path);
	for (size_t i = 0; i < im->names_count; i++) {
		const struct name *name = &im->names[i];

		(void)snprintf(path, sizeof path, "%s/%s", root, name->path);
		if (name->dir) {
			(void)mkdir(path, 0700);
		} else {
			write_file(im, name, path);
		}
		free(name->path);
	}
}

int disk_shuffles(int plain)
{
	const char *wish = getenv("CAIRN_SHUFFLES");

	return wish == NULL ? plain : (int)strtol(wish, NULL, 10);
}

uint64_t disk_image_write(const struct disk_op *ops, size_t n, enum disk_image how, struct rng *rng,
			  const char *root)
{
	struct image *im = calloc(1, sizeof *im);
	uint64_t acked = 0;

	im->ops = ops;
	im->n = n;
	im->how = how;
	im->rng = rng;
	for (size_t i = 0; i < n; i++) {
		if (ops[i].kind == DISK_CREATE && ops[i].file >= im->files_count) {
			im->files_count = ops[i].file + 1;
		}
		if (ops[i].kind == DISK_ACK && ops[i].off > acked) {
			acked = ops[i].off;
		}
	}
	im->files = calloc(im->files_count + 1, sizeof *im->files);
	build_names(im);
	build_files(im);
	write_names(im, root);
	for (uint32_t i = 0; i < im->files_count; i++) {
		free(im->files[i].data);
	}
	free(im->files);
	free(im);
	return acked;
}
