/* What clients' requests cost by slot: cluster-slot-stats-enabled, for CLUSTER SLOT-STATS. The
 * names and what they count are those of Valkey 8.0 and Redis 8.2 (documentation of CLUSTER
 * SLOT-STATS), but that replication's bytes are not among them. Executor thread. */
#ifndef CAIRN_NET_COMMAND_SLOT_LOAD_H
#define CAIRN_NET_COMMAND_SLOT_LOAD_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

struct slot_load {
	uint64_t ticks; /* of clock_ticks: time that commands ran */
	uint64_t bytes_in, bytes_out;
};

/* All zero: off, and nothing is kept. */
struct slot_loads {
	struct slot_load *of; /* [SLOTS]; NULL: off */
};

/* Switches counting on (from zero) or off. ST_NO_MEMORY: it stays off. */
MUST_CHECK enum status slot_loads_enable(struct slot_loads *l, bool on);

/* Begins again at zero. */
void slot_loads_reset(struct slot_loads *l);

/* Bytes of a request that is written with lengths. */
size_t request_len(const struct slice *argv, size_t argc);

/* Counts a request, as long as it is written with lengths, on its slot (SLOTS: it has none). */
void slot_loads_count(struct slot_loads *l, uint16_t slot, const struct slice *argv, size_t argc,
		      uint64_t ticks, size_t reply_len);

#endif
