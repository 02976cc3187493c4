/* Users and the clients that have logged in as them: what a client may run, who is let go when a
 * user changes, and the files that users come from. */
#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"
#include "net/proto/quoted_words.h"

#include <stdio.h>

enum { LINE_WORDS_FIRST = 64 };

/* --- logging in --- */

bool dispatch_open_to_all(const struct dispatch *d)
{
	return d->acl.standard->nopass && d->acl.standard->enabled;
}

bool dispatch_asks_no_password(const struct dispatch *d)
{
	return d->acl.standard->nopass;
}

void dispatch_welcome(struct dispatch *d, struct session *s)
{
	acl_enter(d->acl.standard, s);
	s->authenticated = dispatch_open_to_all(d);
}

static void note(struct dispatch *d, struct session *s, struct acl_event *event)
{
	struct client_info info = {.session = s};
	struct buf line = {0};

	if (d->host->ops->client_info != NULL) {
		d->host->ops->client_info(d->host, s, &info);
	}
	if (client_info_line(&line, &info, event->now_ms) == ST_OK && line.len > 0) {
		event->client = slice_of(line.data, line.len - 1); /* without the line's end */
	}
	acl_log_add(&d->acl_log, event);
	buf_deinit(&line);
}

bool dispatch_login(struct command_ctx *ctx, struct slice name, struct slice password)
{
	struct dispatch *d = ctx->dispatch;
	struct session *s = ctx->session;
	struct acl_user *u = acl_find(&d->acl, name);
	/* A name that there is not takes as long as a wrong password. */
	bool ok = acl_password_ok(u != NULL ? u : d->acl.standard, password);

	if (u == NULL || !u->enabled || !ok) {
		struct acl_event event = {.denial = ACL_DENIED_AUTH,
					  .context = d->in_exec ? ACL_IN_MULTI : ACL_AT_TOP,
					  .object = ctx->argv[0],
					  .user = name,
					  .now_ms = ctx->now_ms};

		note(d, s, &event);
		return false;
	}
	acl_enter(u, s);
	s->authenticated = true;
	return true;
}

enum status dispatch_set_password(struct dispatch *d, const char *password)
{
	return acl_set_password(d->acl.standard, slice_str(password));
}

/* --- what a client may run --- */

void acl_denied_text(const struct acl_user *u, const struct command_entry *entry,
		     enum acl_denial denial, struct slice object, bool verbose,
		     char text[ACL_TEXT_MAX])
{
	const char *what = denial == ACL_DENIED_CHANNEL ? "channel" : "key";

	if (denial == ACL_DENIED_COMMAND) {
		(void)snprintf(text, ACL_TEXT_MAX,
			       "User %.200s has no permissions to run the '%s' command", u->name,
			       entry->full_name);
	} else if (verbose) {
		(void)snprintf(text, ACL_TEXT_MAX,
			       "User %.200s has no permissions to access the '%.*s' %s", u->name,
			       object.len < 128 ? (int)object.len : 128,
			       object.len > 0 ? (const char *)object.data : "", what);
	} else {
		(void)snprintf(text, ACL_TEXT_MAX, "No permissions to access a %s", what);
	}
}

enum acl_denial dispatch_acl_check(struct dispatch *d, struct session *s,
				   const struct command_entry *entry, const struct slice *argv,
				   size_t argc, enum acl_context context, uint64_t now_ms,
				   char text[ACL_TEXT_MAX])
{
	struct acl_event event = {.context = context, .now_ms = now_ms};
	const struct acl_user *u = s->user;

	if (u == NULL || u->unrestricted) {
		return ACL_ALLOWED;
	}
	event.denial = acl_check(&d->acl, u, entry, argv, argc, &event.object);
	if (event.denial == ACL_ALLOWED) {
		return ACL_ALLOWED;
	}
	acl_denied_text(u, entry, event.denial, event.object, false, text);
	if (event.denial == ACL_DENIED_COMMAND) {
		event.object = slice_of(entry->full_name, entry->full_name_len);
	}
	event.user = slice_str(u->name);
	note(d, s, &event);
	return event.denial;
}

bool dispatch_reads_all_keys(const struct command_ctx *ctx)
{
	struct dispatch *d = ctx->dispatch;
	const struct acl_user *u = ctx->session->user;

	return u == NULL || u->unrestricted ||
	       acl_reads_all_keys(&d->acl, u,
				  command_table_resolve(&d->table, ctx->argv, ctx->argc), ctx->argv,
				  ctx->argc);
}

/* --- users that change --- */

static void let_go(struct dispatch *d, struct session *s)
{
	struct command_host *h = d->host;

	if (h->ops->kill_client == NULL || !h->ops->kill_client(h, s->id, d->running)) {
		s->close_after_reply = true;
	}
}

static bool listens_too_far(const struct session *s, const struct acl_user *u)
{
	for (int kind = 0; kind < SUBSCRIPTION_KINDS; kind++) {
		for (const struct subscription *sub = s->subscriptions[kind]; sub != NULL;
		     sub = sub->next_of_session) {
			if (!acl_channel_ok(u, topic_name(sub->topic),
					    kind == SUBSCRIBED_PATTERN)) {
				return true;
			}
		}
	}
	return false;
}

/* Clients that listen to what their user may not hear any more are closed. */
static void recheck_listeners(struct dispatch *d, struct acl_user *u)
{
	struct session *next;

	for (struct session *s = u->sessions; s != NULL; s = next) {
		next = s->user_next;
		if (session_listens(s) && listens_too_far(s, u)) {
			let_go(d, s);
		}
	}
}

/* The clients of a user that is no more are nobody, and closed. */
static void let_all_go(struct dispatch *d, struct acl_user *u)
{
	while (u->sessions != NULL) {
		struct session *s = u->sessions;

		acl_enter(d->acl.standard, s);
		s->authenticated = false;
		let_go(d, s);
	}
}

void dispatch_user_changed(struct dispatch *d, struct acl_user *u, struct acl_user *rights)
{
	acl_user_swap(u, rights);
	acl_user_destroy(rights);
	recheck_listeners(d, u);
}

void dispatch_user_delete(struct dispatch *d, struct acl_user *u)
{
	acl_remove(&d->acl, u);
	let_all_go(d, u);
	acl_user_destroy(u);
}

/* Puts a whole list of users in the place of the present one. ST_NO_MEMORY: nothing changed. */
static enum status adopt(struct dispatch *d, struct acl *fresh)
{
	struct slice name = slice_str(ACL_DEFAULT_USER);
	struct acl *a = &d->acl;
	struct acl old = *a;

	if (acl_find(fresh, name) == NULL) {
		struct acl_user *u = NULL;
		enum status st = acl_user_create_open(fresh, name, &u);

		st = st == ST_OK ? acl_add(fresh, u) : st;
		if (st != ST_OK) {
			acl_user_destroy(u);
			return st;
		}
	}
	a->users = fresh->users;
	a->users_count = fresh->users_count;
	a->users_cap = fresh->users_cap;
	a->standard = acl_find(a, name);
	fresh->users = old.users;
	fresh->users_count = old.users_count;
	fresh->users_cap = old.users_cap;
	for (size_t i = 0; i < fresh->users_count; i++) {
		struct acl_user *now = acl_find(a, slice_str(fresh->users[i]->name));

		while (now != NULL && fresh->users[i]->sessions != NULL) {
			acl_enter(now, fresh->users[i]->sessions);
		}
		let_all_go(d, fresh->users[i]);
	}
	for (size_t i = 0; i < a->users_count; i++) {
		recheck_listeners(d, a->users[i]);
	}
	return ST_OK;
}

/* --- files --- */

static enum status begin_fresh(struct dispatch *d, struct acl *fresh)
{
	enum status st = acl_init_empty(fresh, &d->table);

	fresh->channels_open = d->acl.channels_open;
	return st;
}

enum status dispatch_users_load(struct dispatch *d, const char *file, struct slice text,
				struct buf *error)
{
	struct acl fresh;
	enum status st = begin_fresh(d, &fresh);

	st = st == ST_OK ? acl_read(&fresh, file, text, error) : st;
	st = st == ST_OK ? adopt(d, &fresh) : st;
	acl_deinit(&fresh);
	return st;
}

/* The words of a line of the configuration, which may be in quotes; each is in store. */
static enum status split_line(struct slice line, struct slice **words, size_t *count, char *store)
{
	size_t cap = LINE_WORDS_FIRST, at = 0, used = 0;
	enum status st = ST_OK;

	*count = 0;
	*words = mem_alloc(cap * sizeof **words);
	while (st == ST_OK && *words != NULL) {
		size_t len;

		st = quoted_word_next(line.data, line.len, &at, store + used, &len);
		if (st == ST_OK && *count == cap) {
			struct slice *grown = mem_realloc(*words, 2 * cap * sizeof *grown);

			if (grown == NULL) {
				return ST_NO_MEMORY;
			}
			*words = grown;
			cap *= 2;
		}
		if (st == ST_OK) {
			(*words)[(*count)++] = slice_of(store + used, len);
			used += len;
		}
	}
	return st == ST_END ? ST_OK : *words == NULL ? ST_NO_MEMORY : st;
}

static enum status configure_line(struct acl *fresh, struct slice line, struct buf *error)
{
	char *store = mem_alloc(line.len + 1);
	struct slice *words = NULL;
	struct buf why = {0};
	size_t count = 0;
	enum status st = store == NULL ? ST_NO_MEMORY : split_line(line, &words, &count, store);

	if (st == ST_OK) {
		st = acl_read_user(fresh, words, count, &why);
	}
	if (st == ST_INVALID) {
		buf_note(error, "Error in user declaration '%.*s': %.*s",
			 count > 0 ? (int)words[0].len : 0,
			 count > 0 ? (const char *)words[0].data : "", (int)why.len,
			 why.len > 0 ? (const char *)why.data : "unbalanced quotes");
	}
	buf_deinit(&why);
	mem_free(words);
	mem_free(store);
	return st;
}

enum status dispatch_users_configure(struct dispatch *d, const struct slice *lines, size_t count,
				     struct buf *error)
{
	struct acl_user *standard = NULL;
	struct acl fresh;
	enum status st = begin_fresh(d, &fresh);

	st = st == ST_OK ? acl_user_copy(&d->acl, d->acl.standard, &standard) : st;
	st = st == ST_OK ? acl_add(&fresh, standard) : st;
	if (st != ST_OK) {
		acl_user_destroy(standard);
	}
	fresh.standard = standard;
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		st = configure_line(&fresh, lines[i], error);
	}
	st = st == ST_OK ? adopt(d, &fresh) : st;
	acl_deinit(&fresh);
	return st;
}

/* The default user as it is without any line of its own: open, or asking for requirepass. */
static enum status plain_default(struct dispatch *d, struct buf *out)
{
	const char *password = d->host->ops->config_value(d->host, "requirepass");
	struct acl_user *u;
	enum status st = acl_user_create_open(&d->acl, slice_str(ACL_DEFAULT_USER), &u);

	if (st != ST_OK) {
		return st;
	}
	st = acl_set_password(u, slice_str(password != NULL ? password : ""));
	st = st == ST_OK ? acl_describe(u, out) : st;
	acl_user_destroy(u);
	return st;
}

enum status dispatch_users_write(struct dispatch *d, struct buf *out)
{
	struct buf plain = {0}, line = {0};
	enum status st = plain_default(d, &plain);

	for (size_t i = 0; st == ST_OK && i < d->acl.users_count; i++) {
		line.len = 0;
		st = acl_describe(d->acl.users[i], &line);
		/* A line for it would hide later changes of requirepass in the file. */
		if (st == ST_OK && !slice_eq(buf_slice(&line), buf_slice(&plain))) {
			st = buf_append(out, line.data, line.len);
			st = st == ST_OK ? buf_append(out, "\n", 1) : st;
		}
	}
	buf_deinit(&plain);
	buf_deinit(&line);
	return st;
}
