/* cairn-server, first thin form: one listener, RESP, replies gated by the durable LSN. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/command/command.h"
#include "net/command/dispatch.h"
#include "net/proto/resp_reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_CHUNK = 65536, MARKS_MAX = 64 };

struct mark {
	size_t off;
	uint64_t lsn;
};

struct conn {
	struct conn *next, *prev;
	struct session session;
	struct resp_reader reader;
	struct event *read_event, *write_event;
	struct buf in, out;
	struct mark marks[MARKS_MAX];
	size_t marks_count;
	int fd;
	bool closing, later;
};

static struct {
	struct command_host host;
	struct event_base *base;
	struct engine *engine;
	struct dispatch *dispatch;
	struct conn conns; /* ring */
	uint64_t next_id;
	int wake_fd;
	bool stop;
	char options[64][2][256];
	int options_count;
} node;

static const char *option(const char *name, const char *otherwise)
{
	for (int i = node.options_count - 1; i >= 0; i--) {
		if (strcmp(node.options[i][0], name) == 0) {
			return node.options[i][1];
		}
	}
	return otherwise;
}

static void set_option(const char *name, const char *value)
{
	if (node.options_count < 64) {
		(void)snprintf(node.options[node.options_count][0], 256, "%s", name);
		(void)snprintf(node.options[node.options_count][1], 256, "%s", value);
		node.options_count++;
	}
}

static void sink(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)fprintf(stdout, "%d:M %c %s\n", (int)getpid(), ".-*#"[level], line);
	(void)fflush(stdout);
}

static void wakeup(void *arg)
{
	uint64_t one = 1;

	(void)arg;
	if (write(node.wake_fd, &one, sizeof one) < 0) {
		return; /* full: it is awake already */
	}
}

static void conn_close(struct conn *c)
{
	c->prev->next = c->next;
	c->next->prev = c->prev;
	event_free(c->read_event);
	event_free(c->write_event);
	(void)close(c->fd);
	session_deinit(&c->session);
	resp_reader_deinit(&c->reader);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	mem_free(c);
	node.host.stats.clients--;
}

/* Sends what may leave. False: the connection is gone. */
static bool conn_flush(struct conn *c)
{
	uint64_t ack = engine_ack_lsn(node.engine);
	size_t free_to = 0, n = 0;

	while (n < c->marks_count && c->marks[n].lsn <= ack) {
		free_to = c->marks[n++].off;
	}
	if (free_to > 0) {
		ssize_t sent = write(c->fd, c->out.data, free_to);

		if (sent < 0 && errno != EAGAIN) {
			conn_close(c);
			return false;
		}
		if (sent > 0) {
			buf_consume(&c->out, (size_t)sent);
			size_t keep = 0;

			for (size_t i = 0; i < c->marks_count; i++) {
				if (c->marks[i].off > (size_t)sent) {
					c->marks[keep] = c->marks[i];
					c->marks[keep++].off -= (size_t)sent;
				}
			}
			c->marks_count = keep;
		}
		if ((size_t)(sent < 0 ? 0 : sent) < free_to) {
			(void)event_add(c->write_event, NULL);
		}
	}
	if (c->session.close_after_reply && c->out.len == 0) {
		conn_close(c);
		return false;
	}
	return true;
}

static void conn_mark(struct conn *c)
{
	size_t covered = c->marks_count == 0 ? 0 : c->marks[c->marks_count - 1].off;

	if (c->out.len <= covered) {
		return;
	}
	if (c->marks_count > 0 && (c->marks[c->marks_count - 1].lsn >= c->session.gate_lsn ||
				   c->marks_count == MARKS_MAX)) {
		struct mark *last = &c->marks[c->marks_count - 1];

		last->off = c->out.len;
		last->lsn = last->lsn > c->session.gate_lsn ? last->lsn : c->session.gate_lsn;
		return;
	}
	c->marks[c->marks_count++] = (struct mark){c->out.len, c->session.gate_lsn};
}

static void conn_run(struct conn *c)
{
	struct resp_limits limits = {RESP_ARGS_MAX, 512 << 20, 0, 65536};
	uint64_t now = clock_system()->wall_ms(NULL);
	size_t at = 0;

	if (!c->session.authenticated) {
		limits.args_max = 10;
		limits.bulk_unauthenticated_max = 16384;
	}
	c->later = false;
	while (at < c->in.len && !c->session.close_after_reply) {
		const struct slice *argv;
		size_t argc, used;
		enum status st =
		    resp_reader_next(&c->reader, slice_of(c->in.data + at, c->in.len - at), &limits,
				     &argv, &argc, &used);

		if (st == ST_NEED_MORE) {
			break;
		}
		if (st != ST_OK) {
			struct resp_writer w = {&c->out, 2, false};

			resp_error(&w, "ERR Protocol error: %s", c->reader.error);
			c->session.close_after_reply = true;
			break;
		}
		if (argc > 0) {
			enum dispatch_result r = dispatch_request(node.dispatch, &c->session, argv,
								  argc, &c->out, now, true);

			if (r == DISPATCH_COLD) {
				r = dispatch_request(node.dispatch, &c->session, argv, argc,
						     &c->out, now, false);
			}
			if (r == DISPATCH_LATER) {
				c->later = true;
				break;
			}
		}
		at += used;
	}
	buf_consume(&c->in, at);
	conn_mark(c);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)conn_flush(arg);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n;

	(void)what;
	if (buf_reserve(&c->in, READ_CHUNK) != ST_OK) {
		conn_close(c);
		return;
	}
	n = read(fd, c->in.data + c->in.len, c->in.cap - c->in.len);
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) {
			conn_close(c);
		}
		return;
	}
	node.host.stats.net_input_bytes += (uint64_t)n;
	c->in.len += (size_t)n;
	if (!c->later) {
		conn_run(c);
	}
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof peer;
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC),
	    one = 1;
	struct conn *c;

	(void)what;
	(void)arg;
	if (fd < 0) {
		return;
	}
	c = mem_calloc(1, sizeof *c);
	if (c == NULL) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->fd = fd;
	session_init(&c->session, ++node.next_id, clock_system()->wall_ms(NULL));
	c->session.authenticated = node.host.password == NULL || node.host.password[0] == 0;
	(void)snprintf(c->session.addr, sizeof c->session.addr, "%s:%d", inet_ntoa(peer.sin_addr),
		       ntohs(peer.sin_port));
	resp_reader_init(&c->reader);
	c->read_event = event_new(node.base, fd, EV_READ | EV_PERSIST, on_read, c);
	c->write_event = event_new(node.base, fd, EV_WRITE, on_write, c);
	(void)event_add(c->read_event, NULL);
	c->next = &node.conns;
	c->prev = node.conns.prev;
	c->prev->next = c;
	node.conns.prev = c;
	node.host.stats.clients++;
	node.host.stats.connections_received++;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	(void)what;
	(void)arg;
	if (read(fd, &n, sizeof n) < 0) {
		return;
	}
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	node.stop = true;
}

static void on_cron(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	(void)engine_expire_cycle(node.engine, clock_system()->wall_ms(NULL), 200);
}

/* --- what commands ask of the node --- */

static void each_client(struct command_host *h, void (*each)(void *, const struct client_info *),
			void *arg)
{
	(void)h;
	for (struct conn *c = node.conns.next; c != &node.conns; c = c->next) {
		struct client_info info = {.session = &c->session, .fd = c->fd, .qbuf = c->in.len};

		(void)snprintf(info.flags, sizeof info.flags, "N");
		each(arg, &info);
	}
}

static bool kill_client(struct command_host *h, uint64_t id, const struct session *caller)
{
	(void)h;
	for (struct conn *c = node.conns.next; c != &node.conns; c = c->next) {
		if (c->session.id == id) {
			c->session.close_after_reply = true;
			if (&c->session != caller) {
				(void)shutdown(c->fd, SHUT_RDWR);
			}
			return true;
		}
	}
	return false;
}

static void host_pause(struct command_host *h, uint64_t until_ms, bool writes_only)
{
	(void)h;
	(void)until_ms;
	(void)writes_only;
}

static enum status host_shutdown(struct command_host *h, unsigned flags)
{
	(void)h;
	(void)flags;
	node.stop = true;
	return ST_OK;
}

static bool shutdown_abort(struct command_host *h)
{
	(void)h;
	return false;
}

static void config_get(struct command_host *h, struct slice pattern,
		       void (*each)(void *, const char *, const char *), void *arg)
{
	(void)h;
	for (int i = 0; i < node.options_count; i++) {
		if (glob_match(pattern, slice_str(node.options[i][0]), true)) {
			each(arg, node.options[i][0], node.options[i][1]);
		}
	}
}

static enum status config_set(struct command_host *h, const struct slice *pairs, size_t count,
			      struct buf *error)
{
	(void)h;
	(void)error;
	for (size_t i = 0; i + 1 < count * 2; i += 2) {
		char name[256], value[256];

		(void)snprintf(name, sizeof name, "%.*s", (int)pairs[i].len,
			       (const char *)pairs[i].data);
		(void)snprintf(value, sizeof value, "%.*s", (int)pairs[i + 1].len,
			       (const char *)pairs[i + 1].data);
		set_option(name, value);
	}
	return ST_OK;
}

static enum status config_rewrite(struct command_host *h, struct buf *error)
{
	(void)h;
	(void)error;
	return ST_OK;
}

static const char *config_value(struct command_host *h, const char *name)
{
	(void)h;
	return option(name, NULL);
}

static void stats_reset(struct command_host *h)
{
	(void)h;
}

static const struct command_host_ops host_ops = {
    .each_client = each_client,
    .kill_client = kill_client,
    .pause = host_pause,
    .shutdown = host_shutdown,
    .shutdown_abort = shutdown_abort,
    .config_get = config_get,
    .config_set = config_set,
    .config_rewrite = config_rewrite,
    .config_value = config_value,
    .stats_reset = stats_reset,
};

static int listen_on(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 511) != 0) {
		logger(LOG_LVL_WARNING, "Failed listening on port %d: %m", port);
		return -1;
	}
	return fd;
}

static void loop(void)
{
	while (!node.stop) {
		bool later = false;
		struct conn *next;

		for (struct conn *c = node.conns.next; c != &node.conns; c = c->next) {
			later |= c->later;
		}
		if (later) {
			struct timeval tv = {.tv_usec = 1000};

			(void)event_base_loopexit(node.base, &tv);
		}
		(void)event_base_loop(node.base, EVLOOP_ONCE);
		(void)engine_turn_end(node.engine);
		for (struct conn *c = node.conns.next; c != &node.conns; c = next) {
			next = c->next;
			if (c->later) {
				conn_run(c);
			}
			if (c->out.len > 0 || c->session.close_after_reply) {
				(void)conn_flush(c);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct engine_options opts = {
	    .io = io_posix(),
	    .clock = clock_system(),
	    .map_size_max = (uint64_t)1 << 40,
	    .memtable_max = (uint64_t)64 << 20,
	    .checkpoint_interval_ms = 60000,
	    .wal_segment_size = (uint64_t)64 << 20,
	    .wal_keep_size = (uint64_t)1 << 30,
	    .wal_compression_level = 1,
	    .wakeup = wakeup,
	    .touched = dispatch_touched,
	};
	struct dispatch_options dopts = {.host = &node.host};
	struct timeval cron = {.tv_usec = 100000};
	struct buf error = {0};
	const char *fsync;
	int fd;

	for (int i = 1; i + 1 < argc; i += 2) {
		set_option(argv[i] + 2, argv[i + 1]);
	}
	logger_set(sink, NULL, LOG_LVL_NOTICE);
	(void)signal(SIGPIPE, SIG_IGN);
	node.conns.next = node.conns.prev = &node.conns;
	node.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	node.base = event_base_new();
	node.host.ops = &host_ops;
	node.host.password = option("requirepass", NULL);
	node.host.tcp_port = (int)strtol(option("port", "6379"), NULL, 10);
	node.host.pid = getpid();
	node.host.config_file = "";
	node.host.executable = argv[0];
	node.host.hash_max_listpack_entries = 128;
	node.host.hash_max_listpack_value = 64;
	node.host.list_max_listpack_size = -2;
	node.host.start_mono_us = clock_system()->mono_us(NULL);
	node.host.start_wall_ms = clock_system()->wall_ms(NULL);
	if (getrandom(&opts.seed, sizeof opts.seed, 0) < 0 ||
	    dispatch_create(&dopts, &node.dispatch) != ST_OK) {
		return 1;
	}
	opts.touched_arg = node.dispatch;
	opts.dir = option("dir", ".");
	fsync = option("appendfsync", "always");
	opts.fsync = strcmp(fsync, "always") == 0     ? WAL_FSYNC_ALWAYS
		     : strcmp(fsync, "everysec") == 0 ? WAL_FSYNC_EVERYSEC
						      : WAL_FSYNC_NO;
	if (engine_open(&opts, &node.engine, &error) != ST_OK) {
		logger(LOG_LVL_WARNING, "%.*s", (int)error.len, (const char *)error.data);
		return 1;
	}
	dispatch_set_engine(node.dispatch, node.engine);
	fd = listen_on(node.host.tcp_port);
	if (fd < 0) {
		return 1;
	}
	(void)event_add(event_new(node.base, fd, EV_READ | EV_PERSIST, on_accept, NULL), NULL);
	(void)event_add(event_new(node.base, node.wake_fd, EV_READ | EV_PERSIST, on_wake, NULL),
			NULL);
	(void)event_add(event_new(node.base, SIGTERM, EV_SIGNAL | EV_PERSIST, on_signal, NULL),
			NULL);
	(void)event_add(event_new(node.base, SIGINT, EV_SIGNAL | EV_PERSIST, on_signal, NULL),
			NULL);
	(void)event_add(event_new(node.base, -1, EV_PERSIST, on_cron, NULL), &cron);
	logger(LOG_LVL_NOTICE, "Server initialized");
	logger(LOG_LVL_NOTICE, "Ready to accept connections");
	loop();
	return engine_close(node.engine) == ST_OK ? 0 : 1;
}
