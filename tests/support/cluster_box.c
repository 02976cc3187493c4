/* Commands of a node that is in a cluster. */
#include "tests/support/cluster_box.h"

#include "net/command/command_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

const char cluster_box_conf[] =
    BOX_ME " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8191\n" BOX_OTHER
	   " 10.0.0.2:7001@17001 master - 0 0 2 connected 8192-16382\n" BOX_REPLICA
	   " 10.0.0.3:7002@17002 slave " BOX_ME " 0 0 1 connected\n"
	   "vars currentEpoch 2 lastVoteEpoch 0\n";

static struct cluster_box *box_of(struct command_host *h)
{
	return (struct cluster_box *)(void *)((char *)h - offsetof(struct cluster_box, command) -
					      offsetof(struct command_box, host));
}

static uint64_t mono_ms(struct cluster_box *b)
{
	return b->command.clock.mono_us(b->command.clock.ctx) / 1000;
}

static void step(struct cluster_box *b, struct cluster_event *ev, struct cluster_update *up)
{
	ev->now_ms = mono_ms(b);
	ev->wall_ms = b->command.engine.now_ms;
	cluster_step(b->cluster, ev, up);
}

static void cluster_command(struct command_host *h, const struct slice *argv, unsigned argc,
			    struct cluster_reply *out)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_COMMAND,
				   .command = {.argv = argv, .argc = argc}};

	step(box_of(h), &ev, &box_of(h)->up);
	*out = box_of(h)->up.reply;
	cluster_box_heal(box_of(h)); /* a step without a bus finds that nobody answers */
}

static void each_link(struct command_host *h,
		      void (*each)(void *arg, const struct cluster_link_view *l), void *arg)
{
	for (size_t i = 0; i < box_of(h)->links; i++) {
		struct cluster_link_view l = {.inbound = i % 2 == 1,
					      .writing = i == 0,
					      .node_id = BOX_OTHER,
					      .created_wall_ms = 1700000000000 + i,
					      .buffer_allocated = 4096,
					      .buffer_used = i};

		each(arg, &l);
	}
}

static void publish(struct command_host *h, struct slice channel, struct slice payload,
		    bool sharded)
{
	struct cluster_box *b = box_of(h);

	assert_int_equal(buf_append(&b->published, channel.data, channel.len), ST_OK);
	assert_int_equal(buf_append(&b->published, " ", 1), ST_OK);
	assert_int_equal(buf_append(&b->published, payload.data, payload.len), ST_OK);
	assert_int_equal(buf_append(&b->published, "\n", 1), ST_OK);
	b->published_sharded += sharded;
}

static void each_client(struct command_host *h,
			void (*each)(void *arg, const struct client_info *c), void *arg)
{
	struct client_info info = {.session = &box_of(h)->command.session};

	each(arg, &info);
}

static struct command_host_ops ops;

static uint64_t keys_in_slot(void *ctx, unsigned slot)
{
	struct cluster_box *b = ctx;

	return engine_slot_keys(b->command.engine.e, (uint16_t)slot);
}

static uint64_t keys_total(void *ctx)
{
	struct cluster_box *b = ctx;

	return engine_keys(b->command.engine.e);
}

void cluster_box_open(struct cluster_box *b, const char *conf)
{
	struct cluster_config cfg = {.nodes_max = 8, .seed = 7, .conf = slice_str(conf)};
	char error[160];

	*b = (struct cluster_box){.links = 0};
	command_box_open(&b->command, 5);
	ops = command_box_ops;
	ops.each_client = each_client;
	ops.cluster_command = cluster_command;
	ops.each_cluster_link = each_link;
	ops.cluster_publish = publish;
	b->command.host.ops = &ops;
	cluster_settings_default(&b->settings);
	b->settings.addr.port = 7000;
	b->settings.addr.bus_port = 17000;
	cfg.settings = b->settings;
	cfg.now_ms = mono_ms(b);
	cfg.wall_ms = b->command.engine.now_ms;
	cfg.keys = (struct cluster_keys){keys_in_slot, keys_total, b};
	b->memory = malloc(cluster_sizeof(&cfg));
	assert_non_null(b->memory);
	assert_int_equal(cluster_init(b->memory, &cfg, &b->cluster, &b->up, error), ST_OK);
	b->command.host.cluster = b->cluster;
	cluster_box_heal(b);
}

void cluster_box_close(struct cluster_box *b)
{
	command_box_close(&b->command);
	free(b->memory);
	buf_deinit(&b->published);
}

int cluster_box_setup(void **state)
{
	struct cluster_box *b = calloc(1, sizeof *b);

	assert_non_null(b);
	cluster_box_open(b, cluster_box_conf);
	*state = b;
	return 0;
}

int cluster_box_teardown(void **state)
{
	cluster_box_close(*state);
	free(*state);
	return 0;
}

void cluster_box_set(struct cluster_box *b)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_SETTINGS, .settings = &b->settings};

	step(b, &ev, &b->up);
	cluster_box_heal(b);
}

void cluster_box_heal(struct cluster_box *b)
{
	b->cluster->health.ok = true;
	b->cluster->health.lease_ms = UINT64_MAX;
	b->cluster->last_step_ms = mono_ms(b);
}
