/* Files as bytes with a volatile and a durable side. */
#include "tests/support/memory_disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODES = 512, NAMES = 512, PATH_LEN = 256, HELD_SECONDS = 20 };

struct side {
	uint8_t *data;
	size_t len, cap;
};

struct node {
	bool used;
	unsigned refs; /* names on either side, and open files */
	struct side now, durable;
};

struct names {
	size_t count;
	struct {
		char path[PATH_LEN];
		int node; /* -1: a folder */
	} items[NAMES];
};

struct io_file {
	int node;
};

struct memory_disk {
	struct io io;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct node nodes[NODES];
	struct names now, durable;
	uint64_t counts[MEMORY_DISK_CALLS];
	struct {
		enum memory_disk_call call;
		uint64_t skip, times;
		enum status st;
	} fault;
	bool holding;
	enum memory_disk_call held;
	unsigned waiting;
};

static void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

static void resize(struct side *s, size_t len)
{
	if (len > s->cap) {
		s->cap = len + len / 2 + 64;
		s->data = realloc(s->data, s->cap);
		must(s->data != NULL);
	}
	if (len > s->len) {
		memset(s->data + s->len, 0, len - s->len);
	}
	s->len = len;
}

static void copy_side(struct side *to, const struct side *from)
{
	resize(to, from->len);
	if (from->len > 0) {
		memcpy(to->data, from->data, from->len);
	}
}

static void unref(struct memory_disk *d, int node)
{
	struct node *n = node < 0 ? NULL : &d->nodes[node];

	if (n != NULL && --n->refs == 0) {
		free(n->now.data);
		free(n->durable.data);
		memset(n, 0, sizeof *n);
	}
}

static size_t find(const struct names *names, const char *path)
{
	size_t i = 0;

	while (i < names->count && strcmp(names->items[i].path, path) != 0) {
		i++;
	}
	return i;
}

static void drop_name(struct memory_disk *d, struct names *names, size_t i)
{
	unref(d, names->items[i].node);
	names->items[i] = names->items[--names->count];
}

static void add_name(struct memory_disk *d, struct names *names, const char *path, int node)
{
	size_t i;

	if (node >= 0) {
		d->nodes[node].refs++;
	}
	i = find(names, path);
	if (i < names->count) {
		drop_name(d, names, i);
	}
	must(names->count < NAMES && strlen(path) < PATH_LEN);
	(void)snprintf(names->items[names->count].path, PATH_LEN, "%s", path);
	names->items[names->count++].node = node;
}

static int new_node(struct memory_disk *d)
{
	int i = 0;

	while (i < NODES && d->nodes[i].used) {
		i++;
	}
	must(i < NODES);
	d->nodes[i].used = true;
	return i;
}

/* The name of path within the folder dir, or NULL when it is not directly in it. */
static const char *name_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strncmp(path, dir, len) != 0 || path[len] != '/' ||
	    strchr(path + len + 1, '/') != NULL) {
		return NULL;
	}
	return path + len + 1;
}

/* Begins a call: takes the lock, waits while it is held, says whether it is to fail. */
static enum status enter(void *ctx, enum memory_disk_call call, struct memory_disk **out)
{
	struct memory_disk *d = ctx;
	enum status st = ST_OK;

	*out = d;
	(void)pthread_mutex_lock(&d->lock);
	d->waiting++;
	while (d->holding && d->held == call) {
		(void)pthread_cond_broadcast(&d->changed);
		(void)pthread_cond_wait(&d->changed, &d->lock);
	}
	d->waiting--;
	d->counts[call]++;
	if (d->fault.times > 0 && (d->fault.call == call || d->fault.call == MEMORY_DISK_ANY)) {
		if (d->fault.skip > 0) {
			d->fault.skip--;
		} else {
			d->fault.times -= d->fault.times != UINT64_MAX;
			st = d->fault.st;
			errno = st == ST_NO_SPACE ? ENOSPC : EIO;
		}
	}
	return st;
}

static enum status leave(struct memory_disk *d, enum status st)
{
	(void)pthread_mutex_unlock(&d->lock);
	return st;
}

/* --- struct io --- */

static enum status disk_open(void *ctx, const char *path, unsigned flags, struct io_file **out)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_OPEN, &d);
	size_t i = find(&d->now, path);
	struct io_file *f;

	if (st != ST_OK) {
		return leave(d, st);
	}
	if (i < d->now.count && (flags & IO_EXCL) != 0) {
		return leave(d, ST_EXISTS);
	}
	if (i == d->now.count) {
		if ((flags & IO_CREATE) == 0) {
			return leave(d, ST_NOT_FOUND);
		}
		add_name(d, &d->now, path, new_node(d));
		i = find(&d->now, path);
	}
	f = malloc(sizeof *f);
	must(f != NULL);
	f->node = d->now.items[i].node;
	must(f->node >= 0);
	d->nodes[f->node].refs++;
	if ((flags & IO_TRUNC) != 0) {
		d->nodes[f->node].now.len = 0;
	}
	*out = f;
	return leave(d, ST_OK);
}

static void disk_close(void *ctx, struct io_file *f)
{
	struct memory_disk *d = ctx;

	(void)pthread_mutex_lock(&d->lock);
	unref(d, f->node);
	free(f);
	(void)pthread_mutex_unlock(&d->lock);
}

static enum status disk_pread(void *ctx, struct io_file *f, void *dst, size_t len, uint64_t off,
			      size_t *got)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_READ, &d);
	const struct side *s = &d->nodes[f->node].now;
	size_t n = off >= s->len ? 0 : s->len - (size_t)off;

	if (st != ST_OK) {
		return leave(d, st);
	}
	n = n < len ? n : len;
	if (n > 0) {
		memcpy(dst, s->data + off, n);
	}
	*got = n;
	return leave(d, ST_OK);
}

static enum status disk_pwrite(void *ctx, struct io_file *f, const void *src, size_t len,
			       uint64_t off)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_WRITE, &d);
	struct side *s = &d->nodes[f->node].now;
	size_t n = st == ST_OK ? len : len / 2;

	if (n > 0) {
		if (off + n > s->len) {
			resize(s, (size_t)off + n);
		}
		memcpy(s->data + off, src, n);
	}
	return leave(d, st);
}

static enum status disk_datasync(void *ctx, struct io_file *f)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_SYNC, &d);

	if (st == ST_OK) {
		copy_side(&d->nodes[f->node].durable, &d->nodes[f->node].now);
	}
	return leave(d, st);
}

static enum status disk_size(void *ctx, struct io_file *f, uint64_t *out)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_SIZE, &d);

	*out = d->nodes[f->node].now.len;
	return leave(d, st);
}

static enum status disk_truncate(void *ctx, struct io_file *f, uint64_t len)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_ALLOCATE, &d);

	if (st == ST_OK) {
		resize(&d->nodes[f->node].now, (size_t)len);
	}
	return leave(d, st);
}

static enum status disk_allocate(void *ctx, struct io_file *f, uint64_t len)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_ALLOCATE, &d);

	if (st == ST_OK && d->nodes[f->node].now.len < len) {
		resize(&d->nodes[f->node].now, (size_t)len);
	}
	return leave(d, st);
}

static enum status disk_rename(void *ctx, const char *from, const char *to)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_RENAME, &d);
	size_t i = find(&d->now, from);

	if (st == ST_OK && i == d->now.count) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		add_name(d, &d->now, to, d->now.items[i].node);
		drop_name(d, &d->now, find(&d->now, from));
	}
	return leave(d, st);
}

static enum status disk_unlink(void *ctx, const char *path)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_UNLINK, &d);
	size_t i = find(&d->now, path);

	if (st == ST_OK && i == d->now.count) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		drop_name(d, &d->now, i);
	}
	return leave(d, st);
}

static enum status disk_mkdir(void *ctx, const char *path)
{
	struct memory_disk *d = ctx;

	(void)pthread_mutex_lock(&d->lock);
	if (find(&d->now, path) == d->now.count) {
		add_name(d, &d->now, path, -1);
		add_name(d, &d->durable, path, -1);
	}
	return leave(d, ST_OK);
}

static enum status disk_rmdir(void *ctx, const char *path)
{
	struct memory_disk *d = ctx;
	size_t i;

	(void)pthread_mutex_lock(&d->lock);
	i = find(&d->now, path);
	if (i == d->now.count) {
		return leave(d, ST_NOT_FOUND);
	}
	for (size_t k = 0; k < d->now.count; k++) {
		if (name_in(d->now.items[k].path, path) != NULL) {
			errno = ENOTEMPTY;
			return leave(d, ST_IO);
		}
	}
	drop_name(d, &d->now, i);
	return leave(d, ST_OK);
}

static enum status disk_sync_dir(void *ctx, const char *path)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_SYNC_DIR, &d);

	if (st == ST_OK) {
		for (size_t i = d->durable.count; i-- > 0;) {
			if (name_in(d->durable.items[i].path, path) != NULL) {
				drop_name(d, &d->durable, i);
			}
		}
		for (size_t i = 0; i < d->now.count; i++) {
			if (name_in(d->now.items[i].path, path) != NULL) {
				add_name(d, &d->durable, d->now.items[i].path,
					 d->now.items[i].node);
			}
		}
	}
	return leave(d, st);
}

static enum status disk_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
			     void *arg)
{
	struct memory_disk *d;
	enum status st = enter(ctx, MEMORY_DISK_LIST, &d);
	struct names *copy = malloc(sizeof *copy);

	must(copy != NULL);
	*copy = d->now;
	if (st == ST_OK && find(copy, path) == copy->count) {
		st = ST_NOT_FOUND;
	}
	(void)leave(d, st);
	for (size_t i = 0; st == ST_OK && i < copy->count; i++) {
		const char *name = name_in(copy->items[i].path, path);

		if (name != NULL) {
			each(arg, name);
		}
	}
	free(copy);
	return st;
}

static enum status disk_lock(void *ctx, struct io_file *f, int *holder_pid)
{
	(void)ctx;
	(void)f;
	*holder_pid = 0;
	return ST_OK;
}

static const struct io_ops disk_ops = {
    .open = disk_open,
    .close = disk_close,
    .pread = disk_pread,
    .pwrite = disk_pwrite,
    .datasync = disk_datasync,
    .size = disk_size,
    .truncate = disk_truncate,
    .allocate = disk_allocate,
    .rename = disk_rename,
    .unlink = disk_unlink,
    .mkdir = disk_mkdir,
    .rmdir = disk_rmdir,
    .sync_dir = disk_sync_dir,
    .list = disk_list,
    .lock = disk_lock,
};

/* --- the test's side --- */

struct memory_disk *memory_disk_create(void)
{
	struct memory_disk *d = calloc(1, sizeof *d);

	must(d != NULL);
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_cond_init(&d->changed, NULL);
	d->io = (struct io){&disk_ops, d};
	return d;
}

void memory_disk_destroy(struct memory_disk *d)
{
	while (d->now.count > 0) {
		drop_name(d, &d->now, 0);
	}
	while (d->durable.count > 0) {
		drop_name(d, &d->durable, 0);
	}
	for (int i = 0; i < NODES; i++) {
		must(!d->nodes[i].used); /* a file was left open */
	}
	(void)pthread_cond_destroy(&d->changed);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

const struct io *memory_disk_io(struct memory_disk *d)
{
	return &d->io;
}

void memory_disk_fail(struct memory_disk *d, enum memory_disk_call call, uint64_t skip,
		      uint64_t times, enum status st)
{
	(void)pthread_mutex_lock(&d->lock);
	d->fault.call = call;
	d->fault.skip = skip;
	d->fault.times = times;
	d->fault.st = st;
	(void)pthread_mutex_unlock(&d->lock);
}

uint64_t memory_disk_count(struct memory_disk *d, enum memory_disk_call call)
{
	uint64_t n;

	(void)pthread_mutex_lock(&d->lock);
	n = d->counts[call];
	(void)pthread_mutex_unlock(&d->lock);
	return n;
}

void memory_disk_hold(struct memory_disk *d, enum memory_disk_call call)
{
	(void)pthread_mutex_lock(&d->lock);
	d->holding = true;
	d->held = call;
	(void)pthread_mutex_unlock(&d->lock);
}

void memory_disk_await_held(struct memory_disk *d)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HELD_SECONDS;
	(void)pthread_mutex_lock(&d->lock);
	while (d->waiting == 0) {
		must(pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0);
	}
	(void)pthread_mutex_unlock(&d->lock);
}

void memory_disk_let_go(struct memory_disk *d)
{
	(void)pthread_mutex_lock(&d->lock);
	d->holding = false;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
}

void memory_disk_lose_power(struct memory_disk *d)
{
	(void)pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->durable.count; i++) {
		if (d->durable.items[i].node >= 0) {
			d->nodes[d->durable.items[i].node].refs++;
		}
	}
	while (d->now.count > 0) {
		drop_name(d, &d->now, 0);
	}
	d->now = d->durable;
	for (int i = 0; i < NODES; i++) {
		if (d->nodes[i].used) {
			copy_side(&d->nodes[i].now, &d->nodes[i].durable);
		}
	}
	(void)pthread_mutex_unlock(&d->lock);
}

struct slice memory_disk_bytes(struct memory_disk *d, const char *path)
{
	struct slice out = {NULL, SIZE_MAX};
	size_t i;

	(void)pthread_mutex_lock(&d->lock);
	i = find(&d->now, path);
	if (i < d->now.count && d->now.items[i].node >= 0) {
		const struct side *s = &d->nodes[d->now.items[i].node].now;

		out = slice_of(s->data, s->len);
	}
	(void)pthread_mutex_unlock(&d->lock);
	return out;
}

void memory_disk_put(struct memory_disk *d, const char *path, struct slice bytes)
{
	int node;

	(void)pthread_mutex_lock(&d->lock);
	node = new_node(d);
	resize(&d->nodes[node].now, bytes.len);
	if (bytes.len > 0) {
		memcpy(d->nodes[node].now.data, bytes.data, bytes.len);
	}
	copy_side(&d->nodes[node].durable, &d->nodes[node].now);
	add_name(d, &d->now, path, node);
	add_name(d, &d->durable, path, node);
	(void)pthread_mutex_unlock(&d->lock);
}

bool memory_disk_exists(struct memory_disk *d, const char *path)
{
	return memory_disk_bytes(d, path).len != SIZE_MAX;
}
