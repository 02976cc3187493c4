/* One connection of MIGRATE and its thread, which connects, sends and collects replies, so that the
 * executor waits for none of it. */
#ifndef CAIRN_NET_MIGRATE_WIRE_H
#define CAIRN_NET_MIGRATE_WIRE_H

#include "net/command/migrate_link.h"
#include "net/stream.h"

#include <pthread.h>

enum { MIGRATE_HOST_MAX = 256 };

struct migrate_wire {
	struct migrate_link link;  /* first */
	struct migrate_wire *next; /* of the pool */
	char host[MIGRATE_HOST_MAX];
	int port;
	bool in_use, tls;
	uint64_t idle_since_ms; /* monotonic; while it is not in use */
	void (*notify)(void *arg);
	void *notify_arg;
	pthread_t thread;
	int wake_fd; /* interrupts the thread's waiting */

	pthread_mutex_t lock; /* over what follows, up to ended */
	struct buf out;	      /* given, not yet taken by the thread */
	struct buf in;	      /* replies not yet asked for, a line each */
	size_t queued;	      /* bytes given that have not left */
	unsigned due;	      /* replies that are expected */
	uint64_t timeout_ms;
	bool up, closing;
	enum migrate_event failure; /* MIGRATE_NOTHING: none */
	bool timed_out;
	bool ended; /* the thread does nothing any more */

	/* The thread's own. */
	struct stream stream;
	struct ssl_st *ssl; /* TLS's end, until it connects; NULL: plain */
	struct buf writing; /* from written on */
	size_t written;
	struct buf partial;   /* the beginning of a line */
	uint64_t progress_ms; /* when something last moved */
};

/* Starts a thread that connects. ssl: TLS's end (tls_connector), used up in any case; NULL: plain.
 * notify is called on it when there is news, and must not block.
 * NULL: no memory or no thread. Executor, as all here. */
struct migrate_wire *migrate_wire_create(const char *host, int port, struct ssl_st *ssl,
					 uint64_t timeout_ms, void (*notify)(void *arg),
					 void *notify_arg);

/* Has the thread end soon. */
void migrate_wire_close(struct migrate_wire *w);

/* Waits for the thread's end and frees all. */
void migrate_wire_destroy(struct migrate_wire *w);

/* True when the thread has ended, so that migrate_wire_destroy does not wait. */
bool migrate_wire_ended(struct migrate_wire *w);

/* True when it may be used again: connected, nothing under way, nothing wrong. */
bool migrate_wire_idle(struct migrate_wire *w);

/* For a new use. */
void migrate_wire_set_timeout(struct migrate_wire *w, uint64_t timeout_ms);

/* As in struct migrate_link_ops. */
size_t migrate_wire_room(struct migrate_wire *w);
MUST_CHECK enum status migrate_wire_send(struct migrate_wire *w, struct slice bytes,
					 unsigned replies);
enum migrate_event migrate_wire_next(struct migrate_wire *w, struct buf *line, bool *timed_out);

#endif
