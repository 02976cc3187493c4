/* Commands without a network: an engine, a dispatch, a session and a host that knows only settings.
 */
#ifndef CAIRN_TESTS_SUPPORT_COMMAND_BOX_H
#define CAIRN_TESTS_SUPPORT_COMMAND_BOX_H

#include "net/command/dispatch.h"
#include "tests/support/engine_box.h"

struct command_box {
	struct engine_box engine;
	struct command_host host;
	struct dispatch *dispatch;
	struct session session;
	struct clock clock;	  /* the system's, ahead by skip_us where it is monotonic */
	uint64_t skip_us;	  /* what waits go by: a test moves it on */
	struct buf out;		  /* the last reply */
	struct buf pushed;	  /* messages for other sessions: "ID@LSN " and its bytes, each */
	const char *bulk_len_max; /* the setting proto-max-bulk-len; NULL: not set */
};

/* What the host does; a test's own host may take from it. */
extern const struct command_host_ops command_box_ops;

/* A command with its arguments, separated by single spaces ('' is an empty one), and the reply's
 * bytes. */
struct box_case {
	const char *line, *reply;
};

#define COMMAND_BOX_CHECK(b, cases)                                                                \
	command_box_check((b), (cases), sizeof(cases) / sizeof(cases)[0])

#define COMMAND_BOX_TEST(f)                                                                        \
	cmocka_unit_test_setup_teardown(f, command_box_setup, command_box_teardown)

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

/* Opens; asserts on failure. The session speaks RESP2. */
void command_box_open(struct command_box *b, uint64_t seed);
void command_box_close(struct command_box *b);

/* The same as fixture of a test: a box on the heap in *state. */
int command_box_setup(void **state);
int command_box_teardown(void **state);

/* Runs a command and returns its reply, valid until the next one. */
struct slice command_box_run(struct command_box *b, const struct slice *argv, size_t argc);
struct slice command_box_line(struct command_box *b, const char *line);

/* The same for another client than the box's own. */
struct slice command_box_line_as(struct command_box *b, struct session *s, const char *line);

/* Runs the cases in order and asserts each reply; says which one failed. */
void command_box_check(struct command_box *b, const struct box_case *cases, size_t count);

/* Runs one command and asserts its reply. */
void command_box_expect(struct command_box *b, const char *line, const char *reply);

/* Asserts that the reply to line is an error that begins with -code, and nothing besides. */
void command_box_expect_error(struct command_box *b, const char *line, const char *code);

/* Closes the engine and opens it again on what it left. */
void command_box_restart(struct command_box *b);

/* Asserts that every way an allocation may fail while line runs leads to an -OOM or -ERR reply
 * that leaves the reply to look as it was before, until it succeeds. */
void command_box_walk_memory(struct command_box *b, const char *line, const char *look);

#endif
