/* FAILOVER: the primary stops taking writes, waits until a replica has all of them, and becomes
 * that replica's replica; the request to follow it tells it to take the role first. Whatever goes
 * wrong before that, this node is the primary again. */
#include "engine/base/logger.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

enum { ATTEMPTS_MAX = 40, ATTEMPT_PAUSE_MS = 50 };

static enum status refuse(struct buf *error, const char *text)
{
	error->len = 0;
	buf_note(error, "%s", text);
	return ST_INVALID;
}

static bool is_target(const struct replication *r, const struct replica *p)
{
	return p->feed == NULL &&
	       (r->failover_host[0] == 0 ||
		(p->port == r->failover_port && strcasecmp(p->ip, r->failover_host) == 0));
}

/* Takes writes again. */
static void end(struct replication *r, const char *why)
{
	logger(LOG_LVL_NOTICE, "Failover %s", why);
	r->failover = FAILOVER_NONE;
	r->failing_over = false;
	replication_update_rules(r);
}

static enum status begin(struct replication *r, const struct failover_request *q, struct buf *error)
{
	bool found = false;

	(void)snprintf(r->failover_host, sizeof r->failover_host, "%s",
		       q->host == NULL ? "" : q->host);
	r->failover_port = q->port;
	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		if (!is_target(r, p)) {
			continue;
		}
		found = true;
		if (q->host != NULL && info.state != REPL_SENDER_ONLINE) {
			return refuse(error, "ERR FAILOVER target replica is not online.");
		}
	}
	if (!found) {
		return refuse(error, q->host == NULL
					 ? "ERR FAILOVER requires connected replicas."
					 : "ERR FAILOVER target HOST and PORT is not a replica.");
	}
	r->failover = FAILOVER_WAITING;
	r->failover_force = q->force;
	r->failover_deadline_ms = q->timeout_ms == 0 ? 0 : r->server->mono_ms + q->timeout_ms;
	r->failover_lsn = engine_last_lsn(r->server->engine);
	replication_update_rules(r);
	logger(LOG_LVL_NOTICE, "FAILOVER requested%s%s.", q->host == NULL ? "" : " to ",
	       r->failover_host);
	return ST_OK;
}

static void give_up(struct replication *r)
{
	r->failing_over = false;
	(void)replication_of(&r->server->host, NULL, 0);
	end(r, "failed: this node is the primary again");
}

enum status replication_failover(struct command_host *h, const struct failover_request *q,
				 struct buf *error)
{
	struct replication *r = server_of_host(h)->replication;

	if (q->abort) {
		if (r->failover == FAILOVER_NONE) {
			return refuse(error, "ERR No failover in progress.");
		}
		if (r->failover == FAILOVER_IN_PROGRESS) {
			give_up(r);
		} else {
			end(r, "aborted by the operator");
		}
		return ST_OK;
	}
	if (r->failover != FAILOVER_NONE) {
		return refuse(error, "ERR FAILOVER already in progress.");
	}
	if (r->replica) {
		return refuse(error, "ERR FAILOVER is not valid when server is a replica.");
	}
	if (r->replicas == NULL) {
		return refuse(error, "ERR FAILOVER requires connected replicas.");
	}
	if (q->force && (q->timeout_ms == 0 || q->host == NULL)) {
		return refuse(error, "ERR FAILOVER with force option requires both a timeout and "
				     "target HOST and IP.");
	}
	return begin(r, q, error);
}

/* Writes that were under way when the pause began count as well. */
static const struct replica *ready_replica(struct replication *r)
{
	r->failover_lsn = engine_last_lsn(r->server->engine);
	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		if (is_target(r, p) && info.state == REPL_SENDER_ONLINE &&
		    info.received_lsn >= r->failover_lsn) {
			return p;
		}
	}
	return NULL;
}

static void hand_over(struct replication *r, const char *ip, int port)
{
	char host[64];

	(void)snprintf(host, sizeof host, "%s", ip);
	logger(LOG_LVL_NOTICE, "Failover target is %s:%d, at LSN %" PRIu64, host, port,
	       r->failover_lsn);
	r->failover = FAILOVER_IN_PROGRESS;
	if (replication_of(&r->server->host, host, port) != ST_OK) {
		end(r, "failed: out of memory");
		return;
	}
	r->failing_over = true;
	r->failover_attempts = 0;
}

void replication_failover_step(struct replication *r)
{
	const struct replica *p;

	if (r->failover != FAILOVER_WAITING) {
		return;
	}
	r->acks_wanted = 2;
	p = ready_replica(r);
	if (p != NULL) {
		hand_over(r, p->ip, p->port);
		return;
	}
	if (r->failover_deadline_ms == 0 || r->server->mono_ms < r->failover_deadline_ms) {
		return;
	}
	if (r->failover_force) {
		logger(LOG_LVL_NOTICE, "Failover to %s:%d time out exceeded, failing over.",
		       r->failover_host, r->failover_port);
		hand_over(r, r->failover_host, r->failover_port);
		return;
	}
	end(r, "attempt timed out: no replica had everything in time");
}

void replication_failover_linked(struct replication *r)
{
	if (r->failing_over) {
		end(r, "complete: this node is a replica now");
	}
}

void replication_failover_retry(struct replication *r, bool taken)
{
	if (taken) {
		/* An answer was lost on the way. */
		end(r, "complete: the target has the role already");
		r->retry_at_ms = 0;
	} else if (++r->failover_attempts >= ATTEMPTS_MAX) {
		give_up(r);
	} else {
		r->retry_at_ms = r->server->mono_ms + ATTEMPT_PAUSE_MS;
	}
}
