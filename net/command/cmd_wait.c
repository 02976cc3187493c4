/* WAIT and WAITAOF: until this client's writes are as safe as asked: applied by replicas, on the
 * disks of replicas, on this node's disk. */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
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

	/* At its second try everything that it waits for is asked to wake the node; what came
	 * before that, the second try has seen. */
	s->wait.announced = s->wait.active;
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

/* The record that is waited for: this client's last, when it first asked. */
static uint64_t waited_lsn(const struct command_ctx *ctx)
{
	const struct session *s = ctx->session;

	return s->wait.active ? s->wait.lsn : s->gate_lsn;
}

static int64_t acked(struct command_ctx *ctx, uint64_t lsn, bool durable)
{
	const struct command_host_ops *ops = ctx->host->ops;

	return ops->acked == NULL ? 0 : ops->acked(ctx->host, lsn, durable);
}

/* True when the command is to be run again later; acks are then looked at as they come. */
static bool go_on_waiting(struct command_ctx *ctx, uint64_t deadline_ms)
{
	if (ctx->host->ops->want_acks != NULL) {
		ctx->host->ops->want_acks(ctx->host);
	}
	return command_wait_until(ctx, deadline_ms);
}

void cmd_wait(struct command_ctx *ctx)
{
	int64_t replicas, have;
	uint64_t deadline_ms;

	if (ctx->host->is_replica) {
		resp_error(
		    ctx->reply,
		    "ERR WAIT cannot be used with replica instances. Please also note that "
		    "since Redis 4.0 if a replica is configured to be writable (which is not "
		    "the default) writes to replicas are just local and are not propagated.");
		return;
	}
	if (!command_arg_int(ctx, 1, &replicas, NULL) ||
	    !command_arg_deadline(ctx, 2, &deadline_ms)) {
		return;
	}
	have = acked(ctx, waited_lsn(ctx), false);
	if (have < replicas && go_on_waiting(ctx, deadline_ms)) {
		return;
	}
	resp_int(ctx->reply, have);
}

void cmd_waitaof(struct command_ctx *ctx)
{
	int64_t local, replicas;
	uint64_t deadline_ms, lsn;
	int64_t have;
	bool durable;

	if (ctx->host->is_replica) {
		resp_error(ctx->reply,
			   "ERR WAITAOF cannot be used with replica instances. Please also note "
			   "that writes to replicas are just local and are not propagated.");
		return;
	}

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
	lsn = waited_lsn(ctx);
	durable = engine_durable_lsn(ctx->engine) >= lsn;
	have = acked(ctx, lsn, true);
	if ((have < replicas || (local > 0 && !durable)) && go_on_waiting(ctx, deadline_ms)) {
		return;
	}
	resp_array(ctx->reply, 2);
	resp_int(ctx->reply, durable);
	resp_int(ctx->reply, have);
}
