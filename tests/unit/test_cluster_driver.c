/* Drivers of several nodes in one event loop, with real links and files: they meet, agree, fail
 * over, and come back as nodes.conf says; and the order in which updates are carried out. */
#include "cluster/cluster_view.h"
#include "engine/base/clock.h"
#include "net/cluster_driver.h"
#include "tests/support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { NODES = 4, TIMEOUT_MS = 500, WAIT_MS = 20000 };

struct node {
	struct cluster_driver *d;
	char path[96];
	uint16_t bus_port;
	struct event_base *base;
	/* What the driver asked for. */
	unsigned roles, pauses, routes, published, fatals;
	bool primary, paused, silent, mid_script;
	struct node_id follows;
	enum cluster_handover handover;
	struct cluster_engine engine;
	char heard[64];
};

struct fixture {
	struct event_base *base;
	char dir[64];
	struct node n[NODES];
};

static void on_now(void *ctx, uint64_t *mono_ms, uint64_t *wall_ms)
{
	(void)ctx;
	*mono_ms = clock_system()->mono_us(NULL) / 1000;
	*wall_ms = clock_system()->wall_ms(NULL);
}

static void on_role(void *ctx, const struct cluster_update *up)
{
	struct node *n = ctx;

	n->roles++;
	n->primary = up->role.primary;
	n->follows = up->role.primary_id;
	n->engine.link_up = n->engine.can_stand = !up->role.primary;
}

static void on_pause(void *ctx, bool paused)
{
	struct node *n = ctx;

	n->pauses++;
	n->paused = paused;
}

static void on_routes(void *ctx)
{
	((struct node *)ctx)->routes++;
}

static void on_publish(void *ctx, struct slice channel, struct slice payload, bool sharded)
{
	struct node *n = ctx;

	n->published++;
	(void)snprintf(n->heard, sizeof n->heard, "%d %.*s %.*s", sharded, (int)channel.len,
		       (const char *)channel.data, (int)payload.len, (const char *)payload.data);
}

static void on_handover(void *ctx, enum cluster_handover result)
{
	((struct node *)ctx)->handover = result;
}

static bool on_may_speak(void *ctx)
{
	return !((struct node *)ctx)->silent;
}

static bool on_mid_script(void *ctx)
{
	return ((struct node *)ctx)->mid_script;
}

static void on_fatal(void *ctx, enum status st, const char *text)
{
	struct node *n = ctx;

	(void)st;
	CHECK(strstr(text, n->path) != NULL, "the file is not named: %s\n", text);
	n->fatals++;
}

static uint64_t no_keys_in_slot(void *ctx, unsigned slot)
{
	(void)ctx;
	(void)slot;
	return 0;
}

static uint64_t no_keys(void *ctx)
{
	(void)ctx;
	return 0;
}

static int listen_at(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(*port)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static enum status try_start(struct fixture *f, int i, struct buf *error)
{
	struct node *n = &f->n[i];
	struct cluster_driver_options opts = {
	    .base = f->base,
	    .nodes_max = 16,
	    .seed = 1000 + (uint64_t)i,
	    .keys = {.in_slot = no_keys_in_slot, .total = no_keys},
	    .path = n->path,
	};
	struct cluster_driver_node node = {
	    .now = on_now,
	    .role = on_role,
	    .pause = on_pause,
	    .routes = on_routes,
	    .publish = on_publish,
	    .handover = on_handover,
	    .may_speak = on_may_speak,
	    .mid_script = on_mid_script,
	    .fatal = on_fatal,
	    .ctx = n,
	};
	struct cluster_start start;
	enum status st = cluster_start_load(&start, n->path, error);
	int fd;

	if (st != ST_OK) {
		return st;
	}
	fd = listen_at(&n->bus_port);
	cluster_settings_default(&opts.settings);
	opts.settings.node_timeout_ms = TIMEOUT_MS;
	opts.settings.addr.port = (uint16_t)(7000 + i);
	opts.settings.addr.bus_port = n->bus_port;
	st = cluster_driver_create(&opts, &node, &start, &n->d, error);
	if (st != ST_OK) {
		cluster_start_release(&start);
		(void)close(fd);
		return st;
	}
	assert_int_equal(cluster_driver_listen(n->d, fd), ST_OK);
	cluster_driver_start(n->d);
	return ST_OK;
}

static void start(struct fixture *f, int i)
{
	struct buf error = {0};
	enum status st = try_start(f, i, &error);

	CHECK(st == ST_OK, "%s: %.*s\n", status_text(st), (int)error.len, (char *)error.data);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = "/tmp/cairn-driver-XXXXXX"};
	*state = &f;
	if (mkdtemp(f.dir) == NULL) {
		return -1;
	}
	f.base = event_base_new();
	for (int i = 0; i < NODES; i++) {
		(void)snprintf(f.n[i].path, sizeof f.n[i].path, "%s/nodes-%d.conf", f.dir, i);
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < NODES; i++) {
		cluster_driver_destroy(f->n[i].d);
		(void)unlink(f->n[i].path);
	}
	event_base_free(f->base);
	return rmdir(f->dir); /* nothing else was left behind */
}

/* One turn of all nodes. */
static void turn(struct fixture *f)
{
	struct timeval tick = {.tv_usec = 2000};

	(void)event_base_loopexit(f->base, &tick);
	(void)event_base_loop(f->base, EVLOOP_ONCE);
	for (int i = 0; i < NODES; i++) {
		struct node *n = &f->n[i];

		if (n->d != NULL) {
			n->engine.paused = n->paused;
			n->engine.last_io_ms = clock_system()->mono_us(NULL) / 1000;
			cluster_driver_engine(n->d, &n->engine);
			cluster_driver_turn_end(n->d);
		}
	}
}

static void await(struct fixture *f, bool (*done)(struct fixture *f), const char *what)
{
	uint64_t end = clock_system()->mono_us(NULL) + WAIT_MS * 1000;

	while (!done(f)) {
		CHECK(clock_system()->mono_us(NULL) < end, "%s: not in %d ms\n", what, WAIT_MS);
		turn(f);
	}
}

static void command(struct fixture *f, int i, const char *text, enum cluster_reply_kind want)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_COMMAND};
	struct cluster_reply reply = {0};
	struct slice argv[8];
	char copy[256], *save = NULL;
	unsigned argc = 0;

	(void)snprintf(copy, sizeof copy, "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		argv[argc++] = slice_str(w);
	}
	ev.command.argv = argv;
	ev.command.argc = argc;
	cluster_driver_event(f->n[i].d, &ev, &reply);
	CHECK(reply.kind == want, "node %d, %s: %d %s\n", i, text, reply.kind, reply.text);
}

static struct cluster_view_info info_of(struct fixture *f, int i)
{
	struct cluster_view_info info;

	cluster_view_info(cluster_driver_core(f->n[i].d), clock_system()->mono_us(NULL) / 1000,
			  &info);
	return info;
}

static const char *id_of(struct fixture *f, int i)
{
	struct cluster_view_node n;

	assert_true(cluster_view_node(cluster_driver_core(f->n[i].d), 0, &n));
	return n.id;
}

static bool all_know_all(struct fixture *f)
{
	for (int i = 0; i < NODES; i++) {
		struct cluster_view_node n;

		for (uint16_t p = 0; p < NODES; p++) {
			if (!cluster_view_node(cluster_driver_core(f->n[i].d), p, &n) ||
			    !n.link_up || (n.flags & NODE_HANDSHAKE) != 0) {
				return false;
			}
		}
	}
	return true;
}

static bool all_ok(struct fixture *f)
{
	for (int i = 0; i < NODES; i++) {
		if (f->n[i].d != NULL && !info_of(f, i).ok) {
			return false;
		}
	}
	return true;
}

static bool replica_follows(struct fixture *f)
{
	struct cluster_view_node n;
	const struct cluster *c = cluster_driver_core(f->n[0].d);
	uint16_t place = cluster_view_find(c, slice_str(id_of(f, 3)));

	return cluster_view_node(c, place, &n) && (n.flags & NODE_REPLICA) != 0;
}

/* Three primaries, and node 3 a replica of node 0. */
static void form(struct fixture *f)
{
	char text[128];

	for (int i = 0; i < NODES; i++) {
		start(f, i);
	}
	for (int i = 1; i < NODES; i++) {
		(void)snprintf(text, sizeof text, "meet 127.0.0.1 %d %u", 7000 + i,
			       f->n[i].bus_port);
		command(f, 0, text, REPLY_OK);
	}
	command(f, 0, "addslotsrange 0 5460", REPLY_OK);
	command(f, 1, "addslotsrange 5461 10922", REPLY_OK);
	command(f, 2, "addslotsrange 10923 16383", REPLY_OK);
	await(f, all_know_all, "everybody knows everybody");
	(void)snprintf(text, sizeof text, "replicate %s", id_of(f, 0));
	command(f, 3, text, REPLY_OK);
	assert_false(f->n[3].primary);
	assert_string_equal(f->n[3].follows.text, id_of(f, 0));
	await(f, replica_follows, "the replica is known as one");
	await(f, all_ok, "the cluster is ok");
}

static void stop(struct fixture *f, int i)
{
	cluster_driver_destroy(f->n[i].d);
	f->n[i].d = NULL;
}

static bool node3_leads(struct fixture *f)
{
	return f->n[3].primary && info_of(f, 3).ok && info_of(f, 1).ok;
}

static bool node0_follows(struct fixture *f)
{
	return !f->n[0].primary && !node_id_empty(&f->n[0].follows);
}

/* How often node i agreed that another one has failed. */
static uint64_t times_failed(struct fixture *f, int i)
{
	const struct cluster *c = cluster_driver_core(f->n[i].d);

	return cluster_mark_count(c, MARK_FAIL_BY_MAJORITY) +
	       cluster_mark_count(c, MARK_FAIL_BY_MESSAGE);
}

static void nodes_meet_fail_over_and_come_back(void **state)
{
	struct fixture *f = *state;
	struct bus_totals totals;

	form(f);
	cluster_driver_totals(f->n[0].d, &totals);
	assert_int_equal(totals.links, 2 * (NODES - 1));
	assert_true(totals.sent_bytes > 0 && totals.received_bytes > 0);
	stop(f, 0);
	await(f, node3_leads, "the replica takes over");
	assert_true(times_failed(f, 1) > 0);
	/* It comes back with its old file, which says that it is a primary. */
	f->n[0].primary = true;
	start(f, 0);
	await(f, node0_follows, "the deposed primary follows");
	assert_string_equal(f->n[0].follows.text, id_of(f, 3));
	/* And it remembers that over one more start. */
	stop(f, 0);
	f->n[0].primary = true;
	start(f, 0);
	assert_false(f->n[0].primary);
	assert_string_equal(f->n[0].follows.text, id_of(f, 3));
}

static bool handover_over(struct fixture *f)
{
	return f->n[0].handover != HANDOVER_NONE;
}

static void a_primary_hands_over_before_it_ends(void **state)
{
	struct fixture *f = *state;
	struct cluster_event ev = {.kind = CLUSTER_EV_HANDOVER};

	form(f);
	cluster_driver_event(f->n[0].d, &ev, NULL);
	assert_int_equal(f->n[0].pauses, 1);
	assert_true(f->n[0].paused);
	await(f, handover_over, "the hand-over ends");
	assert_int_equal(times_failed(f, 1), 0); /* nobody had to be missed for that */
	assert_int_equal(f->n[0].handover, HANDOVER_DONE);
	assert_false(f->n[0].primary);
	assert_true(f->n[3].primary);
	assert_false(f->n[0].paused);
	/* A replica, or a primary without one, has nobody. */
	f->n[1].handover = HANDOVER_NONE;
	cluster_driver_event(f->n[1].d, &ev, NULL);
	assert_int_equal(f->n[1].handover, HANDOVER_FAILED);
}

static bool node1_heard(struct fixture *f)
{
	return f->n[1].published > 0;
}

static void messages_are_published_everywhere(void **state)
{
	struct fixture *f = *state;
	struct cluster_event ev = {.kind = CLUSTER_EV_PUBLISH};
	char *big = malloc(100000);

	form(f);
	ev.publish.channel = slice_str("news");
	ev.publish.payload = slice_str("hello");
	cluster_driver_event(f->n[0].d, &ev, NULL);
	await(f, node1_heard, "the message arrives");
	assert_string_equal(f->n[1].heard, "0 news hello");
	/* Longer than anything that the core sends by itself. */
	memset(big, 'x', 100000);
	f->n[1].published = 0;
	ev.publish.payload = slice_of(big, 100000);
	cluster_driver_event(f->n[0].d, &ev, NULL);
	await(f, node1_heard, "the long message arrives");
	free(big);
}

static bool some_time_passed(struct fixture *f)
{
	static uint64_t end;
	uint64_t now = clock_system()->mono_us(NULL);

	(void)f;
	if (end == 0) {
		end = now + 2 * TIMEOUT_MS * 1000;
	}
	if (now < end) {
		return false;
	}
	end = 0;
	return true;
}

static void who_may_not_speak_is_not_heard(void **state)
{
	struct fixture *f = *state;

	form(f);
	/* As while a promotion has not reached its log: the others miss it. */
	f->n[0].silent = true;
	await(f, node3_leads, "the replica takes over from the silent one");
	/* It listens all the same. */
	await(f, node0_follows, "it hears of that");
	f->n[0].silent = false;
}

/* As from within scripts: the event loop never runs. */
static void serve_all(struct fixture *f, bool (*done)(struct fixture *f), const char *what)
{
	uint64_t end = clock_system()->mono_us(NULL) + WAIT_MS * 1000;

	while (!done(f)) {
		CHECK(clock_system()->mono_us(NULL) < end, "%s: not in %d ms\n", what, WAIT_MS);
		for (int i = 0; i < NODES; i++) {
			if (f->n[i].d != NULL) {
				cluster_driver_serve(f->n[i].d);
			}
		}
		(void)usleep(5000);
	}
}

static bool node2_missed(struct fixture *f)
{
	return times_failed(f, 1) > 0 && !info_of(f, 1).ok;
}

static void links_live_without_the_loop(void **state)
{
	struct fixture *f = *state;

	form(f);
	for (int i = 0; i < 3; i++) {
		serve_all(f, some_time_passed, "time passes");
	}
	for (int i = 0; i < NODES; i++) {
		assert_int_equal(times_failed(f, i), 0);
	}
	assert_true(all_ok(f));
	/* Links end, and begin again from both sides. */
	stop(f, 2);
	serve_all(f, node2_missed, "it is missed");
	start(f, 2);
	serve_all(f, all_know_all, "all are linked again");
	serve_all(f, all_ok, "the cluster is ok again");
	await(f, all_know_all, "the loop takes over");
}

static bool core0_follows(struct fixture *f)
{
	struct cluster_view_node n;

	return cluster_view_node(cluster_driver_core(f->n[0].d), 0, &n) &&
	       (n.flags & NODE_REPLICA) != 0;
}

static void a_change_of_role_waits_for_the_end_of_a_script(void **state)
{
	struct fixture *f = *state;
	unsigned roles;

	form(f);
	roles = f->n[0].roles;
	f->n[0].mid_script = true;
	command(f, 3, "failover takeover", REPLY_OK);
	await(f, core0_follows, "it knows that it is deposed");
	await(f, some_time_passed, "time passes");
	assert_int_equal(f->n[0].roles, roles);
	assert_true(f->n[0].primary);
	command(f, 0, "bumpepoch", REPLY_ERROR); /* of the script itself */
	f->n[0].mid_script = false;
	await(f, node0_follows, "it follows");
	assert_int_equal(f->n[0].roles, roles + 1);
	/* What was kept back meanwhile is heard. */
	await(f, all_know_all, "all are linked");
	await(f, all_ok, "the cluster is ok");
	command(f, 0, "failover takeover", REPLY_OK);
	assert_true(f->n[0].primary);
}

static void what_can_not_be_made_durable_is_not_heard_of(void **state)
{
	struct fixture *f = *state;
	char tmp[128];
	uint64_t epoch;

	form(f);
	await(f, some_time_passed, "what may be saved later is saved");
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", f->n[3].path);
	assert_int_equal(mkdir(tmp, 0700), 0); /* in the way of the new file */
	epoch = info_of(f, 1).current_epoch;
	stop(f, 0);
	for (int i = 0; i < 3; i++) {
		await(f, some_time_passed, "elections would have begun");
	}
	assert_int_equal(f->n[3].fatals, 1);
	assert_false(f->n[3].primary);
	assert_int_equal(info_of(f, 1).current_epoch, epoch);
	assert_int_equal(rmdir(tmp), 0);
}

static void one_node_per_file_and_no_damaged_ones(void **state)
{
	struct fixture *f = *state;
	struct buf error = {0};
	FILE *file;

	start(f, 0);
	memcpy(f->n[1].path, f->n[0].path, sizeof f->n[1].path);
	assert_int_equal(try_start(f, 1, &error), ST_LOCKED);
	assert_true(error.len > 0);
	(void)snprintf(f->n[1].path, sizeof f->n[1].path, "%s/nodes-1.conf", f->dir);
	file = fopen(f->n[1].path, "w");
	assert_non_null(file);
	assert_true(fputs("nonsense that no node wrote\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	error.len = 0;
	assert_int_equal(try_start(f, 1, &error), ST_CORRUPT);
	assert_non_null(memmem(error.data, error.len, "line 1", 6));
	assert_non_null(memmem(error.data, error.len, f->n[1].path, strlen(f->n[1].path)));
	buf_deinit(&error);
}

static void settings_change_while_running(void **state)
{
	struct fixture *f = *state;
	struct cluster_settings s;
	unsigned routes;

	start(f, 0);
	s = *cluster_view_settings(cluster_driver_core(f->n[0].d));
	s.node_timeout_ms = 12345;
	s.require_full_coverage = false;
	routes = f->n[0].routes;
	cluster_driver_settings(f->n[0].d, &s, 0, NULL, NULL);
	assert_int_equal(cluster_view_settings(cluster_driver_core(f->n[0].d))->node_timeout_ms,
			 12345);
	assert_true(f->n[0].routes > routes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nodes_meet_fail_over_and_come_back),
	    TEST(a_primary_hands_over_before_it_ends),
	    TEST(messages_are_published_everywhere),
	    TEST(who_may_not_speak_is_not_heard),
	    TEST(links_live_without_the_loop),
	    TEST(a_change_of_role_waits_for_the_end_of_a_script),
	    TEST(what_can_not_be_made_durable_is_not_heard_of),
	    TEST(one_node_per_file_and_no_damaged_ones),
	    TEST(settings_change_while_running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
