/* The cluster's memory, private to this folder (and to tests that look inside). */
#ifndef CAIRN_CLUSTER_CLUSTER_STATE_H
#define CAIRN_CLUSTER_CLUSTER_STATE_H

#include "cluster/cluster.h"
#include "engine/base/invariant.h"
#include "engine/base/planted.h"
#include "engine/base/rng.h"

enum {
	NONE = 0xffff, /* no node */
	SELF = 0,      /* this node's place in the table */
	TICK_MS = 100,
	FORGET_TTL_MS = 60000,
	FORGOTTEN_MAX = 64,
	MANUAL_TIMEOUT_MS = 5000,
};
#define NO_REPORT UINT32_MAX

enum link_state { LINK_NONE, LINK_CONNECTING, LINK_UP };

struct failure_report {
	uint64_t at_ms;
	uint16_t about; /* NONE: free */
	uint16_t by;
	uint32_t next; /* the next report about the same node, or the next free one */
};

struct cnode {
	struct node_id id;
	struct node_id shard; /* empty when unknown */
	struct node_addr addr;
	char hostname[NODE_HOSTNAME_CAP];
	char name[NODE_NAME_CAP]; /* what people call it; for the log alone */
	struct slot_bits slots;	  /* what I attribute to it */
	uint32_t slots_count;
	uint32_t flags;
	bool used;
	bool doomed; /* to be removed at the end of this step */
	bool cairn;  /* speaks Cairn's dialect: shares its history epoch, takes over on request */
	bool ext;    /* showed that it understands extensions */
	bool paused; /* its last header said so */
	bool heir;   /* sits where another one sat, for all I know */
	bool heard;  /* its own PING came since I know it */
	uint16_t primary; /* of a replica; NONE when unknown */
	uint16_t replicas_count;
	uint16_t replicas_good; /* of them, not failed: as of the last look of a replica */
	uint16_t next_in_bucket;
	uint32_t serial; /* tells outbound links of one place apart */
	uint64_t config_epoch;
	uint64_t offset;
	uint64_t history_epoch;
	uint64_t offset_ms;
	uint64_t created_ms;
	uint64_t meet_until_ms; /* an operator introduced it: MEET is repeated until then */
	uint64_t meet_ms;
	uint64_t met_ms;   /* when a handshake made it known; 0: by hearsay */
	uint64_t epoch_ms; /* last time that it spoke as a primary of the config epoch I know */
	uint64_t fail_ms;
	/* Of a failed primary that I voted to replace: the last such vote. Nobody knows yet whether
	 * its seat in the voting set is still its own. */
	uint64_t contest_epoch; /* 0: none */
	uint64_t contest_ms;
	uint16_t contest_by; /* the candidate; NONE: more than one */
	uint64_t unsure_ms; /* health_succeeded: when its seat was one that I supported; 0: never */
	uint64_t orphaned_ms;
	/* The link to it. */
	enum link_state link_state;
	uint64_t link; /* 0: none */
	uint64_t link_ms;
	uint64_t retry_ms;
	uint32_t failures; /* connection attempts in a row that failed */
	uint64_t inbound;  /* the link it speaks to me on, 0: none */
	/* Pings: oldest unanswered one, newest one, how many are on their way. */
	uint64_t ping_ms;
	uint64_t ping_last_ms;
	uint32_t pings;
	uint64_t pong_ms;     /* last sign of life I believe in, hearsay included */
	uint64_t data_ms;     /* last packet from it */
	uint64_t answered_ms; /* when the newest ping was sent that it has answered */
	/* When I last gave it an answer that it may take for support: see health.h. */
	uint64_t supported_ms;
	uint64_t voted_epoch; /* last epoch in which its vote for me was counted */
	uint32_t stamp;	      /* the message it was last told of in */
	uint32_t reports;     /* first report about it, NO_REPORT at the end */
	uint32_t reports_count;
};

struct election {
	uint64_t start_ms; /* 0: none is scheduled */
	uint64_t end_ms;   /* of the running one: votes count until then */
	uint64_t asked_ms;
	uint64_t epoch;
	uint32_t votes;
	uint32_t rank;
	uint32_t attempts; /* in a row, without success */
	bool sent;
	bool blocked;	/* an obstacle was traced */
	bool exchanged; /* siblings were told my offset since the primary fell under suspicion */
};

struct manual_failover {
	uint64_t end_ms;  /* 0: none is going on */
	uint16_t replica; /* primary's side: who takes over; else NONE */
	bool can_start;	  /* replica's side: offsets have met, or FORCE */
	bool offset_known;
	bool handover; /* primary's side: asked for by a HANDOVER event */
	uint64_t offset;
};

struct forgotten {
	struct node_id id;
	uint64_t until_ms;
	bool commanded; /* here, not heard of: it is told to others */
};

struct health {
	bool ok;
	bool evaluated;
	uint64_t first_ms;     /* first evaluation */
	uint64_t seated_ms;    /* start, or promotion since */
	uint64_t minority_ms;  /* last time that a majority was not reachable */
	uint64_t floor_ms;     /* answers to pings sent before it do not count */
	uint64_t lease_ms;     /* writes are allowed before this time */
	uint64_t doubted_ms;   /* last time that a voter called me failed; 0: never */
	uint64_t contested_ms; /* last time that a voter said it voted to replace me; 0: never */
	bool had_lease;
};

struct cluster {
	/* Fixed at the start. */
	struct cluster_trace trace;
	struct cluster_keys keys;
	struct rng rng;
	uint32_t nodes_max;
	uint32_t reports_max;
	uint32_t ops_cap;
	uint32_t buckets_mask;
	struct cnode *nodes;
	uint16_t *buckets; /* hash of ids: first place, chained by next_in_bucket */
	struct failure_report *reports;
	struct cluster_op *ops;

	struct cluster_settings settings;
	/* The event in hand. */
	uint64_t now_ms;
	uint64_t wall_ms;
	struct cluster_update *up;
	struct slice publish_channel; /* the event's, for cluster_send_next */
	struct slice publish_payload;

	uint64_t current_epoch;
	uint64_t last_vote_epoch;
	uint32_t nodes_high; /* places below it have been used */
	uint32_t nodes_count;
	uint32_t voters; /* nodes with at least one slot: the voting set */
	uint32_t serial;
	uint32_t stamp;
	uint32_t free_report;

	uint16_t owner[SLOTS];
	uint16_t migrating_to[SLOTS];
	uint16_t importing_from[SLOTS];
	uint32_t slots_assigned;
	struct slot_bits abandoned;  /* the owner stopped claiming it */
	struct slot_bits lost_slots; /* of this step */

	struct forgotten forgotten[FORGOTTEN_MAX];
	uint32_t forgotten_count;
	struct cluster_engine engine;
	struct election election;
	struct manual_failover manual;
	struct health health;

	bool silent;		  /* see cluster_config.store_is_new */
	uint64_t silent_until_ms; /* by then the others have agreed that this node failed */
	bool paused;
	bool epoch_untold;     /* an epoch was taken without a vote since the last tick */
	bool spread_suspicion; /* of this step: tell the voters of new PFAILs */
	uint64_t last_step_ms;
	uint64_t next_tick_ms;
	uint64_t next_random_ping_ms;
	uint64_t next_due_ms; /* earliest time at which a pending ping is overdue */
	uint64_t epoch_warned_ms;
	uint64_t ring_ms; /* since when this node is in a ring of replicas; 0: it is in none */

	uint64_t marks[MARKS];
	uint64_t sent[BUS_TYPES];
	uint64_t received[BUS_TYPES];
};

/* Writes a trace line. Use the macro, which formats only when somebody listens. */
void cluster_trace_line(const struct cluster *c, enum cluster_trace_level level, const char *fmt,
			...) __attribute__((format(printf, 3, 4)));

#define TRACE(c, level, ...)                                                                       \
	do {                                                                                       \
		if ((c)->trace.line != NULL && (level) >= (c)->trace.min) {                        \
			cluster_trace_line((c), (level), __VA_ARGS__);                             \
		}                                                                                  \
	} while (0)
#define NOTE(c, ...)  TRACE(c, CLUSTER_TRACE_NOTICE, __VA_ARGS__)
#define DEBUG(c, ...) TRACE(c, CLUSTER_TRACE_DEBUG, __VA_ARGS__)
#define WARN(c, ...)  TRACE(c, CLUSTER_TRACE_WARNING, __VA_ARGS__)
#define MARK(c, name) ((c)->marks[MARK_##name]++)

enum { LABEL_CAP = 8 + NODE_NAME_CAP + 4 };

/* How trace lines call a node: the first eight characters of its id, and its name if it has one,
 * "01234567 (name)". Writes and returns out. */
const char *node_label(const struct cnode *n, char out[LABEL_CAP]);

/* The same as two arguments of a "%.*s", valid until the end of the block. */
#define SHORT(node) LABEL_CAP, node_label((node), (char[LABEL_CAP]){0})

static inline struct cnode *self(const struct cluster *c)
{
	return &c->nodes[SELF];
}

static inline bool is_primary(const struct cnode *n)
{
	return (n->flags & NODE_PRIMARY) != 0;
}

static inline bool is_replica(const struct cnode *n)
{
	return (n->flags & NODE_REPLICA) != 0;
}

static inline bool has_flag(const struct cnode *n, unsigned flags)
{
	return (n->flags & flags) != 0;
}

static inline uint16_t index_of(const struct cluster *c, const struct cnode *n)
{
	return (uint16_t)(n - c->nodes);
}

/* A member of the voting set that can vote: a primary with slots. */
static inline bool is_voter(const struct cnode *n)
{
	return n->slots_count > 0 && is_primary(n);
}

/* The node whose claims I make: myself, or my primary when I know it. */
static inline struct cnode *claimant(const struct cluster *c)
{
	struct cnode *me = self(c);

	return is_replica(me) && me->primary != NONE ? &c->nodes[me->primary] : me;
}

static inline uint64_t wall_of(const struct cluster *c, uint64_t at_ms)
{
	uint64_t ago = c->now_ms - at_ms;

	return at_ms == 0 ? 0 : (ago < c->wall_ms ? c->wall_ms - ago : 1);
}

/* Remembers how durable nodes.conf must become with this update. */
static inline void need_persist(struct cluster *c, enum cluster_persist how)
{
	if (how > c->up->persist) {
		c->up->persist = how;
	}
}

#define FOR_EACH_NODE(c, n)                                                                        \
	for (struct cnode *n = (c)->nodes; n < (c)->nodes + (c)->nodes_high; n++)                  \
		if (n->used && !n->doomed)

#endif
