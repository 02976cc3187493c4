/* DEBUG: a few switches and probes for tests. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/session.h"

#include <stdio.h>

enum { MATCH_TEXT_MAX = 1 << 20 };

/* Holds the whole node up, also from within a transaction: clients, the bus, its cycles. */
static void debug_sleep(struct command_ctx *ctx)
{
	double seconds;

	if (!parse_float(ctx->argv[2], &seconds) || seconds < 0 || seconds > 1e9) {
		seconds = 0;
	}
	if (seconds > 0 && ctx->host->ops->stand_still != NULL) {
		ctx->host->ops->stand_still(ctx->host, (uint64_t)(seconds * 1e6));
	}
	resp_ok(ctx->reply);
}

/* The text is the whole error, its code included. */
static void debug_error(struct command_ctx *ctx)
{
	resp_error(ctx->reply, "%.*s", (int)ctx->argv[2].len, (const char *)ctx->argv[2].data);
}

static void debug_set_active_expire(struct command_ctx *ctx)
{
	ctx->host->no_active_expiry = slice_eq(ctx->argv[2], slice_str("0"));
	resp_ok(ctx->reply);
}

static void debug_log(struct command_ctx *ctx)
{
	logger(LOG_LVL_WARNING, "DEBUG LOG: %.*s", (int)ctx->argv[2].len,
	       (const char *)ctx->argv[2].data);
	resp_ok(ctx->reply);
}

/* How long a match against a text of so many equal bytes takes. */
static void debug_match(struct command_ctx *ctx)
{
	int64_t len;
	uint8_t *text;

	if (!command_arg_int(ctx, 2, &len, NULL)) {
		return;
	}
	if (len < 0 || len > MATCH_TEXT_MAX) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	text = mem_alloc((size_t)len + 1);
	if (text == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	memset(text, 'a', (size_t)len);
	resp_bool(ctx->reply, glob_match(ctx->argv[3], slice_of(text, (size_t)len), false));
	mem_free(text);
}

static void debug_object(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	const char *encoding;
	char line[160];
	enum status st;

	if (!debug_find_key(ctx, &key, &m)) {
		return;
	}
	st = object_encoding(ctx, &key, &m, &encoding);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	(void)snprintf(line, sizeof line,
		       "Value at:0x%llx refcount:1 encoding:%s serializedlength:%llu lru:0 "
		       "lru_seconds_idle:0",
		       m.form == FORM_LARGE ? (unsigned long long)m.id : 0ULL, encoding,
		       m.form == FORM_LARGE ? (unsigned long long)m.count
					    : (unsigned long long)m.payload.len);
	resp_simple(ctx->reply, line);
}

static void protocol_array(struct command_ctx *ctx, bool as_set)
{
	if (as_set) {
		resp_set(ctx->reply, 3);
	} else {
		resp_array(ctx->reply, 3);
	}
	for (int64_t i = 0; i < 3; i++) {
		resp_int(ctx->reply, i);
	}
}

static void protocol_map(struct command_ctx *ctx)
{
	resp_map(ctx->reply, 3);
	for (int64_t i = 0; i < 3; i++) {
		resp_int(ctx->reply, i);
		resp_bool(ctx->reply, i == 1);
	}
}

/* An attribute before a reply; RESP2 has no attributes. */
static void protocol_attribute(struct command_ctx *ctx)
{
	if (ctx->reply->proto == 3) {
		resp_attribute(ctx->reply, 1);
		resp_bulk_str(ctx->reply, "key-popularity");
		resp_array(ctx->reply, 2);
		resp_bulk_str(ctx->reply, "key:123");
		resp_int(ctx->reply, 90);
	}
	resp_bulk_str(ctx->reply, "Some real reply following the attribute");
}

/* A push message, and a reply for clients that drop such messages. */
static void protocol_push(struct command_ctx *ctx)
{
	if (ctx->reply->proto < 3) {
		resp_error(ctx->reply, "ERR RESP2 is not supported by this command");
		return;
	}
	resp_push(ctx->reply, 2);
	resp_bulk_str(ctx->reply, "server-cpu-usage");
	resp_int(ctx->reply, 42);
	resp_bulk_str(ctx->reply, "Some real reply following the push reply");
}

/* One reply of each kind that RESP knows. */
static void debug_protocol(struct command_ctx *ctx)
{
	struct resp_writer *w = ctx->reply;

	if (command_arg_is(ctx, 2, "string")) {
		resp_bulk_str(w, "Hello World");
	} else if (command_arg_is(ctx, 2, "integer")) {
		resp_int(w, 12345);
	} else if (command_arg_is(ctx, 2, "double")) {
		resp_double(w, 3.141);
	} else if (command_arg_is(ctx, 2, "bignum")) {
		resp_big_number(w, slice_str("1234567999999999999999999999999999999"));
	} else if (command_arg_is(ctx, 2, "null")) {
		resp_null(w);
	} else if (command_arg_is(ctx, 2, "array")) {
		protocol_array(ctx, false);
	} else if (command_arg_is(ctx, 2, "set")) {
		protocol_array(ctx, true);
	} else if (command_arg_is(ctx, 2, "map")) {
		protocol_map(ctx);
	} else if (command_arg_is(ctx, 2, "attrib")) {
		protocol_attribute(ctx);
	} else if (command_arg_is(ctx, 2, "push")) {
		protocol_push(ctx);
	} else if (command_arg_is(ctx, 2, "verbatim")) {
		resp_verbatim(w, "txt", slice_str("This is a verbatim\nstring"));
	} else if (command_arg_is(ctx, 2, "true")) {
		resp_bool(w, true);
	} else if (command_arg_is(ctx, 2, "false")) {
		resp_bool(w, false);
	} else {
		resp_error(w,
			   "ERR Wrong protocol type name. Please use one of the following: "
			   "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
			   "true|false");
	}
}

static void debug_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CHANGE-REPL-ID",
	    "    Begin a new timeline of the log.",
	    "CLIENT-EVICTION",
	    "    Answered as if maxmemory-clients is not set.",
	    "DICT-RESIZING (0|1)",
	    "    Accepted; there are no tables that it could concern.",
	    "DIGEST",
	    "    A digest of the whole dataset, the same as Redis's.",
	    "DIGEST-VALUE <key> [<key> ...]",
	    "    Digests of values.",
	    "ERROR <text>",
	    "    The text as an error reply.",
	    "HTSTATS <db>",
	    "    How many keys there are, and how many of them expire.",
	    "HTSTATS-KEY <key>",
	    "    Refused: no value is one hash table.",
	    "LISTPACK <key>",
	    "    How a value that Redis would keep as a listpack is kept, into the log.",
	    "LOADAOF",
	    "    Close the store as it is and open it again: the log is replayed.",
	    "LOG <message>",
	    "    Write a line into the server's log.",
	    "OBJECT <key>",
	    "    How a value is kept.",
	    "PAUSE-CRON (0|1)",
	    "    Whether the timer does nothing: expiry, replication's and the cluster's periods.",
	    "POPULATE <count> [<prefix>] [<size>]",
	    "    Make so many string keys, as one record of the log.",
	    "PROTOCOL <type>",
	    "    A reply of that type.",
	    "QUICKLIST-PACKED-THRESHOLD <size>",
	    "    Accepted; lists are not kept in quicklists.",
	    "RELOAD",
	    "    Checkpoint, close the store and open it again.",
	    "REPLICATE <word> [<arg> ...]",
	    "    Refused: replicas get the log, not commands.",
	    "REPLYBUFFER (PEAK-RESET-TIME (NEVER|RESET|<ms>) | RESIZING (0|1))",
	    "    Accepted; the buffers' sizes are fixed.",
	    "SDSLEN <key>",
	    "    Lengths of a string key and its value.",
	    "SET-ACTIVE-EXPIRE (0|1)",
	    "    Whether expired keys are removed before somebody meets them.",
	    "SET-DISABLE-DENY-SCRIPTS 0",
	    "    Scripts may run what they always may; 1 is refused.",
	    "SLEEP <seconds>",
	    "    Hold the whole node up.",
	    "STRINGMATCH-LEN <length> <pattern>",
	    "    Match the pattern against so many letters a.",
	    NULL};

	command_reply_help(ctx, lines);
}

/* There are no quicklists, and no tables that grow, which they could concern. */
static void debug_without_meaning(struct command_ctx *ctx)
{
	resp_ok(ctx->reply);
}

void cmd_debug(struct command_ctx *ctx)
{
	static const struct {
		const char *name;
		size_t argc_min, argc_max;
		command_fn run;
	} verbs[] = {
	    {"change-repl-id", 2, 2, debug_change_id},
	    {"client-eviction", 2, 2, debug_client_eviction},
	    {"dict-resizing", 3, 3, debug_without_meaning},
	    {"digest", 2, 2, debug_digest},
	    {"digest-value", 2, SIZE_MAX, debug_digest_value},
	    {"error", 3, 3, debug_error},
	    {"help", 2, 2, debug_help},
	    {"htstats", 3, 4, debug_tables},
	    {"htstats-key", 3, 4, debug_key_table},
	    {"listpack", 3, 3, debug_listpack},
	    {"loadaof", 2, 2, debug_load_log},
	    {"log", 3, 3, debug_log},
	    {"object", 3, 3, debug_object},
	    {"pause-cron", 3, 3, debug_pause_cron},
	    {"populate", 3, 5, debug_populate},
	    {"protocol", 3, 3, debug_protocol},
	    {"quicklist-packed-threshold", 3, 3, debug_without_meaning},
	    {"reload", 2, SIZE_MAX, debug_reload},
	    {"replicate", 3, SIZE_MAX, debug_replicate},
	    {"replybuffer", 4, 4, debug_reply_buffer},
	    {"sdslen", 3, 3, debug_sds_len},
	    {"set-active-expire", 3, 3, debug_set_active_expire},
	    {"set-disable-deny-scripts", 3, 3, debug_deny_scripts},
	    {"sleep", 3, 3, debug_sleep},
	    {"stringmatch-len", 4, 4, debug_match},
	};

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (ctx->argc >= verbs[i].argc_min && ctx->argc <= verbs[i].argc_max &&
		    command_arg_is(ctx, 1, verbs[i].name)) {
			verbs[i].run(ctx);
			return;
		}
	}
	command_reply_bad_subcommand(ctx);
}
