/* Keyspace events (notify-keyspace-events): what commands tell of keys, and its way to subscribers.
 *
 * A command says what it has done where Redis does, in Redis's words and order: command_event, and
 * command_event_gone behind what may have taken the last element. Nothing is sent before the
 * command's batch (EXEC's, the script's) is committed: what is undone was never told. Then each
 * event goes to the subscribers of this node as PUBLISH would send it, behind what the batch wrote:
 * nobody hears of a change that may be lost. "expired" and "hexpired" come from the engine
 * (engine_options.expired), "new" from the key's first write. A replica tells nothing of what its
 * primary does. Executor thread. */
#ifndef CAIRN_NET_COMMAND_NOTIFY_H
#define CAIRN_NET_COMMAND_NOTIFY_H

#include "net/command/command.h"
#include "net/command/command_host.h"

/* Bits of command_host.events, in the order of notify-keyspace-events' letters. */
enum notify_class {
	EVENT_GENERIC = 1 << 0,
	EVENT_STRING = 1 << 1,
	EVENT_LIST = 1 << 2,
	EVENT_SET = 1 << 3,
	EVENT_HASH = 1 << 4,
	EVENT_ZSET = 1 << 5,
	EVENT_EXPIRED = 1 << 6,
	EVENT_EVICTED = 1 << 7, /* never happens */
	EVENT_STREAM = 1 << 8,
	EVENT_MODULE = 1 << 9,	 /* never happens */
	EVENT_BY_KEY = 1 << 10,	 /* K: to __keyspace@0__:KEY */
	EVENT_BY_NAME = 1 << 11, /* E: to __keyevent@0__:EVENT */
	EVENT_KEY_MISS = 1 << 12,
	EVENT_NEW = 1 << 13,
};

/* The classes in the directive's text; 0 when neither K nor E says where to send them. */
uint32_t notify_classes(const char *text);

/* Takes an event down. name is static; key is copied. */
void notify_add(struct dispatch *d, const char *name, struct slice key);

/* Tells what the running command has done to a key. */
static inline void command_event(struct command_ctx *ctx, uint32_t class, const char *name,
				 struct slice key)
{
	if (__builtin_expect((ctx->host->events & class) != 0, 0)) {
		notify_add(ctx->dispatch, name, key);
	}
}

/* "del", when the key is not there any more. */
void command_event_gone(struct command_ctx *ctx, struct slice key);

/* Removes whatever the key holds, and says so when it held anything. */
MUST_CHECK enum status command_remove(struct command_ctx *ctx, const struct store_key *key);

/* A key is about to be written to within a command: "new", when there is none yet. */
void notify_before_write(struct dispatch *d, const struct store_key *key);

/* Sends what was taken down, to leave when lsn is acknowledged. */
void notify_deliver(struct dispatch *d, uint64_t lsn);

/* Forgets what was taken down since the list was mark bytes long (d->events.len). */
static inline void notify_forget(struct buf *events, size_t mark)
{
	if (events->len > mark) {
		events->len = mark;
	}
}

#endif
