/* CLUSTER's changing subcommands: Redis's words for what is refused, and no effect of it; what was
 * saved is there again after a restart. */
#include "cluster/cluster_state.h"
#include "cluster/cluster_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define OTHER "fedcba9876543210fedcba9876543210fedcba98"

static struct cluster *c;
static void *memory;
static struct cluster_update up;
static struct cluster_config cfg;
static uint64_t keys;

static uint64_t in_slot(void *ctx, unsigned slot)
{
	(void)ctx;
	(void)slot;
	return keys;
}

static uint64_t total(void *ctx)
{
	(void)ctx;
	return keys;
}

static void boot(const char *conf)
{
	char error[160];

	free(memory);
	cfg.conf = conf == NULL ? slice_of(NULL, 0) : slice_str(conf);
	memory = malloc(cluster_sizeof(&cfg));
	assert_int_equal(cluster_init(memory, &cfg, &c, &up, error), ST_OK);
}

static int start(void **state)
{
	(void)state;
	memset(&cfg, 0, sizeof cfg);
	cfg.nodes_max = 4;
	cfg.now_ms = 1000;
	cfg.wall_ms = 1000;
	cfg.seed = 3;
	cluster_settings_default(&cfg.settings);
	cfg.keys = (struct cluster_keys){.in_slot = in_slot, .total = total};
	keys = 0;
	boot(NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free(memory);
	memory = NULL;
	return 0;
}

/* The reply to a command whose words are separated by spaces. */
static const char *say(const char *text)
{
	struct slice argv[16];
	struct cluster_event ev = {.kind = CLUSTER_EV_COMMAND, .now_ms = 1000, .wall_ms = 1000};

	ev.command.argv = argv;
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		argv[ev.command.argc++] = slice_of(text, len);
		text += len + (text[len] == ' ');
	}
	cluster_step(c, &ev, &up);
	return up.reply.kind == REPLY_OK ? "OK" : up.reply.text;
}

static void errors_are_those_of_redis(void **state)
{
	static const char *const cases[][2] = {
	    {"NONSENSE", "ERR unknown subcommand 'NONSENSE'. Try CLUSTER HELP."},
	    {"ADDSLOTS", "ERR wrong number of arguments for 'cluster|addslots' command"},
	    {"ADDSLOTS x", "ERR Invalid or out of range slot"},
	    {"ADDSLOTS 16384", "ERR Invalid or out of range slot"},
	    {"ADDSLOTS 1 1", "ERR Slot 1 specified multiple times"},
	    {"ADDSLOTS 7", "OK"},
	    {"ADDSLOTS 6 7", "ERR Slot 7 is already busy"},
	    {"DELSLOTS 6", "ERR Slot 6 is already unassigned"},
	    {"ADDSLOTSRANGE 5 4", "ERR start slot number 5 is greater than end slot number 4"},
	    {"ADDSLOTSRANGE 1 2 3",
	     "ERR wrong number of arguments for 'cluster|addslotsrange' command"},
	    {"MEET 10.0.0.1 x", "ERR Invalid base port specified: x"},
	    {"MEET 10.0.0.1 1 y", "ERR Invalid bus port specified: y"},
	    {"MEET host 6379", "ERR Invalid node address specified: host:6379"},
	    {"MEET 10.0.0.1 60000", "ERR Invalid node address specified: 10.0.0.1:60000"},
	    {"FORGET " OTHER, "ERR Unknown node " OTHER},
	    {"REPLICATE " OTHER, "ERR Unknown node " OTHER},
	    {"FAILOVER", "ERR You should send CLUSTER FAILOVER to a replica"},
	    {"FAILOVER SOMEHOW", "ERR syntax error"},
	    {"RESET GENTLY", "ERR syntax error"},
	    {"SETSLOT 1 NODE " OTHER, "ERR Unknown node " OTHER},
	    {"SETSLOT 1 MIGRATING " OTHER, "ERR I'm not the owner of hash slot 1"},
	    {"SETSLOT 7 IMPORTING " OTHER, "ERR I'm already the owner of hash slot 7"},
	    {"SETSLOT 7 MIGRATING " OTHER, "ERR I don't know about node " OTHER},
	    {"SET-CONFIG-EPOCH -1", "ERR Invalid config epoch specified: -1"},
	    {"SET-CONFIG-EPOCH 5", "OK"},
	    {"SET-CONFIG-EPOCH 6", "ERR Node config epoch is already non-zero"},
	    {"BUMPEPOCH", "STILL 5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_string_equal(say(cases[i][0]), cases[i][1]);
	}
	/* All or nothing: 6 was not taken when 7 was busy. */
	assert_int_equal(c->owner[6], NONE);
	assert_int_equal(self(c)->slots_count, 1);
}

static void keys_keep_slots_and_roles(void **state)
{
	(void)state;
	keys = 1;
	assert_string_equal(say("FLUSHSLOTS"),
			    "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
	assert_string_equal(say("RESET"),
			    "ERR CLUSTER RESET can't be called with master nodes containing keys");
	keys = 0;
	assert_string_equal(say("ADDSLOTS 1 2 3"), "OK");
	assert_string_equal(say("FLUSHSLOTS"), "OK");
	assert_int_equal(c->slots_assigned, 0);
}

static void what_was_saved_is_there_again(void **state)
{
	char text[8192];
	char again[8192];
	size_t len;
	struct node_id id = self(c)->id;

	(void)state;
	assert_string_equal(say("ADDSLOTSRANGE 0 100 16383 16383"), "OK");
	assert_string_equal(say("SET-CONFIG-EPOCH 9"), "OK");
	len = cluster_save(c, text, sizeof text);
	assert_true(len < sizeof text);
	boot(text);
	assert_true(node_id_eq(&self(c)->id, &id));
	assert_int_equal(self(c)->slots_count, 102);
	assert_int_equal(c->current_epoch, 9);
	assert_int_equal(cluster_save(c, again, sizeof again), len);
	assert_string_equal(again, text);
}

static void a_hard_reset_makes_a_new_node(void **state)
{
	struct node_id id = self(c)->id;

	(void)state;
	assert_string_equal(say("SET-CONFIG-EPOCH 9"), "OK");
	assert_string_equal(say("RESET SOFT"), "OK");
	assert_true(node_id_eq(&self(c)->id, &id));
	assert_int_equal(self(c)->config_epoch, 9);
	assert_string_equal(say("RESET HARD"), "OK");
	assert_int_equal(up.persist, PERSIST_SYNC);
	assert_false(node_id_eq(&self(c)->id, &id));
	assert_int_equal(self(c)->config_epoch, 0);
	assert_int_equal(c->current_epoch, 0);
}

static void a_full_table_takes_no_more(void **state)
{
	char text[64];

	(void)state;
	for (int i = 1; i < 10; i++) {
		(void)snprintf(text, sizeof text, "MEET 10.0.0.%d 6379", i);
		assert_string_equal(say(text), "OK");
	}
	assert_int_equal(c->nodes_count, 4);
	assert_true(cluster_mark_count(c, MARK_TABLE_FULL) > 0);
}

static void damaged_files_are_refused(void **state)
{
	static const char *const bad[] = {
	    "garbage\n",
	    OTHER " 10.0.0.1:1@2 master - 0 0 0 connected\nvars currentEpoch 0 lastVoteEpoch 0\n",
	    OTHER " 10.0.0.1:1@2 myself,slave " OTHER " 0 0 0 connected\n",
	};
	char error[160];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cfg.conf = slice_str(bad[i]);
		error[0] = '\0';
		assert_int_equal(cluster_init(memory, &cfg, &c, &up, error), ST_CORRUPT);
		assert_true(error[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(errors_are_those_of_redis, start, stop),
	    cmocka_unit_test_setup_teardown(keys_keep_slots_and_roles, start, stop),
	    cmocka_unit_test_setup_teardown(what_was_saved_is_there_again, start, stop),
	    cmocka_unit_test_setup_teardown(a_hard_reset_makes_a_new_node, start, stop),
	    cmocka_unit_test_setup_teardown(a_full_table_takes_no_more, start, stop),
	    cmocka_unit_test_setup_teardown(damaged_files_are_refused, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
