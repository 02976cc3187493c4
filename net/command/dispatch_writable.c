/* What stops writes: a log or store that failed, or is full. */
#include "net/command/dispatch_state.h"
#include "net/command/txn_queue.h"

const char dispatch_writes_failed[] =
    "MISCONF writes are stopped because the log or the store failed; reads go on. See the server "
    "log for the cause, then restart the node";
static const char misconf_full[] =
    "MISCONF disk full: writes are stopped until there is room again. Free space on the file "
    "system of the data directory (or raise map-size-max); reads go on";

/* Deleting goes on while the store is full, as long as the log takes records and there is some room
 * left in memory: it is the way out. */
static bool shrinking_ok(struct dispatch *d, const struct session *s,
			 const struct command_entry *entry)
{
	struct engine_stats stats;

	if ((entry->cmd->flags & (CMD_WRITE | CMD_DENYOOM)) != CMD_WRITE) {
		for (size_t i = 0; i < s->queue_len; i++) {
			uint32_t flags = s->queue[i].entry->cmd->flags;

			if ((flags & CMD_WRITE) != 0 && (flags & CMD_DENYOOM) != 0) {
				return false;
			}
		}
		if ((entry->cmd->flags & CMD_DENYOOM) != 0) {
			return false;
		}
	}
	engine_stats(d->engine, &stats);
	return stats.wal.state == WAL_RUNNING &&
	       stats.memtable_bytes < stats.memtable_max + stats.memtable_max / 4;
}

const char *dispatch_writes_stopped(struct dispatch *d, const struct session *s,
				    const struct command_entry *entry, enum status st)
{
	if (st == ST_OK || st == ST_AGAIN || (st != ST_READ_ONLY && shrinking_ok(d, s, entry))) {
		return NULL;
	}
	return st == ST_NO_SPACE || st == ST_MAP_FULL ? misconf_full : dispatch_writes_failed;
}

const char *dispatch_write_refused(struct dispatch *d, const struct session *s,
				   const struct command_entry *entry)
{
	return dispatch_writes_stopped(d, s, entry, engine_writable(d->engine));
}

bool dispatch_may_write(struct dispatch *d, const struct session *s, const struct slice *argv,
			size_t argc)
{
	const struct command_entry *entry = command_table_resolve(&d->table, argv, argc);

	if (entry == NULL) {
		return false;
	}
	return (dispatch_flags(d, entry, argv, argc) & (CMD_WRITE | CMD_MAY_WRITE)) != 0 ||
	       (s->queue_may_write && strcmp(entry->full_name, "exec") == 0);
}
