/* WAIT and WAITAOF: until this client's writes are as safe as asked. There are no replicas yet, so
 * only the local log can ever acknowledge. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/session.h"

uint64_t command_mono_ms(const struct command_ctx *ctx)
{
	const struct clock *clock = ctx->dispatch->clock;

	return clock->mono_us(clock->ctx) / 1000;
}

bool command_arg_deadline(struct command_ctx *ctx, size_t arg, uint64_t *deadline_ms)
{
	int64_t ms, now;

	if (!command_arg_int(ctx, arg, &ms, "ERR timeout is not an integer or out of range")) {
		return false;
	}
	if (ms < 0) {
		resp_error(ctx->reply, "ERR timeout is negative");
		return false;
	}
	if (__builtin_add_overflow(ms, (int64_t)ctx->now_ms, &now) ||
	    __builtin_add_overflow(ms, (int64_t)command_mono_ms(ctx), &now)) {
		resp_error(ctx->reply, "ERR timeout is out of range");
		return false;
	}
	*deadline_ms = ms == 0 ? 0 : (uint64_t)now;
	return true;
}

bool command_wait_until(struct command_ctx *ctx, uint64_t deadline_ms)
{
	struct session *s = ctx->session;

	if (!s->wait.active) {
		s->wait.active = true;
		s->wait.deadline_ms = deadline_ms;
		s->wait.lsn = s->gate_lsn;
	}
	if (s->wait.deadline_ms != 0 && command_mono_ms(ctx) >= s->wait.deadline_ms) {
		return false;
	}
	return command_later(ctx);
}

void cmd_wait(struct command_ctx *ctx)
{
	int64_t replicas;
	uint64_t deadline_ms;

	if (!command_arg_int(ctx, 1, &replicas, NULL) ||
	    !command_arg_deadline(ctx, 2, &deadline_ms)) {
		return;
	}
	if (replicas > 0 && command_wait_until(ctx, deadline_ms)) {
		return;
	}
	resp_int(ctx->reply, 0);
}

void cmd_waitaof(struct command_ctx *ctx)
{
	int64_t local, replicas;
	uint64_t deadline_ms, lsn;
	struct engine_stats stats;
	bool durable;

	if (!command_arg_int(ctx, 1, &local,
			     "ERR value is out of range, value must between 0 and 1")) {
		return;
	}
	if (local < 0 || local > 1) {
		resp_error(ctx->reply, "ERR value is out of range, value must between 0 and 1");
		return;
	}
	if (!command_arg_int(ctx, 2, &replicas, "ERR value is out of range, must be positive")) {
		return;
	}
	if (replicas < 0) {
		resp_error(ctx->reply, "ERR value is out of range, must be positive");
		return;
	}
	if (!command_arg_deadline(ctx, 3, &deadline_ms)) {
		return;
	}
	engine_stats(ctx->engine, &stats);
	lsn = ctx->session->wait.active ? ctx->session->wait.lsn : ctx->session->gate_lsn;
	durable = stats.wal.durable_lsn >= lsn;
	if ((replicas > 0 || (local > 0 && !durable)) && command_wait_until(ctx, deadline_ms)) {
		return;
	}
	resp_array(ctx->reply, 2);
	resp_int(ctx->reply, durable);
	resp_int(ctx->reply, 0);
}
