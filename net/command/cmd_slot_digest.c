/* CLUSTER SLOT-DIGEST: what slots held at the newest checkpoint, as numbers that are equal on all
 * nodes of a shard at equal LSN. Also without a cluster. */
#include "engine/engine_digest.h"
#include "net/command/cmd_cluster.h"

static void reply_slot(struct command_ctx *ctx, uint16_t slot, uint64_t lsn)
{
	struct resp_writer *w = ctx->reply;
	char text[DIGEST_TEXT_LEN + 1];
	struct slot_content content;

	engine_slot_content(ctx->engine, slot, &content);
	resp_array(w, 2);
	resp_int(w, slot);
	resp_map(w, 3);
	resp_bulk_str(w, "digest");
	if (content.known) {
		digest_text(content.digest, text);
		resp_bulk_str(w, text);
	} else {
		resp_null(w);
	}
	resp_bulk_str(w, "keys");
	resp_int(w, (int64_t)content.keys);
	resp_bulk_str(w, "lsn");
	resp_int(w, (int64_t)lsn);
}

static bool checkpoint_lsn(struct command_ctx *ctx, uint64_t *lsn)
{
	if (engine_digest_lsn(ctx->engine, lsn)) {
		return true;
	}
	resp_error(ctx->reply, "ERR digests will be known after the next checkpoint: the last one "
			       "was interrupted. BGSAVE begins one");
	return false;
}

void cmd_cluster_slot_digest(struct command_ctx *ctx)
{
	static const char wrong[] = "ERR Invalid or out of range slot";
	bool range = command_arg_is(ctx, 2, "slotsrange");
	uint16_t from, to, slot;
	uint64_t lsn;

	if (range) {
		if (ctx->argc != 5) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
		if (!cluster_arg_range(ctx, 3, &from, &to) || !checkpoint_lsn(ctx, &lsn)) {
			return;
		}
		resp_array(ctx->reply, (size_t)(to - from) + 1);
		for (unsigned s = from; s <= to; s++) {
			reply_slot(ctx, (uint16_t)s, lsn);
		}
		return;
	}
	for (size_t i = 2; i < ctx->argc; i++) {
		if (!cluster_arg_slot(ctx, i, wrong, &slot)) {
			return;
		}
	}
	if (!checkpoint_lsn(ctx, &lsn)) {
		return;
	}
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		if (cluster_arg_slot(ctx, i, wrong, &slot)) {
			reply_slot(ctx, slot, lsn);
		}
	}
}
