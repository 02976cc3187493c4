/* CONFIG: settings live with the host; here are the words around them. */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

struct get_arg {
	struct command_ctx *ctx;
	size_t arg; /* of the pattern being answered */
	size_t found;
};

static void get_each(void *arg, const char *name, const char *value)
{
	struct get_arg *g = arg;

	/* Each setting is told once, however many patterns name it. */
	for (size_t i = 2; i < g->arg; i++) {
		if (glob_match(g->ctx->argv[i], slice_str(name), true)) {
			return;
		}
	}
	resp_bulk_str(g->ctx->reply, name);
	resp_bulk_str(g->ctx->reply, value);
	g->found++;
}

static void cmd_config_get(struct command_ctx *ctx)
{
	struct get_arg g = {.ctx = ctx};
	size_t mark = resp_deferred_begin(ctx->reply);

	for (g.arg = 2; g.arg < ctx->argc; g.arg++) {
		ctx->host->ops->config_get(ctx->host, ctx->argv[g.arg], get_each, &g);
	}
	resp_deferred_end(ctx->reply, mark, '%', g.found);
}

/* False: a name is unknown or comes twice, and the error reply was sent. */
static bool set_names_ok(struct command_ctx *ctx)
{
	for (size_t i = 2; i < ctx->argc; i += 2) {
		struct slice name = ctx->argv[i];
		char text[128];
		size_t len = name.len < sizeof text ? name.len : sizeof text - 1;

		memcpy(text, name.data, len);
		text[len] = 0;
		if (len != name.len || ctx->host->ops->config_value(ctx->host, text) == NULL) {
			resp_error(
			    ctx->reply,
			    "ERR Unknown option or number of arguments for CONFIG SET - '%s'",
			    text);
			return false;
		}
		for (size_t j = 2; j < i; j += 2) {
			if (words_same(name, ctx->argv[j])) {
				resp_error(ctx->reply,
					   "ERR CONFIG SET failed (possibly related to argument "
					   "'%s') - duplicate parameter",
					   text);
				return false;
			}
		}
	}
	return true;
}

static void cmd_config_set(struct command_ctx *ctx)
{
	struct buf error = {0};
	enum status st;

	if (ctx->argc % 2 != 0) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!set_names_ok(ctx)) {
		return;
	}
	st = ctx->host->ops->config_set(ctx->host, ctx->argv + 2, ctx->argc / 2 - 1,
					ctx->session->local, &error);
	if (st == ST_OK) {
		dispatch_config_changed(ctx->dispatch);
		resp_ok(ctx->reply);
	} else if (error.len > 0) {
		resp_error(ctx->reply, "ERR CONFIG SET failed (possibly related to argument '%.*s",
			   (int)error.len, (const char *)error.data);
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&error);
}

static void cmd_config_rewrite(struct command_ctx *ctx)
{
	struct buf error = {0};

	if (ctx->host->config_file == NULL || ctx->host->config_file[0] == 0) {
		resp_error(ctx->reply, "ERR The server is running without a config file");
		return;
	}
	if (ctx->host->ops->config_rewrite(ctx->host, &error) == ST_OK) {
		resp_ok(ctx->reply);
	} else {
		resp_error(ctx->reply, "ERR Rewriting config file: %.*s", (int)error.len,
			   error.len > 0 ? (const char *)error.data : "");
	}
	buf_deinit(&error);
}

static void cmd_config_resetstat(struct command_ctx *ctx)
{
	dispatch_stats_reset(ctx->dispatch);
	ctx->host->ops->stats_reset(ctx->host);
	resp_ok(ctx->reply);
}

static void cmd_config_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "GET <pattern> [<pattern> ...]",
	    "    Settings whose names match, with their values.",
	    "RESETSTAT",
	    "    Set the counters that INFO shows back to 0.",
	    "REWRITE",
	    "    Write the present settings into the configuration file.",
	    "SET <name> <value> [<name> <value> ...]",
	    "    Change settings, all of them or none.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define CONFIG_COMMON CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

const struct command subcommands_config[] = {
    {"get", -3, CONFIG_COMMON, NO_KEYS, cmd_config_get, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_config_help, NULL},
    {"resetstat", 2, CONFIG_COMMON, NO_KEYS, cmd_config_resetstat, NULL},
    {"rewrite", 2, CONFIG_COMMON, NO_KEYS, cmd_config_rewrite, NULL},
    {"set", -4, CONFIG_COMMON, NO_KEYS, cmd_config_set, NULL},
    {.name = NULL},
};
