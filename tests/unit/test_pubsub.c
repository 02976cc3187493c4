/* Topics and subscriptions against a plain model: random subscribing, unsubscribing and leaving. */
#include "net/command/pubsub.h"

#include "engine/base/alloc.h"
#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { SESSIONS = 20, NAMES = 200, STEPS = 30000 };

static struct pubsub table;
static struct session sessions[SESSIONS];
static bool model[SUBSCRIPTION_KINDS][NAMES][SESSIONS];

static struct slice name_of(size_t n, char text[16])
{
	return slice_of(text, (size_t)snprintf(text, 16, "name%zu", n));
}

static void check(void)
{
	size_t all = 0;

	for (size_t k = 0; k < SUBSCRIPTION_KINDS; k++) {
		size_t topics = 0, of_session[SESSIONS] = {0};

		for (size_t n = 0; n < NAMES; n++) {
			char text[16];
			const struct topic *t =
			    pubsub_find(&table, (enum subscription_kind)k, name_of(n, text));
			size_t count = 0;

			for (size_t s = 0; s < SESSIONS; s++) {
				count += model[k][n][s];
				of_session[s] += model[k][n][s];
			}
			assert_int_equal(t == NULL ? 0 : t->count, count);
			topics += count > 0;
			all += count;
			for (const struct subscription *sub = t == NULL ? NULL : t->subscriptions;
			     sub != NULL; sub = sub->next_of_topic, count--) {
				assert_true(model[k][n][sub->session - sessions]);
			}
			assert_int_equal(count, 0);
		}
		assert_int_equal(table.counts[k], topics);
		for (const struct topic *t = table.of_kind[k]; t != NULL; t = t->next_of_kind) {
			topics--;
		}
		assert_int_equal(topics, 0);
		for (size_t s = 0; s < SESSIONS; s++) {
			assert_int_equal(sessions[s].subscribed[k], of_session[s]);
		}
	}
	assert_int_equal(table.subscriptions.count, all);
}

static void leave(size_t s)
{
	pubsub_leave(&sessions[s]);
	assert_false(session_listens(&sessions[s]));
	for (size_t k = 0; k < SUBSCRIPTION_KINDS; k++) {
		for (size_t n = 0; n < NAMES; n++) {
			model[k][n][s] = false;
		}
	}
}

static void everybody_is_where_the_model_says(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	for (size_t s = 0; s < SESSIONS; s++) {
		session_init(&sessions[s], s + 1, 1);
	}
	for (size_t i = 0; i < STEPS; i++) {
		enum subscription_kind k =
		    (enum subscription_kind)(rng_next(&rng) % SUBSCRIPTION_KINDS);
		size_t n = rng_next(&rng) % NAMES, s = rng_next(&rng) % SESSIONS;
		unsigned what = (unsigned)(rng_next(&rng) % 100);
		char text[16];
		struct slice name = name_of(n, text);

		if (what < 60) {
			assert_int_equal(pubsub_subscribe(&table, &sessions[s], k, name), ST_OK);
			model[k][n][s] = true;
		} else if (what < 99) {
			assert_int_equal(pubsub_unsubscribe(&table, &sessions[s], k, name),
					 model[k][n][s]);
			model[k][n][s] = false;
		} else {
			leave(s);
		}
		if (i % 500 == 0) {
			check();
		}
	}
	check();
	pubsub_deinit(&table);
	for (size_t s = 0; s < SESSIONS; s++) {
		assert_false(session_listens(&sessions[s]));
		session_deinit(&sessions[s]);
	}
}

static void without_memory_nothing_changes(void **state)
{
	struct session s;
	enum status st = ST_NO_MEMORY;

	(void)state;
	session_init(&s, 1, 1);
	for (int n = 0; st != ST_OK; n++) {
		mem_fail_nth(n);
		st = pubsub_subscribe(&table, &s, SUBSCRIBED_CHANNEL, slice_str("x"));
		mem_fail_nth(-1);
		assert_int_equal(session_listens(&s), st == ST_OK);
		assert_int_equal(table.counts[SUBSCRIBED_CHANNEL], st == ST_OK);
	}
	session_deinit(&s);
	assert_int_equal(table.counts[SUBSCRIBED_CHANNEL], 0);
	pubsub_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everybody_is_where_the_model_says),
	    cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
