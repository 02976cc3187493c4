/* Where commands go: each row of the redirection table once, and the texts. */
#include "cluster/cluster_state.h"
#include "cluster/route.h"
#include "cluster/slot_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ME    "0123456789abcdef0123456789abcdef01234567"
#define OTHER "fedcba9876543210fedcba9876543210fedcba98"

static struct cluster *c;
static void *memory;
static struct cluster_update up;
static bool key_is_here[2]; /* of the keys that begin with a and b */

static uint64_t none(void *ctx, unsigned slot)
{
	(void)ctx;
	(void)slot;
	return 0;
}

static uint64_t none_at_all(void *ctx)
{
	(void)ctx;
	return 0;
}

static bool exists(void *ctx, struct slice key)
{
	(void)ctx;
	return key_is_here[key.data[key.len - 1] == 'b'];
}

static int start(void **state)
{
	static const char conf[] =
	    ME " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8191\n" OTHER
	       " 10.0.0.2:7001@17001 master - 0 0 2 connected 8192-16382\n"
	       "vars currentEpoch 2 lastVoteEpoch 0\n";
	struct cluster_config cfg = {.nodes_max = 8, .now_ms = 1, .wall_ms = 1};
	char error[160];

	(void)state;
	cluster_settings_default(&cfg.settings);
	cfg.keys = (struct cluster_keys){.in_slot = none, .total = none_at_all};
	cfg.conf = slice_str(conf);
	memory = malloc(cluster_sizeof(&cfg));
	assert_int_equal(cluster_init(memory, &cfg, &c, &up, error), ST_OK);
	c->health.ok = true;
	c->health.lease_ms = 1000;
	c->last_step_ms = 1;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static enum route_kind ask(const char *a, const char *b, unsigned flags, struct route *r)
{
	struct slice keys[2] = {slice_str(a == NULL ? "" : a), slice_str(b == NULL ? "" : b)};
	struct route_query q = {.keys = keys,
				.keys_count = a == NULL	  ? 0
					      : b == NULL ? 1
							  : 2,
				.flags = flags,
				.now_ms = 2,
				.exists = exists};

	route_command(c, &q, r);
	return r->kind;
}

static void assert_error(const struct route *r, const char *want)
{
	char text[128];

	assert_int_equal(route_error(c, r, false, text, sizeof text), strlen(want));
	assert_string_equal(text, want);
}

/* "hello" has slot 866 (mine), "foo" 12182 (the other's), 16383 is nobody's. */
static void owners_serve_and_others_redirect(void **state)
{
	struct route r;

	(void)state;
	assert_int_equal(ask(NULL, NULL, ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("hello", NULL, ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("foo", NULL, 0, &r), ROUTE_MOVED);
	assert_error(&r, "MOVED 12182 10.0.0.2:7001");
	assert_int_equal(ask("hello", "foo", 0, &r), ROUTE_CROSSSLOT);
	assert_error(&r, "CROSSSLOT Keys in request don't hash to the same slot");
	slot_unbind(c, 12182);
	assert_int_equal(ask("foo", "hello", 0, &r), ROUTE_UNBOUND); /* before CROSSSLOT */
	assert_error(&r, "CLUSTERDOWN Hash slot not served");
}

static void a_migrating_slot_asks(void **state)
{
	struct route r;

	(void)state;
	c->migrating_to[866] = 1;
	key_is_here[0] = true;
	key_is_here[1] = false;
	assert_int_equal(ask("{hello}a", NULL, ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("{hello}b", NULL, ROUTE_WRITE, &r), ROUTE_ASK);
	assert_error(&r, "ASK 866 10.0.0.2:7001");
	assert_int_equal(ask("{hello}a", "{hello}b", 0, &r), ROUTE_TRYAGAIN);
	assert_error(&r, "TRYAGAIN Multiple keys request during rehashing of slot");
	assert_int_equal(ask("{hello}b", NULL, ROUTE_MIGRATE | ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("{hello}b", NULL, ROUTE_SHARD_PUBSUB, &r), ROUTE_SERVE);
}

static void an_importing_slot_serves_who_asks(void **state)
{
	struct route r;

	(void)state;
	c->importing_from[12182] = 1;
	key_is_here[0] = true;
	key_is_here[1] = false;
	assert_int_equal(ask("{foo}a", NULL, 0, &r), ROUTE_MOVED);
	assert_int_equal(ask("{foo}b", NULL, ROUTE_ASKING | ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("{foo}b", "{foo}b", ROUTE_ASKING, &r), ROUTE_SERVE);
	assert_int_equal(ask("{foo}a", "{foo}b", ROUTE_ASKING, &r), ROUTE_TRYAGAIN);
}

/* A primary that has slots needs answers of a majority to take more; one that gets its first slot
 * is in nobody's vote, and is asked for none. */
static void the_first_slot_can_be_imported(void **state)
{
	struct route r;

	(void)state;
	c->importing_from[12182] = 1;
	c->health.lease_ms = 0;
	assert_int_equal(ask("foo", NULL, ROUTE_ASKING | ROUTE_WRITE, &r), ROUTE_DOWN_WRITES);
	(void)slot_map_unbind_all(c, &c->nodes[0]);
	assert_int_equal(ask("foo", NULL, ROUTE_ASKING | ROUTE_WRITE, &r), ROUTE_SERVE);
	assert_int_equal(ask("foo", NULL, ROUTE_WRITE, &r), ROUTE_MOVED);
	c->silent = true;
	assert_int_equal(ask("foo", NULL, ROUTE_ASKING | ROUTE_WRITE, &r), ROUTE_DOWN_WRITES);
}

static void a_cluster_that_is_down_says_so(void **state)
{
	struct route r;

	(void)state;
	c->health.ok = false;
	assert_int_equal(ask("hello", NULL, 0, &r), ROUTE_DOWN);
	assert_error(&r, "CLUSTERDOWN The cluster is down");
	assert_int_equal(ask("hello", NULL, ROUTE_SHARD_PUBSUB, &r), ROUTE_SERVE);
	c->settings.allow_reads_when_down = true;
	assert_int_equal(ask("hello", NULL, 0, &r), ROUTE_SERVE);
	assert_int_equal(ask("foo", NULL, 0, &r), ROUTE_MOVED);
	assert_int_equal(ask("hello", NULL, ROUTE_WRITE, &r), ROUTE_DOWN_WRITES);
	assert_error(&r, "CLUSTERDOWN The cluster is down and only accepts read commands");
}

static void writes_need_the_lease_also_between_steps(void **state)
{
	struct route r;

	(void)state;
	c->health.lease_ms = 2;
	assert_int_equal(ask("hello", NULL, ROUTE_WRITE, &r), ROUTE_DOWN_WRITES);
	assert_int_equal(ask("hello", NULL, 0, &r), ROUTE_SERVE);
}

static void replicas_serve_readonly_clients(void **state)
{
	struct route r;
	struct route blocked;

	(void)state;
	for (unsigned s = 0; s < SLOTS; s++) {
		if (c->owner[s] == SELF) {
			slot_bind(c, s, &c->nodes[1]);
		}
	}
	self(c)->flags = NODE_MYSELF | NODE_REPLICA;
	self(c)->primary = 1;
	assert_int_equal(ask("hello", NULL, 0, &r), ROUTE_MOVED);
	assert_int_equal(ask("hello", NULL, ROUTE_READONLY, &r), ROUTE_SERVE);
	assert_int_equal(ask("hello", NULL, ROUTE_READONLY | ROUTE_WRITE, &r), ROUTE_MOVED);
	route_blocked(c, 866, ROUTE_READONLY, &blocked);
	assert_int_equal(blocked.kind, ROUTE_SERVE);
	route_blocked(c, 866, ROUTE_WRITE, &blocked);
	assert_int_equal(blocked.kind, ROUTE_MOVED);
	/* Its primary turned replica: nobody serves the slot until a new owner is known. */
	c->nodes[1].flags = NODE_REPLICA;
	assert_int_equal(ask("hello", NULL, ROUTE_READONLY, &r), ROUTE_UNBOUND);
}

static void endpoints_are_as_configured(void **state)
{
	struct route r;

	(void)state;
	(void)ask("foo", NULL, 0, &r);
	c->settings.endpoint = ENDPOINT_UNKNOWN;
	assert_error(&r, "MOVED 12182 :7001");
	c->settings.endpoint = ENDPOINT_HOSTNAME;
	assert_error(&r, "MOVED 12182 ?:7001");
	memcpy(c->nodes[1].hostname, "b.example", 10);
	assert_error(&r, "MOVED 12182 b.example:7001");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(owners_serve_and_others_redirect, start, stop),
	    cmocka_unit_test_setup_teardown(a_migrating_slot_asks, start, stop),
	    cmocka_unit_test_setup_teardown(an_importing_slot_serves_who_asks, start, stop),
	    cmocka_unit_test_setup_teardown(the_first_slot_can_be_imported, start, stop),
	    cmocka_unit_test_setup_teardown(a_cluster_that_is_down_says_so, start, stop),
	    cmocka_unit_test_setup_teardown(writes_need_the_lease_also_between_steps, start, stop),
	    cmocka_unit_test_setup_teardown(replicas_serve_readonly_clients, start, stop),
	    cmocka_unit_test_setup_teardown(endpoints_are_as_configured, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
