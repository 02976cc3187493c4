/* COMMAND: what commands there are, and what is known of them. */
#include "net/command/command_groups.h"
#include "net/command/command_keys.h"
#include "net/command/dispatch_state.h"

/* In the order in which COMMAND prints them. */
static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_ASKING, "asking"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
    {CMD_MOVABLE_KEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
};
enum { FLAG_NAMES = sizeof flag_names / sizeof flag_names[0] };

static void reply_flags(struct resp_writer *w, uint32_t flags)
{
	size_t n = 0;

	for (size_t i = 0; i < FLAG_NAMES; i++) {
		n += (flags & flag_names[i].flag) != 0;
	}
	resp_set(w, n);
	for (size_t i = 0; i < FLAG_NAMES; i++) {
		if ((flags & flag_names[i].flag) != 0) {
			resp_simple(w, flag_names[i].name);
		}
	}
}

static size_t count_words(const char *words)
{
	struct slice rest = slice_str(words != NULL ? words : ""), word;
	size_t n = 0;

	while (facts_word(&rest, ' ', &word)) {
		n++;
	}
	return n;
}

static void reply_categories(struct resp_writer *w, const char *acl)
{
	struct slice rest = slice_str(acl != NULL ? acl : ""), word;

	resp_set(w, count_words(acl));
	while (facts_word(&rest, ' ', &word)) {
		char text[32] = "@";
		size_t len = word.len < sizeof text - 2 ? word.len : sizeof text - 2;

		memcpy(text + 1, word.data, len);
		text[1 + len] = 0;
		resp_simple(w, text);
	}
}

static void reply_tips(struct resp_writer *w, const char *tips)
{
	struct slice rest = slice_str(tips != NULL ? tips : ""), word;

	resp_set(w, count_words(tips));
	while (facts_word(&rest, ' ', &word)) {
		resp_bulk(w, word);
	}
}

/* A container's own line, or a command's or subcommand's. */
static void reply_info(struct resp_writer *w, const struct command_entry *e)
{
	static const struct command_facts unknown = {0};
	const struct command_facts *f = command_facts_find(e->full_name);

	f = f != NULL ? f : &unknown;
	resp_array(w, 10);
	resp_bulk_str(w, e->full_name);
	resp_int(w, e->cmd->arity);
	reply_flags(w, e->cmd->flags);
	resp_int(w, e->cmd->keys.first);
	resp_int(w, e->cmd->keys.last);
	resp_int(w, e->cmd->keys.step);
	reply_categories(w, f->acl);
	reply_tips(w, f->tips);
	facts_reply_key_specs(w, slice_str(f->keys != NULL ? f->keys : ""));
	if (e->subs_count == 0) {
		resp_set(w, 0);
		return;
	}
	resp_array(w, e->subs_count);
	for (size_t i = 0; i < e->subs_count; i++) {
		reply_info(w, &e->subs[i]); /* subcommands have none of their own */
	}
}

static void reply_all(struct command_ctx *ctx)
{
	const struct command_table *t = &ctx->dispatch->table;

	resp_array(ctx->reply, t->top_count - t->removed_count);
	for (size_t i = 0; i < t->top_count; i++) {
		if (t->entries[i].called != NULL) {
			reply_info(ctx->reply, &t->entries[i]);
		}
	}
}

void cmd_command(struct command_ctx *ctx)
{
	reply_all(ctx);
}

static void cmd_command_count(struct command_ctx *ctx)
{
	resp_int(ctx->reply,
		 (int64_t)(ctx->dispatch->table.top_count - ctx->dispatch->table.removed_count));
}

static void cmd_command_info(struct command_ctx *ctx)
{
	if (ctx->argc == 2) {
		reply_all(ctx);
		return;
	}
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		const struct command_entry *e =
		    command_table_find_full(&ctx->dispatch->table, ctx->argv[i]);

		if (e != NULL) {
			reply_info(ctx->reply, e);
		} else {
			resp_null(ctx->reply);
		}
	}
}

/* --- DOCS --- */

static void reply_pair(struct resp_writer *w, const char *name, const char *value)
{
	if (value != NULL) {
		resp_bulk_str(w, name);
		resp_bulk_str(w, value);
	}
}

static void reply_doc_flags(struct resp_writer *w, const char *flags)
{
	struct slice rest = slice_str(flags), word;

	resp_bulk_str(w, "doc_flags");
	resp_set(w, count_words(flags));
	while (facts_word(&rest, ' ', &word)) {
		resp_simple(w, slice_eq(word, slice_str("deprecated")) ? "deprecated" : "syscmd");
	}
}

static void reply_docs(struct resp_writer *w, const struct command_entry *e)
{
	const struct command_facts *f = command_facts_find(e->full_name);

	resp_bulk_str(w, e->full_name);
	if (f == NULL) {
		resp_map(w, 0);
		return;
	}
	/* Whatever a command has no word on is left out. */
	resp_map(w, (size_t)(f->summary != NULL) + (size_t)(f->since != NULL) +
			(size_t)(f->group != NULL) + (size_t)(f->complexity != NULL) +
			(size_t)(f->doc_flags != NULL) + (size_t)(f->deprecated_since != NULL) +
			(size_t)(f->replaced_by != NULL) + (size_t)(f->args != NULL) +
			(size_t)(e->subs_count > 0));
	reply_pair(w, "summary", f->summary);
	reply_pair(w, "since", f->since);
	reply_pair(w, "group", f->group);
	reply_pair(w, "complexity", f->complexity);
	if (f->doc_flags != NULL) {
		reply_doc_flags(w, f->doc_flags);
	}
	reply_pair(w, "deprecated_since", f->deprecated_since);
	reply_pair(w, "replaced_by", f->replaced_by);
	if (f->args != NULL) {
		resp_bulk_str(w, "arguments");
		facts_reply_args(w, slice_str(f->args));
	}
	if (e->subs_count > 0) {
		resp_bulk_str(w, "subcommands");
		resp_map(w, e->subs_count);
		for (size_t i = 0; i < e->subs_count; i++) {
			reply_docs(w, &e->subs[i]);
		}
	}
}

static void cmd_command_docs(struct command_ctx *ctx)
{
	const struct command_table *t = &ctx->dispatch->table;
	size_t mark, n = 0;

	if (ctx->argc == 2) {
		resp_map(ctx->reply, t->top_count - t->removed_count);
		for (size_t i = 0; i < t->top_count; i++) {
			if (t->entries[i].called != NULL) {
				reply_docs(ctx->reply, &t->entries[i]);
			}
		}
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (size_t i = 2; i < ctx->argc; i++) {
		const struct command_entry *e = command_table_find_full(t, ctx->argv[i]);

		if (e != NULL) {
			reply_docs(ctx->reply, e);
			n++;
		}
	}
	resp_deferred_end(ctx->reply, mark, '%', n);
}

/* --- LIST --- */

enum list_filter { LIST_ALL, LIST_ACLCAT, LIST_PATTERN, LIST_NONE };

static bool in_category(const char *full_name, struct slice category)
{
	const struct command_facts *f = command_facts_find(full_name);
	struct slice rest = slice_str(f != NULL && f->acl != NULL ? f->acl : ""), word;
	char text[32];

	if (category.len >= sizeof text) {
		return false;
	}
	memcpy(text, category.data, category.len);
	text[category.len] = 0;
	while (facts_word(&rest, ' ', &word)) {
		if (word_is(word, text)) {
			return true;
		}
	}
	return false;
}

static void cmd_command_list(struct command_ctx *ctx)
{
	const struct command_table *t = &ctx->dispatch->table;
	enum list_filter filter = LIST_ALL;
	size_t mark, n = 0;

	if (ctx->argc == 5 && command_arg_is(ctx, 2, "filterby")) {
		if (command_arg_is(ctx, 3, "aclcat")) {
			filter = LIST_ACLCAT;
		} else if (command_arg_is(ctx, 3, "pattern")) {
			filter = LIST_PATTERN;
		} else if (command_arg_is(ctx, 3, "module")) {
			filter = LIST_NONE; /* there are no modules */
		}
	}
	if (ctx->argc != 2 && filter == LIST_ALL) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (size_t i = 0; i < t->count && filter != LIST_NONE; i++) {
		const struct command_entry *e = &t->entries[i];
		const char *name = e->full_name;

		if ((e->parent != NULL ? e->parent->called : e->called) == NULL ||
		    (filter == LIST_ACLCAT && !in_category(name, ctx->argv[4])) ||
		    (filter == LIST_PATTERN && !glob_match(ctx->argv[4], slice_str(name), true))) {
			continue;
		}
		resp_bulk_str(ctx->reply, name);
		n++;
	}
	resp_deferred_end(ctx->reply, mark, '*', n);
}

/* --- GETKEYS --- */

/* The next flag of a key; that its specification is not complete says nothing of the key found. */
static bool next_flag(struct slice *rest, struct slice *word)
{
	while (facts_word(rest, ' ', word)) {
		if (!slice_eq(*word, slice_str("incomplete"))) {
			return true;
		}
	}
	return false;
}

static void reply_key(struct resp_writer *w, struct slice key, struct slice flags, bool with_flags)
{
	struct slice rest = flags, word;
	size_t n = 0;

	if (!with_flags) {
		resp_bulk(w, key);
		return;
	}
	resp_array(w, 2);
	resp_bulk(w, key);
	while (next_flag(&rest, &word)) {
		n++;
	}
	resp_set(w, n);
	for (rest = flags; next_flag(&rest, &word);) {
		char text[32];
		size_t len = word.len < sizeof text ? word.len : sizeof text - 1;

		memcpy(text, word.data, len);
		text[len] = 0;
		resp_simple(w, text);
	}
}

struct found_keys {
	struct resp_writer *w;
	const char *name;
	const struct slice *argv;
	size_t argc, count;
	bool with_flags;
};

static bool key_found(void *arg, struct slice key, struct slice flags)
{
	struct found_keys *f = arg;

	reply_key(f->w, key, command_exact_flags(f->name, flags, f->argv, f->argc), f->with_flags);
	f->count++;
	return true;
}

/* True when the command names keys, not shard channels alone. */
static bool names_keys(const struct command_entry *e)
{
	const struct command_facts *f = command_facts_find(e->full_name);

	return f != NULL && f->keys != NULL && strncmp(f->keys, "not_key", 7) != 0;
}

static void get_keys(struct command_ctx *ctx, bool with_flags)
{
	struct found_keys found = {.w = ctx->reply,
				   .argv = ctx->argv + 2,
				   .argc = ctx->argc - 2,
				   .with_flags = with_flags};
	const struct command_entry *e =
	    command_table_resolve(&ctx->dispatch->table, found.argv, found.argc);
	enum status st;
	size_t mark;

	if (e == NULL) {
		resp_error(ctx->reply, "ERR Invalid command specified");
		return;
	}
	if (!names_keys(e)) {
		resp_error(ctx->reply, "ERR The command has no key arguments");
		return;
	}
	if (!command_arity_ok(e->cmd, found.argc)) {
		resp_error(ctx->reply, "ERR Invalid number of arguments specified for command");
		return;
	}
	found.name = e->full_name;
	mark = resp_deferred_begin(ctx->reply);
	st = command_keys_each(e, found.argv, found.argc, false, key_found, &found);
	if (st == ST_INVALID && (e->cmd->flags & CMD_NO_MANDATORY_KEYS) != 0) {
		st = ST_OK; /* a number of keys that is none, or too great: no keys */
	}
	if (st != ST_OK || (found.count == 0 && (e->cmd->flags & CMD_NO_MANDATORY_KEYS) == 0)) {
		command_failed(ctx); /* takes back the mark */
		resp_error(ctx->reply, "ERR Invalid arguments specified for command");
		return;
	}
	resp_deferred_end(ctx->reply, mark, '*', found.count);
}

static void cmd_command_getkeys(struct command_ctx *ctx)
{
	get_keys(ctx, false);
}

static void cmd_command_getkeysandflags(struct command_ctx *ctx)
{
	get_keys(ctx, true);
}

static void cmd_command_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "(no subcommand)",
	    "    All commands, as INFO describes them.",
	    "COUNT",
	    "    How many commands there are.",
	    "DOCS [<command> ...]",
	    "    Documentation: summary, arguments and so on.",
	    "GETKEYS <command line>",
	    "    The keys in it.",
	    "GETKEYSANDFLAGS <command line>",
	    "    The keys in it, and what is done to them.",
	    "INFO [<command> ...]",
	    "    Arity, flags, key positions, categories, hints.",
	    "LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>|MODULE <name>)]",
	    "    Names of commands.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define COMMAND_COMMON CMD_LOADING | CMD_STALE

const struct command subcommands_command[] = {
    {"count", 2, COMMAND_COMMON, NO_KEYS, cmd_command_count, NULL},
    {"docs", -2, COMMAND_COMMON, NO_KEYS, cmd_command_docs, NULL},
    {"getkeys", -4, COMMAND_COMMON, NO_KEYS, cmd_command_getkeys, NULL},
    {"getkeysandflags", -4, COMMAND_COMMON, NO_KEYS, cmd_command_getkeysandflags, NULL},
    {"help", 2, COMMAND_COMMON, NO_KEYS, cmd_command_help, NULL},
    {"info", -2, COMMAND_COMMON, NO_KEYS, cmd_command_info, NULL},
    {"list", -2, COMMAND_COMMON, NO_KEYS, cmd_command_list, NULL},
    {.name = NULL},
};
