/* Configuration from files and arguments: every form that redis-server takes, and what is said of
 * those that it does not. */
#include "engine/base/alloc.h"
#include "net/config_impl.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 16 };

struct fixture {
	struct config config;
	char dir[64];
	char error[2048];
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = "/tmp/cairn-config-XXXXXX"};
	*state = &f;
	return config_init(&f.config) == ST_OK && mkdtemp(f.dir) != NULL && chdir(f.dir) == 0 ? 0
											      : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	DIR *d = opendir(".");

	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		(void)unlink(e->d_name);
	}
	(void)closedir(d);
	config_deinit(&f->config);
	return chdir("/") == 0 && rmdir(f->dir) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static enum status read_args(struct fixture *f, const char *const *words)
{
	struct buf error = {0};
	char *argv[ARGS_MAX];
	int argc = 0;
	enum status st;

	for (; words[argc] != NULL; argc++) {
		argv[argc] = mem_strdup(words[argc]);
	}
	st = config_read_args(&f->config, argc, argv, &error);
	for (int i = 0; i < argc; i++) {
		mem_free(argv[i]);
	}
	(void)snprintf(f->error, sizeof f->error, "%.*s", (int)error.len,
		       error.len > 0 ? (const char *)error.data : "");
	buf_deinit(&error);
	return st;
}

#define ARGS(f, ...) read_args(f, (const char *const[]){__VA_ARGS__, NULL})
#define TEXT(f, id)  config_text(&(f)->config, CONFIG_##id)

static void a_file_is_read_with_comments_quotes_and_line_ends_of_any_kind(void **state)
{
	struct fixture *f = *state;

	put("a.conf", "# comment\n\n  port 7001\r\n\ttimeout \t '8'\n"
		      "requirepass \"a \\\"b\\\" \\x41\\n\"\nPIDFILE x y\n");
	assert_int_equal(ARGS(f, "a.conf"), ST_INVALID);
	assert_non_null(strstr(f->error, "at line 6\n>>> 'PIDFILE x y'\nwrong number of "
					 "arguments"));
	assert_string_equal(TEXT(f, PORT), "7001");
	assert_string_equal(TEXT(f, TIMEOUT), "8");
	assert_string_equal(TEXT(f, REQUIREPASS), "a \"b\" A\n");
	/* From wherever the node goes, the file can be written again. */
	assert_int_equal(f->config.file[0], '/');
}

static void options_override_the_file(void **state)
{
	struct fixture *f = *state;

	put("a.conf", "port 7001\ntimeout 8\nsave 1 2\n");
	assert_int_equal(ARGS(f, "a.conf", "--timeout", "9", "--save", "3 4"), ST_OK);
	assert_string_equal(TEXT(f, TIMEOUT), "9");
	assert_string_equal(TEXT(f, PORT), "7001");
}

static void options_come_in_all_forms_of_redis_server(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ARGS(f, "--port 7000", "--bind", "127.0.0.1", "-::1", "--requirepass",
			      "--x y", "--TIMEOUT", "5", "--save"),
			 ST_OK);
	assert_string_equal(TEXT(f, PORT), "7000");
	assert_string_equal(TEXT(f, BIND), "127.0.0.1 -::1");
	assert_string_equal(TEXT(f, REQUIREPASS), "--x y");
	assert_string_equal(TEXT(f, TIMEOUT), "5");
	assert_string_equal(TEXT(f, SAVE), "");
	assert_int_equal(ARGS(f, "--bind", "10.0.0.1 ::1", "--save", "--timeout", "6",
			      "--client-output-buffer-limit", "normal 1 2 3"),
			 ST_OK);
	assert_string_equal(TEXT(f, BIND), "10.0.0.1 ::1");
	assert_string_equal(TEXT(f, TIMEOUT), "6");
	assert_int_equal(strncmp(TEXT(f, OUTPUT_BUFFER_LIMIT), "normal 1 2 3 ", 13), 0);
}

static void save_lines_add_up_and_an_empty_one_forgets_them(void **state)
{
	struct fixture *f = *state;

	put("a.conf", "save 1 2\nsave 3 4\n");
	assert_int_equal(ARGS(f, "a.conf"), ST_OK);
	assert_string_equal(TEXT(f, SAVE), "1 2 3 4");
	put("a.conf", "save 1 2\nsave \"\"\nsave 5 6\n");
	assert_int_equal(ARGS(f, "a.conf"), ST_OK);
	assert_string_equal(TEXT(f, SAVE), "5 6");
}

static void included_files_are_named_in_errors_and_may_be_many(void **state)
{
	struct fixture *f = *state;

	put("m.conf", "include i-*.conf\ninclude none-*.conf\n");
	put("i-1.conf", "timeout 4\n");
	put("i-2.conf", "port 7002\n");
	assert_int_equal(ARGS(f, "m.conf"), ST_OK);
	assert_string_equal(TEXT(f, TIMEOUT), "4");
	assert_string_equal(TEXT(f, PORT), "7002");
	put("i-2.conf", "\n\nbogus 1\n");
	assert_int_equal(ARGS(f, "m.conf"), ST_INVALID);
	assert_non_null(strstr(f->error, "Reading the configuration file i-2.conf, at line 3\n"
					 ">>> 'bogus 1'\nBad directive or wrong number of "
					 "arguments"));
}

static void a_file_that_includes_itself_or_is_missing_is_an_error(void **state)
{
	struct fixture *f = *state;

	put("m.conf", "include m.conf\n");
	assert_int_equal(ARGS(f, "m.conf"), ST_INVALID);
	assert_non_null(strstr(f->error, "too many nested includes"));
	put("m.conf", "include gone.conf\n");
	assert_int_equal(ARGS(f, "m.conf"), ST_NOT_FOUND);
	assert_non_null(strstr(f->error, "'gone.conf': No such file"));
	assert_int_equal(ARGS(f, "gone.conf"), ST_NOT_FOUND);
	assert_int_equal(ARGS(f, "/"), ST_IO);
	assert_non_null(strstr(f->error, "Is a directory"));
}

static void what_redis_knows_and_cairn_has_not_is_refused_by_its_reason(void **state)
{
	static const struct {
		const char *option, *value, *reason;
	} cases[] = {{"--loadmodule", "/x.so", "Cairn has no modules"},
		     {"--no-such", "1", "Bad directive or wrong number of arguments"},
		     {"--timeout", "x", "argument couldn't be parsed into an integer"}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(ARGS(f, cases[i].option, cases[i].value), ST_INVALID);
		assert_non_null(strstr(f->error, cases[i].reason));
		assert_non_null(strstr(f->error, cases[i].option + 2));
	}
}

static void users_are_kept_as_they_are_written(void **state)
{
	struct fixture *f = *state;

	put("u.conf", "user alice on \">a b\" ~*\n  USER bob\n# user carol\nport 1\nuserx 1\n");
	assert_int_equal(ARGS(f, "u.conf"), ST_INVALID); /* the last line is no user's */
	assert_int_equal(f->config.users_count, 2);
	assert_true(slice_eq(f->config.users[0], slice_str(" alice on \">a b\" ~*")));
	assert_true(slice_eq(f->config.users[1], slice_str(" bob")));
	assert_int_equal(ARGS(f, "--user", "dave on"), ST_OK);
	assert_true(
	    slice_eq(f->config.users[f->config.users_count - 1], slice_str(" \"dave on\"")));
}

static void renames_are_collected_in_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    ARGS(f, "--rename-command", "FLUSHALL", "", "--rename-command", "get", "hole"), ST_OK);
	assert_int_equal(f->config.renames_count, 2);
	assert_string_equal(f->config.renames[0].from, "FLUSHALL");
	assert_string_equal(f->config.renames[0].to, "");
	assert_string_equal(f->config.renames[1].to, "hole");
}

static void quoted_words_split_back_into_themselves(void **state)
{
	static const char *const words[] = {"",	  "plain",	  "a b", "\"",
					    "\\", "\x01\n\t\x7f", "'x'", "\xc3\xbc"};

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct slice out[LINE_WORDS_MAX];
		struct buf line = {0};
		char store[64];
		size_t count;

		assert_int_equal(config_quote(&line, words[i]), ST_OK);
		assert_int_equal(
		    config_split((const char *)line.data, line.len, out, &count, store), ST_OK);
		assert_int_equal(count, 1);
		assert_int_equal(out[0].len, strlen(words[i]));
		assert_memory_equal(out[0].data, words[i], out[0].len);
		buf_deinit(&line);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_file_is_read_with_comments_quotes_and_line_ends_of_any_kind),
	    CASE(options_override_the_file),
	    CASE(options_come_in_all_forms_of_redis_server),
	    CASE(save_lines_add_up_and_an_empty_one_forgets_them),
	    CASE(included_files_are_named_in_errors_and_may_be_many),
	    CASE(a_file_that_includes_itself_or_is_missing_is_an_error),
	    CASE(what_redis_knows_and_cairn_has_not_is_refused_by_its_reason),
	    CASE(users_are_kept_as_they_are_written),
	    CASE(renames_are_collected_in_order),
	    cmocka_unit_test(quoted_words_split_back_into_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
