/* The inside of cairn-wal diverge: its options and what its four words share. */
#ifndef CAIRN_TOOLS_DIVERGE_H
#define CAIRN_TOOLS_DIVERGE_H

#include "tools/divergence.h"
#include "tools/slot_env.h"
#include "tools/wal_filter.h"

struct diverge {
	struct tool *t;
	/* Of the command line. */
	const char *against, *env;
	bool if_unchanged, yes, dry_run, json;
	uint64_t value_max, memory_max;
	struct wal_filter filter; /* keys */

	/* Where a key is looked up now: neither, or one of them. */
	struct live_node *node;
	struct slot_env data;
	bool has_data;
	uint64_t now_ms;
	struct buf error;

	/* Sums over all archives. */
	uint64_t files, records, keys;
	uint64_t same, differs, unknown;		       /* diff */
	uint64_t applied, already, changed, left_out, no_fork; /* replay */
};

/* The key now; unknown when nobody is asked. Returns EXIT_GO_ON, or an exit code after telling what
 * is wrong. */
int diverge_current(struct diverge *v, struct slice key, struct told_value *out);

/* Calls each for every key of an archive that passes the filter, in key order, until it returns
 * something else than EXIT_GO_ON. */
int diverge_each_key(struct diverge *v, struct divergence *d,
		     int (*each)(struct diverge *v, struct divergence *d, struct slice key));

/* Applies an archive's lost values to the node, key by key. As diverge_current. */
int diverge_replay(struct diverge *v, struct divergence *d);
/* The account after the last archive, and the exit code. */
int diverge_replay_end(struct diverge *v);

#endif
