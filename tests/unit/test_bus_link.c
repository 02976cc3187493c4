/* Links of the cluster bus over the loopback: framing, limits, and when what is reported. */
#include "cluster/bus_msg.h"
#include "cluster/cluster.h"
#include "engine/base/clock.h"
#include "net/bus_link.h"
#include "net/tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 5000, LINK = 7 };

/* One side, and what it was told. */
struct side {
	struct bus *bus;
	unsigned ups, downs, messages;
	uint64_t last_up, last_down, last_link;
	size_t last_len, bytes;
	char peer_ip[TCP_IP_TEXT_MAX], local_ip[TCP_IP_TEXT_MAX];
	bool all_known, close_at_message;
};

struct fixture {
	struct event_base *base;
	struct side a, b; /* a listens */
	uint16_t port;
	struct bus_limits limits;
};

static void on_up(void *ctx, uint64_t link)
{
	struct side *s = ctx;

	s->ups++;
	s->last_up = link;
}

static void on_down(void *ctx, uint64_t link)
{
	struct side *s = ctx;

	s->downs++;
	s->last_down = link;
}

static void on_message(void *ctx, uint64_t link, struct slice bytes, const char *peer_ip,
		       const char *local_ip)
{
	struct side *s = ctx;

	s->messages++;
	s->last_link = link;
	s->last_len = bytes.len;
	s->bytes += bytes.len;
	(void)snprintf(s->peer_ip, sizeof s->peer_ip, "%s", peer_ip);
	(void)snprintf(s->local_ip, sizeof s->local_ip, "%s", local_ip);
	if (s->close_at_message) {
		bus_close(s->bus, link);
	}
}

static bool known(void *ctx, uint64_t link)
{
	(void)link;
	return ((struct side *)ctx)->all_known;
}

static int listen_here(uint16_t *port, int backlog)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static void create(struct fixture *f, struct side *s)
{
	struct bus_events events = {
	    .up = on_up, .down = on_down, .message = on_message, .known = known, .ctx = s};

	assert_int_equal(bus_create(f->base, &events, &f->limits, &s->bus), ST_OK);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){
	    .limits = {.message_max = 1 << 20,
		       .stranger_max = 16384,
		       .output_max = 8 << 20,
		       .inbound_max = 4,
		       .connect_timeout_ms = 200},
	};
	f.base = event_base_new();
	create(&f, &f.a);
	create(&f, &f.b);
	assert_int_equal(bus_listen(f.a.bus, listen_here(&f.port, 16)), ST_OK);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bus_destroy(f->a.bus);
	bus_destroy(f->b.bus);
	event_base_free(f->base);
	return 0;
}

/* Runs the loop until *counter has reached want; asserts that it does. */
static void await(struct fixture *f, const unsigned *counter, unsigned want)
{
	uint64_t end = clock_system()->mono_us(NULL) + WAIT_MS * 1000;

	while (*counter < want && clock_system()->mono_us(NULL) < end) {
		struct timeval tick = {.tv_usec = 10000};

		(void)event_base_loopexit(f->base, &tick);
		(void)event_base_loop(f->base, EVLOOP_ONCE);
		bus_flush(f->a.bus);
		bus_flush(f->b.bus);
	}
	assert_int_equal(*counter, want);
}

/* What is going to happen without being waited for, has happened afterwards. */
static void settle(struct fixture *f)
{
	for (int i = 0; i < 5; i++) {
		struct timeval tick = {.tv_usec = 10000};

		(void)event_base_loopexit(f->base, &tick);
		(void)event_base_dispatch(f->base);
		bus_flush(f->a.bus);
		bus_flush(f->b.bus);
	}
}

static struct slice message(uint8_t *dst, size_t extra)
{
	static const struct slot_bits none;
	struct bus_header h = {.type = BUS_PING, .slots = &none};
	size_t len = BUS_HEADER_LEN + extra;

	memset(dst, 0, len);
	memset(h.sender.text, 'a', NODE_ID_LEN);
	bus_put_header(dst, &h);
	bus_msg_seal(dst, len, 0, 0);
	return slice_of(dst, len);
}

static void join(struct fixture *f)
{
	bus_connect(f->b.bus, LINK, "127.0.0.1", f->port);
	assert_int_equal(f->b.ups, 0); /* not from within the call */
	await(f, &f->b.ups, 1);
	assert_int_equal(f->b.last_up, LINK);
}

/* A plain client of a, for bytes that no bus would send. */
static int raw_client(struct fixture *f)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(f->port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void messages_arrive_whole_and_are_answered_on_their_link(void **state)
{
	struct fixture *f = *state;
	uint8_t m[BUS_HEADER_LEN + 9000];
	struct bus_link_info info;

	join(f);
	for (int i = 0; i < 100; i++) {
		bus_send(f->b.bus, LINK, message(m, (size_t)i * 90));
	}
	assert_true(bus_link_info(f->b.bus, LINK, &info));
	assert_int_equal(info.output_bytes, 100 * BUS_HEADER_LEN + 90 * 99 * 50);
	settle(f);
	await(f, &f->a.messages, 100);
	assert_int_equal(f->a.bytes, 100 * BUS_HEADER_LEN + 90 * 99 * 50);
	assert_string_equal(f->a.peer_ip, "127.0.0.1");
	assert_string_equal(f->a.local_ip, "127.0.0.1");
	assert_true((f->a.last_link & CLUSTER_LINK_INBOUND) != 0);
	bus_send(f->a.bus, f->a.last_link, message(m, 0));
	await(f, &f->b.messages, 1);
	assert_int_equal(f->b.last_link, LINK);
}

static void nothing_leaves_before_the_flush(void **state)
{
	struct fixture *f = *state;
	struct timeval tick = {.tv_usec = 30000};
	uint8_t m[BUS_HEADER_LEN];

	join(f);
	bus_send(f->b.bus, LINK, message(m, 0));
	(void)event_base_loopexit(f->base, &tick);
	(void)event_base_dispatch(f->base);
	assert_int_equal(f->a.messages, 0);
	bus_flush(f->b.bus);
	await(f, &f->a.messages, 1);
}

static void a_message_may_come_in_single_bytes(void **state)
{
	struct fixture *f = *state;
	uint8_t m[2 * BUS_HEADER_LEN];
	int fd = raw_client(f);

	(void)message(m, 0);
	(void)message(m + BUS_HEADER_LEN, 0);
	for (size_t i = 0; i < sizeof m; i++) {
		assert_int_equal(send(fd, m + i, 1, 0), 1);
		if (i % 500 == 0 || i + 2 > BUS_HEADER_LEN) {
			(void)event_base_loop(f->base, EVLOOP_NONBLOCK);
		}
		if (i == BUS_HEADER_LEN - 2) {
			assert_int_equal(f->a.messages, 0);
		}
	}
	await(f, &f->a.messages, 2);
	(void)close(fd);
	await(f, &f->a.downs, 1);
}

static void refused_connections_are_reported_from_the_loop(void **state)
{
	struct fixture *f = *state;
	uint16_t port;

	(void)close(listen_here(&port, 1));
	bus_connect(f->b.bus, LINK, "127.0.0.1", port);
	bus_connect(f->b.bus, LINK + 1, "no.address", port);
	assert_int_equal(f->b.downs, 0);
	await(f, &f->b.downs, 2);
	assert_false(bus_link_info(f->b.bus, LINK, &(struct bus_link_info){0}));
	assert_int_equal(f->b.ups, 0);
}

static void a_connection_that_does_not_come_times_out(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = clock_system()->mono_us(NULL);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	uint16_t port;
	int listener = listen_here(&port, 0), fill[8];

	/* Its queue is full, so the kernel does not answer. */
	to.sin_port = htons(port);
	for (size_t i = 0; i < sizeof fill / sizeof fill[0]; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&to, sizeof to);
	}
	bus_connect(f->b.bus, LINK, "127.0.0.1", port);
	await(f, &f->b.downs, 1);
	assert_true(clock_system()->mono_us(NULL) - begin >= 190000);
	for (size_t i = 0; i < sizeof fill / sizeof fill[0]; i++) {
		(void)close(fill[i]);
	}
	(void)close(listener);
}

static void what_is_no_message_closes_the_link(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"GET / HTTP/1.1\r\n\r\n", "RCmb\0\0\0\1",
					  "RCmb\377\377\377\377"};

	for (unsigned i = 0; i < 3; i++) {
		char byte;
		int fd = raw_client(f);

		assert_int_equal(send(fd, bad[i], 8, 0), 8);
		await(f, &f->a.downs, i + 1);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		(void)close(fd);
	}
	assert_int_equal(f->a.messages, 0);
}

static void only_known_nodes_may_send_long_messages(void **state)
{
	struct fixture *f = *state;
	uint8_t *m = malloc(100000);

	join(f);
	bus_send(f->b.bus, LINK, message(m, 50000));
	await(f, &f->a.downs, 1);
	assert_int_equal(f->a.messages, 0);
	await(f, &f->b.downs, 1);
	f->a.all_known = true;
	f->b.ups = 0;
	join(f);
	bus_send(f->b.bus, LINK, message(m, 50000));
	await(f, &f->a.messages, 1);
	assert_int_equal(f->a.last_len, BUS_HEADER_LEN + 50000);
	free(m);
}

static void output_has_a_bound(void **state)
{
	struct fixture *f = *state;
	uint8_t *m = malloc(2 << 20);
	struct bus_totals totals;

	join(f);
	/* Nobody flushes, as if the peer did not read. */
	for (int i = 0; i < 4; i++) {
		bus_send(f->b.bus, LINK, message(m, (2 << 20) - BUS_HEADER_LEN - 8));
	}
	bus_totals(f->b.bus, &totals);
	assert_int_equal(totals.links, 1);
	assert_true(totals.bytes >= 8 << 20);
	assert_int_equal(f->b.downs, 0);
	bus_send(f->b.bus, LINK, message(m, 1000));
	await(f, &f->b.downs, 1);
	assert_int_equal(f->b.last_down, LINK);
	bus_totals(f->b.bus, &totals);
	assert_int_equal(totals.links, 0);
	assert_int_equal(totals.bytes, 0);
	assert_int_equal(totals.over_limit, 1);
	free(m);
}

static void a_slow_reader_gets_everything(void **state)
{
	struct fixture *f = *state;
	uint8_t *m = malloc(1 << 20);

	f->a.all_known = true;
	join(f);
	for (int i = 0; i < 7; i++) {
		bus_send(f->b.bus, LINK, message(m, (1 << 20) - BUS_HEADER_LEN));
	}
	await(f, &f->a.messages, 7);
	assert_int_equal(f->a.bytes, 7 << 20);
	free(m);
}

static void the_oldest_stranger_makes_room(void **state)
{
	struct fixture *f = *state;
	struct bus_totals totals;
	int fd[6];
	char byte;

	for (int i = 0; i < 6; i++) {
		fd[i] = raw_client(f);
		settle(f);
	}
	bus_totals(f->a.bus, &totals);
	assert_int_equal(totals.links, 4);
	assert_int_equal(f->a.downs, 0);
	for (int i = 0; i < 6; i++) {
		/* The first two are closed, the others are not. */
		assert_int_equal(recv(fd[i], &byte, 1, MSG_DONTWAIT), i < 2 ? 0 : -1);
	}
	/* Nodes are not pushed out by a newcomer. */
	f->a.all_known = true;
	assert_int_equal(send(fd[2], "RCmb", 4, 0), 4);
	(void)close(raw_client(f));
	settle(f);
	assert_int_equal(recv(fd[2], &byte, 1, MSG_DONTWAIT), -1);
	bus_close_strangers(f->a.bus, 0);
	bus_totals(f->a.bus, &totals);
	assert_int_equal(totals.links, 4);
	f->a.all_known = false;
	bus_close_strangers(f->a.bus, 60000);
	bus_totals(f->a.bus, &totals);
	assert_int_equal(totals.links, 4);
	usleep(3000);
	bus_close_strangers(f->a.bus, 0);
	bus_totals(f->a.bus, &totals);
	assert_int_equal(totals.links, 0);
	for (int i = 0; i < 6; i++) {
		(void)close(fd[i]);
	}
}

static void a_link_may_be_closed_while_its_messages_are_read(void **state)
{
	struct fixture *f = *state;
	uint8_t m[BUS_HEADER_LEN];

	f->a.close_at_message = true;
	join(f);
	for (int i = 0; i < 3; i++) {
		bus_send(f->b.bus, LINK, message(m, 0));
	}
	await(f, &f->b.downs, 1); /* the peer sees the end */
	assert_int_equal(f->a.messages, 1);
	assert_int_equal(f->a.downs, 0);	 /* who closes is not told */
	bus_send(f->b.bus, LINK, message(m, 0)); /* dropped */
	bus_close(f->b.bus, LINK);
}

static void a_failed_link_that_is_closed_first_is_not_reported(void **state)
{
	struct fixture *f = *state;

	bus_connect(f->b.bus, LINK, "no.address", 1);
	bus_close(f->b.bus, LINK);
	settle(f);
	assert_int_equal(f->b.downs, 0);
}

static void links_come_from_the_source_address(void **state)
{
	struct fixture *f = *state;
	uint8_t m[BUS_HEADER_LEN];

	f->limits.source_addr = "127.0.0.3";
	bus_set_limits(f->b.bus, &f->limits);
	join(f);
	bus_send(f->b.bus, LINK, message(m, 0));
	await(f, &f->a.messages, 1);
	assert_string_equal(f->a.peer_ip, "127.0.0.3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(messages_arrive_whole_and_are_answered_on_their_link),
	    TEST(nothing_leaves_before_the_flush),
	    TEST(a_message_may_come_in_single_bytes),
	    TEST(refused_connections_are_reported_from_the_loop),
	    TEST(a_connection_that_does_not_come_times_out),
	    TEST(what_is_no_message_closes_the_link),
	    TEST(only_known_nodes_may_send_long_messages),
	    TEST(output_has_a_bound),
	    TEST(a_slow_reader_gets_everything),
	    TEST(the_oldest_stranger_makes_room),
	    TEST(a_link_may_be_closed_while_its_messages_are_read),
	    TEST(a_failed_link_that_is_closed_first_is_not_reported),
	    TEST(links_come_from_the_source_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
