/* CLIENT and its subcommands. */
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

/* Names may be shown in lists: no spaces or control characters. */
static bool printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '!' || text.data[i] > '~') {
			return false;
		}
	}
	return true;
}

/* Replaces an owned text by a copy; empty removes it. */
static enum status set_text(char **field, struct slice text)
{
	char *copy = NULL;

	if (text.len > 0) {
		copy = mem_alloc(text.len + 1);
		if (copy == NULL) {
			return ST_NO_MEMORY;
		}
		memcpy(copy, text.data, text.len);
		copy[text.len] = 0;
	}
	mem_free(*field);
	*field = copy;
	return ST_OK;
}

bool client_set_name(struct command_ctx *ctx, struct slice name)
{
	if (!printable(name)) {
		resp_error(ctx->reply,
			   "ERR Client names cannot contain spaces, newlines or special "
			   "characters.");
		return false;
	}
	if (set_text(&ctx->session->name, name) != ST_OK) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return false;
	}
	return true;
}

/* --- LIST, INFO --- */

static void flags_text(const struct client_info *c, char dst[32])
{
	const struct session *s = c->session;
	size_t n = 0;

	if (s->monitor_link != NULL) {
		dst[n++] = 'O';
	}
	for (size_t i = 0; i < sizeof c->flags && c->flags[i] != 0; i++) {
		if (c->flags[i] != 'N') {
			dst[n++] = c->flags[i];
		}
	}
	if (session_listens(s)) {
		dst[n++] = 'P';
	}
	if (s->in_multi) {
		dst[n++] = 'x';
	}
	if (s->tracking != 0) {
		dst[n++] = 't';
	}
	if ((s->tracking & TRACKING_BROKEN) != 0) {
		dst[n++] = 'R';
	}
	if ((s->tracking & TRACKING_BCAST) != 0) {
		dst[n++] = 'B';
	}
	if (s->watch_broken) {
		dst[n++] = 'd';
	}
	if (s->close_after_reply) {
		dst[n++] = 'c';
	}
	if (s->readonly) {
		dst[n++] = 'r';
	}
	if (s->no_evict) {
		dst[n++] = 'e';
	}
	if (s->no_touch) {
		dst[n++] = 'T';
	}
	if (n == 0) {
		dst[n++] = 'N';
	}
	dst[n] = 0;
}

enum status client_info_line(struct buf *b, const struct client_info *c, uint64_t now_ms)
{
	const struct session *s = c->session;
	char flags[32];

	flags_text(c, flags);
	return buf_printf(
	    b,
	    "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=0 sub=%zu "
	    "psub=%zu "
	    "ssub=%zu multi=%lld qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=0 rbp=0 "
	    "obl=%zu oll=%zu omem=%zu tot-mem=%zu events=r cmd=%s user=%s redir=%lld resp=%d "
	    "lib-name=%s lib-ver=%s\n",
	    (unsigned long long)s->id, s->addr, s->laddr, c->fd, s->name != NULL ? s->name : "",
	    (unsigned long long)(now_ms > s->created_ms ? (now_ms - s->created_ms) / 1000 : 0),
	    (unsigned long long)(now_ms > s->last_ms ? (now_ms - s->last_ms) / 1000 : 0), flags,
	    s->subscribed[SUBSCRIBED_CHANNEL], s->subscribed[SUBSCRIBED_PATTERN],
	    s->subscribed[SUBSCRIBED_SHARD], s->in_multi ? (long long)s->queue_len : -1LL, c->qbuf,
	    c->qbuf_free, c->argv_mem, s->queue_bytes, c->obl, c->oll, c->omem, c->tot_mem,
	    s->last_cmd, s->user != NULL ? s->user->name : ACL_DEFAULT_USER,
	    s->tracking != 0 ? (long long)s->redirect_id : -1LL, s->proto,
	    s->lib_name != NULL ? s->lib_name : "", s->lib_ver != NULL ? s->lib_ver : "");
}

struct client_filter {
	const int64_t *ids; /* NULL: any */
	size_t ids_count;
	const char *type; /* NULL: any */
	struct slice addr, laddr;
	const struct acl_user *user; /* NULL: any */
	bool by_addr, by_laddr, skip_me;
	const struct session *me;
};

static bool filter_takes(const struct client_filter *f, const struct client_info *c)
{
	const struct session *s = c->session;
	const char *type = c->flags[0] == 'S'	? "replica"
			   : session_listens(s) ? "pubsub"
						: "normal";
	bool id_ok = f->ids == NULL;

	for (size_t i = 0; i < f->ids_count && !id_ok; i++) {
		id_ok = f->ids[i] == (int64_t)s->id;
	}
	if (!id_ok || (f->skip_me && s == f->me)) {
		return false;
	}
	if (f->type != NULL && strcmp(f->type, type) != 0) {
		return false;
	}
	if (f->user != NULL && s->user != f->user) {
		return false;
	}
	if (f->by_addr && !slice_eq(f->addr, slice_str(s->addr))) {
		return false;
	}
	return !f->by_laddr || slice_eq(f->laddr, slice_str(s->laddr));
}

struct list_arg {
	const struct command_ctx *ctx;
	const struct client_filter *filter;
	struct buf text;
	enum status st;
};

static void list_each(void *arg, const struct client_info *c)
{
	struct list_arg *l = arg;
	struct client_info info = *c;

	if (l->st == ST_OK && filter_takes(l->filter, c)) {
		if (c->session == l->ctx->session) {
			/* The request that asks is still in hand. */
			info.qbuf += request_len(l->ctx->argv, l->ctx->argc);
			for (size_t i = 0; i < l->ctx->argc; i++) {
				info.argv_mem += l->ctx->argv[i].len;
			}
		}
		l->st = client_info_line(&l->text, &info, l->ctx->now_ms);
	}
}

static void reply_list(struct command_ctx *ctx, const struct client_filter *filter)
{
	struct list_arg l = {.ctx = ctx, .filter = filter};

	ctx->host->ops->each_client(ctx->host, list_each, &l);
	if (l.st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&l.text));
	} else {
		command_reply_status(ctx, l.st);
	}
	buf_deinit(&l.text);
}

static void cmd_client_info(struct command_ctx *ctx)
{
	int64_t id = (int64_t)ctx->session->id;
	struct client_filter filter = {.ids = &id, .ids_count = 1};

	reply_list(ctx, &filter);
}

/* The canonical name of a client type, NULL when it is none (then the error was sent). */
static const char *arg_type(struct command_ctx *ctx, size_t arg)
{
	static const char *const types[] = {"normal", "replica", "pubsub", "master"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		if (command_arg_is(ctx, arg, types[i])) {
			return types[i];
		}
	}
	if (command_arg_is(ctx, arg, "slave")) {
		return "replica";
	}
	resp_error(ctx->reply, "ERR Unknown client type '%.*s'", (int)ctx->argv[arg].len,
		   (const char *)ctx->argv[arg].data);
	return NULL;
}

static void list_by_ids(struct command_ctx *ctx)
{
	size_t count = ctx->argc - 3;
	int64_t *ids = mem_alloc(count * sizeof *ids);
	struct client_filter filter = {.ids = ids, .ids_count = count};

	if (ids == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (!command_arg_int(ctx, 3 + i, &ids[i], "ERR Invalid client ID")) {
			goto out;
		}
	}
	reply_list(ctx, &filter);
out:
	mem_free(ids);
}

static void cmd_client_list(struct command_ctx *ctx)
{
	struct client_filter filter = {0};

	if (ctx->argc == 4 && command_arg_is(ctx, 2, "type")) {
		filter.type = arg_type(ctx, 3);
		if (filter.type == NULL) {
			return;
		}
	} else if (ctx->argc > 3 && command_arg_is(ctx, 2, "id")) {
		list_by_ids(ctx);
		return;
	} else if (ctx->argc != 2) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	reply_list(ctx, &filter);
}

/* --- KILL --- */

struct kill_arg {
	const struct client_filter *filter;
	struct buf ids; /* of uint64_t */
	enum status st;
};

static void kill_each(void *arg, const struct client_info *c)
{
	struct kill_arg *k = arg;

	if (k->st == ST_OK && filter_takes(k->filter, c)) {
		k->st = buf_append(&k->ids, &c->session->id, sizeof c->session->id);
	}
}

/* Kills what the filter takes, the caller last; returns how many, -1 without memory. */
static int64_t kill_matching(struct command_ctx *ctx, const struct client_filter *filter)
{
	struct kill_arg k = {.filter = filter};
	int64_t killed = 0;

	ctx->host->ops->each_client(ctx->host, kill_each, &k);
	if (k.st != ST_OK) {
		buf_deinit(&k.ids);
		return -1;
	}
	for (size_t at = 0; at < k.ids.len; at += sizeof(uint64_t)) {
		uint64_t id;

		memcpy(&id, k.ids.data + at, sizeof id);
		if (id == ctx->session->id) {
			ctx->session->close_after_reply = true;
			killed++;
		} else {
			killed += ctx->host->ops->kill_client(ctx->host, id, ctx->session);
		}
	}
	buf_deinit(&k.ids);
	return killed;
}

/* Reads the option at i and its value; false: the error reply was sent. */
static bool kill_option(struct command_ctx *ctx, size_t i, struct client_filter *f, int64_t *id)
{
	struct slice value = ctx->argv[i + 1];

	if (command_arg_is(ctx, i, "id")) {
		if (!parse_int(value, id) || *id < 1) {
			resp_error(ctx->reply, "ERR client-id should be greater than 0");
			return false;
		}
		f->ids = id;
		f->ids_count = 1;
	} else if (command_arg_is(ctx, i, "type")) {
		f->type = arg_type(ctx, i + 1);
		return f->type != NULL;
	} else if (command_arg_is(ctx, i, "addr")) {
		f->addr = value;
		f->by_addr = true;
	} else if (command_arg_is(ctx, i, "laddr")) {
		f->laddr = value;
		f->by_laddr = true;
	} else if (command_arg_is(ctx, i, "user")) {
		f->user = acl_find(&ctx->dispatch->acl, value);
		if (f->user == NULL) {
			resp_error(ctx->reply, "ERR No such user '%.*s'", (int)value.len,
				   (const char *)value.data);
			return false;
		}
	} else if (command_arg_is(ctx, i, "skipme") &&
		   (word_is(value, "yes") || word_is(value, "no"))) {
		f->skip_me = word_is(value, "yes");
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	return true;
}

static void cmd_client_kill(struct command_ctx *ctx)
{
	struct client_filter filter = {.skip_me = true, .me = ctx->session};
	int64_t id, killed;

	if (ctx->argc == 3) {
		filter.skip_me = false;
		filter.by_addr = true;
		filter.addr = ctx->argv[2];
	} else {
		for (size_t i = 2; i < ctx->argc; i += 2) {
			if (i + 1 >= ctx->argc) {
				resp_error(ctx->reply, ERR_SYNTAX);
				return;
			}
			if (!kill_option(ctx, i, &filter, &id)) {
				return;
			}
		}
	}
	killed = kill_matching(ctx, &filter);
	if (killed < 0) {
		command_reply_status(ctx, ST_NO_MEMORY);
	} else if (ctx->argc != 3) {
		resp_int(ctx->reply, killed);
	} else if (killed == 0) {
		resp_error(ctx->reply, "ERR No such client");
	} else {
		resp_ok(ctx->reply);
	}
}

/* --- the small ones --- */

static void cmd_client_id(struct command_ctx *ctx)
{
	resp_int(ctx->reply, (int64_t)ctx->session->id);
}

static void cmd_client_getname(struct command_ctx *ctx)
{
	if (ctx->session->name != NULL) {
		resp_bulk_str(ctx->reply, ctx->session->name);
	} else {
		resp_null(ctx->reply);
	}
}

static void cmd_client_setname(struct command_ctx *ctx)
{
	if (client_set_name(ctx, ctx->argv[2])) {
		resp_ok(ctx->reply);
	}
}

static void cmd_client_setinfo(struct command_ctx *ctx)
{
	struct session *s = ctx->session;
	bool name = command_arg_is(ctx, 2, "lib-name");

	if (!name && !command_arg_is(ctx, 2, "lib-ver")) {
		resp_error(ctx->reply, "ERR Unrecognized option '%.*s'", (int)ctx->argv[2].len,
			   (const char *)ctx->argv[2].data);
		return;
	}
	if (!printable(ctx->argv[3])) {
		resp_error(ctx->reply,
			   "ERR %s cannot contain spaces, newlines or special characters.",
			   name ? "lib-name" : "lib-ver");
		return;
	}
	if (set_text(name ? &s->lib_name : &s->lib_ver, ctx->argv[3]) != ST_OK) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	resp_ok(ctx->reply);
}

static void cmd_client_pause(struct command_ctx *ctx)
{
	bool writes_only = false;
	int64_t ms;

	if (ctx->argc > 4) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 4) {
		writes_only = command_arg_is(ctx, 3, "write");
		if (!writes_only && !command_arg_is(ctx, 3, "all")) {
			resp_error(ctx->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
			return;
		}
	}
	if (!command_arg_int(ctx, 2, &ms, "ERR timeout is not an integer or out of range")) {
		return;
	}
	if (ms < 0) {
		resp_error(ctx->reply, "ERR timeout is negative");
		return;
	}
	if (__builtin_add_overflow(ms, (int64_t)ctx->now_ms, &ms)) {
		resp_error(ctx->reply, "ERR timeout is out of range");
		return;
	}
	ctx->host->ops->pause(ctx->host, (uint64_t)ms, writes_only);
	resp_ok(ctx->reply);
}

static void cmd_client_unpause(struct command_ctx *ctx)
{
	ctx->host->ops->pause(ctx->host, 0, false);
	resp_ok(ctx->reply);
}

static void cmd_client_reply(struct command_ctx *ctx)
{
	unsigned mode = ctx->session->reply_mode;

	if (command_arg_is(ctx, 2, "on")) {
		dispatch_set_reply_mode(ctx, mode & ~(unsigned)(REPLY_OFF | REPLY_SKIP));
		resp_ok(ctx->reply);
	} else if (command_arg_is(ctx, 2, "off")) {
		dispatch_set_reply_mode(ctx, mode | REPLY_OFF);
	} else if (command_arg_is(ctx, 2, "skip")) {
		if ((mode & REPLY_OFF) == 0) {
			dispatch_set_reply_mode(ctx, mode | REPLY_SKIP_NEXT);
		}
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
	}
}

static void set_switch(struct command_ctx *ctx, bool *out)
{
	bool on = command_arg_is(ctx, 2, "on");

	if (!on && !command_arg_is(ctx, 2, "off")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	*out = on;
	resp_ok(ctx->reply);
}

static void cmd_client_no_evict(struct command_ctx *ctx)
{
	set_switch(ctx, &ctx->session->no_evict);
}

static void cmd_client_no_touch(struct command_ctx *ctx)
{
	set_switch(ctx, &ctx->session->no_touch);
}

static void cmd_client_unblock(struct command_ctx *ctx)
{
	const struct command_host_ops *ops = ctx->host->ops;
	struct session *s = NULL;
	bool error = false;
	int64_t id;

	if (ctx->argc > 4) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 4) {
		error = command_arg_is(ctx, 3, "error");
		if (!error && !command_arg_is(ctx, 3, "timeout")) {
			resp_error(ctx->reply,
				   "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
			return;
		}
	}
	if (!command_arg_int(ctx, 2, &id, NULL)) {
		return;
	}
	if (ops->find_client != NULL && id > 0) {
		s = ops->find_client(ctx->host, (uint64_t)id);
	}
	resp_int(ctx->reply,
		 s != NULL && dispatch_unblock(ctx->dispatch, s,
					       error ? UNBLOCKED_ERROR : UNBLOCKED_TIMEOUT));
}

static void cmd_client_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CACHING (YES|NO)",
	    "    Whether the next command's keys are tracked, in mode OPTIN or OPTOUT.",
	    "GETNAME",
	    "    The name of this connection.",
	    "GETREDIR",
	    "    The client that gets this connection's invalidation messages, -1: none.",
	    "ID",
	    "    The number of this connection.",
	    "INFO",
	    "    What LIST shows, for this connection alone.",
	    "KILL <ip:port>",
	    "    Close the connection from that address.",
	    "KILL <option> <value> [<option> <value> ...]",
	    "    Close connections by ID, TYPE, USER, ADDR, LADDR; SKIPME yes|no.",
	    "LIST [TYPE <type> | ID <id> [<id> ...]]",
	    "    One line per connection.",
	    "NO-EVICT (ON|OFF)",
	    "    Protect this connection from eviction.",
	    "NO-TOUCH (ON|OFF)",
	    "    Leave access times of keys alone.",
	    "PAUSE <milliseconds> [WRITE|ALL]",
	    "    Hold commands, or writes only, for a while.",
	    "REPLY (ON|OFF|SKIP)",
	    "    Send replies, none, or all but the next.",
	    "SETINFO (LIB-NAME|LIB-VER) <text>",
	    "    Say which library speaks here.",
	    "SETNAME <name>",
	    "    Name this connection.",
	    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT]",
	    "    [NOLOOP]",
	    "    Tell this connection, or another, when keys change that were read.",
	    "TRACKINGINFO",
	    "    State of client-side caching for this connection.",
	    "UNBLOCK <id> [TIMEOUT|ERROR]",
	    "    End the wait of a blocked connection.",
	    "UNPAUSE",
	    "    End a pause.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define CLIENT_COMMON CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

const struct command subcommands_client[] = {
    {"caching", 3, CLIENT_COMMON, NO_KEYS, cmd_client_caching, NULL},
    {"getname", 2, CLIENT_COMMON, NO_KEYS, cmd_client_getname, NULL},
    {"getredir", 2, CLIENT_COMMON, NO_KEYS, cmd_client_getredir, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_client_help, NULL},
    {"id", 2, CLIENT_COMMON, NO_KEYS, cmd_client_id, NULL},
    {"info", 2, CLIENT_COMMON, NO_KEYS, cmd_client_info, NULL},
    {"kill", -3, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_kill, NULL},
    {"list", -2, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_list, NULL},
    {"no-evict", 3, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_no_evict, NULL},
    {"no-touch", 3, CLIENT_COMMON, NO_KEYS, cmd_client_no_touch, NULL},
    {"pause", -3, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_pause, NULL},
    {"reply", 3, CLIENT_COMMON, NO_KEYS, cmd_client_reply, NULL},
    {"setinfo", 4, CLIENT_COMMON, NO_KEYS, cmd_client_setinfo, NULL},
    {"setname", 3, CLIENT_COMMON, NO_KEYS, cmd_client_setname, NULL},
    {"tracking", -3, CLIENT_COMMON, NO_KEYS, cmd_client_tracking, NULL},
    {"trackinginfo", 2, CLIENT_COMMON, NO_KEYS, cmd_client_trackinginfo, NULL},
    {"unblock", -3, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_unblock, NULL},
    {"unpause", 2, CMD_ADMIN | CLIENT_COMMON, NO_KEYS, cmd_client_unpause, NULL},
    {.name = NULL},
};
