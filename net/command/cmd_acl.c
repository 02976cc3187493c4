/* ACL: who may do what. */
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

#include <openssl/rand.h>

#define ERR_NO_FILE                                                                                \
	"ERR This Redis instance is not configured to use an ACL file. You may want to specify "   \
	"users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a "  \
	"Redis configuration file set) in order to store users in the Redis configuration."

/* --- CAT --- */

static void reply_category(struct command_ctx *ctx, size_t category)
{
	struct dispatch *d = ctx->dispatch;
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;

	for (size_t i = 0; i < d->table.count; i++) {
		const struct command_entry *e = &d->table.entries[i];

		if ((acl_command_of(&d->acl, e)->categories >> category & 1) != 0) {
			resp_bulk_str(ctx->reply, e->full_name);
			n++;
		}
	}
	resp_deferred_end(ctx->reply, mark, '*', n);
}

static void cmd_acl_cat(struct command_ctx *ctx)
{
	size_t category;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 3) {
		category = acl_category_find(ctx->argv[2]);
		if (category < ACL_CATEGORIES) {
			reply_category(ctx, category);
		} else {
			resp_error(ctx->reply, "ERR Unknown category '%.*s'", (int)ctx->argv[2].len,
				   (const char *)ctx->argv[2].data);
		}
		return;
	}
	resp_array(ctx->reply, ACL_CATEGORIES);
	for (size_t i = 0; i < ACL_CATEGORIES; i++) {
		resp_bulk_str(ctx->reply, acl_category_name(i));
	}
}

/* --- SETUSER, DELUSER --- */

/* Applies the modifiers to u, which is nobody's yet. False: the error reply was sent. */
static bool apply(struct command_ctx *ctx, struct acl_user *u, const struct slice *ops,
		  size_t count)
{
	const char *reason = NULL;

	for (size_t i = 0; i < count; i++) {
		enum status st = acl_user_rule(&ctx->dispatch->acl, u, ops[i], &reason);

		if (st == ST_INVALID) {
			resp_error(ctx->reply, "ERR Error in ACL SETUSER modifier '%.*s': %s",
				   (int)ops[i].len, (const char *)ops[i].data, reason);
			return false;
		}
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return false;
		}
	}
	return true;
}

/* All of the modifiers, or none. */
static void set_user(struct command_ctx *ctx, const struct slice *ops, size_t count)
{
	struct dispatch *d = ctx->dispatch;
	struct acl_user *old = acl_find(&d->acl, ctx->argv[2]), *u = NULL;
	enum status st = old != NULL ? acl_user_copy(&d->acl, old, &u)
				     : acl_user_create(&d->acl, ctx->argv[2], &u);

	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (!apply(ctx, u, ops, count)) {
		acl_user_destroy(u);
		return;
	}
	if (old != NULL) {
		dispatch_user_changed(d, old, u);
	} else {
		st = acl_add(&d->acl, u);
	}
	if (st != ST_OK) {
		acl_user_destroy(u);
		command_reply_status(ctx, st);
		return;
	}
	resp_ok(ctx->reply);
}

static void cmd_acl_setuser(struct command_ctx *ctx)
{
	struct slice *ops, name = ctx->argv[2];
	struct byte_list store = {0};
	size_t count;
	enum status st;

	if (name.len == 0 || !acl_name_ok(name)) {
		resp_error(ctx->reply, name.len == 0 ? "ERR Usernames can't be empty"
						     : "ERR Usernames can't contain spaces or null "
						       "characters");
		return;
	}
	ops = mem_calloc(ctx->argc, sizeof *ops);
	st = ops == NULL ? ST_NO_MEMORY
			 : acl_join_selectors(ctx->argv + 3, ctx->argc - 3, ops, &count, &store);
	if (st == ST_INVALID) {
		struct slice word = ctx->argv[3 + count];

		resp_error(ctx->reply,
			   "ERR Unmatched parenthesis in acl selector starting at '%.*s'.",
			   (int)word.len, (const char *)word.data);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else {
		set_user(ctx, ops, count);
	}
	byte_list_deinit(&store);
	mem_free(ops);
}

static void cmd_acl_deluser(struct command_ctx *ctx)
{
	struct dispatch *d = ctx->dispatch;
	int64_t deleted = 0;

	for (size_t i = 2; i < ctx->argc; i++) {
		struct acl_user *u = acl_find(&d->acl, ctx->argv[i]);

		if (u != NULL && u == d->acl.standard) {
			resp_error(ctx->reply, "ERR The 'default' user cannot be removed");
			return;
		}
		if (u != NULL) {
			dispatch_user_delete(d, u);
			deleted++;
		}
	}
	resp_int(ctx->reply, deleted);
}

/* --- GETUSER, LIST, USERS, WHOAMI --- */

/* One text of a selector under its name. */
static enum status reply_part(struct resp_writer *w, const char *name,
			      enum status (*describe)(const struct acl_selector *s,
						      struct buf *out),
			      const struct acl_selector *s)
{
	struct buf text = {0};
	enum status st = describe(s, &text);

	resp_bulk_str(w, name);
	resp_bulk(w, buf_slice(&text));
	buf_deinit(&text);
	return st;
}

static enum status reply_selector(struct resp_writer *w, const struct acl_selector *s)
{
	enum status st = reply_part(w, "commands", acl_describe_commands, s);

	st = st == ST_OK ? reply_part(w, "keys", acl_describe_keys, s) : st;
	return st == ST_OK ? reply_part(w, "channels", acl_describe_channels, s) : st;
}

static enum status reply_user(struct resp_writer *w, const struct acl_user *u)
{
	enum status st;

	resp_map(w, 6);
	resp_bulk_str(w, "flags");
	resp_set(w, u->nopass ? 3 : 2);
	resp_bulk_str(w, u->enabled ? "on" : "off");
	if (u->nopass) {
		resp_bulk_str(w, "nopass");
	}
	resp_bulk_str(w, u->skip_sanitize ? "skip-sanitize-payload" : "sanitize-payload");
	resp_bulk_str(w, "passwords");
	resp_array(w, u->passwords.len / ACL_HASH_LEN);
	for (size_t at = 0; at < u->passwords.len; at += ACL_HASH_LEN) {
		char hash[2 * ACL_HASH_LEN + 1];

		acl_hash_text(u->passwords.data + at, hash);
		resp_bulk_str(w, hash);
	}
	st = reply_selector(w, &u->selectors[0]);
	resp_bulk_str(w, "selectors");
	resp_array(w, u->selectors_count - 1);
	for (size_t i = 1; st == ST_OK && i < u->selectors_count; i++) {
		resp_map(w, 3);
		st = reply_selector(w, &u->selectors[i]);
	}
	return st;
}

static void cmd_acl_getuser(struct command_ctx *ctx)
{
	const struct acl_user *u = acl_find(&ctx->dispatch->acl, ctx->argv[2]);
	enum status st;

	if (u == NULL) {
		resp_null(ctx->reply);
		return;
	}
	st = reply_user(ctx->reply, u);
	if (st != ST_OK) {
		command_reply_status(ctx, st); /* takes back what was written */
	}
}

static void cmd_acl_list(struct command_ctx *ctx)
{
	const struct acl *a = &ctx->dispatch->acl;
	struct buf line = {0};
	enum status st = ST_OK;

	resp_array(ctx->reply, a->users_count);
	for (size_t i = 0; st == ST_OK && i < a->users_count; i++) {
		line.len = 0;
		st = acl_describe(a->users[i], &line);
		resp_bulk(ctx->reply, buf_slice(&line));
	}
	buf_deinit(&line);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void cmd_acl_users(struct command_ctx *ctx)
{
	const struct acl *a = &ctx->dispatch->acl;

	resp_array(ctx->reply, a->users_count);
	for (size_t i = 0; i < a->users_count; i++) {
		resp_bulk_str(ctx->reply, a->users[i]->name);
	}
}

static void cmd_acl_whoami(struct command_ctx *ctx)
{
	resp_bulk_str(ctx->reply, ctx->session->user->name);
}

/* --- DRYRUN, GENPASS --- */

static void cmd_acl_dryrun(struct command_ctx *ctx)
{
	struct dispatch *d = ctx->dispatch;
	const struct acl_user *u = acl_find(&d->acl, ctx->argv[2]);
	const struct slice *argv = ctx->argv + 3;
	size_t argc = ctx->argc - 3;
	const struct command_entry *e;
	struct slice object;
	enum acl_denial denial;
	char text[ACL_TEXT_MAX];

	if (u == NULL) {
		resp_error(ctx->reply, "ERR User '%.*s' not found", (int)ctx->argv[2].len,
			   (const char *)ctx->argv[2].data);
		return;
	}
	e = command_table_resolve(&d->table, argv, argc);
	if (e == NULL) {
		resp_error(ctx->reply, "ERR Command '%.*s' not found", (int)argv[0].len,
			   (const char *)argv[0].data);
		return;
	}
	if (!command_arity_ok(e->cmd, argc)) {
		resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command",
			   e->full_name);
		return;
	}
	denial = acl_check(&d->acl, u, e, argv, argc, &object);
	if (denial == ACL_ALLOWED) {
		resp_ok(ctx->reply);
		return;
	}
	acl_denied_text(u, e, denial, object, true, text);
	resp_bulk_str(ctx->reply, text);
}

static void cmd_acl_genpass(struct command_ctx *ctx)
{
	enum { BITS_MAX = 4096, BITS_DEFAULT = 256 };
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[BITS_MAX / 8];
	char text[BITS_MAX / 4];
	int64_t bits = BITS_DEFAULT;
	size_t len;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 3) {
		if (!command_arg_int(ctx, 2, &bits, NULL)) {
			return;
		}
		if (bits < 1 || bits > BITS_MAX) {
			resp_error(ctx->reply,
				   "ERR ACL GENPASS argument must be the number of bits for the "
				   "output password, a positive number up to %d",
				   BITS_MAX);
			return;
		}
	}
	if (RAND_bytes(bytes, sizeof bytes) != 1) {
		resp_error(ctx->reply, "ERR the system gives no random bytes");
		return;
	}
	len = ((size_t)bits + 3) / 4;
	for (size_t i = 0; i < len; i++) {
		text[i] = digits[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
	}
	resp_bulk(ctx->reply, slice_of(text, len));
}

/* --- LOG --- */

static void reply_entry(struct command_ctx *ctx, const struct acl_log_entry *e)
{
	static const char *const reasons[] = {[ACL_DENIED_COMMAND] = "command",
					      [ACL_DENIED_KEY] = "key",
					      [ACL_DENIED_AUTH] = "auth",
					      [ACL_DENIED_CHANNEL] = "channel"};
	static const char *const contexts[] = {
	    [ACL_AT_TOP] = "toplevel", [ACL_IN_MULTI] = "multi", [ACL_IN_SCRIPT] = "lua"};
	uint64_t age = ctx->now_ms > e->updated_ms ? ctx->now_ms - e->updated_ms : 0;
	struct resp_writer *w = ctx->reply;

	resp_map(w, 10);
	resp_bulk_str(w, "count");
	resp_int(w, (int64_t)e->count);
	resp_bulk_str(w, "reason");
	resp_bulk_str(w, reasons[e->denial]);
	resp_bulk_str(w, "context");
	resp_bulk_str(w, contexts[e->context]);
	resp_bulk_str(w, "object");
	resp_bulk(w, buf_slice(&e->object));
	resp_bulk_str(w, "username");
	resp_bulk(w, buf_slice(&e->user));
	resp_bulk_str(w, "age-seconds");
	resp_double(w, (double)age / 1000);
	resp_bulk_str(w, "client-info");
	resp_bulk(w, buf_slice(&e->client));
	resp_bulk_str(w, "entry-id");
	resp_int(w, (int64_t)e->id);
	resp_bulk_str(w, "timestamp-created");
	resp_int(w, (int64_t)e->created_ms);
	resp_bulk_str(w, "timestamp-last-updated");
	resp_int(w, (int64_t)e->updated_ms);
}

static void cmd_acl_log(struct command_ctx *ctx)
{
	enum { SHOWN_DEFAULT = 10 };
	struct acl_log *log = &ctx->dispatch->acl_log;
	const struct acl_log_entry *e = log->newest;
	int64_t count = SHOWN_DEFAULT;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 3 && command_arg_is(ctx, 2, "reset")) {
		acl_log_reset(log);
		resp_ok(ctx->reply);
		return;
	}
	if (ctx->argc == 3 && !command_arg_int(ctx, 2, &count, NULL)) {
		return;
	}
	count = count < 0 ? 0 : count > (int64_t)log->len ? (int64_t)log->len : count;
	resp_array(ctx->reply, (size_t)count);
	for (; count > 0; count--) {
		reply_entry(ctx, e);
		e = e->older;
	}
}

/* --- LOAD, SAVE --- */

static const char *acl_file(const struct command_ctx *ctx)
{
	const char *file = ctx->host->ops->config_value(ctx->host, "aclfile");

	return file != NULL && file[0] != 0 && ctx->host->ops->read_acl != NULL ? file : NULL;
}

static void cmd_acl_load(struct command_ctx *ctx)
{
	const char *file = acl_file(ctx);
	struct buf text = {0}, error = {0};
	enum status st;

	if (file == NULL) {
		resp_error(ctx->reply, ERR_NO_FILE);
		return;
	}
	st = ctx->host->ops->read_acl(ctx->host, &text, &error);
	if (st == ST_OK) {
		st = dispatch_users_load(ctx->dispatch, file, buf_slice(&text), &error);
	}
	if (st == ST_OK) {
		resp_ok(ctx->reply);
	} else if (error.len > 0) {
		resp_error(ctx->reply,
			   "ERR %.*sWARNING: ACL errors detected, no change to the previously "
			   "active ACL rules was performed",
			   (int)error.len, (const char *)error.data);
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&text);
	buf_deinit(&error);
}

static void cmd_acl_save(struct command_ctx *ctx)
{
	struct buf text = {0}, error = {0};
	enum status st;

	if (acl_file(ctx) == NULL) {
		resp_error(ctx->reply, ERR_NO_FILE);
		return;
	}
	st = acl_write(&ctx->dispatch->acl, &text);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (ctx->host->ops->write_acl(ctx->host, buf_slice(&text), &error) != ST_OK) {
		resp_error(ctx->reply, "ERR There was an error trying to save the ACLs: %.*s",
			   (int)error.len, error.len > 0 ? (const char *)error.data : "");
	} else {
		resp_ok(ctx->reply);
	}
	buf_deinit(&text);
	buf_deinit(&error);
}

static void cmd_acl_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CAT [<category>]",
	    "    The categories, or the commands of one.",
	    "DELUSER <username> [<username> ...]",
	    "    Remove users; their connections are closed.",
	    "DRYRUN <username> <command> [<arg> ...]",
	    "    Tell whether the user may run the command, without running it.",
	    "GETUSER <username>",
	    "    A user's passwords and rights.",
	    "GENPASS [<bits>]",
	    "    A random password, of 256 bits when not said otherwise.",
	    "LIST",
	    "    All users, as the lines of an ACL file.",
	    "LOAD",
	    "    Read the ACL file again.",
	    "LOG [<count> | RESET]",
	    "    What was denied lately, or forget it.",
	    "SAVE",
	    "    Write all users into the ACL file.",
	    "SETUSER <username> <attribute> [<attribute> ...]",
	    "    Make a user, or change one.",
	    "USERS",
	    "    The names of all users.",
	    "WHOAMI",
	    "    The user of this connection.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define ACL_COMMON CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

const struct command subcommands_acl[] = {
    {"cat", -2, ACL_COMMON, NO_KEYS, cmd_acl_cat, NULL},
    {"deluser", -3, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_deluser, NULL},
    {"dryrun", -4, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_dryrun, NULL},
    {"genpass", -2, ACL_COMMON, NO_KEYS, cmd_acl_genpass, NULL},
    {"getuser", 3, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_getuser, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_acl_help, NULL},
    {"list", 2, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_list, NULL},
    {"load", 2, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_load, NULL},
    {"log", -2, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_log, NULL},
    {"save", 2, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_save, NULL},
    {"setuser", -3, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_setuser, NULL},
    {"users", 2, CMD_ADMIN | ACL_COMMON, NO_KEYS, cmd_acl_users, NULL},
    {"whoami", 2, ACL_COMMON, NO_KEYS, cmd_acl_whoami, NULL},
    {.name = NULL},
};
