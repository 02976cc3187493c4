/* Handshakes and addresses. */
#include "cluster/handshake.h"

#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"

enum { LIFE_MS_MIN = 1000, MEET_REPEATS = 10 };

static uint64_t life_ms(const struct cluster *c)
{
	return c->settings.node_timeout_ms > LIFE_MS_MIN ? c->settings.node_timeout_ms
							 : LIFE_MS_MIN;
}

void handshake_start(struct cluster *c, const struct node_addr *addr, bool meet)
{
	struct node_id id;
	struct cnode *n;

	FOR_EACH_NODE(c, other)
	{
		if (has_flag(other, NODE_HANDSHAKE) && strcmp(other->addr.ip, addr->ip) == 0 &&
		    other->addr.port == addr->port && other->addr.bus_port == addr->bus_port) {
			return;
		}
	}
	/* The true id comes with the first answer. */
	node_id_random(c, &id);
	n = node_add(c, &id, NODE_HANDSHAKE | (meet ? (unsigned)NODE_MEET : 0));
	if (n != NULL) {
		n->addr = *addr;
		NOTE(c, "handshake with %s:%u begins", addr->ip, addr->port);
	}
}

void handshake_expire(struct cluster *c)
{
	FOR_EACH_NODE(c, n)
	{
		if (has_flag(n, NODE_HANDSHAKE) && c->now_ms - n->created_ms > life_ms(c)) {
			MARK(c, HANDSHAKE_EXPIRED);
			NOTE(c, "handshake with %s:%u not completed in time", n->addr.ip,
			     n->addr.port);
			node_remove(c, n);
		}
	}
}

struct cnode *handshake_complete(struct cluster *c, struct cnode *n, const struct bus_header *h)
{
	struct cnode *known = node_find(c, &h->sender);

	if (known != NULL) {
		/* Met twice, or met myself. The newer address is the one that answers. */
		if (known != self(c)) {
			struct node_addr addr = n->addr;

			handshake_address(c, known, &addr);
			if (has_flag(n, NODE_MEET)) {
				known->meet_until_ms = c->now_ms + MEET_REPEATS * life_ms(c);
			}
		}
		node_remove(c, n);
		return NULL;
	}
	MARK(c, HANDSHAKE_DONE);
	node_rename(c, n, &h->sender);
	node_unforget(c, &h->sender);
	n->met_ms = c->now_ms;
	if (has_flag(n, NODE_MEET)) {
		/* Until it speaks to me by itself it may have lost its half of the handshake. */
		n->meet_until_ms = c->now_ms + MEET_REPEATS * life_ms(c);
		n->meet_ms = c->now_ms;
	}
	n->flags = node_id_empty(&h->primary) ? NODE_PRIMARY : NODE_REPLICA;
	NOTE(c, "handshake with %.*s at %s:%u completed", SHORT(n), n->addr.ip, n->addr.port);
	need_persist(c, PERSIST_SAVE);
	return n;
}

void handshake_address(struct cluster *c, struct cnode *n, const struct node_addr *addr)
{
	if (node_addr_eq(&n->addr, addr) && !has_flag(n, NODE_NOADDR)) {
		return;
	}
	if (addr->ip[0] == '\0' || addr->bus_port == 0) {
		return;
	}
	MARK(c, ADDRESS_CHANGED);
	NOTE(c, "%.*s moved to %s:%u", SHORT(n), addr->ip, addr->port);
	n->addr = *addr;
	n->flags &= ~(unsigned)NODE_NOADDR;
	outbox_close(c, n);
	/* Two that moved must not both have forgotten it. */
	need_persist(c, PERSIST_SYNC);
	c->up->routes_changed = true;
	if (is_replica(self(c)) && n == claimant(c)) {
		role_primary_moved(c);
	}
}

void handshake_mismatch(struct cluster *c, struct cnode *n)
{
	MARK(c, ID_MISMATCH);
	NOTE(c, "another node answers at %s:%u: where %.*s is, is not known now", n->addr.ip,
	     n->addr.port, SHORT(n));
	n->flags |= NODE_NOADDR;
	memset(&n->addr, 0, sizeof n->addr);
	outbox_close(c, n);
	need_persist(c, PERSIST_SAVE);
}

void handshake_learn_my_ip(struct cluster *c, const char *local_ip, bool meet)
{
	struct cnode *me = self(c);
	size_t len = local_ip == NULL ? 0 : strlen(local_ip);

	if (len == 0 || len >= NODE_IP_CAP || c->settings.announce.ip[0] != '\0' ||
	    (!meet && me->addr.ip[0] != '\0') || strcmp(me->addr.ip, local_ip) == 0 ||
	    !node_text_safe(local_ip, len + 1)) {
		return;
	}
	memset(me->addr.ip, 0, sizeof me->addr.ip);
	memcpy(me->addr.ip, local_ip, len);
	NOTE(c, "my address is %s", me->addr.ip);
	need_persist(c, PERSIST_SAVE);
}
