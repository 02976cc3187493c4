/* DEBUG about what only Redis has inside: tables, listpacks, buffers. Test suites written for Redis
 * switch and ask these; each is answered as far as there is something to say. */
#include "engine/base/logger.h"
#include "engine/types/type_string.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

#include <stdio.h>

typedef unsigned long long llu;

bool debug_find_key(struct command_ctx *ctx, struct store_key *key, struct meta *m)
{
	enum status st = command_lookup_any(ctx, 2, key, m);

	if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply, ERR_NO_KEY);
	}
	return st == ST_OK;
}

void debug_sds_len(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	char line[160];

	if (!debug_find_key(ctx, &key, &m)) {
		return;
	}
	if (m.type != TYPE_STRING) {
		resp_error(ctx->reply, "ERR Not an sds encoded string.");
		return;
	}
	(void)snprintf(line, sizeof line,
		       "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%llu, "
		       "val_sds_avail:0, val_zmalloc: %llu",
		       ctx->argv[2].len, ctx->argv[2].len, (llu)string_len(&m),
		       (llu)string_len(&m));
	resp_simple(ctx->reply, line);
}

void debug_listpack(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	const char *encoding;
	enum status st;

	if (!debug_find_key(ctx, &key, &m)) {
		return;
	}
	st = object_encoding(ctx, &key, &m, &encoding);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (strcmp(encoding, "listpack") != 0) {
		resp_error(ctx->reply, "ERR Not a listpack encoded object.");
	} else {
		logger(LOG_LVL_WARNING,
		       "DEBUG LISTPACK: %s, %llu bytes, %llu elements of their own",
		       m.form == FORM_LARGE ? "large" : "one record", (llu)m.payload.len,
		       (llu)(m.form == FORM_LARGE ? m.count : 0));
		resp_simple(ctx->reply, "Listpack structure printed on stdout");
	}
}

void debug_tables(struct command_ctx *ctx)
{
	int64_t db;
	char text[256];
	int len;

	if (!command_arg_int(ctx, 2, &db, NULL)) {
		return;
	}
	if (db != 0) {
		resp_error(ctx->reply, "ERR Out of range database");
		return;
	}
	len = snprintf(text, sizeof text,
		       "[Dictionary HT]\nKeys are not kept in one hash table.\n"
		       " number of elements: %llu\n[Expires HT]\n number of elements: %llu\n",
		       (llu)engine_keys(ctx->engine), (llu)engine_expires(ctx->engine));
	resp_verbatim(ctx->reply, "txt", slice_of(text, (size_t)len));
}

void debug_key_table(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;

	if (debug_find_key(ctx, &key, &m)) {
		resp_error(ctx->reply, "ERR The value stored at the specified key is not "
				       "represented using an hash table");
	}
}

/* Buffers of replies keep a fixed size of their own. */
void debug_reply_buffer(struct command_ctx *ctx)
{
	int64_t n;

	if (command_arg_is(ctx, 2, "peak-reset-time")) {
		if (!command_arg_is(ctx, 3, "never") && !command_arg_is(ctx, 3, "reset") &&
		    !command_arg_int(ctx, 3, &n, NULL)) {
			return;
		}
	} else if (!command_arg_is(ctx, 2, "resizing")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	resp_ok(ctx->reply);
}

void debug_replicate(struct command_ctx *ctx)
{
	resp_error(ctx->reply, "ERR replicas are sent the log, which holds values, not commands: "
			       "there is nothing that DEBUG REPLICATE could send alone");
}

void debug_client_eviction(struct command_ctx *ctx)
{
	resp_error(ctx->reply, "ERR maxmemory-clients is disabled.");
}

void debug_deny_scripts(struct command_ctx *ctx)
{
	if (slice_eq(ctx->argv[2], slice_str("0"))) {
		resp_ok(ctx->reply); /* as it is */
		return;
	}
	resp_error(ctx->reply, "ERR what scripts may not run has no place in one here, whatever "
			       "DEBUG says");
}

void debug_pause_cron(struct command_ctx *ctx)
{
	ctx->host->cron_paused = !slice_eq(ctx->argv[2], slice_str("0"));
	resp_ok(ctx->reply);
}
