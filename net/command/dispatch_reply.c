/* What a client is sent of its own request: the reply, unless it wants none (CLIENT REPLY), and
 * behind it the messages that the request made for it. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

static bool is_muted(unsigned mode)
{
	return (mode & (REPLY_OFF | REPLY_SKIP)) != 0;
}

void dispatch_set_reply_mode(struct command_ctx *ctx, unsigned mode)
{
	struct session *s = ctx->session;
	struct buf *out = ctx->reply->out;

	if (is_muted(mode) && s->mute_from == SIZE_MAX) {
		s->mute_from = out->len;
	} else if (!is_muted(mode) && s->mute_from != SIZE_MAX) {
		out->len = out->len < s->mute_from ? out->len : s->mute_from;
		s->mute_from = SIZE_MAX;
	}
	s->reply_mode = mode;
}

static void end_reply_mode(struct session *s, struct buf *out)
{
	if (s->mute_from < out->len) {
		out->len = s->mute_from;
	}
	s->reply_mode &= ~(unsigned)REPLY_SKIP;
	if ((s->reply_mode & REPLY_SKIP_NEXT) != 0) {
		s->reply_mode = (s->reply_mode & ~(unsigned)REPLY_SKIP_NEXT) | REPLY_SKIP;
	}
}

/* The messages that a client's own request made for it. */
static void put_behind_reply(struct dispatch *d, struct session *s, struct buf *out)
{
	enum { KEPT = 64 * 1024 };

	if (d->behind_reply.len == 0) {
		return;
	}
	if (buf_append(out, d->behind_reply.data, d->behind_reply.len) != ST_OK) {
		s->close_after_reply = true;
	}
	d->behind_reply.len = 0;
	buf_shrink(&d->behind_reply, KEPT);
}

/* CLIENT CACHING holds for the next command, or up to EXEC; the CLIENT commands do not count. */
static void end_caching(struct session *s, const struct command_entry *entry)
{
	if (!s->in_multi && (entry == NULL || strncmp(entry->full_name, "client|", 7) != 0)) {
		s->tracking &= ~(unsigned)TRACKING_CACHING;
	}
}

void dispatch_end_request(struct dispatch *d, struct session *s, const struct command_entry *entry,
			  struct buf *out, bool done)
{
	if (done) {
		if (s->asking && !s->in_multi && (entry == NULL || entry->cmd->run != cmd_asking)) {
			s->asking = false;
		}
		end_caching(s, entry);
		end_reply_mode(s, out);
	}
	if (!dispatch_is_busy(d)) {
		put_behind_reply(d, s, out);
	}
}
