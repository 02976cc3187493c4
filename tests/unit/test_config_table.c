/* Names of directives: found in any case, by either name, and listed by glob. */
#include "net/config_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct listing {
	struct config config;
	char names[4096], values[8192];
};

static void note(void *arg, const char *name, const char *value)
{
	struct listing *l = arg;
	size_t n = strlen(l->names), v = strlen(l->values);

	(void)snprintf(l->names + n, sizeof l->names - n, "%s ", name);
	(void)snprintf(l->values + v, sizeof l->values - v, "%s|", value);
}

static void list(struct listing *l, const char *pattern)
{
	l->names[0] = l->values[0] = 0;
	config_each(&l->config, slice_str(pattern), note, l);
}

static void every_default_is_a_value_of_its_own_directive(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(config_init(&c), ST_OK);
	for (int id = 0; id < CONFIG_COUNT; id++) {
		const char *name = config_name((enum config_id)id);

		assert_int_equal(config_find(slice_str(name)), id);
		assert_non_null(config_text(&c, (enum config_id)id));
		assert_false(c.given[id]);
	}
	config_deinit(&c);
}

static void names_are_found_in_any_case_and_by_their_old_form(void **state)
{
	(void)state;
	assert_int_equal(config_find(slice_str("MaxClients")), CONFIG_MAXCLIENTS);
	assert_int_equal(config_find(slice_str("slaveof")), CONFIG_REPLICAOF);
	assert_int_equal(config_find(slice_str("hash-max-ziplist-entries")), CONFIG_HASH_ENTRIES);
	assert_int_equal(config_find(slice_str("maxclient")), CONFIG_COUNT);
	assert_int_equal(config_find(slice_str("")), CONFIG_COUNT);
}

static void a_name_is_given_back_as_it_was_asked_for(void **state)
{
	struct listing l;

	(void)state;
	assert_int_equal(config_init(&l.config), ST_OK);
	list(&l, "TIMEOUT");
	assert_string_equal(l.names, "TIMEOUT ");
	assert_string_equal(l.values, "0|");
	list(&l, "no-such-thing");
	assert_string_equal(l.names, "");
	list(&l, "");
	assert_string_equal(l.names, "");
	config_deinit(&l.config);
}

static void a_glob_lists_both_names_but_nothing_hidden(void **state)
{
	struct listing l;

	(void)state;
	assert_int_equal(config_init(&l.config), ST_OK);
	list(&l, "hash-max-*-entries");
	assert_string_equal(l.names, "hash-max-listpack-entries hash-max-ziplist-entries ");
	list(&l, "key-load-dela?");
	assert_string_equal(l.names, "");
	list(&l, "key-load-delay");
	assert_string_equal(l.names, "key-load-delay ");
	config_deinit(&l.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_default_is_a_value_of_its_own_directive),
	    cmocka_unit_test(names_are_found_in_any_case_and_by_their_old_form),
	    cmocka_unit_test(a_name_is_given_back_as_it_was_asked_for),
	    cmocka_unit_test(a_glob_lists_both_names_but_nothing_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
