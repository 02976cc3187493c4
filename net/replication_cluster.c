/* Replication under a cluster: roles that are given, not asked for, and what an election wants to
 * know of the data. */
#include "engine/base/logger.h"
#include "engine/keyspace.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <stdlib.h>

enum { EXIT_MEMORY = 1 };

void replication_set_primary(struct replication *r, uint64_t epoch, bool flush)
{
	r->flush_wanted |= flush;
	r->promote_epoch = epoch;
	if (r->replica) {
		replication_lead(r);
	}
}

void replication_set_replica(struct replication *r, const char *host, int port)
{
	const char *to = host == NULL ? "" : host;

	if (r->replica && r->port == port && strcmp(r->host, to) == 0) {
		return;
	}
	if (replication_follow(r, to, port) != ST_OK) {
		/* A node that can't take its role must not go on in the old one. */
		logger(LOG_LVL_WARNING, "out of memory while following %s:%d: this node ends", to,
		       port);
		exit(EXIT_MEMORY);
	}
}

void replication_pause_writes(struct replication *r, bool paused)
{
	r->writes_paused = paused;
	replication_update_rules(r);
}

bool replication_writes_paused(const struct replication *r)
{
	return r->writes_paused;
}

bool replication_settled(const struct replication *r)
{
	return !r->promote_wanted;
}

void replication_note_heard(struct replication *r)
{
	struct repl_receiver_info info;
	uint64_t now = r->server->mono_ms;

	if (r->receiver == NULL || !r->link_up) {
		return;
	}
	repl_receiver_info(r->receiver, &info);
	r->heard_ms = now > info.io_age_ms ? now - info.io_age_ms : 1;
}

void replication_standing(struct replication *r, struct replication_standing *out)
{
	replication_note_heard(r);
	*out = (struct replication_standing){
	    .last_io_ms = r->heard_ms,
	    .link_up = r->replica && r->link_up,
	    .whole = !r->copying && !r->need_full && !r->promote_wanted,
	};
}

void replication_flush_due(struct replication *r)
{
	struct server *s = r->server;
	enum status st;

	if (!r->flush_wanted) {
		return;
	}
	r->flush_wanted = false;
	engine_begin(s->engine, slice_str("cluster|reset"), s->now_ms, 0);
	st = ks_flush(s->engine);
	if (st == ST_OK) {
		(void)engine_commit(s->engine);
	} else {
		engine_rollback(s->engine);
		logger(LOG_LVL_WARNING, "the keyspace can't be emptied: %s", status_text(st));
	}
}
