/* SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

/* --- subscribing --- */

static const struct {
	const char *subscribe, *unsubscribe;
} words[SUBSCRIPTION_KINDS] = {
    [SUBSCRIBED_CHANNEL] = {"subscribe", "unsubscribe"},
    [SUBSCRIBED_PATTERN] = {"psubscribe", "punsubscribe"},
    [SUBSCRIBED_SHARD] = {"ssubscribe", "sunsubscribe"},
};

/* What a client is told it has: shard channels are counted apart. */
static int64_t count_told(const struct session *s, enum subscription_kind kind)
{
	return (int64_t)(kind == SUBSCRIBED_SHARD ? s->subscribed[SUBSCRIBED_SHARD]
						  : s->subscribed[SUBSCRIBED_CHANNEL] +
							s->subscribed[SUBSCRIBED_PATTERN]);
}

/* Confirmations are messages: CLIENT REPLY OFF does not hold them back. */
static void confirm(struct command_ctx *ctx, const char *word, const struct slice *name,
		    enum subscription_kind kind)
{
	struct resp_writer behind = {.out = &ctx->dispatch->behind_reply,
				     .proto = ctx->reply->proto};
	struct resp_writer *w =
	    (ctx->session->reply_mode & (REPLY_OFF | REPLY_SKIP)) != 0 ? &behind : ctx->reply;

	resp_push(w, 3);
	resp_bulk_str(w, word);
	if (name != NULL) {
		resp_bulk(w, *name);
	} else {
		resp_null(w);
	}
	resp_int(w, count_told(ctx->session, kind));
	ctx->reply->failed |= w->failed;
}

static void subscribe(struct command_ctx *ctx, enum subscription_kind kind)
{
	for (size_t i = 1; i < ctx->argc; i++) {
		if (pubsub_subscribe(&ctx->dispatch->pubsub, ctx->session, kind, ctx->argv[i]) !=
		    ST_OK) {
			/* What was subscribed to before stays, so it stays told. */
			resp_error(ctx->reply, "OOM out of memory: not subscribed to all");
			return;
		}
		confirm(ctx, words[kind].subscribe, &ctx->argv[i], kind);
	}
}

/* Ends all of a kind, each with a confirmation. */
static void unsubscribe_all(struct command_ctx *ctx, enum subscription_kind kind)
{
	struct session *s = ctx->session;

	if (s->subscriptions[kind] == NULL) {
		confirm(ctx, words[kind].unsubscribe, NULL, kind);
		return;
	}
	while (s->subscriptions[kind] != NULL) {
		struct subscription *sub = s->subscriptions[kind];
		struct slice name = topic_name(sub->topic);

		/* The name goes with its last subscription: told first, counted as if after. */
		s->subscribed[kind]--;
		confirm(ctx, words[kind].unsubscribe, &name, kind);
		s->subscribed[kind]++;
		pubsub_end(sub);
	}
}

static void unsubscribe(struct command_ctx *ctx, enum subscription_kind kind)
{
	if (ctx->argc == 1) {
		unsubscribe_all(ctx, kind);
		return;
	}
	for (size_t i = 1; i < ctx->argc; i++) {
		(void)pubsub_unsubscribe(&ctx->dispatch->pubsub, ctx->session, kind, ctx->argv[i]);
		confirm(ctx, words[kind].unsubscribe, &ctx->argv[i], kind);
	}
}

static void cmd_subscribe(struct command_ctx *ctx)
{
	subscribe(ctx, SUBSCRIBED_CHANNEL);
}

static void cmd_psubscribe(struct command_ctx *ctx)
{
	subscribe(ctx, SUBSCRIBED_PATTERN);
}

static void cmd_ssubscribe(struct command_ctx *ctx)
{
	if (ctx->dispatch->in_exec) {
		resp_error(ctx->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
		return;
	}
	subscribe(ctx, SUBSCRIBED_SHARD);
}

static void cmd_unsubscribe(struct command_ctx *ctx)
{
	unsubscribe(ctx, SUBSCRIBED_CHANNEL);
}

static void cmd_punsubscribe(struct command_ctx *ctx)
{
	unsubscribe(ctx, SUBSCRIBED_PATTERN);
}

static void cmd_sunsubscribe(struct command_ctx *ctx)
{
	unsubscribe(ctx, SUBSCRIBED_SHARD);
}

bool pubsub_command_allowed(const struct command *cmd)
{
	static const command_fn allowed[] = {cmd_subscribe,   cmd_psubscribe,	cmd_ssubscribe,
					     cmd_unsubscribe, cmd_punsubscribe, cmd_sunsubscribe};

	for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
		if (cmd->run == allowed[i]) {
			return true;
		}
	}
	return strcmp(cmd->name, "ping") == 0 || strcmp(cmd->name, "quit") == 0 ||
	       strcmp(cmd->name, "reset") == 0;
}

/* --- publishing --- */

static void publish(struct command_ctx *ctx, bool sharded)
{
	struct command_host *h = ctx->host;
	size_t receivers;
	enum status st = dispatch_deliver(ctx->dispatch, ctx->argv[1], ctx->argv[2], sharded,
					  ctx->session->gate_lsn, &receivers);

	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (h->cluster != NULL) {
		h->ops->cluster_publish(h, ctx->argv[1], ctx->argv[2], sharded);
	}
	resp_int(ctx->reply, (int64_t)receivers);
}

static void cmd_publish(struct command_ctx *ctx)
{
	publish(ctx, false);
}

static void cmd_spublish(struct command_ctx *ctx)
{
	publish(ctx, true);
}

/* --- PUBSUB --- */

static void reply_topics(struct command_ctx *ctx, enum subscription_kind kind)
{
	const struct slice *pattern = ctx->argc == 3 ? &ctx->argv[2] : NULL;
	size_t mark, n = 0;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (const struct topic *t = ctx->dispatch->pubsub.of_kind[kind]; t != NULL;
	     t = t->next_of_kind) {
		if (pattern == NULL || glob_match(*pattern, topic_name(t), false)) {
			resp_bulk(ctx->reply, topic_name(t));
			n++;
		}
	}
	resp_deferred_end(ctx->reply, mark, '*', n);
}

static void reply_counts(struct command_ctx *ctx, enum subscription_kind kind)
{
	resp_array(ctx->reply, (ctx->argc - 2) * 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		const struct topic *t = pubsub_find(&ctx->dispatch->pubsub, kind, ctx->argv[i]);

		resp_bulk(ctx->reply, ctx->argv[i]);
		resp_int(ctx->reply, t == NULL ? 0 : (int64_t)t->count);
	}
}

static void cmd_pubsub_channels(struct command_ctx *ctx)
{
	reply_topics(ctx, SUBSCRIBED_CHANNEL);
}

static void cmd_pubsub_shardchannels(struct command_ctx *ctx)
{
	reply_topics(ctx, SUBSCRIBED_SHARD);
}

static void cmd_pubsub_numsub(struct command_ctx *ctx)
{
	reply_counts(ctx, SUBSCRIBED_CHANNEL);
}

static void cmd_pubsub_shardnumsub(struct command_ctx *ctx)
{
	reply_counts(ctx, SUBSCRIBED_SHARD);
}

static void cmd_pubsub_numpat(struct command_ctx *ctx)
{
	resp_int(ctx->reply, (int64_t)ctx->dispatch->pubsub.counts[SUBSCRIBED_PATTERN]);
}

static void cmd_pubsub_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CHANNELS [<pattern>]",
	    "    Channels that somebody listens to, those that match alone.",
	    "NUMPAT",
	    "    How many patterns are subscribed to.",
	    "NUMSUB [<channel> ...]",
	    "    How many listen to each channel, patterns not counted.",
	    "SHARDCHANNELS [<pattern>]",
	    "    Shard channels that somebody listens to.",
	    "SHARDNUMSUB [<shardchannel> ...]",
	    "    How many listen to each shard channel.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define ASKS CMD_PUBSUB | CMD_LOADING | CMD_STALE

static const struct command subcommands_pubsub[] = {
    {"channels", -2, ASKS, NO_KEYS, cmd_pubsub_channels, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_pubsub_help, NULL},
    {"numpat", 2, ASKS, NO_KEYS, cmd_pubsub_numpat, NULL},
    {"numsub", -2, ASKS, NO_KEYS, cmd_pubsub_numsub, NULL},
    {"shardchannels", -2, ASKS, NO_KEYS, cmd_pubsub_shardchannels, NULL},
    {"shardnumsub", -2, ASKS, NO_KEYS, cmd_pubsub_shardnumsub, NULL},
    {.name = NULL},
};

#define SUBSCRIBES CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
/* As in Redis, CLIENT PAUSE WRITE holds messages back, and read-only scripts may send none. */
#define PUBLISHES CMD_PUBSUB | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_MAY_WRITE

const struct command commands_pubsub[] = {
    {"psubscribe", -2, SUBSCRIBES, NO_KEYS, cmd_psubscribe, NULL},
    {"publish", 3, PUBLISHES, NO_KEYS, cmd_publish, NULL},
    {"pubsub", -2, 0, NO_KEYS, NULL, subcommands_pubsub},
    {"punsubscribe", -1, SUBSCRIBES, NO_KEYS, cmd_punsubscribe, NULL},
    {"spublish", 3, PUBLISHES, KEYS(1, 1, 1), cmd_spublish, NULL},
    {"ssubscribe", -2, SUBSCRIBES, KEYS(1, -1, 1), cmd_ssubscribe, NULL},
    {"subscribe", -2, SUBSCRIBES, NO_KEYS, cmd_subscribe, NULL},
    {"sunsubscribe", -1, SUBSCRIBES, KEYS(1, -1, 1), cmd_sunsubscribe, NULL},
    {"unsubscribe", -1, SUBSCRIBES, NO_KEYS, cmd_unsubscribe, NULL},
    {.name = NULL},
};
