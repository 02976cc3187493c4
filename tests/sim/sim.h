/* A cluster in one process: the real core and codec over a simulated network, disks and clocks.
 *
 * Virtual time in microseconds, one heap of events, one seed: the same options give the same run,
 * bit for bit. A toy engine per node stands for storage and replication: an LSN, and the history
 * (epoch, first LSN) that it belongs to. */
#ifndef CAIRN_TESTS_SIM_SIM_H
#define CAIRN_TESTS_SIM_SIM_H

#include "cluster/cluster.h"
#include "cluster/cluster_state.h"
#include "engine/base/rng.h"

#include <stdio.h>

enum {
	SIM_NODES_MAX = 1024,
	SIM_HISTORY_MAX = 64,
	SIM_REPLY_MAX = 192,
	SIM_TOLD_NODES_MAX = 64,
};

#define SIM_MS UINT64_C(1000)
#define SIM_S  UINT64_C(1000000)

/* What may go wrong in a run; each seed draws its own mixture. */
struct sim_faults {
	bool crashes;	   /* processes killed and started again, unsynced state lost */
	bool power_losses; /* likewise, and the peers' connections stay silent */
	bool partitions;   /* both ways */
	bool one_way;	   /* cuts of one direction */
	bool resets;	   /* connections broken */
	bool delays;	   /* links that hold everything back for seconds */
	bool pauses;	   /* SIGSTOP */
	bool slow_disks;
	bool skew;	   /* wall clocks apart, monotonic ones at slightly different rates */
	bool moves;	   /* a restart at another address */
	bool operators;	   /* failovers, resharding, forgetting, bumps */
	bool equal_epochs; /* takeovers and bumps at the same time */
	bool garbage;	   /* strangers on the bus */
	bool lost_stores;  /* a restart with nodes.conf but without data */
};

struct sim_options {
	uint64_t seed;
	unsigned nodes;
	unsigned primaries; /* the first ones; the others replicate them in turn */
	uint32_t timeout_ms;
	uint64_t epoch_start; /* where epochs begin (0: as a new cluster) */
	struct sim_faults faults;
	FILE *trace; /* decisions as text, NULL for none */
	enum cluster_trace_level trace_level;
	bool full_mesh; /* nodes know each other from the start, without MEET */
};

struct sim_message {
	struct sim_message *next;
	uint64_t arrive_us;
	size_t len;
	size_t cap;
	uint8_t bytes[];
};

/* A connection; side 0 opened it. */
struct sim_link {
	bool used;
	bool open;	/* both sides know it */
	bool broken;	/* nothing gets through any more, but nobody is told */
	bool closed[2]; /* this side has closed it, or was told of its end */
	uint32_t serial;
	unsigned node[2];
	uint64_t boot[2];
	uint64_t id[2];		      /* what the sides call it */
	uint64_t last_us[2];	      /* arrival of the newest message towards that side */
	struct sim_message *first[2]; /* towards that side */
	struct sim_message *last[2];
};

struct sim_history {
	uint64_t epoch[SIM_HISTORY_MAX];
	uint64_t first_lsn[SIM_HISTORY_MAX];
	unsigned count;
};

struct sim_engine {
	bool primary;
	bool complete; /* a full copy was finished */
	bool linked;
	bool pause_asked;
	bool paused;
	unsigned follows; /* node, or SIM_NODES_MAX */
	uint64_t lsn;
	uint64_t last_io_us;
	uint64_t copying_until_us;
	struct sim_history history;
};

struct sim_node {
	unsigned index;
	bool alive;
	bool host_up; /* a dead process on a living host refuses connections */
	uint64_t boot;
	uint64_t blocked_until_us; /* paused, or waiting for its disk */
	bool paused;
	unsigned address; /* 10.0.x.y */
	void *memory;
	struct cluster *c;
	struct cluster_config cfg;
	/* Clocks: local = base + time * rate. */
	uint64_t mono_base_us;
	int64_t rate_ppm;
	int64_t wall_skew_ms;
	uint64_t local_ms; /* last given to the core */
	uint64_t timer;	   /* serial of the timer that counts */
	uint64_t disk_slow_us;
	/* nodes.conf: on the platter, and in the page cache. */
	char *durable;
	char *cached;
	char *unsynced;	  /* being synced now */
	bool durable_due; /* large clusters: the text is made when the process ends */
	uint64_t durable_vote;
	uint64_t durable_current;
	uint64_t durable_config;
	struct sim_outgoing *outgoing; /* messages waiting for the sync */
	struct sim_outgoing *outgoing_last;
	unsigned out_link[SIM_NODES_MAX]; /* by place in the core's table: index + 1 */
	struct sim_engine engine;
	char reply[SIM_REPLY_MAX];
	enum cluster_reply_kind reply_kind;
	enum cluster_handover handover;
	bool stopping; /* ends when its handover is over */
	uint64_t keys; /* what the core is told when it asks */
	/* For the checks. */
	uint64_t voted_epoch; /* highest epoch it voted in, in all its lives */
	unsigned voted_for;
	uint64_t seen_current;
	uint64_t seen_config;
	uint64_t majority_marks;
	uint64_t told_marks;
	bool asked_by_force; /* its last request for votes said so */
	bool forced;	     /* an operator gave up on the primary's last writes */
	bool *failed;	     /* by place: held for failed after the last step */
	uint64_t role_since_us;
	uint64_t *answer_us; /* by node: last PONG or vote that reached this node */
	uint64_t
	    *told_us; /* [by * nodes + about]: last time it was told so; NULL in large clusters */
	unsigned *index_of; /* by place: the node it was found to be, see node_at() */
	uint64_t *epoch_of; /* by place: config epoch seen, with the serial below */
	uint32_t *epoch_serial;
};

enum sim_event_kind {
	SIM_EV_ARRIVE,
	SIM_EV_CONNECT,
	SIM_EV_DOWN,
	SIM_EV_TIMER,
	SIM_EV_ENGINE,
	SIM_EV_SYNCED,
	SIM_EV_CHECK,
	SIM_EV_FAULT,
	SIM_EV_OPERATOR,
	SIM_EV_RESTART,
	SIM_EV_PAUSED,
};

struct sim_event {
	uint64_t at_us;
	uint64_t seq;
	enum sim_event_kind kind;
	unsigned a;  /* node or link */
	unsigned b;  /* side */
	uint64_t id; /* boot or serial that must still be the same */
};

struct sim {
	struct sim_options opts;
	struct rng rng;
	uint64_t now_us;
	uint64_t seq;
	struct sim_event *heap;
	size_t heap_len;
	size_t heap_cap;
	struct sim_node *nodes;
	unsigned node_count;
	struct sim_link *links;
	unsigned link_count;
	unsigned link_cap;
	unsigned *free_links;
	unsigned free_count;
	uint32_t link_serial;
	struct sim_message *spare[4];
	uint8_t *cut;		 /* [from * nodes + to]: nothing passes in that direction */
	uint64_t *hold_until_us; /* [from * nodes + to]: held back until then */
	uint64_t *slow_until_us; /* the same, but only on links that "to" has opened */
	uint8_t *buf;		 /* one message */
	size_t buf_cap;
	char *text; /* one nodes.conf */
	size_t text_cap;
	/* Phases and faults (sim_faults.c). */
	bool faults_on;
	bool settled; /* healed long ago: everything must have converged */
	uint64_t operator_free_us;
	struct sim_reshard {
		bool busy;
		unsigned slot;
		unsigned from;
		unsigned to;
		unsigned step;
	} reshard;
	unsigned returning; /* node that was forgotten and comes back, or SIM_NODES_MAX */
	uint64_t return_us;
	bool unclean; /* something happened after which two writers are possible for a while */
	/* Checks (sim_check.c). */
	struct sim_won {
		uint64_t epoch;
		unsigned node;
	} * won;
	size_t won_count;
	size_t won_cap;
	uint64_t *equal_since_us; /* [a * nodes + b] */
	uint64_t *writer_since_us;
	uint64_t violations;
	char violation[256];
	/* Sums. */
	uint64_t steps;
	uint64_t messages;
	uint64_t bytes;
	uint64_t marks[MARKS];
	uint64_t failovers;
	uint64_t failover_us_sum;
	uint64_t writes;
	uint64_t lost_writes;
	uint64_t hash; /* of all decisions: two runs of one seed must agree */
};

/* Makes a cluster at virtual time 0 with all nodes started. Ends the process when memory runs out.
 */
void sim_open(struct sim *s, const struct sim_options *opts);
void sim_close(struct sim *s);

/* Runs all events up to a time. Stops at the first violation. */
void sim_run_until(struct sim *s, uint64_t until_us);

/* Forms the cluster as redis-cli --cluster create does: slots, epochs, MEET, REPLICATE. Returns
 * false when it did not come up within a minute. */
bool sim_create(struct sim *s);

/* Gives a node a CLUSTER subcommand (words separated by one space); true when it said OK. The reply
 * is in the node. */
bool sim_command(struct sim *s, unsigned node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends a process. power: its host goes dark with it. Starts it again. */
void sim_kill(struct sim *s, unsigned node, bool power);
void sim_start(struct sim *s, unsigned node);

/* Stops a process as an operator does: with a handover first. */
void sim_stop(struct sim *s, unsigned node);

/* Suspends a process for a time. */
void sim_pause(struct sim *s, unsigned node, uint64_t for_us);

/* Cuts, or mends, one direction. */
void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut);

/* Whether the network lets two nodes talk now. */
bool sim_path_open(const struct sim *s, unsigned a, unsigned b);

/* Breaks a node's connections. */
void sim_reset_links(struct sim *s, unsigned node);

/* Mends everything and starts everybody. */
void sim_heal(struct sim *s);

/* Adds what a node has counted in this life to the sums. */
void sim_add_marks(struct sim *s, const struct sim_node *n);

/* Applies an event to a node and carries the update out. */
void sim_step(struct sim *s, struct sim_node *n, struct cluster_event *ev);

/* Pushes an event. */
void sim_push(struct sim *s, uint64_t at_us, enum sim_event_kind kind, unsigned a, unsigned b,
	      uint64_t id);

/* A node's clocks at the present virtual time. */
uint64_t sim_local_ms(const struct sim *s, const struct sim_node *n);
uint64_t sim_wall_ms(const struct sim *s, const struct sim_node *n);

/* The node of an id or an address, or SIM_NODES_MAX. */
unsigned sim_find_id(const struct sim *s, const struct node_id *id);
unsigned sim_find_address(const struct sim *s, const char *ip);

/* A line into the trace. */
void sim_say(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Network, in sim_net.c. */
void sim_net_connect(struct sim *s, struct sim_node *n, uint64_t id, const char *ip);
void sim_net_close(struct sim *s, struct sim_node *n, uint64_t id);
void sim_net_send(struct sim *s, struct sim_node *n, uint64_t id, const uint8_t *bytes, size_t len);
void sim_net_event(struct sim *s, const struct sim_event *ev);
void sim_net_drop_node(struct sim *s, unsigned node, bool silent);
void sim_net_free(struct sim *s);

/* The toy engine, in sim_engine.c. */
void sim_engine_role(struct sim *s, struct sim_node *n, const struct cluster_update *up);
void sim_engine_tick(struct sim *s, struct sim_node *n);
void sim_engine_report(struct sim *s, struct sim_node *n);

/* Faults and operators, in sim_faults.c. */
void sim_faults_draw(struct sim_options *opts, uint64_t seed, unsigned nodes_max);
void sim_fault(struct sim *s);
void sim_operator(struct sim *s);

/* What an operator does after a bad day: ends open moves, gives slots that nobody claims to
 * somebody (redis-cli --cluster fix), introduces nodes that lost sight of each other. */
void sim_repair(struct sim *s);

/* Checks, in sim_check.c. A broken invariant is kept in s->violation. */
void sim_check_step(struct sim *s, struct sim_node *n, const struct cluster_update *up);
void sim_check_arrival(struct sim *s, struct sim_node *n, unsigned from, const uint8_t *bytes,
		       size_t len);
void sim_check_send(struct sim *s, struct sim_node *n, const uint8_t *bytes, size_t len);
void sim_check_promotion(struct sim *s, struct sim_node *n, const struct cluster_update *up);
void sim_check_boot(struct sim *s, struct sim_node *n);
void sim_check_periodic(struct sim *s);
void sim_check_converged(struct sim *s);
void sim_broken(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
