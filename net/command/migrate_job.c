/* Moving keys to another node. */
#include "net/command/migrate_job.h"

#include "engine/base/alloc.h"
#include "engine/base/keyslot.h"
#include "net/command/command_host.h"
#include "net/command/migrate_job_impl.h"
#include "net/command/notify.h"
#include "net/proto/resp_writer.h"

#include <stdio.h>

enum {
	PIECE = 64 * 1024,	     /* bytes of a payload made at once */
	BYTES_PER_STEP = 256 * 1024, /* so that other clients are served meanwhile */
	CALL_COST = 1024,	     /* every move counts as so many bytes at least */
};

static const struct migrate_link_ops *ops_of(const struct migration *m)
{
	return m->dispatch->host->ops->migrate;
}

/* --- beginning and end --- */

void migration_abandon(struct migration *m)
{
	if (m == NULL) {
		return;
	}
	if (m->link != NULL) {
		*m->link = m->next;
		if (m->next != NULL) {
			m->next->link = m->link;
		}
	}
	if (m->to != NULL) {
		ops_of(m)->close(m->dispatch->host, m->to, false);
	}
	m->session->migration = NULL;
	m->session->wait.announced = false;
	buf_deinit(&m->user);
	buf_deinit(&m->password);
	buf_deinit(&m->piece);
	buf_deinit(&m->line);
	migrate_keys_deinit(&m->keys);
	mem_free(m->sent);
	mem_free(m);
}

static enum status copy_optional(struct slice text, struct buf *to, bool *has)
{
	*has = text.data != NULL;
	return *has ? buf_append(to, text.data, text.len) : ST_OK;
}

/* Takes those that exist. */
static enum status take_names(struct migration *m, struct command_ctx *ctx,
			      const struct slice *names, size_t count)
{
	size_t bytes = 0;
	enum status st;

	for (size_t i = 0; i < count; i++) {
		bytes += names[i].len;
	}
	st = migrate_keys_init(&m->keys, count, bytes);
	m->sent = mem_calloc(count, sizeof *m->sent);
	if (st == ST_OK && m->sent == NULL) {
		st = ST_NO_MEMORY;
	}
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		struct store_key key;
		struct meta meta;

		if (migration_holds(ctx->dispatch, ctx->session, names[i])) {
			return ST_AGAIN;
		}
		store_key_of_key(&key, names[i]);
		st = ks_lookup(ctx->engine, &key, &meta);
		if (st == ST_OK && migrate_keys_find(&m->keys, names[i]) == NULL) {
			st = migrate_keys_add(&m->keys, names[i]);
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	return st;
}

enum status migration_begin(struct command_ctx *ctx, const struct migrate_request *r,
			    const struct slice *names, size_t count, size_t *found)
{
	struct migration *m;
	enum status st;

	*found = 0;
	if (count == 0) {
		return ST_OK;
	}
	m = mem_calloc(1, sizeof *m);
	if (m == NULL) {
		return ST_NO_MEMORY;
	}
	m->dispatch = ctx->dispatch;
	m->session = ctx->session;
	m->port = r->port;
	m->db = r->db;
	m->timeout_ms = (uint64_t)r->timeout_ms;
	m->copy = r->copy;
	m->replace = r->replace;
	(void)snprintf(m->host, sizeof m->host, "%.*s", (int)r->host.len,
		       (const char *)r->host.data);
	st = r->host.len < sizeof m->host ? ST_OK : ST_LIMIT;
	if (st == ST_OK) {
		st = copy_optional(r->user, &m->user, &m->has_user);
	}
	if (st == ST_OK) {
		st = copy_optional(r->password, &m->password, &m->has_password);
	}
	if (st == ST_OK) {
		st = take_names(m, ctx, names, count);
	}
	if (st != ST_OK || m->keys.count == 0) {
		migration_abandon(m);
		return st;
	}
	m->current = m->keys.count;
	m->next = ctx->dispatch->migrations;
	m->link = &ctx->dispatch->migrations;
	if (m->next != NULL) {
		m->next->link = &m->next;
	}
	*m->link = m;
	ctx->session->migration = m;
	*found = m->keys.count;
	return ST_OK;
}

/* --- the connection --- */

/* Sends what m->piece holds. */
static enum status send_piece(struct migration *m, unsigned replies)
{
	enum status st = ops_of(m)->send(m->to, buf_slice(&m->piece), replies);

	m->piece.len = 0;
	return st;
}

static enum status open_link(struct migration *m, bool fresh)
{
	struct resp_writer w = {.out = &m->piece, .proto = 2};

	m->to = ops_of(m)->open(m->dispatch->host, m->host, m->port, fresh, m->timeout_ms);
	if (m->to == NULL) {
		m->io_error = "IOERR error or timeout connecting to the client";
		return ST_OK;
	}
	m->preamble = 0;
	m->barred = m->spoiled = false;
	m->piece.len = 0;
	if (m->has_password) {
		resp_array(&w, m->has_user ? 3 : 2);
		resp_bulk_str(&w, "AUTH");
		if (m->has_user) {
			resp_bulk(&w, buf_slice(&m->user));
		}
		resp_bulk(&w, buf_slice(&m->password));
		m->preamble++;
	}
	m->selecting = m->to->db != m->db;
	if (m->selecting) {
		resp_array(&w, 2);
		resp_bulk_str(&w, "SELECT");
		resp_bulk_int(&w, m->db);
		m->preamble++;
	}
	return w.failed ? ST_NO_MEMORY : send_piece(m, m->preamble);
}

/* Everything whose reply is not known has to be sent again. */
static void forget_sent(struct migration *m)
{
	for (; m->sent_len > 0; m->sent_len--) {
		m->keys.list[m->sent[m->sent_first]].state = KEY_WAITING;
		m->sent_first = (m->sent_first + 1) % m->keys.count;
	}
	if (m->current < m->keys.count) {
		m->keys.list[m->current].state = KEY_WAITING;
		m->current = m->keys.count;
	}
	m->cursor = 0;
}

static void close_link(struct migration *m, bool keep)
{
	if (m->to != NULL) {
		ops_of(m)->close(m->dispatch->host, m->to, keep);
		m->to = NULL;
	}
}

/* --- replies --- */

static void note_target_error(struct migration *m)
{
	if (m->target_error[0] == 0) {
		(void)snprintf(m->target_error, sizeof m->target_error, "%.*s",
			       (int)(m->line.len > 0 ? m->line.len - 1 : 0),
			       m->line.len > 0 ? (const char *)m->line.data + 1 : "");
	}
}

static void take_reply(struct migration *m)
{
	bool error = m->line.len > 0 && m->line.data[0] == '-';
	struct moving_key *k;

	if (error) {
		note_target_error(m);
	}
	if (m->preamble > 0) {
		m->preamble--;
		m->barred |= error;
		if (m->preamble == 0 && m->selecting) {
			m->to->db = error ? -1 : m->db;
		}
		return;
	}
	if (m->sent_len == 0) {
		return; /* the connection counts replies: there is none too many */
	}
	k = &m->keys.list[m->sent[m->sent_first]];
	m->sent_first = (m->sent_first + 1) % m->keys.count;
	m->sent_len--;
	k->state = error || m->barred ? KEY_REFUSED : KEY_THERE;
	m->there_any |= k->state == KEY_THERE;
}

/* Redis tries once more, on a new connection, unless it took too long or something was moved. */
static void link_failed(struct migration *m, enum migrate_event what, bool timed_out)
{
	close_link(m, false);
	if (!m->retried && !timed_out && !m->there_any && m->target_error[0] == 0 &&
	    what != MIGRATE_FAILED_CONNECT) {
		m->retried = true;
		forget_sent(m);
		return;
	}
	m->io_error =
	    what == MIGRATE_FAILED_CONNECT ? "IOERR error or timeout connecting to the client"
	    : what == MIGRATE_FAILED_WRITE ? "IOERR error or timeout writing to target instance"
					   : "IOERR error or timeout reading to target instance";
}

static void take_replies(struct migration *m)
{
	while (m->to != NULL) {
		bool timed_out = false;
		enum migrate_event what = ops_of(m)->next(m->to, &m->line, &timed_out);

		if (what == MIGRATE_NOTHING) {
			return;
		}
		if (what == MIGRATE_REPLY) {
			take_reply(m);
		} else {
			link_failed(m, what, timed_out);
		}
	}
}

/* --- sending --- */

/* Looks at the next key that waits. */
static enum status next_key(struct migration *m, struct engine *e)
{
	struct moving_key *k;
	struct meta meta;
	enum status st;

	while (m->cursor < m->keys.count && m->keys.list[m->cursor].state != KEY_WAITING) {
		m->cursor++;
	}
	if (m->cursor == m->keys.count) {
		return ST_END;
	}
	k = &m->keys.list[m->cursor];
	store_key_of_key(&m->key, k->name);
	st = ks_lookup(e, &m->key, &meta);
	if (st == ST_NOT_FOUND) {
		k->state = KEY_GONE;
		return ST_OK;
	}
	if (st == ST_OK) {
		st = value_dump_open(&m->dump, e, &m->key, &meta);
	}
	if (st == ST_OK) {
		k->state = KEY_SENDING;
		k->touched = false;
		m->current = m->cursor;
		m->expire_at_ms = meta.expire_at_ms;
		m->measuring = true;
		m->headed = false;
	}
	return st;
}

/* A piece of the walk that finds out how long the payload is. */
static enum status measure(struct migration *m, struct engine *e)
{
	struct meta meta;
	enum status st = value_dump_next(&m->dump, NULL, PIECE);

	if (st != ST_END) {
		return st;
	}
	m->measuring = false;
	st = ks_lookup(e, &m->key, &meta);
	if (st == ST_OK) {
		uint64_t total = m->dump.bytes;

		st = value_dump_open(&m->dump, e, &m->key, &meta);
		m->dump.total = total;
	}
	return st;
}

static enum status put_head(struct migration *m, uint64_t now_ms)
{
	struct resp_writer w = {.out = &m->piece, .proto = 2};
	const struct moving_key *k = &m->keys.list[m->current];
	bool asking = m->dispatch->host->cluster != NULL;
	int64_t ttl = 0;

	if (m->expire_at_ms != 0) {
		ttl = m->expire_at_ms > now_ms ? (int64_t)(m->expire_at_ms - now_ms) : 1;
	}
	resp_array(&w, m->replace || k->resend ? 5 : 4);
	resp_bulk_str(&w, asking ? "RESTORE-ASKING" : "RESTORE");
	resp_bulk(&w, k->name);
	resp_bulk_int(&w, ttl);
	m->headed = true;
	return w.failed ? ST_NO_MEMORY
			: buf_printf(&m->piece, "$%llu\r\n", (unsigned long long)m->dump.total);
}

/* Ends the request of the current key. */
static enum status put_tail(struct migration *m)
{
	struct resp_writer w = {.out = &m->piece, .proto = 2};
	struct moving_key *k = &m->keys.list[m->current];

	resp_bulk_end(&w);
	if (m->replace || k->resend) {
		resp_bulk_str(&w, "REPLACE");
	}
	k->state = KEY_SENT;
	m->sent[(m->sent_first + m->sent_len++) % m->keys.count] = m->current;
	m->current = m->keys.count;
	return w.failed ? ST_NO_MEMORY : send_piece(m, 1);
}

/* The current key has changed under way: it is begun anew, and a request that was begun already
 * spoils its connection. */
static void begin_anew(struct migration *m)
{
	m->keys.list[m->current].state = KEY_WAITING;
	m->spoiled = m->headed;
	m->current = m->keys.count;
	m->piece.len = 0;
}

static enum status send_some(struct migration *m, struct command_ctx *ctx)
{
	enum status st;

	if (m->keys.list[m->current].touched) {
		begin_anew(m);
		return ST_OK;
	}
	if (m->measuring) {
		st = measure(m, ctx->engine);
	} else {
		st = m->headed ? ST_OK : put_head(m, ctx->now_ms);
		if (st == ST_OK) {
			st = value_dump_next(&m->dump, &m->piece, PIECE);
		}
		if (st == ST_END && m->dump.bytes != m->dump.total) {
			st = ST_CORRUPT;
		}
		if (st == ST_END) {
			return put_tail(m);
		}
		st = st == ST_OK ? send_piece(m, 0) : st;
	}
	if (st == ST_NOT_FOUND) {
		begin_anew(m);
		return ST_OK;
	}
	return st;
}

/* *idle: nothing more can be sent for now. */
static enum status send_more(struct migration *m, struct command_ctx *ctx, bool *idle)
{
	uint64_t before = 0, spent = 0;
	enum status st = ST_OK;

	*idle = true;
	for (; st == ST_OK && spent < BYTES_PER_STEP && m->io_error == NULL; spent += CALL_COST) {
		if (m->spoiled && m->to != NULL && m->sent_len == 0 && m->preamble == 0) {
			close_link(m, false);
		}
		if (m->spoiled && m->to != NULL) {
			return ST_OK;
		}
		if (m->current == m->keys.count) {
			st = next_key(m, ctx->engine);
			continue;
		}
		if (m->to == NULL) {
			st = open_link(m, m->retried || m->spoiled);
			continue;
		}
		if (!m->measuring && ops_of(m)->room(m->to) < PIECE) {
			return ST_OK;
		}
		before = m->dump.bytes;
		st = send_some(m, ctx);
		/* Less than before: it was counted, and begins anew. */
		spent += m->dump.bytes > before ? m->dump.bytes - before : 0;
	}
	*idle = st == ST_END;
	return st == ST_END ? ST_OK : st;
}

/* --- the end --- */

/* What was there when it was sent, and is another now, is sent again over what the target got. */
static bool send_again(struct migration *m, struct engine *e)
{
	bool again = false;

	for (size_t i = 0; i < m->keys.count; i++) {
		struct moving_key *k = &m->keys.list[i];
		struct store_key key;
		struct meta meta;

		if (k->state != KEY_THERE || !k->touched) {
			continue;
		}
		store_key_of_key(&key, k->name);
		if (ks_lookup(e, &key, &meta) == ST_NOT_FOUND) {
			k->state = KEY_GONE;
			continue;
		}
		k->state = KEY_WAITING;
		k->resend = true;
		m->cursor = 0;
		again = true;
	}
	return again;
}

static enum status delete_moved(struct migration *m, struct command_ctx *ctx)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && !m->copy && i < m->keys.count; i++) {
		struct store_key key;

		if (m->keys.list[i].state != KEY_THERE || m->keys.list[i].touched) {
			continue;
		}
		store_key_of_key(&key, m->keys.list[i].name);
		st = command_remove(ctx, &key);
	}
	return st;
}

static void finish(struct migration *m, struct command_ctx *ctx)
{
	enum status st = delete_moved(m, ctx);

	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (m->io_error != NULL) {
		resp_error(ctx->reply, "%s", m->io_error);
	} else if (m->target_error[0] != 0) {
		resp_error(ctx->reply, "ERR Target instance replied with error: %s",
			   m->target_error);
	} else {
		resp_ok(ctx->reply);
	}
	close_link(m, m->io_error == NULL && !m->spoiled);
	migration_abandon(m);
}

static bool is_through(const struct migration *m)
{
	if (m->io_error != NULL) {
		return true;
	}
	if (m->current < m->keys.count || m->sent_len > 0 || m->preamble > 0) {
		return false;
	}
	for (size_t i = m->cursor; i < m->keys.count; i++) {
		if (m->keys.list[i].state == KEY_WAITING) {
			return false;
		}
	}
	return true;
}

enum status migration_step(struct command_ctx *ctx, bool *idle)
{
	struct migration *m = ctx->session->migration;
	enum status st;

	take_replies(m);
	st = send_more(m, ctx, idle);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		migration_abandon(m);
		return ST_OK;
	}
	if (!is_through(m)) {
		return ST_AGAIN;
	}
	if (m->io_error == NULL && send_again(m, ctx->engine)) {
		*idle = false;
		return ST_AGAIN;
	}
	finish(m, ctx);
	return ST_OK;
}
