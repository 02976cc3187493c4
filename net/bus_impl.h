/* The inside of the bus: links as bus_link.c (bytes, buffers, ends) and bus_open.c (connecting,
 * accepting) share them. Executor thread. */
#ifndef CAIRN_NET_BUS_IMPL_H
#define CAIRN_NET_BUS_IMPL_H

#include "cluster/cluster.h"
#include "engine/base/buf.h"
#include "net/bus_link.h"
#include "net/stream.h"
#include "net/tcp_socket.h"
#include "net/tls.h"

enum { BUS_BUCKETS = 1024, BUS_LISTENERS = 18 };

struct bus_link {
	struct bus *bus;
	struct bus_link *next, *prev; /* all, newest first */
	struct bus_link *bucket_next; /* of equal hash */
	struct bus_link *dirty_next;  /* with something to send */
	struct bus_link *ended_next;  /* failed, to be reported; or closed, to be freed */
	struct event *read_event, *write_event;
	struct buf in, out;
	size_t out_sent;
	uint64_t id, created_wall_ms, heard_ms;
	struct stream stream;
	bool connecting, dirty, failed, closed, writing;
	char peer_ip[TCP_IP_TEXT_MAX], local_ip[TCP_IP_TEXT_MAX];
};

struct bus {
	struct event_base *base;
	struct bus_events events;
	struct bus_limits limits;
	char source_addr[TCP_IP_TEXT_MAX];
	int listeners[BUS_LISTENERS];
	struct event *listen_events[BUS_LISTENERS];
	int listeners_count;
	struct event *ended_event; /* reports failed links, and what was kept, from the loop */
	struct bus_link *links, *dirty, *failed, *closed;
	struct bus_link *buckets[BUS_BUCKETS];
	unsigned count, inbound_count;
	unsigned shakes; /* steps of handshakes in this turn */
	uint64_t serial; /* of inbound links */
	bool held, kept; /* nothing is reported; something may have been kept back */
	uint64_t sent_bytes, received_bytes, over_limit;
	uint8_t *shared; /* what recv fills */
};

static inline bool bus_is_inbound(const struct bus_link *l)
{
	return (l->id & CLUSTER_LINK_INBOUND) != 0;
}

/* --- bus_link.c --- */

/* Makes a link of a socket (-1: of none, to fail soon), which is the link's, also on failure. It
 * does not read yet, and has no TLS yet. NULL: out of memory. */
struct bus_link *bus_add_link(struct bus *b, uint64_t id, int fd);

/* Takes a link out of the set, without a report; its memory goes with the next flush. */
void bus_let_go(struct bus_link *l);

/* The link has ended by itself: reported from the loop. why goes to the log. */
void bus_fail(struct bus_link *l, const char *why);

/* --- bus_open.c --- */

/* The connection attempt of an outbound link has ended, as its event says. */
void bus_connected(struct bus_link *l, short what);

/* Goes on with a link's TLS handshake, if it is not done; true: the link may be used. */
bool bus_is_through(struct bus_link *l);

/* Takes the links that others have opened since. */
void bus_accept_all(struct bus *b);

#endif
