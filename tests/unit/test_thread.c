/* Named threads. */
#include "engine/base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Runs in the thread: takes its own name down. */
static void *note_name(void *arg)
{
	(void)pthread_getname_np(pthread_self(), arg, 16);
	return arg;
}

static void a_thread_runs_with_its_argument_and_can_be_joined(void **state)
{
	char name[16];
	void *result = NULL;
	pthread_t thread;

	(void)state;
	assert_true(thread_start(&thread, "writer", note_name, name));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, name);
}

static void *wait_for(void *arg)
{
	pthread_mutex_t *gate = arg;

	(void)pthread_mutex_lock(gate);
	(void)pthread_mutex_unlock(gate);
	return NULL;
}

static void it_bears_its_name(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	char name[16] = "";
	pthread_t thread;

	(void)state;
	(void)pthread_mutex_lock(&gate);
	assert_true(thread_start(&thread, "writer", wait_for, &gate));
	assert_int_equal(pthread_getname_np(thread, name, sizeof name), 0);
	(void)pthread_mutex_unlock(&gate);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(name, "writer");
}

static void a_name_that_is_too_long_does_not_hinder_it(void **state)
{
	char name[16];
	pthread_t thread;

	(void)state;
	assert_true(thread_start(&thread, "a name beyond fifteen bytes", note_name, name));
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thread_runs_with_its_argument_and_can_be_joined),
	    cmocka_unit_test(it_bears_its_name),
	    cmocka_unit_test(a_name_that_is_too_long_does_not_hinder_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
