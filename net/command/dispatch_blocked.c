/* Serving clients that wait for keys, and ending their waits: how is told in blocked.h. */
#include "cluster/route.h"
#include "engine/base/keyslot.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

/* --- what commands ask for --- */

bool command_arg_timeout(struct command_ctx *ctx, size_t arg, uint64_t *deadline_ms)
{
	long double s;
	int64_t ms, later;

	if (!command_arg_long_float(ctx, arg, &s, "ERR timeout is not a float or out of range")) {
		return false;
	}
	s *= 1000;
	if (s >= (long double)INT64_MAX) {
		resp_error(ctx->reply, "ERR timeout is out of range");
		return false;
	}
	ms = s < (long double)INT64_MIN ? INT64_MIN : (int64_t)s;
	ms += (long double)ms < s; /* up, so that the least is no more than a millisecond */
	if (ms < 0) {
		resp_error(ctx->reply, "ERR timeout is negative");
		return false;
	}
	if (__builtin_add_overflow(ms, (int64_t)ctx->now_ms, &later) ||
	    __builtin_add_overflow(ms, (int64_t)command_mono_ms(ctx), &later)) {
		resp_error(ctx->reply, "ERR timeout is out of range");
		return false;
	}
	*deadline_ms = ms == 0 ? 0 : (uint64_t)later;
	return true;
}

bool command_block(struct command_ctx *ctx, const struct blocking *b)
{
	struct session *s = ctx->session;

	if (ctx->host->ops->run_blocked == NULL || !command_later(ctx)) {
		return false;
	}
	if (s->blocked != NULL) {
		return true; /* it keeps its place, and its time */
	}
	if (blocked_add(&ctx->dispatch->blocked, s, b, (ctx->cmd->flags & CMD_WRITE) != 0) !=
	    ST_OK) {
		ctx->later = false;
		command_reply_status(ctx, ST_NO_MEMORY);
		return true;
	}
	if (!s->wait.active) {
		s->wait.active = true;
		s->wait.deadline_ms = b->deadline_ms;
	}
	return true;
}

struct slice command_block_memo(const struct command_ctx *ctx)
{
	const struct blocked_client *c = ctx->session->blocked;

	return c == NULL ? slice_of(NULL, 0) : c->memo;
}

/* --- serving --- */

/* Whether the key, as it is now, is a reason to run the request of a client that waits for it. What
 * can't be read is one: the command says what is wrong with it. */
static bool is_reason(struct dispatch *d, const struct blocked_wait *w, uint64_t now_ms)
{
	struct store_key key;
	struct meta meta;
	enum status st;

	if (w->client->any_change) {
		return true;
	}
	store_key_of_key(&key, blocked_key_name(w->key));
	engine_begin(d->engine, slice_str("blocked"), now_ms, 0);
	st = ks_lookup(d->engine, &key, &meta);
	engine_rollback(d->engine);
	return st == ST_OK ? meta.type == w->client->type : st != ST_NOT_FOUND;
}

/* Runs who waited for the key up to now; who blocks on it meanwhile waits for its next change.
 * False: somebody can't be run now, and those behind have to wait as well. */
static bool serve_key(struct dispatch *d, const struct blocked_key *k, uint64_t now_ms)
{
	struct blocked_table *t = &d->blocked;
	uint64_t last = t->number;

	for (struct blocked_wait *w = k->first; w != NULL && w->number <= last; w = t->cursor) {
		t->cursor = w->next;
		if (is_reason(d, w, now_ms) &&
		    !d->host->ops->run_blocked(d->host, w->client->session)) {
			t->cursor = NULL;
			return false;
		}
	}
	t->cursor = NULL;
	return true;
}

bool dispatch_serve_blocked(struct dispatch *d, uint64_t now_ms)
{
	struct blocked_key *k;
	bool served = true;

	if (d->serving) {
		return true;
	}
	d->serving = true;
	while (served && (k = blocked_take_ready(&d->blocked)) != NULL) {
		served = serve_key(d, k, now_ms);
		blocked_give_back(&d->blocked, k, !served);
	}
	d->serving = false;
	return !served;
}

/* --- ending a wait --- */

static bool waits_for_acks(const struct session *s)
{
	return s->wait.active &&
	       (strcmp(s->last_cmd, "wait") == 0 || strcmp(s->last_cmd, "waitaof") == 0);
}

bool dispatch_unblock(struct dispatch *d, struct session *s, enum unblocked why)
{
	if (s->blocked != NULL) {
		blocked_forget(s);
		s->wait.verdict = why;
	} else if (!waits_for_acks(s)) {
		return false;
	} else if (why == UNBLOCKED_TIMEOUT) {
		s->wait.deadline_ms = 1; /* long ago: it tells how many there are */
	} else {
		s->wait.verdict = why;
	}
	d->host->ops->unblocked(d->host, s);
	return true;
}

void dispatch_reply_unblocked(struct session *s, struct resp_writer *w)
{
	switch ((enum unblocked)s->wait.verdict) {
	case UNBLOCKED_ERROR:
		resp_error(w, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
		break;
	case UNBLOCKED_ROLE:
		resp_error(w, "UNBLOCKED force unblock from blocking operation, instance state "
			      "changed (master -> replica?)");
		s->close_after_reply = true;
		break;
	case UNBLOCKED_NOT:
	case UNBLOCKED_TIMEOUT:
		resp_null_array(w);
		break;
	}
	s->wait.verdict = UNBLOCKED_NOT;
}

void dispatch_became_replica(struct dispatch *d)
{
	while (d->blocked.clients != NULL) {
		(void)dispatch_unblock(d, d->blocked.clients->session, UNBLOCKED_ROLE);
	}
}

/* True when the client may go on waiting: its keys, which share a slot, are served here. */
static bool may_wait_here(const struct cluster *c, const struct blocked_client *b)
{
	unsigned flags =
	    (b->writes ? ROUTE_WRITE : 0) | (b->session->readonly ? ROUTE_READONLY : 0);
	struct route route = {.kind = ROUTE_SERVE};

	for (size_t i = 0; i < b->waits_count; i++) {
		if (b->waits[i].key != NULL) {
			route_blocked(c, keyslot(blocked_key_name(b->waits[i].key)), flags, &route);
			break;
		}
	}
	return route.kind == ROUTE_SERVE;
}

void dispatch_reroute_blocked(struct dispatch *d)
{
	struct blocked_client *next;

	for (struct blocked_client *b = d->blocked.clients; b != NULL; b = next) {
		next = b->next;
		if (!may_wait_here(d->host->cluster, b)) {
			(void)dispatch_unblock(d, b->session, UNBLOCKED_NOT);
		}
	}
}
