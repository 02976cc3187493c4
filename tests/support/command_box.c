/* Commands without a network. */
#include "tests/support/command_box.h"

#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 64, FAILURES_MAX = 1000, TRIES_MAX = 20000 };

static const char *config_value(struct command_host *h, const char *name)
{
	struct command_box *b =
	    (struct command_box *)(void *)((char *)h - offsetof(struct command_box, host));

	return strcmp(name, "proto-max-bulk-len") == 0 ? b->bulk_len_max : NULL;
}

/* What other sessions are sent is one text: who, when, what. */
static void push(struct command_host *h, struct session *session, struct slice message,
		 uint64_t lsn)
{
	struct command_box *b =
	    (struct command_box *)(void *)((char *)h - offsetof(struct command_box, host));

	size_t at = b->pushed.len;

	/* Out of memory is out of the box's own: then the client would be closed. */
	if (buf_printf(&b->pushed, "%llu@%llu ", (unsigned long long)session->id,
		       (unsigned long long)lsn) != ST_OK ||
	    buf_append(&b->pushed, message.data, message.len) != ST_OK) {
		b->pushed.len = at;
	}
}

const struct command_host_ops command_box_ops = {.config_value = config_value, .push = push};

static uint64_t box_mono_us(void *box)
{
	struct command_box *b = box;

	return clock_system()->mono_us(clock_system()->ctx) + b->skip_us;
}

static uint64_t box_wall_ms(void *box)
{
	(void)box;
	return clock_system()->wall_ms(clock_system()->ctx);
}

void command_box_open(struct command_box *b, uint64_t seed)
{
	struct dispatch_options opts = {0};

	*b = (struct command_box){
	    .host = {.ops = &command_box_ops, .config_file = "", .executable = ""}};
	engine_box_open(&b->engine, seed);
	b->engine.now_ms = 1700000000000;
	opts.engine = b->engine.e;
	opts.host = &b->host;
	b->clock = (struct clock){box_mono_us, box_wall_ms, b};
	opts.clock = &b->clock;
	assert_int_equal(dispatch_create(&opts, &b->dispatch), ST_OK);
	b->engine.touched = dispatch_touched;
	b->engine.expired = dispatch_expired;
	b->engine.touched_arg = b->dispatch;
	session_init(&b->session, 1, b->engine.now_ms);
	b->session.proto = 2;
	b->session.authenticated = true;
}

void command_box_close(struct command_box *b)
{
	session_deinit(&b->session);
	b->engine.touched = NULL;
	b->engine.expired = NULL;
	dispatch_destroy(b->dispatch);
	engine_box_close(&b->engine);
	buf_deinit(&b->out);
	buf_deinit(&b->pushed);
}

int command_box_setup(void **state)
{
	struct command_box *b = calloc(1, sizeof *b);

	assert_non_null(b);
	command_box_open(b, 5);
	*state = b;
	return 0;
}

int command_box_teardown(void **state)
{
	command_box_close(*state);
	free(*state);
	return 0;
}

void command_box_restart(struct command_box *b)
{
	engine_box_restart(&b->engine);
	dispatch_set_engine(b->dispatch, b->engine.e);
}

static struct slice run_as(struct command_box *b, struct session *s, const struct slice *argv,
			   size_t argc)
{
	b->out.len = 0;
	assert_int_equal(
	    dispatch_request(b->dispatch, s, argv, argc, &b->out, b->engine.now_ms, false),
	    DISPATCH_DONE);
	(void)engine_turn_end(b->engine.e);
	return buf_slice(&b->out);
}

struct slice command_box_run(struct command_box *b, const struct slice *argv, size_t argc)
{
	return run_as(b, &b->session, argv, argc);
}

struct slice command_box_line(struct command_box *b, const char *line)
{
	return command_box_line_as(b, &b->session, line);
}

struct slice command_box_line_as(struct command_box *b, struct session *s, const char *line)
{
	struct slice argv[ARGS_MAX];
	size_t argc = 0;

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		assert_true(argc < ARGS_MAX);
		argv[argc++] = n == 2 && p[0] == '\'' ? slice_of("", 0) : slice_of(p, n);
		p += n;
	}
	return run_as(b, s, argv, argc);
}

void command_box_check(struct command_box *b, const struct box_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct slice reply = command_box_line(b, cases[i].line);

		if (!slice_eq(reply, slice_str(cases[i].reply))) {
			print_error("%s\n  wanted %s  got    %.*s", cases[i].line, cases[i].reply,
				    (int)reply.len, (const char *)reply.data);
			fail();
		}
	}
}

void command_box_expect(struct command_box *b, const char *line, const char *reply)
{
	const struct box_case one = {line, reply};

	command_box_check(b, &one, 1);
}

void command_box_expect_error(struct command_box *b, const char *line, const char *code)
{
	struct slice reply = command_box_line(b, line);
	size_t len = strlen(code);

	if (reply.len < len + 2 || reply.data[0] != '-' || memcmp(reply.data + 1, code, len) != 0) {
		print_error("%s\n  wanted -%s  got    %.*s", line, code, (int)reply.len,
			    (const char *)reply.data);
		fail();
	}
	assert_ptr_equal(memchr(reply.data, '\n', reply.len), reply.data + reply.len - 1);
}

void command_box_walk_memory(struct command_box *b, const char *line, const char *look)
{
	struct buf before = {0}, error = {0};
	struct slice reply = command_box_line(b, look);

	assert_int_equal(buf_append(&before, reply.data, reply.len), ST_OK);
	for (int n = 0, tries = 0;; n++, tries++) {
		mem_fail_nth(n);
		reply = command_box_line(b, line);
		mem_fail_nth(-1);
		if (reply.len > 0 && reply.data[0] != '-') {
			break;
		}
		if (slice_has_prefix(reply, slice_str("-MISCONF "))) {
			/* It was the log's or the checkpoint's allocation: they try again. */
			(void)usleep(1000);
			n -= n > 0;
		}
		error.len = 0;
		assert_int_equal(buf_append(&error, reply.data, reply.len), ST_OK);
		if (n > FAILURES_MAX || tries > TRIES_MAX) {
			print_error("%s\n  always %.*s", line, (int)error.len,
				    (const char *)error.data);
			fail();
		}
		assert_true(slice_eq(command_box_line(b, look), buf_slice(&before)));
	}
	buf_deinit(&before);
	buf_deinit(&error);
}
