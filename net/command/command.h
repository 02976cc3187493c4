/* What a command is: its row in a table, and what it is given to run. Commands never see a socket.
 */
#ifndef CAIRN_NET_COMMAND_COMMAND_H
#define CAIRN_NET_COMMAND_COMMAND_H

#include "engine/base/rng.h"
#include "engine/keyspace.h"
#include "net/proto/resp_writer.h"

struct dispatch;
struct session;
struct command_host;

/* Flags of a row; names as COMMAND prints them where Redis has them. */
enum command_flags {
	CMD_WRITE = 1 << 0,
	CMD_READONLY = 1 << 1,
	CMD_DENYOOM = 1 << 2,
	CMD_ADMIN = 1 << 3,
	CMD_PUBSUB = 1 << 4,
	CMD_NOSCRIPT = 1 << 5,
	CMD_BLOCKING = 1 << 6,
	CMD_LOADING = 1 << 7,
	CMD_STALE = 1 << 8,
	CMD_FAST = 1 << 9,
	CMD_NO_AUTH = 1 << 10,
	CMD_MOVABLE_KEYS = 1 << 11,
	CMD_NO_MULTI = 1 << 12,
	CMD_SKIP_MONITOR = 1 << 13,
	CMD_SKIP_SLOWLOG = 1 << 14,
	CMD_NO_MANDATORY_KEYS = 1 << 15,
	CMD_ALLOW_BUSY = 1 << 16,
	CMD_PROTECTED = 1 << 17,
	CMD_NO_ASYNC_LOADING = 1 << 18,
	CMD_ONLY_SENTINEL = 1 << 19,
	CMD_ASKING = 1 << 20, /* runs as if ASKING had been said: RESTORE-ASKING */
	/* Cairn's own, never printed: */
	CMD_LEFT_END = 1 << 21,	 /* pushes to or pops from its list's head */
	CMD_RIGHT_END = 1 << 22, /* the same at the tail */
	CMD_ORDER =
	    1 << 23, /* with TOUCH_ARGS: looks for its element's place in a sorted set's order */
	CMD_COUNTS = 1 << 24, /* needs exact key counts: DBSIZE, INFO, RANDOMKEY */
	CMD_TOUCH_RANGE =
	    1 << 25, /* reads many elements of its collection: all are prefetched when cold */
	CMD_TOUCH_ARGS =
	    1 << 26, /* arguments after the key name elements: those are prefetched when cold */
	CMD_RUN_IN_MULTI =
	    1 << 27, /* runs at once inside MULTI: EXEC, DISCARD, MULTI, WATCH, QUIT, RESET */
	CMD_BLIND =
	    1 << 28, /* without options, does not look at what it replaces: nothing to prefetch */
	CMD_SCRIPT = 1 << 29,	 /* runs a script, whose own flags decide (dispatch_flags) */
	CMD_MAY_WRITE = 1 << 30, /* of a request: no write, but may turn out to be one */
};

struct command_ctx {
	struct engine *engine;
	struct session *session;
	struct command_host *host;
	struct resp_writer *reply;
	const struct command *cmd;
	const struct slice *argv; /* argv[0] is the command's name as the client spelled it */
	size_t argc;
	uint64_t now_ms;
	/* Set by dispatch. */
	const char
	    *full_name; /* "get", "client|list": for error texts; lives as long as dispatch */
	struct dispatch *dispatch;
	size_t reply_at;    /* where this command's reply begins in reply->out */
	bool failed;	    /* see command_failed */
	bool undo_exec;	    /* the engine failed: what EXEC has done so far is undone as well */
	bool later;	    /* see command_later */
	bool error_counted; /* the error in its reply was counted when a command in it failed */
};

typedef void (*command_fn)(struct command_ctx *ctx);

struct command_keys {
	int first, last, step; /* as in COMMAND: first 0 = no keys, last -1 = to the end */
};

#define NO_KEYS                                                                                    \
	{                                                                                          \
		0, 0, 0                                                                            \
	}
#define KEYS(first, last, step)                                                                    \
	{                                                                                          \
		(first), (last), (step)                                                            \
	}

/* A row. Everything else that COMMAND, COMMAND INFO and COMMAND DOCS say (ACL categories, key
 * specifications, tips, arguments, since, group, complexity, summary) is looked up by name in the
 * facts table, net/command/command_facts.h. */
struct command {
	const char *name; /* lower case; subcommands: the bare word */
	int arity;	  /* with the name; negative: at least */
	uint32_t flags;
	struct command_keys keys;
	command_fn run;			   /* NULL only for a container that needs a subcommand */
	const struct command *subcommands; /* ends with a row of NULL name; NULL: none */
};

/* Each cmd_*.c ends with its rows, ended by a row of NULL name. */
extern const struct command commands_string[], commands_bitmap[], commands_hll[], commands_geo[],
    commands_lolwut[], commands_key[], commands_hash[], commands_list[], commands_set[],
    commands_zset[], commands_txn[], commands_cluster[], commands_pubsub[], commands_connection[],
    commands_replication[], commands_server[], commands_dump[], commands_migrate[],
    commands_script[], commands_stream[];

/* --- answers that many commands share --- */

/* Redis's standard error texts. */
#define ERR_WRONG_TYPE	 "WRONGTYPE Operation against a key holding the wrong kind of value"
#define ERR_SYNTAX	 "ERR syntax error"
#define ERR_NOT_INT	 "ERR value is not an integer or out of range"
#define ERR_NOT_FLOAT	 "ERR value is not a valid float"
#define ERR_NO_KEY	 "ERR no such key"
#define ERR_INDEX	 "ERR index out of range"
#define ERR_OUT_OF_RANGE "ERR value is out of range"

/* Turns an engine error into its reply (never called with ST_OK, ST_NOT_FOUND or ST_END):
 * -WRONGTYPE, -CORRUPT with the key, -OOM, -MISCONF, -ERR. A failed write has been, or will be,
 * rolled back by dispatch: see command_failed. */
void command_reply_status(struct command_ctx *ctx, enum status st);

/* Marks the running command as failed after it may have written: dispatch undoes its writes. Also
 * drops what it has replied so far, so it is called before the error reply is sent.
 * command_reply_status does both itself. */
void command_failed(struct command_ctx *ctx);

/* Asks dispatch to run the same request again later, because what it waits for has not happened
 * yet. Nothing may have been written. False when waiting is not possible here (inside EXEC): then
 * the command answers at once. */
MUST_CHECK bool command_later(struct command_ctx *ctx);

/* ks_lookup of argv[i]'s key whatever its type. Returns as command_lookup. The lookup of a command
 * with CMD_READONLY is counted as a keyspace hit or miss. */
MUST_CHECK enum status command_lookup_any(struct command_ctx *ctx, size_t arg,
					  struct store_key *key, struct meta *meta);

/* The same, counted in any case: for commands that read a value and write as well (GETDEL, COPY's
 * source, BITOP's sources). */
MUST_CHECK enum status command_lookup_counted(struct command_ctx *ctx, size_t arg,
					      struct store_key *key, struct meta *meta);

/* Looks argv[i]'s key up and checks its type. ST_OK; ST_NOT_FOUND (no reply sent); anything else:
 * the error reply was sent. */
MUST_CHECK enum status command_lookup(struct command_ctx *ctx, size_t arg, enum value_type type,
				      struct store_key *key, struct meta *meta);

/* Parses arguments as Redis does (string2ll: no spaces, no leading zeros or plus; strtold rules for
 * floats: no surrounding spaces, no NaN). On failure sends msg (NULL: the standard text) and
 * returns false. */
MUST_CHECK bool command_arg_int(struct command_ctx *ctx, size_t arg, int64_t *out, const char *msg);
/* An integer that is not negative; msg for both mistakes. */
MUST_CHECK bool command_arg_not_negative(struct command_ctx *ctx, size_t arg, int64_t *out,
					 const char *msg);
MUST_CHECK bool command_arg_float(struct command_ctx *ctx, size_t arg, double *out,
				  const char *msg);
MUST_CHECK bool command_arg_long_float(struct command_ctx *ctx, size_t arg, long double *out,
				       const char *msg);

/* A SCAN-like cursor: what strtoul reads to its end, so that nothing at all is 0. False: the error
 * reply was sent. */
MUST_CHECK bool command_arg_cursor(struct command_ctx *ctx, size_t arg, uint64_t *out);

/* Chance for commands that pick at random. */
struct rng *command_rng(struct command_ctx *ctx);

/* True when argv[i] is the word, ignoring ASCII case. */
bool command_arg_is(const struct command_ctx *ctx, size_t arg, const char *word);

/* Parses bytes without a reply. */
MUST_CHECK bool parse_int(struct slice text, int64_t *out);
MUST_CHECK bool parse_long_float(struct slice text, long double *out);
MUST_CHECK bool parse_float(struct slice text, double *out);

/* Whatever strtod reads to its end, so that spaces in front and nothing at all will do; no NaN.
 * *exact: it is in the range of a double. False as well without memory for a long text. */
MUST_CHECK bool parse_float_loose(struct slice text, double *out, bool *exact);

/* True when the bytes are the word, ignoring ASCII case. */
bool word_is(struct slice text, const char *word);

/* True when both are the same word, ignoring ASCII case. */
bool words_same(struct slice a, struct slice b);

/* Glob match as Redis's KEYS: * ? [a-z] [^x] \x. Never recurses; at most pattern times text steps.
 */
bool glob_match(struct slice pattern, struct slice text, bool nocase);

/* Parses the seconds or milliseconds of an expiry option (SET EX, GETEX PXAT, SETEX, ...) into an
 * absolute ms time, as Redis does, with its "invalid expire time in '...' command" errors; zero and
 * negative numbers are such errors. unit_ms: 1 or 1000; absolute: EXAT, PXAT. The result may lie in
 * the past. */
MUST_CHECK bool command_arg_expiry(struct command_ctx *ctx, size_t arg, int64_t unit_ms,
				   bool absolute, uint64_t *expire_at_ms);

#endif
