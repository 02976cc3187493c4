/* The thread behind a connection of MIGRATE. */
#include "net/migrate_wire.h"

#include "engine/base/alloc.h"
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "net/repl_socket.h"
#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	QUEUE_MAX = 1 << 20, /* bytes given but not sent; more would be memory for nothing */
	READ_MAX = 4096,
	IDLE_WAIT_MS = 60000, /* nothing is awaited: somebody will wake the thread */
};

static uint64_t now_ms(void)
{
	return clock_system()->mono_us(NULL) / 1000;
}

static void wake(struct migrate_wire *w)
{
	uint64_t one = 1;

	if (write(w->wake_fd, &one, sizeof one) < 0) {
		return; /* full, so it is readable */
	}
}

/* --- the thread --- */

static void fail(struct migrate_wire *w, enum migrate_event what, bool timed_out)
{
	pthread_mutex_lock(&w->lock);
	w->failure = what;
	w->timed_out = timed_out;
	pthread_mutex_unlock(&w->lock);
}

/* A refused connection is told as Redis tells it, who finds out when it writes. */
static bool connect_there(struct migrate_wire *w)
{
	struct buf error = {0};
	struct repl_target to = {
	    .host = w->host,
	    .port = w->port,
	    .source = "",
	    .timeout_ms = w->timeout_ms > INT32_MAX ? INT32_MAX : (uint32_t)w->timeout_ms,
	    .nodelay = true,
	    .ssl = w->ssl,
	};
	enum status st;
	int why;

	w->ssl = NULL;
	errno = 0;
	st = repl_connect(&to, w->wake_fd, &w->stream, &error);
	why = errno;
	buf_deinit(&error);
	if (st != ST_OK) {
		fail(w, why == ECONNREFUSED ? MIGRATE_FAILED_WRITE : MIGRATE_FAILED_CONNECT,
		     why == ETIMEDOUT);
		return false;
	}
	pthread_mutex_lock(&w->lock);
	w->up = true;
	pthread_mutex_unlock(&w->lock);
	w->progress_ms = now_ms();
	return true;
}

/* Takes what was given. *busy: there is something to wait for. False: it is to end. */
static bool take_work(struct migrate_wire *w, bool *busy, uint64_t *timeout_ms)
{
	bool go_on;

	pthread_mutex_lock(&w->lock);
	if (w->written == w->writing.len && w->out.len > 0) {
		struct buf empty = w->writing;

		empty.len = 0;
		w->writing = w->out;
		w->out = empty;
		w->written = 0;
		w->progress_ms = now_ms();
	}
	*busy = w->written < w->writing.len || w->due > 0;
	*timeout_ms = w->timeout_ms;
	go_on = !w->closing;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static bool send_some(struct migrate_wire *w)
{
	ssize_t n =
	    stream_write(&w->stream, w->writing.data + w->written, w->writing.len - w->written);
	size_t before;
	bool drained;

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR) {
			return true;
		}
		fail(w, MIGRATE_FAILED_WRITE, false);
		return false;
	}
	w->written += (size_t)n;
	w->progress_ms = now_ms();
	pthread_mutex_lock(&w->lock);
	before = w->queued;
	w->queued -= (size_t)n;
	drained = before >= QUEUE_MAX / 2 && w->queued < QUEUE_MAX / 2;
	pthread_mutex_unlock(&w->lock);
	if (drained) {
		w->notify(w->notify_arg); /* there is room, before nothing is left to send */
	}
	return true;
}

/* A whole line has come. */
static bool add_line(struct migrate_wire *w)
{
	bool ok;

	pthread_mutex_lock(&w->lock);
	ok = w->due > 0 && buf_append(&w->in, w->partial.data, w->partial.len) == ST_OK;
	w->due -= ok;
	pthread_mutex_unlock(&w->lock);
	w->partial.len = 0;
	return ok;
}

/* False: no replies in the form of lines, or not as many as were asked for. */
static bool take_bytes(struct migrate_wire *w, struct slice bytes)
{
	while (bytes.len > 0) {
		const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
		size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.data) + 1;

		if (w->partial.len + len > MIGRATE_LINE_MAX + 2 ||
		    buf_append(&w->partial, bytes.data, len) != ST_OK) {
			return false;
		}
		bytes = slice_skip(bytes, len);
		if (end != NULL && !add_line(w)) {
			return false;
		}
	}
	return true;
}

static bool receive_some(struct migrate_wire *w)
{
	uint8_t bytes[READ_MAX];
	ssize_t n = stream_read(&w->stream, bytes, sizeof bytes);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		return true;
	}
	if (n <= 0 || !take_bytes(w, slice_of(bytes, (size_t)n))) {
		fail(w, MIGRATE_FAILED_READ, false);
		return false;
	}
	w->progress_ms = now_ms();
	w->notify(w->notify_arg);
	return true;
}

static void serve(struct migrate_wire *w)
{
	uint64_t timeout_ms, waited, ms;
	bool busy, readable, ok = true;

	while (ok && take_work(w, &busy, &timeout_ms)) {
		bool writes = w->written < w->writing.len;

		waited = now_ms() - w->progress_ms;
		if (busy && waited >= timeout_ms) {
			fail(w, writes ? MIGRATE_FAILED_WRITE : MIGRATE_FAILED_READ, true);
			return;
		}
		ms = busy ? timeout_ms - waited : IDLE_WAIT_MS;
		repl_wait(&w->stream, w->wake_fd, writes, ms, &readable);
		if (writes) {
			ok = send_some(w);
		}
		if (ok && readable) {
			ok = receive_some(w);
		}
	}
}

static void *run(void *arg)
{
	struct migrate_wire *w = arg;

	if (connect_there(w)) {
		serve(w);
		stream_close(&w->stream);
	}
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_mutex_unlock(&w->lock);
	w->notify(w->notify_arg);
	return NULL;
}

/* --- the executor --- */

struct migrate_wire *migrate_wire_create(const char *host, int port, struct ssl_st *ssl,
					 uint64_t timeout_ms, void (*notify)(void *arg),
					 void *notify_arg)
{
	struct migrate_wire *w = mem_calloc(1, sizeof *w);

	if (w == NULL) {
		tls_connector_free(ssl);
		return NULL;
	}
	w->link.db = -1;
	(void)snprintf(w->host, sizeof w->host, "%s", host);
	w->port = port;
	w->timeout_ms = timeout_ms;
	w->notify = notify;
	w->notify_arg = notify_arg;
	w->stream = STREAM_NONE;
	w->ssl = ssl;
	w->tls = ssl != NULL;
	w->failure = MIGRATE_NOTHING;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->wake_fd < 0) {
		tls_connector_free(ssl);
		mem_free(w);
		return NULL;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	if (!thread_start(&w->thread, "cairn-migrate", run, w)) {
		pthread_mutex_destroy(&w->lock);
		(void)close(w->wake_fd);
		tls_connector_free(ssl);
		mem_free(w);
		return NULL;
	}
	return w;
}

void migrate_wire_close(struct migrate_wire *w)
{
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_mutex_unlock(&w->lock);
	wake(w);
}

void migrate_wire_destroy(struct migrate_wire *w)
{
	migrate_wire_close(w);
	(void)pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	(void)close(w->wake_fd);
	buf_deinit(&w->out);
	buf_deinit(&w->in);
	buf_deinit(&w->writing);
	buf_deinit(&w->partial);
	mem_free(w);
}

bool migrate_wire_ended(struct migrate_wire *w)
{
	bool ended;

	pthread_mutex_lock(&w->lock);
	ended = w->ended;
	pthread_mutex_unlock(&w->lock);
	return ended;
}

bool migrate_wire_idle(struct migrate_wire *w)
{
	bool idle;

	pthread_mutex_lock(&w->lock);
	idle = w->up && !w->closing && !w->ended && w->failure == MIGRATE_NOTHING && w->due == 0 &&
	       w->queued == 0 && w->in.len == 0;
	pthread_mutex_unlock(&w->lock);
	return idle;
}

void migrate_wire_set_timeout(struct migrate_wire *w, uint64_t timeout_ms)
{
	pthread_mutex_lock(&w->lock);
	w->timeout_ms = timeout_ms;
	pthread_mutex_unlock(&w->lock);
}

size_t migrate_wire_room(struct migrate_wire *w)
{
	size_t queued;

	pthread_mutex_lock(&w->lock);
	queued = w->queued;
	pthread_mutex_unlock(&w->lock);
	return queued < QUEUE_MAX ? QUEUE_MAX - queued : 0;
}

enum status migrate_wire_send(struct migrate_wire *w, struct slice bytes, unsigned replies)
{
	enum status st;
	bool up;

	pthread_mutex_lock(&w->lock);
	st = buf_append(&w->out, bytes.data, bytes.len);
	if (st == ST_OK) {
		w->queued += bytes.len;
		w->due += replies;
	}
	up = w->up;
	pthread_mutex_unlock(&w->lock);
	if (up) {
		wake(w); /* before, it would end the connecting */
	}
	return st;
}

enum migrate_event migrate_wire_next(struct migrate_wire *w, struct buf *line, bool *timed_out)
{
	enum migrate_event what;

	line->len = 0;
	pthread_mutex_lock(&w->lock);
	what = w->failure;
	*timed_out = w->timed_out;
	if (w->in.len > 0) {
		/* add_line put whole lines there. */
		const uint8_t *end = memchr(w->in.data, '\n', w->in.len);
		size_t len = end == NULL ? w->in.len : (size_t)(end - w->in.data);

		what = MIGRATE_REPLY;
		if (buf_append(line, w->in.data, len) != ST_OK) {
			what = MIGRATE_FAILED_READ;
		}
		buf_consume(&w->in, len + (end != NULL));
	}
	pthread_mutex_unlock(&w->lock);
	if (line->len > 0 && line->data[line->len - 1] == '\r') {
		line->len--;
	}
	return what;
}
