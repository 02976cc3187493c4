/* The MONITOR command, and the lines that it makes. */
#include "net/command/command_groups.h"
#include "net/command/monitor.h"

static bool is_quoted(uint8_t c)
{
	return c < 0x20 || c >= 0x7f || c == '"' || c == '\\';
}

static enum status add_byte(struct buf *line, uint8_t c)
{
	static const char *const escapes[][2] = {{"\n", "\\n"}, {"\r", "\\r"}, {"\t", "\\t"},
						 {"\a", "\\a"}, {"\b", "\\b"}, {"\"", "\\\""},
						 {"\\", "\\\\"}};

	for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
		if ((uint8_t)escapes[i][0][0] == c) {
			return buf_append(line, escapes[i][1], 2);
		}
	}
	return buf_printf(line, "\\x%02x", c);
}

/* An argument in quotation marks. */
static enum status add_argument(struct buf *line, struct slice arg)
{
	enum status st = buf_append(line, " \"", 2);
	size_t at = 0;

	while (st == ST_OK && at < arg.len) {
		size_t plain = 0;

		while (at + plain < arg.len && !is_quoted(arg.data[at + plain])) {
			plain++;
		}
		st = buf_append(line, arg.data + at, plain);
		at += plain;
		if (st == ST_OK && at < arg.len) {
			st = add_byte(line, arg.data[at++]);
		}
	}
	return st == ST_OK ? buf_append(line, "\"", 1) : st;
}

/* True for names and passwords of users. */
static bool is_secret(const struct command_ctx *ctx, size_t i)
{
	const char *name = ctx->cmd->name;

	if (strcmp(name, "auth") == 0) {
		return i > 0 && ctx->argc <= 3;
	}
	if (strcmp(name, "hello") == 0) {
		return (i > 2 && command_arg_is(ctx, i - 1, "auth")) ||
		       (i > 3 && command_arg_is(ctx, i - 2, "auth"));
	}
	if (strcmp(name, "migrate") == 0) {
		return (i > 6 && (command_arg_is(ctx, i - 1, "auth") ||
				  command_arg_is(ctx, i - 1, "auth2"))) ||
		       (i > 7 && command_arg_is(ctx, i - 2, "auth2"));
	}
	return false;
}

static enum status add_head(struct buf *line, struct dispatch *d, const struct command_ctx *ctx)
{
	uint64_t us = dispatch_wall_us(d);
	const char *addr = ctx->session->addr;
	bool script = d->in_exec && dispatch_is_busy(d);
	bool unix_socket = addr[0] == '/';
	int len = (int)strlen(addr);

	if (script) {
		addr = "lua";
		len = 3;
	} else if (unix_socket && len > 2) {
		len -= 2; /* ":0" */
	}
	return buf_printf(line, "+%llu.%06llu [0 %s%.*s]", (unsigned long long)(us / 1000000),
			  (unsigned long long)(us % 1000000), unix_socket && !script ? "unix:" : "",
			  len, addr);
}

void monitor_feed(struct dispatch *d, const struct command_ctx *ctx)
{
	enum { KEPT = 64 * 1024 };
	struct buf *line = &d->monitored;
	enum status st;

	line->len = 0;
	st = add_head(line, d, ctx);
	for (size_t i = 0; st == ST_OK && i < ctx->argc; i++) {
		st = add_argument(line, is_secret(ctx, i) ? slice_str("(redacted)") : ctx->argv[i]);
	}
	if (st == ST_OK) {
		st = buf_append(line, "\r\n", 2);
	}
	/* Without memory a line is lost. */
	for (struct session *s = d->monitors; s != NULL && st == ST_OK; s = s->monitor_next) {
		dispatch_push(d, s, buf_slice(line), 0);
	}
	line->len = 0;
	buf_shrink(line, KEPT);
}

void monitor_leave(struct session *s)
{
	if (s->monitor_link == NULL) {
		return;
	}
	*s->monitor_link = s->monitor_next;
	if (s->monitor_next != NULL) {
		s->monitor_next->monitor_link = s->monitor_link;
	}
	s->monitor_next = NULL;
	s->monitor_link = NULL;
}

void cmd_monitor(struct command_ctx *ctx)
{
	struct dispatch *d = ctx->dispatch;
	struct session *s = ctx->session;

	if (d->in_exec) {
		resp_error(ctx->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
		return;
	}
	if (s->monitor_link != NULL) {
		return; /* no reply either, as in Redis */
	}
	s->monitor_next = d->monitors;
	s->monitor_link = &d->monitors;
	if (s->monitor_next != NULL) {
		s->monitor_next->monitor_link = &s->monitor_next;
	}
	d->monitors = s;
	resp_ok(ctx->reply);
}
