/* What the node's part in its shard says of a command: a replica takes no writes, and so on. */
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/txn_queue.h"

#include <string.h>

/* True when the transaction that EXEC would run has a command without the flag. */
static bool queue_lacks(const struct session *s, uint32_t flag)
{
	for (size_t i = 0; i < s->queue_len; i++) {
		if ((s->queue[i].entry->cmd->flags & flag) == 0) {
			return true;
		}
	}
	return false;
}

const char *dispatch_forbidden_by_role(const struct dispatch *d, const struct session *s,
				       const struct command_entry *entry, uint32_t flags)
{
	const struct command_host *h = d->host;
	bool exec, writes;

	if (!h->is_replica && !h->replicas_short) {
		return NULL;
	}
	exec = s->in_multi && strcmp(entry->full_name, "exec") == 0;
	writes = (flags & CMD_WRITE) != 0 || (exec && s->queue_writes);
	if (writes && h->replicas_short) {
		return "NOREPLICAS Not enough good replicas to write.";
	}
	if (writes && h->is_replica) {
		return "READONLY You can't write against a read only replica.";
	}
	if (h->primary_down && ((flags & CMD_STALE) == 0 || (exec && queue_lacks(s, CMD_STALE)))) {
		return "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
		       "'no'.";
	}
	return NULL;
}
