/* CONFIG SET on the values: all or none, who may, and what cannot be brought into effect. */
#include "net/config_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { PAIRS_MAX = 4 };

struct fixture {
	struct config config;
	char error[512];
	bool refuse;
	int applied;
	bool changed[CONFIG_COUNT];
	int64_t timeout_at_apply;
};

static enum status apply(void *arg, const bool changed[], struct buf *error)
{
	struct fixture *f = arg;

	f->applied++;
	memcpy(f->changed, changed, sizeof f->changed);
	f->timeout_at_apply = config_int(&f->config, CONFIG_TIMEOUT);
	if (f->refuse) {
		buf_note(error, "timeout') - not today");
		return ST_IO;
	}
	return ST_OK;
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.applied = 0};
	*state = &f;
	if (config_init(&f.config) != ST_OK) {
		return -1;
	}
	f.config.apply = apply;
	f.config.apply_arg = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	config_deinit(&f->config);
	return 0;
}

/* CONFIG SET with these words, up to NULL. */
static enum status set(struct fixture *f, bool local, const char *const *words)
{
	struct slice pairs[2 * PAIRS_MAX];
	struct buf error = {0};
	enum status st;
	size_t n = 0;

	for (; words[n] != NULL; n++) {
		pairs[n] = slice_str(words[n]);
	}
	st = config_set_pairs(&f->config, pairs, n / 2, local, &error);
	(void)snprintf(f->error, sizeof f->error, "%.*s", (int)error.len,
		       error.len > 0 ? (const char *)error.data : "");
	buf_deinit(&error);
	return st;
}

#define SET(f, local, ...) set(f, local, (const char *const[]){__VA_ARGS__, NULL})

static void values_come_into_force_together(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(SET(f, false, "timeout", "7", "SAVE", " 900  1 ", "loglevel", "debug"),
			 ST_OK);
	assert_int_equal(f->applied, 1);
	assert_int_equal(f->timeout_at_apply, 7);
	assert_true(f->changed[CONFIG_TIMEOUT] && f->changed[CONFIG_SAVE] &&
		    !f->changed[CONFIG_PORT]);
	assert_string_equal(config_text(&f->config, CONFIG_SAVE), "900 1");
	assert_true(f->config.given[CONFIG_TIMEOUT]);
}

static void one_wrong_value_leaves_all_as_they_were(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(SET(f, false, "timeout", "7", "loglevel", "loud"), ST_INVALID);
	assert_string_equal(f->error, "loglevel') - argument(s) must be one of the following: "
				      "debug, verbose, notice, warning");
	assert_int_equal(f->applied, 0);
	assert_string_equal(config_text(&f->config, CONFIG_TIMEOUT), "0");
	assert_false(f->config.given[CONFIG_TIMEOUT]);
}

static void what_can_not_be_applied_is_taken_back(void **state)
{
	struct fixture *f = *state;

	f->refuse = true;
	assert_int_equal(SET(f, false, "timeout", "7", "tcp-keepalive", "9"), ST_IO);
	assert_string_equal(f->error, "timeout') - not today");
	assert_int_equal(f->timeout_at_apply, 7);
	assert_int_equal(config_int(&f->config, CONFIG_TIMEOUT), 0);
	assert_string_equal(config_text(&f->config, CONFIG_TIMEOUT), "0");
	assert_int_equal(config_int(&f->config, CONFIG_TCP_KEEPALIVE), 300);
	assert_false(f->config.given[CONFIG_TIMEOUT]);
}

static void what_is_fixed_at_the_start_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(SET(f, true, "unixsocket", "x"), ST_INVALID);
	assert_string_equal(f->error, "unixsocket') - can't set immutable config");
	assert_int_equal(SET(f, true, "no-such", "x"), ST_NOT_FOUND);
}

static void protected_ones_need_leave(void **state)
{
	static const struct {
		const char *leave;
		bool local, ok;
	} cases[] = {{"no", true, false},
		     {"local", false, false},
		     {"local", true, true},
		     {"yes", false, true},
		     {"yes", true, true}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice word = slice_str(cases[i].leave);
		const char *reason;

		assert_int_equal(
		    config_assign(&f->config, CONFIG_ENABLE_PROTECTED_CONFIGS, &word, 1, &reason),
		    ST_OK);
		assert_int_equal(SET(f, cases[i].local, "dbfilename", "x.rdb") == ST_OK,
				 cases[i].ok);
		if (!cases[i].ok) {
			assert_string_equal(f->error, "dbfilename') - can't set protected config");
		}
	}
	/* Whatever the leave, the data stays where it is. */
	assert_int_equal(SET(f, true, "dir", "/"), ST_INVALID);
	assert_non_null(strstr(f->error, "chosen when the node starts"));
}

static void without_meaning_are_named_only_when_given(void **state)
{
	struct fixture *f = *state;
	struct buf names = {0};

	assert_false(config_meaningless(&f->config, &names));
	assert_int_equal(SET(f, false, "appendonly", "yes", "timeout", "1"), ST_OK);
	assert_true(config_meaningless(&f->config, &names));
	assert_int_equal(names.len, strlen("appendonly"));
	assert_memory_equal(names.data, "appendonly", names.len);
	buf_deinit(&names);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(values_come_into_force_together),
	    CASE(one_wrong_value_leaves_all_as_they_were),
	    CASE(what_can_not_be_applied_is_taken_back),
	    CASE(what_is_fixed_at_the_start_is_refused),
	    CASE(protected_ones_need_leave),
	    CASE(without_meaning_are_named_only_when_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
