/* A list of denials, newest first; what happens again is counted on the entry that it has. */
#include "net/command/acl_log.h"

#include "engine/base/alloc.h"

enum {
	TEXT_MAX = 1024, /* bytes kept of an object or name, which may be as long as any argument */
	ALIKE_AMONG = 10,
	ALIKE_WITHIN_MS = 60000,
};

static void destroy(struct acl_log_entry *e)
{
	buf_deinit(&e->object);
	buf_deinit(&e->user);
	buf_deinit(&e->client);
	mem_free(e);
}

static void unlink_entry(struct acl_log *log, struct acl_log_entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &log->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &log->oldest) = e->newer;
	log->len--;
}

static void link_newest(struct acl_log *log, struct acl_log_entry *e)
{
	e->newer = NULL;
	e->older = log->newest;
	*(log->newest != NULL ? &log->newest->newer : &log->oldest) = e;
	log->newest = e;
	log->len++;
}

void acl_log_set_max(struct acl_log *log, size_t len_max)
{
	log->len_max = len_max;
	while (log->len > len_max) {
		struct acl_log_entry *e = log->oldest;

		unlink_entry(log, e);
		destroy(e);
	}
}

void acl_log_reset(struct acl_log *log)
{
	size_t len_max = log->len_max;

	acl_log_set_max(log, 0);
	log->len_max = len_max;
}

static enum status keep(struct buf *to, struct slice text)
{
	size_t len = text.len < TEXT_MAX ? text.len : TEXT_MAX;
	enum status st = len > 0 ? buf_append(to, text.data, len) : ST_OK;

	if (st == ST_OK && len < text.len) {
		st = buf_printf(to, "... (%zu more bytes)", text.len - len);
	}
	return st;
}

static struct acl_log_entry *create(const struct acl_event *v)
{
	struct acl_log_entry *e = mem_calloc(1, sizeof *e);

	if (e == NULL) {
		return NULL;
	}
	e->denial = v->denial;
	e->context = v->context;
	e->count = 1;
	e->created_ms = e->updated_ms = v->now_ms;
	if (keep(&e->object, v->object) != ST_OK || keep(&e->user, v->user) != ST_OK ||
	    (v->client.len > 0 && buf_append(&e->client, v->client.data, v->client.len) != ST_OK)) {
		destroy(e);
		return NULL;
	}
	return e;
}

static bool alike(const struct acl_log_entry *a, const struct acl_log_entry *b)
{
	uint64_t apart = b->updated_ms > a->updated_ms ? b->updated_ms - a->updated_ms : 0;

	return a->denial == b->denial && a->context == b->context && apart <= ALIKE_WITHIN_MS &&
	       slice_eq(buf_slice(&a->object), buf_slice(&b->object)) &&
	       slice_eq(buf_slice(&a->user), buf_slice(&b->user));
}

void acl_log_add(struct acl_log *log, const struct acl_event *event)
{
	struct acl_log_entry *made, *old = log->newest;

	log->counts[event->denial]++;
	if (log->len_max == 0) {
		return;
	}
	made = create(event);
	if (made == NULL) {
		return;
	}
	for (int i = 1; i < ALIKE_AMONG && old != NULL && !alike(old, made); i++) {
		old = old->older;
	}
	if (old != NULL && alike(old, made)) {
		struct buf client = old->client;

		unlink_entry(log, old);
		link_newest(log, old);
		old->count++;
		old->updated_ms = made->updated_ms;
		old->client = made->client;
		made->client = client;
		destroy(made);
		return;
	}
	made->id = log->next_id++;
	link_newest(log, made);
	acl_log_set_max(log, log->len_max);
}
