/* CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: a client says what it caches and who is to be
 * told. */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

#include <stdlib.h>

struct tracking_args {
	unsigned flags; /* of enum tracking_flags */
	struct session *redirect;
	size_t prefixes; /* how many */
};

static int shown(struct slice text)
{
	return text.len == 0 ? 0 : (int)strnlen((const char *)text.data, text.len);
}

/* REDIRECT's client at argument arg. False: the error reply was sent. */
static bool take_redirect(struct command_ctx *ctx, size_t arg, struct tracking_args *a)
{
	const struct command_host_ops *ops = ctx->host->ops;
	int64_t id;

	if (a->redirect != NULL) {
		resp_error(ctx->reply, "ERR A client can only redirect to a single other client");
		return false;
	}
	if (!command_arg_int(ctx, arg, &id, NULL)) {
		return false;
	}
	if (ops->find_client != NULL && id > 0) {
		a->redirect = ops->find_client(ctx->host, (uint64_t)id);
	}
	if (a->redirect == NULL) {
		resp_error(ctx->reply, "ERR The client ID you want redirect to does not exist");
	}
	return a->redirect != NULL;
}

/* False: the error reply was sent. */
static bool parse_tracking(struct command_ctx *ctx, struct tracking_args *a)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {{"bcast", TRACKING_BCAST},
		     {"optin", TRACKING_OPTIN},
		     {"optout", TRACKING_OPTOUT},
		     {"noloop", TRACKING_NOLOOP}};

	for (size_t i = 3; i < ctx->argc; i++) {
		bool more = i + 1 < ctx->argc;
		unsigned flag = 0;

		for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
			flag |= command_arg_is(ctx, i, words[w].word) ? words[w].flag : 0;
		}
		if (flag != 0) {
			a->flags |= flag;
		} else if (more && command_arg_is(ctx, i, "redirect")) {
			if (!take_redirect(ctx, ++i, a)) {
				return false;
			}
		} else if (more && command_arg_is(ctx, i, "prefix")) {
			a->prefixes++;
			i++;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* Whether the options go together, and with what is on. NULL: they do. */
static const char *contradiction(const struct session *s, const struct tracking_args *a)
{
	unsigned now = s->tracking, want = a->flags;

	if ((want & TRACKING_BCAST) == 0 && a->prefixes > 0) {
		return "ERR PREFIX option requires BCAST mode to be enabled";
	}
	if (now != 0 && ((now ^ want) & TRACKING_BCAST) != 0) {
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this "
		       "client, and then re-enabling it with a different mode.";
	}
	if ((want & TRACKING_BCAST) != 0 && (want & (TRACKING_OPTIN | TRACKING_OPTOUT)) != 0) {
		return "ERR OPTIN and OPTOUT are not compatible with BCAST";
	}
	if ((want & TRACKING_OPTIN) != 0 && (want & TRACKING_OPTOUT) != 0) {
		return "ERR You can't specify both OPTIN mode and OPTOUT mode";
	}
	if (((want & TRACKING_OPTIN) != 0 && (now & TRACKING_OPTOUT) != 0) ||
	    ((want & TRACKING_OPTOUT) != 0 && (now & TRACKING_OPTIN) != 0)) {
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this "
		       "client, and then re-enabling it with a different mode.";
	}
	return NULL;
}

/* The argument of the next PREFIX behind argument i; 0: there is none. */
static size_t next_prefix(const struct command_ctx *ctx, size_t i)
{
	for (i++; i + 1 < ctx->argc; i++) {
		if (command_arg_is(ctx, i, "redirect")) {
			i++;
		} else if (command_arg_is(ctx, i, "prefix")) {
			return i + 1;
		}
	}
	return 0;
}

static bool overlap(struct slice a, struct slice b)
{
	return slice_has_prefix(a, b) || slice_has_prefix(b, a);
}

static int by_name(const void *a, const void *b)
{
	struct slice x = *(const struct slice *)a, y = *(const struct slice *)b;
	size_t n = x.len < y.len ? x.len : y.len;
	int order = n == 0 ? 0 : memcmp(x.data, y.data, n);

	return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* The session's prefixes in their order, borrowed: struct slice. */
static enum status list_prefixes(const struct session *s, struct buf *out)
{
	enum status st = ST_OK;

	for (const struct subscription *sub = s->subscriptions[TRACKED_PREFIX];
	     sub != NULL && st == ST_OK; sub = sub->next_of_session) {
		struct slice name = topic_name(sub->topic);

		st = buf_append(out, &name, sizeof name);
	}
	if (out->len > 0) {
		qsort(out->data, out->len / sizeof(struct slice), sizeof(struct slice), by_name);
	}
	return st;
}

/* False: two prefixes overlap; the error reply was sent. */
static bool prefixes_fit(struct command_ctx *ctx, const struct buf *have)
{
	const struct slice *list = (const struct slice *)(const void *)have->data;

	for (size_t i = next_prefix(ctx, 2); i != 0; i = next_prefix(ctx, i)) {
		for (size_t n = 0; n < have->len / sizeof *list; n++) {
			if (overlap(list[n], ctx->argv[i])) {
				resp_error(ctx->reply,
					   "ERR Prefix '%.*s' overlaps with an existing prefix "
					   "'%.*s'. Prefixes for a single client must not overlap.",
					   shown(ctx->argv[i]), (const char *)ctx->argv[i].data,
					   shown(list[n]), (const char *)list[n].data);
				return false;
			}
		}
		for (size_t j = next_prefix(ctx, i); j != 0; j = next_prefix(ctx, j)) {
			if (overlap(ctx->argv[i], ctx->argv[j])) {
				resp_error(ctx->reply,
					   "ERR Prefix '%.*s' overlaps with another provided "
					   "prefix '%.*s'. Prefixes for a single client must not "
					   "overlap.",
					   shown(ctx->argv[i]), (const char *)ctx->argv[i].data,
					   shown(ctx->argv[j]), (const char *)ctx->argv[j].data);
				return false;
			}
		}
	}
	return true;
}

static enum status add_prefixes(struct command_ctx *ctx, const struct tracking_args *a)
{
	enum status st = ST_OK;

	if ((a->flags & TRACKING_BCAST) != 0 && a->prefixes == 0) {
		return tracking_prefix(ctx->dispatch, ctx->session, slice_of(NULL, 0));
	}
	for (size_t i = next_prefix(ctx, 2); i != 0 && st == ST_OK; i = next_prefix(ctx, i)) {
		st = tracking_prefix(ctx->dispatch, ctx->session, ctx->argv[i]);
	}
	return st;
}

static void tracking_on(struct command_ctx *ctx, const struct tracking_args *a)
{
	struct session *s = ctx->session;
	const char *error = contradiction(s, a);
	struct buf have = {0};
	enum status st;

	if (error != NULL) {
		resp_error(ctx->reply, "%s", error);
		return;
	}
	st = list_prefixes(s, &have);
	if (st == ST_OK && (a->flags & TRACKING_BCAST) != 0 && !prefixes_fit(ctx, &have)) {
		buf_deinit(&have);
		return;
	}
	buf_deinit(&have);
	if (st == ST_OK) {
		tracking_begin(ctx->dispatch, s, a->flags, a->redirect);
		st = add_prefixes(ctx, a);
	}
	if (st != ST_OK) {
		tracking_leave(s);
		command_reply_status(ctx, st);
		return;
	}
	resp_ok(ctx->reply);
}

void cmd_client_tracking(struct command_ctx *ctx)
{
	struct tracking_args a = {0};

	if (!parse_tracking(ctx, &a)) {
		return;
	}
	if (command_arg_is(ctx, 2, "on")) {
		tracking_on(ctx, &a);
	} else if (command_arg_is(ctx, 2, "off")) {
		tracking_leave(ctx->session);
		resp_ok(ctx->reply);
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
	}
}

void cmd_client_caching(struct command_ctx *ctx)
{
	struct session *s = ctx->session;
	bool yes = command_arg_is(ctx, 2, "yes");

	if (s->tracking == 0) {
		resp_error(ctx->reply,
			   "ERR CLIENT CACHING can be called only when the client is in tracking "
			   "mode with OPTIN or OPTOUT mode enabled");
	} else if (!yes && !command_arg_is(ctx, 2, "no")) {
		resp_error(ctx->reply, ERR_SYNTAX);
	} else if (yes && (s->tracking & TRACKING_OPTIN) == 0) {
		resp_error(ctx->reply, "ERR CLIENT CACHING YES is only valid when tracking is "
				       "enabled in OPTIN mode.");
	} else if (!yes && (s->tracking & TRACKING_OPTOUT) == 0) {
		resp_error(ctx->reply, "ERR CLIENT CACHING NO is only valid when tracking is "
				       "enabled in OPTOUT mode.");
	} else {
		s->tracking |= TRACKING_CACHING;
		resp_ok(ctx->reply);
	}
}

/* -1: off; 0: to itself. */
static int64_t redirection(const struct session *s)
{
	return s->tracking == 0 ? -1 : (int64_t)s->redirect_id;
}

void cmd_client_getredir(struct command_ctx *ctx)
{
	resp_int(ctx->reply, redirection(ctx->session));
}

void cmd_client_trackinginfo(struct command_ctx *ctx)
{
	const struct session *s = ctx->session;
	struct resp_writer *w = ctx->reply;
	bool caching = (s->tracking & TRACKING_CACHING) != 0;
	const struct {
		bool holds;
		const char *word;
	} flags[] = {{s->tracking == 0, "off"},
		     {s->tracking != 0, "on"},
		     {(s->tracking & TRACKING_BCAST) != 0, "bcast"},
		     {(s->tracking & TRACKING_OPTIN) != 0, "optin"},
		     {(s->tracking & TRACKING_OPTIN) != 0 && caching, "caching-yes"},
		     {(s->tracking & TRACKING_OPTOUT) != 0, "optout"},
		     {(s->tracking & TRACKING_OPTOUT) != 0 && caching, "caching-no"},
		     {(s->tracking & TRACKING_NOLOOP) != 0, "noloop"},
		     {(s->tracking & TRACKING_BROKEN) != 0, "broken_redirect"}};
	struct buf prefixes = {0};
	const struct slice *list;
	size_t mark, count = 0;

	if (list_prefixes(s, &prefixes) != ST_OK) {
		buf_deinit(&prefixes);
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	resp_map(w, 3);
	resp_bulk_str(w, "flags");
	mark = resp_deferred_begin(w);
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (flags[i].holds) {
			resp_bulk_str(w, flags[i].word);
			count++;
		}
	}
	resp_deferred_end(w, mark, '~', count);
	resp_bulk_str(w, "redirect");
	resp_int(w, redirection(s));
	resp_bulk_str(w, "prefixes");
	list = (const struct slice *)(const void *)prefixes.data;
	resp_array(w, prefixes.len / sizeof *list);
	for (size_t i = 0; i < prefixes.len / sizeof *list; i++) {
		resp_bulk(w, list[i]);
	}
	buf_deinit(&prefixes);
}
