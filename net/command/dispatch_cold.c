/* Which keys of a request lie on disk and are to be fetched before it runs. */
#include "engine/base/alloc.h"
#include "engine/types/type_string.h"
#include "net/command/command_keys.h"
#include "net/command/dispatch_state.h"
#include "net/command/txn_queue.h"

#include <stdlib.h>

enum {
	COLD_KEYS_MAX = 1024,	  /* keys prefetched in one go */
	TOUCH_RANGE_MAX = 100000, /* elements prefetched for a command that reads many */
	TOUCH_ARGS_MAX = 128,	  /* and for one that names some */
};

/* True when the command writes without a look at what its keys hold. Options behind a single key's
 * value may ask for one, and so do values that become collections of chunks. */
static bool is_blind(const struct command *cmd, const struct slice *argv, size_t argc)
{
	bool one_key = cmd->keys.first == cmd->keys.last;

	if ((cmd->flags & CMD_BLIND) == 0 || (one_key && argc > (size_t)abs(cmd->arity))) {
		return false;
	}
	for (size_t i = 1; i < argc; i++) {
		if (argv[i].len > STRING_INLINE_MAX) {
			return false;
		}
	}
	return true;
}

/* Keys of one command on their way to the list. */
struct cold_keys {
	struct dispatch *d;
	uint32_t elements;
	bool blind;
	bool failed; /* no memory */
};

/* False: there is no room for more. */
static bool cold_add_key(void *arg, struct slice name, struct slice flags)
{
	struct cold_keys *c = arg;
	struct dispatch *d = c->d;
	struct store_key key;

	(void)flags;
	if (d->cold_len == COLD_KEYS_MAX) {
		return false;
	}
	store_key_of_key(&key, name);
	/* A cut name must be compared with the one that is there. */
	if ((c->blind && !store_key_is_long(store_key_slice(&key))) ||
	    engine_key_warm(d->engine, &key, c->elements > 0)) {
		return true;
	}
	if (d->cold_len == d->cold_cap) {
		size_t cap = d->cold_cap == 0 ? 16 : d->cold_cap * 2;
		struct cold_key *cold = mem_realloc(d->cold, cap * sizeof *cold);

		if (cold == NULL) {
			c->failed = true;
			return false;
		}
		d->cold = cold;
		d->cold_cap = cap;
	}
	d->cold[d->cold_len++] = (struct cold_key){key, c->elements};
	return true;
}

static enum status cold_add(struct dispatch *d, const struct command_entry *entry,
			    const struct slice *argv, size_t argc)
{
	const struct command *cmd = entry->cmd;
	struct cold_keys c = {.d = d, .blind = !d->probes && is_blind(cmd, argv, argc)};

	c.elements = (cmd->flags & CMD_TOUCH_RANGE) != 0  ? TOUCH_RANGE_MAX
		     : (cmd->flags & CMD_TOUCH_ARGS) != 0 ? TOUCH_ARGS_MAX
							  : 0;
	if ((cmd->flags & CMD_PUBSUB) != 0) {
		return ST_OK; /* shard channels are no keys */
	}
	if ((cmd->flags & CMD_MOVABLE_KEYS) != 0) {
		/* Its row names some of them at most; a request that makes no sense gets its error.
		 */
		(void)command_keys_each(entry, argv, argc, false, cold_add_key, &c);
		return c.failed ? ST_NO_MEMORY : ST_OK;
	}
	for (size_t at = 0; command_key_next(cmd, argc, &at);) {
		if (!cold_add_key(&c, argv[at], slice_of(NULL, 0))) {
			break;
		}
	}
	return c.failed ? ST_NO_MEMORY : ST_OK;
}

bool dispatch_is_cold(struct dispatch *d, const struct session *s,
		      const struct command_entry *entry, const struct slice *argv, size_t argc,
		      bool exec)
{
	d->cold_len = 0;
	if (!d->may_wait || s->warmed || engine_all_warm(d->engine)) {
		return false;
	}
	if (exec) {
		for (size_t i = 0; i < s->queue_len; i++) {
			const struct queued_command *q = &s->queue[i];

			if (cold_add(d, q->entry, q->argv, q->argc) != ST_OK) {
				return false;
			}
		}
	} else if (cold_add(d, entry, argv, argc) != ST_OK) {
		return false;
	}
	return d->cold_len > 0;
}

const struct cold_key *dispatch_cold_keys(const struct dispatch *d, size_t *count)
{
	*count = d->cold_len;
	return d->cold;
}
