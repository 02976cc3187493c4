/* DEBUG on the dataset: digests, filling, and closing and opening the store again. */
#include "engine/base/alloc.h"
#include "engine/types/type_string.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/session.h"
#include "net/command/value_digest.h"

#include <stdio.h>

/* --- digests --- */

static void reply_digest(struct command_ctx *ctx, const uint8_t digest[VALUE_DIGEST_LEN])
{
	char text[2 * VALUE_DIGEST_LEN + 1];

	for (size_t i = 0; i < VALUE_DIGEST_LEN; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	}
	resp_simple(ctx->reply, text);
}

void debug_digest(struct command_ctx *ctx)
{
	uint8_t digest[VALUE_DIGEST_LEN];
	enum status st = dataset_digest(ctx->engine, digest);

	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	reply_digest(ctx, digest);
}

void debug_digest_value(struct command_ctx *ctx)
{
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		uint8_t digest[VALUE_DIGEST_LEN] = {0};
		struct store_key key;
		struct meta m;
		enum status st = command_lookup_any(ctx, i, &key, &m);

		if (st != ST_OK && st != ST_NOT_FOUND) {
			return;
		}
		if (st == ST_OK) {
			st = value_digest(ctx->engine, &key, &m, digest);
		}
		if (st != ST_OK && st != ST_NOT_FOUND) {
			command_reply_status(ctx, st);
			return;
		}
		reply_digest(ctx, digest);
	}
}

/* --- filling --- */

enum { POPULATE_NAME_MAX = 160, POPULATE_SIZE_MAX = 16 << 20 };

/* One key of DEBUG POPULATE, unless it exists. value has room for size bytes, and for a text. */
static enum status populate_one(struct command_ctx *ctx, struct slice prefix, int64_t n,
				uint8_t *value, size_t size)
{
	char name[POPULATE_NAME_MAX], text[32];
	int len = snprintf(name, sizeof name, "%.*s:%lld", (int)prefix.len,
			   (const char *)prefix.data, (long long)n);
	int text_len = snprintf(text, sizeof text, "value:%lld", (long long)n);
	struct slice bytes = slice_of(text, (size_t)text_len);
	struct store_key key;
	struct meta m;
	enum status st;

	store_key_of_key(&key, slice_of(name, (size_t)len));
	st = ks_lookup(ctx->engine, &key, &m);
	if (st != ST_NOT_FOUND) {
		return st;
	}
	if (size > 0) {
		memcpy(value, text, size < bytes.len ? size : bytes.len);
		bytes = slice_of(value, size);
	}
	return string_set(ctx->engine, &key, bytes, 0, 0);
}

/* DEBUG POPULATE count [prefix] [size]: all of it is one record, so there is a limit. */
void debug_populate(struct command_ctx *ctx)
{
	struct slice prefix = ctx->argc > 3 ? ctx->argv[3] : slice_str("key");
	int64_t count, size = 0;
	uint8_t *value;
	enum status st = ST_OK;

	if (!command_arg_int(ctx, 2, &count, "ERR value is out of range, must be positive") ||
	    (ctx->argc > 4 &&
	     !command_arg_int(ctx, 4, &size, "ERR value is out of range, must be positive"))) {
		return;
	}
	if (count < 0 || size < 0) {
		resp_error(ctx->reply, "ERR value is out of range, must be positive");
		return;
	}
	if (size > POPULATE_SIZE_MAX || prefix.len > POPULATE_NAME_MAX - 32) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	value = mem_calloc(1, (size_t)size + 1);
	if (value == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	for (int64_t n = 0; st == ST_OK && n < count; n++) {
		st = populate_one(ctx, prefix, n, value, (size_t)size);
	}
	mem_free(value);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_ok(ctx->reply);
}

/* --- between two turns --- */

/* Has the node do something that can't be done inside a command, and waits for it. */
static void ask_node(struct command_ctx *ctx, enum node_errand errand)
{
	struct command_host *h = ctx->host;
	struct session *s = ctx->session;

	if (h->is_replica || h->ops->replication == NULL) {
		resp_error(ctx->reply,
			   "ERR DEBUG %s is for a primary: what a replica holds is its "
			   "primary's business",
			   errand == NODE_CHANGE_ID ? "CHANGE-REPL-ID" : "RELOAD");
		return;
	}
	if (s->wait.active && h->errands_done != s->wait.lsn) {
		resp_ok(ctx->reply);
		return;
	}
	if (!command_later(ctx)) {
		resp_error(ctx->reply, "ERR that is not possible inside MULTI");
		return;
	}
	if (!s->wait.active) {
		s->wait.active = true;
		s->wait.lsn = h->errands_done;
		h->errand = errand;
	}
}

/* Closes the store cleanly and opens it: what it holds afterwards comes from LMDB. Redis's options
 * say what is done about an RDB file, which there is none of. */
void debug_reload(struct command_ctx *ctx)
{
	for (size_t i = 2; i < ctx->argc; i++) {
		if (!command_arg_is(ctx, i, "nosave") && !command_arg_is(ctx, i, "noflush") &&
		    !command_arg_is(ctx, i, "merge")) {
			resp_error(ctx->reply, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH "
					       "and NOSAVE options.");
			return;
		}
	}
	ask_node(ctx, NODE_RELOAD);
}

/* Closes the store as it is: what it holds afterwards comes from the log as far as it had not been
 * checkpointed. */
void debug_load_log(struct command_ctx *ctx)
{
	ask_node(ctx, NODE_RELOAD_LOG);
}

void debug_change_id(struct command_ctx *ctx)
{
	ask_node(ctx, NODE_CHANGE_ID);
}
