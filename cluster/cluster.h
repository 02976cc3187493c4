/* The cluster as a deterministic state machine: events in, an update out.
 *
 * The core knows no socket, clock, thread, file or heap. Its memory is handed in once, time comes
 * with every event, chance from a seed. Whoever drives it (a network driver, the simulator) calls
 * cluster_step() for each event and then carries the update out, in this order:
 *
 *   1. persist     write cluster_save() to nodes.conf; with PERSIST_SYNC make it durable (file and
 *                  directory) before going on. On failure end the process: a vote or an epoch that
 *                  is not durable must not be heard of.
 *   2. role        tell the engine: become primary, or follow that node; flush_data and lost_slots
 *                  belong to this step. Nobody hears of a primary that can not take writes yet.
 *   3. pause       stop or resume client writes (manual failover). Once the last write before the
 *                  pause has its LSN, send an ENGINE event that says paused.
 *   4. routes      publish: parked clients are looked at again, subscribers of lost slots told.
 *   5. ops         in order: close a link, open a link, send. For OP_SEND call cluster_send_next()
 *                  until it says no more; it encodes from the state of this step, so all of it
 *                  comes before the next cluster_step().
 *   6. reply, publish, handover: the answer to a command, a message for local subscribers, the end
 *                  of a handover.
 *   7. deadline    send a TIME event at update->deadline_ms, or earlier.
 *
 * Links. An outbound link belongs to a node and is opened and closed by the core, which gives it an
 * id; the driver answers with LINK_UP or LINK_DOWN. Inbound links are the driver's: their ids have
 * CLUSTER_LINK_INBOUND set and are never used twice. After OP_CLOSE no event about that link may
 * follow. Messages are handed over whole (bus_msg_length cuts the stream).
 *
 * Everything is called from one thread. An update and all that it points to is valid until the next
 * step. */
#ifndef CAIRN_CLUSTER_CLUSTER_H
#define CAIRN_CLUSTER_CLUSTER_H

#include "cluster/bus_msg.h"
#include "cluster/cluster_types.h"

struct cluster; /* cluster_state.h */

#define CLUSTER_LINK_INBOUND (UINT64_C(1) << 63)

enum cluster_endpoint { ENDPOINT_IP, ENDPOINT_HOSTNAME, ENDPOINT_UNKNOWN };

/* What redis.conf calls cluster-*; may change at run time through a SETTINGS event. */
struct cluster_settings {
	uint32_t node_timeout_ms;
	uint32_t ping_interval_ms; /* 0: half of node_timeout_ms */
	uint32_t migration_barrier;
	uint32_t replica_validity_factor; /* 0: data is never too old */
	uint32_t repl_ping_period_s;
	bool require_full_coverage;
	bool allow_reads_when_down;
	bool allow_pubsubshard_when_down;
	bool allow_replica_migration;
	bool replica_no_failover;
	bool tls_cluster; /* then a node's port is its TLS port, and other_port the plain one */
	enum cluster_endpoint endpoint;
	struct node_addr addr;	   /* ports of this node; ip is not used */
	struct node_addr announce; /* what others shall use instead; empty and 0: not set */
	char hostname[NODE_HOSTNAME_CAP];
	char name[NODE_NAME_CAP]; /* for people; see node_name_safe */
};

/* Redis's defaults; ports are 6379 and 16379. */
void cluster_settings_default(struct cluster_settings *s);

enum cluster_trace_level {
	CLUSTER_TRACE_DEBUG,  /* a decision that is taken all the time */
	CLUSTER_TRACE_NOTICE, /* one that an operator wants to see */
	CLUSTER_TRACE_WARNING,
};

/* Receives one line of text per decision; line may be NULL, and nothing is formatted then. */
struct cluster_trace {
	void (*line)(void *ctx, enum cluster_trace_level level, const char *text);
	void *ctx;
	enum cluster_trace_level min;
};

/* What the core asks of the keyspace; exact, cheap, and without effects. */
struct cluster_keys {
	uint64_t (*in_slot)(void *ctx, unsigned slot);
	uint64_t (*total)(void *ctx);
	void *ctx;
};

struct cluster_config {
	uint32_t nodes_max;   /* 2 to 16000; a node beyond it is not taken in */
	uint32_t reports_max; /* failure reports held; 0: 64 per node */
	uint64_t seed;
	uint64_t now_ms;
	uint64_t wall_ms;
	struct cluster_settings settings;
	struct cluster_trace trace;
	struct cluster_keys keys;
	struct slice conf; /* nodes.conf as read, empty at the first start */
	/* The dataset was lost although nodes.conf existed: a primary then stays silent until a
	 * replica has taken over, since claiming its slots with nothing in them would empty its
	 * replicas too. When for several timeouts no replica made itself known it goes on, empty.
	 */
	bool store_is_new;
};

enum cluster_event_kind {
	CLUSTER_EV_TIME,
	CLUSTER_EV_MESSAGE,
	CLUSTER_EV_LINK_UP,   /* an outbound link is connected */
	CLUSTER_EV_LINK_DOWN, /* either kind: refused, broken or closed by the peer */
	CLUSTER_EV_COMMAND,   /* a CLUSTER subcommand that changes state; see operator.h */
	CLUSTER_EV_ENGINE,
	CLUSTER_EV_PUBLISH, /* a client's PUBLISH or SPUBLISH: spread it */
	CLUSTER_EV_SETTINGS,
	CLUSTER_EV_HANDOVER, /* this primary is to be stopped: let a replica take over now */
	CLUSTER_EV_MARKS,    /* a replica learned its primary's mark of a slot from the log */
};

/* State of the engine; sent whenever one of it changes and at least every 100 ms under load. */
struct cluster_engine {
	uint64_t offset;	/* LSN: a primary's last, a replica's last applied */
	uint64_t history_epoch; /* epoch of the primary whose history the data belongs to */
	uint64_t last_io_ms;	/* when the primary was last heard; 0: never since the start */
	bool link_up;		/* replication from the primary is established */
	bool can_stand; /* false: never completed a copy, is rewinding, or refused its recovery */
	bool paused;	/* writes are paused, as the last update asked, and offset is final */
};

struct cluster_marks {
	uint16_t slot;
	struct node_id migrating_to;   /* empty: not migrating */
	struct node_id importing_from; /* empty: not importing */
};

struct cluster_event {
	enum cluster_event_kind kind;
	uint64_t now_ms;  /* monotonic; never falls */
	uint64_t wall_ms; /* Unix time, for what is told to others */
	union {
		struct {
			uint64_t link;
			struct slice bytes;   /* one whole message */
			const char *peer_ip;  /* of the socket */
			const char *local_ip; /* likewise; where the peer reached us */
		} message;
		uint64_t link;
		struct {
			const struct slice *argv; /* argv[0] is the subcommand */
			unsigned argc;
		} command;
		struct cluster_engine engine;
		struct {
			struct slice channel;
			struct slice payload;
			bool sharded;
		} publish;
		const struct cluster_settings *settings; /* copied */
		struct cluster_marks marks;
	};
};

enum cluster_persist {
	PERSIST_NONE,
	PERSIST_SAVE, /* write it soon; losing it in a power failure is harmless */
	PERSIST_SYNC, /* durable before any later step of this update */
};

enum cluster_role_reason {
	ROLE_ELECTED,
	ROLE_TAKEOVER,
	ROLE_DEPOSED,	  /* a newer claim took my slots */
	ROLE_COMMANDED,	  /* CLUSTER REPLICATE or RESET */
	ROLE_FOLLOWS,	  /* my primary became somebody's replica, or was replaced */
	ROLE_MIGRATED,	  /* to an orphaned primary */
	ROLE_NEW_ADDRESS, /* same primary, elsewhere */
	ROLE_LOADED,	  /* as nodes.conf says, at the start */
};

struct cluster_role {
	bool primary;
	enum cluster_role_reason reason;
	uint64_t epoch;		   /* config epoch of the primary in question */
	struct node_id primary_id; /* of a replica; empty: it has none that is known */
	struct node_addr addr;	   /* where to replicate from */
};

enum cluster_op_kind { OP_CLOSE, OP_CONNECT, OP_SEND };

enum cluster_target { TO_LINK, TO_ALL, TO_SHARD, TO_VOTERS, TO_SIBLINGS };

struct cluster_op {
	enum cluster_op_kind kind;
	uint64_t link;	       /* OP_CLOSE, OP_CONNECT, OP_SEND with TO_LINK */
	struct node_addr addr; /* OP_CONNECT: ip and bus_port */
	/* The rest is for cluster_send_next(). */
	enum bus_type type;
	enum cluster_target target;
	uint8_t mflags;
	uint16_t node;	/* of TO_LINK, or NONE */
	uint16_t about; /* FAIL, UPDATE: the node that it tells of */
};

enum cluster_reply_kind { REPLY_NONE, REPLY_OK, REPLY_STATUS, REPLY_ERROR };

struct cluster_reply {
	enum cluster_reply_kind kind;
	char text[192]; /* REPLY_STATUS: simple string; REPLY_ERROR: with its code ("ERR ...") */
};

enum cluster_handover { HANDOVER_NONE, HANDOVER_DONE, HANDOVER_FAILED };

struct cluster_update {
	enum cluster_persist persist;
	bool role_changed;
	struct cluster_role role;
	bool flush_data;		    /* drop all keys before the role is taken */
	const struct slot_bits *lost_slots; /* not NULL: delete all keys in these slots */
	bool pause_changed;
	bool paused;
	bool routes_changed;
	const struct cluster_op *ops;
	size_t ops_count;
	struct cluster_reply reply;
	bool publish; /* a message from the bus for local subscribers */
	bool publish_sharded;
	struct slice publish_channel;
	struct slice publish_payload;
	enum cluster_handover handover;
	uint64_t deadline_ms;
};

/* Bytes of memory that a cluster of this configuration needs. */
size_t cluster_sizeof(const struct cluster_config *cfg);

/* Makes a cluster in memory (cluster_sizeof bytes, aligned as malloc does; all of it is written).
 * Reads cfg->conf; an empty one gives a new node with a random id. *first is an update to carry
 * out like any other. ST_CORRUPT: nodes.conf is damaged, error says where; ST_LIMIT: it names more
 * than nodes_max nodes; ST_INVALID: a configuration out of bounds. */
MUST_CHECK enum status cluster_init(void *memory, const struct cluster_config *cfg,
				    struct cluster **out, struct cluster_update *first,
				    char error[160]);

/* Applies one event. Never fails: what can not be done is refused, traced and answered. */
void cluster_step(struct cluster *c, const struct cluster_event *ev, struct cluster_update *up);

/* Longest message that this cluster may encode, but for PUBLISH, which is its two texts longer
 * than BUS_HEADER_LEN + 8. */
size_t cluster_message_max(const struct cluster *c);

struct cluster_send_cursor {
	uint32_t next; /* start with 0 */
};

/* Encodes the op's next message into buf and says on which link it goes. False: no more. A target
 * without a link that is up is passed over. */
bool cluster_send_next(struct cluster *c, const struct cluster_op *op,
		       struct cluster_send_cursor *cursor, uint8_t *buf, size_t cap, uint64_t *link,
		       size_t *len);

/* Writes the text of nodes.conf (at most cap bytes) and returns its length, which is more than cap
 * when it did not fit. */
size_t cluster_save(const struct cluster *c, char *buf, size_t cap);

/* Rare situations, counted since the start: what tests must have seen and operators may ask. */
#define CLUSTER_MARKS(X)                                                                           \
	X(HANDSHAKE_DONE)                                                                          \
	X(HANDSHAKE_EXPIRED)                                                                       \
	X(MEET_REPEATED)                                                                           \
	X(ADDRESS_CHANGED)                                                                         \
	X(ID_MISMATCH)                                                                             \
	X(NODE_FORGOTTEN)                                                                          \
	X(BLACKLISTED)                                                                             \
	X(TABLE_FULL)                                                                              \
	X(PFAIL_SET)                                                                               \
	X(PFAIL_CLEARED)                                                                           \
	X(FAIL_BY_MAJORITY)                                                                        \
	X(FAIL_BY_MESSAGE)                                                                         \
	X(FAIL_CLEARED)                                                                            \
	X(REPORT_EXPIRED)                                                                          \
	X(ELECTION_STARTED)                                                                        \
	X(ELECTION_WON)                                                                            \
	X(ELECTION_LOST)                                                                           \
	X(ELECTION_SUPERSEDED)                                                                     \
	X(VOTE_GRANTED)                                                                            \
	X(VOTE_REFUSED)                                                                            \
	X(VOTE_REFUSED_EPOCH)                                                                      \
	X(VOTE_REFUSED_SLOTS)                                                                      \
	X(VOTE_REFUSED_CONTESTED)                                                                  \
	X(VOTE_REFUSED_SUPPORTED)                                                                  \
	X(VOTE_REFUSED_HEALTHY)                                                                    \
	X(ACK_STALE)                                                                               \
	X(ACK_REPEATED)                                                                            \
	X(DATA_TOO_OLD)                                                                            \
	X(MAY_NOT_STAND)                                                                           \
	X(EPOCH_COLLISION)                                                                         \
	X(EPOCH_BUMPED)                                                                            \
	X(EPOCH_IMPLAUSIBLE)                                                                       \
	X(SLOTS_TAKEN)                                                                             \
	X(SLOTS_ABANDONED)                                                                         \
	X(CLAIM_STALE)                                                                             \
	X(CLAIM_WHILE_IMPORTING)                                                                   \
	X(UPDATE_SENT)                                                                             \
	X(UPDATE_APPLIED)                                                                          \
	X(DEPOSED)                                                                                 \
	X(DIRTY_SLOTS)                                                                             \
	X(ROLE_CLAIM_STALE)                                                                        \
	X(MANUAL_STARTED)                                                                          \
	X(MANUAL_DONE)                                                                             \
	X(MANUAL_TIMEOUT)                                                                          \
	X(TAKEOVER)                                                                                \
	X(HANDOVER_STARTED)                                                                        \
	X(REPLICA_MIGRATED)                                                                        \
	X(LEASE_LOST)                                                                              \
	X(LEASE_REGAINED)                                                                          \
	X(STALL)                                                                                   \
	X(STATE_FAIL)                                                                              \
	X(STATE_OK)                                                                                \
	X(SILENT_START)                                                                            \
	X(SILENT_END)                                                                              \
	X(BAD_MESSAGE)                                                                             \
	X(OPS_FULL)

enum cluster_mark {
#define CLUSTER_MARK_ENUM(name) MARK_##name,
	CLUSTER_MARKS(CLUSTER_MARK_ENUM)
#undef CLUSTER_MARK_ENUM
	    MARKS
};

/* How often a situation arose since cluster_init. */
uint64_t cluster_mark_count(const struct cluster *c, enum cluster_mark mark);

/* Its name, as in the list above. */
const char *cluster_mark_name(enum cluster_mark mark);

#endif
