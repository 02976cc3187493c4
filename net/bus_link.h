/* TCP links of the cluster bus: bytes between sockets and whole messages.
 *
 * Outbound links are asked for by number (bus_connect), inbound ones get numbers of their own with
 * CLUSTER_LINK_INBOUND set. What is sent is collected per link and leaves with bus_flush, once per
 * turn, so that a turn costs a link one system call and nothing leaves before the turn allows it.
 * A link that ends by itself is reported from the event loop, never from within a call here; one
 * that was closed (bus_close) is not reported at all. Executor thread. */
#ifndef CAIRN_NET_BUS_LINK_H
#define CAIRN_NET_BUS_LINK_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;
struct tls;

struct bus_events {
	void (*up)(void *ctx, uint64_t link);	/* an outbound link is connected */
	void (*down)(void *ctx, uint64_t link); /* refused, timed out, broken, over a limit */
	/* One message. bytes and texts are borrowed during the call; the link may be closed in it.
	 */
	void (*message)(void *ctx, uint64_t link, struct slice bytes, const char *peer_ip,
			const char *local_ip);
	/* True when a node of the cluster is known to speak on this inbound link. */
	bool (*known)(void *ctx, uint64_t link);
	void *ctx;
};

struct bus_limits {
	uint32_t message_max;	     /* bytes of a message that comes */
	uint32_t stranger_max;	     /* the same while nobody known speaks on the link */
	uint64_t output_max;	     /* bytes that may wait on a link; what has more is closed */
	unsigned inbound_max;	     /* links that others opened */
	uint32_t connect_timeout_ms; /* until a connection has to be there */
	uint32_t keepalive_s;	     /* idle time before the kernel asks whether the peer lives */
	const struct tls *tls;	 /* links are TLS's, with certificates on both sides; NULL: plain */
	const char *source_addr; /* outbound links come from it; NULL or "": as routed. Copied */
};

struct bus_link_info {
	bool inbound, writes_wait;
	uint64_t created_wall_ms;
	size_t input_bytes, output_bytes, output_cap;
};

struct bus_totals {
	unsigned links;
	size_t bytes; /* memory of links and their buffers */
	uint64_t sent_bytes, received_bytes;
	uint64_t over_limit; /* links closed for output_max */
};

/* ST_NO_MEMORY. */
MUST_CHECK enum status bus_create(struct event_base *base, const struct bus_events *events,
				  const struct bus_limits *limits, struct bus **out);
/* Closes everything without a report. NULL is fine. */
void bus_destroy(struct bus *b);

/* Puts other limits in force; they hold for what comes. */
void bus_set_limits(struct bus *b, const struct bus_limits *limits);

/* Accepts on a listening, non-blocking socket, which is the bus's from now on, also on failure.
 * ST_NO_MEMORY. */
MUST_CHECK enum status bus_listen(struct bus *b, int fd);

/* Stops listening; links stay. */
void bus_stop_listening(struct bus *b);

/* Opens a link to a numeric address; up or down follows. */
void bus_connect(struct bus *b, uint64_t link, const char *ip, uint16_t port);

/* Closes a link, what it has not sent included. Fine when there is none of that number. */
void bus_close(struct bus *b, uint64_t link);

/* Has bytes leave on the link with the next bus_flush. Dropped when there is no such link. */
void bus_send(struct bus *b, uint64_t link, struct slice bytes);

/* Another turn of the node begins: TLS handshakes go on, so many steps of them in each. */
void bus_begin_turn(struct bus *b);

/* Sends what was collected, and frees links that have ended. Not from within an event. */
void bus_flush(struct bus *b);

/* Does, once and without waiting, what the event loop would do for the links: for who can't return
 * to it for long. Not from within an event. */
void bus_poll(struct bus *b);

/* Reports nothing more: what comes is kept. Until bus_release; what was kept is then reported from
 * the loop. */
void bus_hold(struct bus *b);
void bus_release(struct bus *b);

/* Closes inbound links on which nobody known has spoken for idle_ms. Every second or so. */
void bus_close_strangers(struct bus *b, uint64_t idle_ms);

/* Facts of one link. False: there is none of that number. */
bool bus_link_info(const struct bus *b, uint64_t link, struct bus_link_info *out);

/* Facts of all. */
void bus_totals(const struct bus *b, struct bus_totals *out);

#endif
