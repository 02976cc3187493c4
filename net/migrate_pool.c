/* Which connections MIGRATE has, and which it may use again. */
#include "net/migrate_pool.h"

#include "engine/base/alloc.h"
#include "net/migrate_wire.h"
#include "net/server.h"

enum {
	WIRES_MAX = 64,	 /* as Redis keeps at most */
	KEEP_MS = 10000, /* unused connections */
};

struct migrate_pool {
	struct server *server;
	struct migrate_wire *wires;   /* in use or kept */
	struct migrate_wire *leaving; /* closed, their threads not yet seen to have ended */
	size_t count;
};

enum status migrate_pool_create(struct server *s, struct migrate_pool **out)
{
	struct migrate_pool *p = mem_calloc(1, sizeof *p);

	if (p == NULL) {
		return ST_NO_MEMORY;
	}
	p->server = s;
	*out = p;
	return ST_OK;
}

/* Takes *at out of its list and has its thread end. */
static void drop(struct migrate_pool *p, struct migrate_wire **at)
{
	struct migrate_wire *w = *at;

	*at = w->next;
	p->count--;
	migrate_wire_close(w);
	w->next = p->leaving;
	p->leaving = w;
}

static void count_kept(struct migrate_pool *p)
{
	uint64_t kept = 0;

	for (const struct migrate_wire *w = p->wires; w != NULL; w = w->next) {
		kept += !w->in_use;
	}
	p->server->host.stats.migrate_kept = kept;
}

/* Frees those whose threads have ended; wait: all. */
static void bury(struct migrate_pool *p, bool wait)
{
	struct migrate_wire **at = &p->leaving;

	while (*at != NULL) {
		struct migrate_wire *w = *at;

		if (wait || migrate_wire_ended(w)) {
			*at = w->next;
			migrate_wire_destroy(w);
		} else {
			at = &w->next;
		}
	}
}

void migrate_pool_cron(struct migrate_pool *p)
{
	struct migrate_wire **at = &p->wires;

	while (*at != NULL) {
		struct migrate_wire *w = *at;

		if (!w->in_use &&
		    (!migrate_wire_idle(w) || p->server->mono_ms - w->idle_since_ms >= KEEP_MS)) {
			drop(p, at);
		} else {
			at = &w->next;
		}
	}
	bury(p, false);
	count_kept(p);
}

void migrate_pool_destroy(struct migrate_pool *p)
{
	if (p == NULL) {
		return;
	}
	while (p->wires != NULL) {
		drop(p, &p->wires);
	}
	bury(p, true);
	mem_free(p);
}

/* --- for commands --- */

/* A kept connection to there. */
static struct migrate_wire *find_kept(struct migrate_pool *p, const char *host, int port, bool tls)
{
	for (struct migrate_wire *w = p->wires; w != NULL; w = w->next) {
		if (!w->in_use && w->port == port && w->tls == tls && strcmp(w->host, host) == 0 &&
		    migrate_wire_idle(w)) {
			return w;
		}
	}
	return NULL;
}

/* A connection that is made now. NULL: no memory, or no TLS where it is wanted. */
static struct migrate_wire *make_wire(struct migrate_pool *p, const char *host, int port, bool tls,
				      uint64_t timeout_ms)
{
	struct ssl_st *ssl;

	return server_tls_connector(p->server, tls, &ssl)
		   ? migrate_wire_create(host, port, ssl, timeout_ms, server_wake, p->server)
		   : NULL;
}

/* Room for one more, if need be instead of a kept one. */
static bool make_room(struct migrate_pool *p)
{
	for (struct migrate_wire **at = &p->wires; p->count >= WIRES_MAX && *at != NULL;
	     at = &(*at)->next) {
		if (!(*at)->in_use) {
			drop(p, at);
			break;
		}
	}
	return p->count < WIRES_MAX;
}

static struct migrate_link *open_link(struct command_host *h, const char *host, int port,
				      bool fresh, uint64_t timeout_ms)
{
	struct migrate_pool *p = server_of_host(h)->migrate_pool;
	bool tls = config_int(p->server->config, CONFIG_TLS_CLUSTER) != 0;
	struct migrate_wire *w = fresh ? NULL : find_kept(p, host, port, tls);

	if (w == NULL) {
		w = make_room(p) ? make_wire(p, host, port, tls, timeout_ms) : NULL;
		if (w == NULL) {
			return NULL;
		}
		w->next = p->wires;
		p->wires = w;
		p->count++;
	} else {
		migrate_wire_set_timeout(w, timeout_ms);
	}
	w->in_use = true;
	count_kept(p);
	return &w->link;
}

static struct migrate_wire *wire_of(struct migrate_link *l)
{
	return (struct migrate_wire *)(void *)l; /* its first member */
}

static size_t room(struct migrate_link *l)
{
	return migrate_wire_room(wire_of(l));
}

static enum status send_bytes(struct migrate_link *l, struct slice bytes, unsigned replies)
{
	return migrate_wire_send(wire_of(l), bytes, replies);
}

static enum migrate_event next(struct migrate_link *l, struct buf *line, bool *timed_out)
{
	return migrate_wire_next(wire_of(l), line, timed_out);
}

static void close_link(struct command_host *h, struct migrate_link *l, bool keep)
{
	struct server *s = server_of_host(h);
	struct migrate_wire **at = &s->migrate_pool->wires;

	while (*at != wire_of(l)) {
		at = &(*at)->next;
	}
	(*at)->in_use = false;
	(*at)->idle_since_ms = s->mono_ms;
	if (!keep || !migrate_wire_idle(*at)) {
		drop(s->migrate_pool, at);
	}
	count_kept(s->migrate_pool);
}

const struct migrate_link_ops migrate_pool_ops = {
    .open = open_link, .room = room, .send = send_bytes, .next = next, .close = close_link};
