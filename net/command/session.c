/* A client's values, and its MULTI queue. */
#include "net/command/session.h"

#include "engine/base/alloc.h"
#include "engine/engine_shard.h"
#include "net/command/acl.h"
#include "net/command/archive_reading.h"
#include "net/command/blocked.h"
#include "net/command/migrate_job.h"
#include "net/command/monitor.h"
#include "net/command/txn_queue.h"
#include "net/command/watch.h"

enum { QUEUE_CAP_MIN = 16 };

void session_init(struct session *s, uint64_t id, uint64_t now_ms)
{
	*s = (struct session){
	    .id = id, .proto = 2, .created_ms = now_ms, .last_ms = now_ms, .last_cmd = "NULL"};
}

void session_wrote(struct session *s, uint64_t lsn, const struct wal_history *history)
{
	const struct wal_timeline *line = &history->items[history->count - 1];

	s->write_lsn = lsn;
	s->write_epoch = line->epoch;
	s->write_timeline = line->id;
}

void session_leave(struct session *s)
{
	pubsub_leave(s);
	monitor_leave(s);
	tracking_leave(s);
	tracking_forget_target(s);
}

void session_abandon(struct session *s)
{
	migration_abandon(s->migration);
	if (s->reading != NULL) {
		s->reading->abandon(s->reading);
		s->reading = NULL;
	}
}

void session_deinit(struct session *s)
{
	session_abandon(s);
	blocked_forget(s);
	txn_reset(s);
	session_leave(s);
	acl_enter(NULL, s);
	mem_free(s->name);
	mem_free(s->lib_name);
	mem_free(s->lib_ver);
	s->name = s->lib_name = s->lib_ver = NULL;
}

static enum status queue_grow(struct session *s)
{
	size_t cap = s->queue_cap == 0 ? QUEUE_CAP_MIN : s->queue_cap * 2;
	struct queued_command *queue;

	if (s->queue_len < s->queue_cap) {
		return ST_OK;
	}
	queue = mem_realloc(s->queue, cap * sizeof *queue);
	if (queue == NULL) {
		return ST_NO_MEMORY;
	}
	s->queue = queue;
	s->queue_cap = cap;
	return ST_OK;
}

enum status txn_queue_add(struct session *s, const struct command_entry *entry,
			  const struct slice *argv, size_t argc, size_t bytes_max)
{
	size_t size = argc * sizeof *argv;
	struct slice *copy;
	uint8_t *bytes;

	for (size_t i = 0; i < argc; i++) {
		size += argv[i].len;
	}
	if (s->queue_bytes + size + sizeof *s->queue > bytes_max) {
		return ST_LIMIT;
	}
	if (queue_grow(s) != ST_OK) {
		return ST_NO_MEMORY;
	}
	copy = mem_alloc(size);
	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	bytes = (uint8_t *)(copy + argc);
	for (size_t i = 0; i < argc; i++) {
		copy[i] = slice_of(bytes, argv[i].len);
		if (argv[i].len > 0) {
			memcpy(bytes, argv[i].data, argv[i].len);
			bytes += argv[i].len;
		}
	}
	s->queue[s->queue_len++] = (struct queued_command){entry, copy, argc};
	s->queue_bytes += size + sizeof *s->queue;
	s->queue_writes |= (entry->cmd->flags & CMD_WRITE) != 0;
	s->queue_may_write |= (entry->cmd->flags & (CMD_WRITE | CMD_MAY_WRITE)) != 0 ||
			      (entry->cmd->flags & (CMD_SCRIPT | CMD_READONLY)) == CMD_SCRIPT;
	return ST_OK;
}

void txn_reset(struct session *s)
{
	watch_clear(s);
	for (size_t i = 0; i < s->queue_len; i++) {
		mem_free(s->queue[i].argv);
	}
	mem_free(s->queue);
	s->queue = NULL;
	s->queue_len = s->queue_cap = s->queue_bytes = 0;
	s->in_multi = s->multi_failed = s->watch_broken = false;
	s->queue_writes = s->queue_may_write = false;
}
