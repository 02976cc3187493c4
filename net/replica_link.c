/* One look at a replica's thread, whether a sender (Cairn) or a feed (redis-server) serves it. */
#include "net/replication_impl.h"

void replica_info(const struct replica *p, struct repl_sender_info *out)
{
	if (p->feed != NULL) {
		redis_feed_info(p->feed, out);
	} else {
		repl_sender_info(p->sender, out);
	}
}

void replica_publish(struct replica *p, uint64_t lsn, uint64_t horizon)
{
	if (p->feed != NULL) {
		redis_feed_publish(p->feed, lsn);
	} else {
		repl_sender_publish(p->sender, lsn, horizon);
	}
}

void replica_mark(struct replica *p, uint64_t lsn)
{
	if (p->sender != NULL) {
		repl_sender_mark(p->sender, lsn);
	}
}

enum status replica_contents(struct replica *p, struct slice payload)
{
	return p->sender != NULL ? repl_sender_contents(p->sender, payload) : ST_OK;
}

void replica_want_ack(struct replica *p, bool wanted)
{
	if (p->feed != NULL) {
		redis_feed_want_ack(p->feed, wanted);
	} else {
		repl_sender_want_ack(p->sender, wanted);
	}
}

bool replica_shares_history(const struct replica *p)
{
	return p->feed == NULL;
}
