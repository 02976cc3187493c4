/* Sending and receiving for one replica. */
#include "net/repl_peer.h"

#include "engine/base/clock.h"
#include "net/repl_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { POLL_MS_MAX = 1000 };

enum status repl_peer_open(struct repl_peer *p, const struct stream *stream, bool nodelay)
{
	int one = nodelay;

	p->stream = *stream;
	(void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	p->progress_us = clock_system()->mono_us(NULL);
	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->wake_fd < 0) {
		stream_close(&p->stream);
		return ST_NO_MEMORY;
	}
	return ST_OK;
}

void repl_peer_close(struct repl_peer *p)
{
	stream_close(&p->stream);
	if (p->wake_fd >= 0) {
		(void)close(p->wake_fd);
	}
	p->wake_fd = -1;
}

void repl_peer_wake(struct repl_peer *p)
{
	uint64_t one = 1;
	ssize_t n = write(p->wake_fd, &one, sizeof one);

	(void)n; /* full, so it is readable */
}

void repl_peer_stop(struct repl_peer *p)
{
	atomic_store(&p->stop, true);
	repl_peer_wake(p);
}

enum status repl_peer_read(struct repl_peer *p, uint8_t *dst, size_t size, size_t *got)
{
	ssize_t n = stream_read(&p->stream, dst, size);

	*got = 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		buf_note(p->error, "the replica closed the connection");
		return ST_END;
	}
	if (n > 0) {
		p->progress_us = clock_system()->mono_us(NULL);
		*got = (size_t)n;
	}
	return ST_OK;
}

enum status repl_peer_wait(struct repl_peer *p, bool out, uint64_t ms)
{
	uint64_t silent_us;
	bool readable;

	repl_wait(&p->stream, p->wake_fd, out, ms > POLL_MS_MAX ? POLL_MS_MAX : ms, &readable);
	if (atomic_load(&p->stop)) {
		return ST_END;
	}
	if (readable) {
		enum status st = p->readable(p->arg);

		if (st != ST_OK) {
			return st;
		}
	}
	silent_us = clock_system()->mono_us(NULL) - p->progress_us;
	if (p->timeout_ms != 0 && silent_us > (uint64_t)p->timeout_ms * 1000) {
		buf_note(p->error, "no sign of life for %" PRIu32 " ms (repl-timeout)",
			 p->timeout_ms);
		return ST_END;
	}
	return ST_OK;
}

enum status repl_peer_send_parts(struct repl_peer *p, struct iovec *parts, int count)
{
	while (count > 0) {
		ssize_t n = stream_write_parts(&p->stream, parts, count);
		enum status st;

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			buf_note(p->error, "the connection broke");
			return ST_END;
		}
		if (n > 0) {
			p->progress_us = clock_system()->mono_us(NULL);
			atomic_fetch_add(&p->bytes_sent, (uint64_t)n);
			while (count > 0 && (size_t)n >= parts->iov_len) {
				n -= (ssize_t)parts->iov_len;
				parts++;
				count--;
			}
			if (count > 0) {
				parts->iov_base = (uint8_t *)parts->iov_base + n;
				parts->iov_len -= (size_t)n;
			}
			continue;
		}
		st = repl_peer_wait(p, true, POLL_MS_MAX);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

enum status repl_peer_send(struct repl_peer *p, struct slice bytes)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};

	return repl_peer_send_parts(p, &part, 1);
}

uint64_t repl_peer_ahead_ms(uint64_t began_us, uint64_t sent, uint64_t bandwidth_max)
{
	uint64_t took = clock_system()->mono_us(NULL) - began_us, due;

	if (bandwidth_max == 0) {
		return 0;
	}
	due = (uint64_t)((double)sent / (double)bandwidth_max * 1e6);
	return took >= due ? 0 : (due - took + 999) / 1000;
}
