/* Keys that are being moved, seen from everything else: who has to wait, and what changes all the
 * same. */
#include "net/command/command_keys.h"
#include "net/command/migrate_job_impl.h"
#include "net/command/txn_queue.h"

bool migration_holds(const struct dispatch *d, const struct session *but, struct slice name)
{
	for (struct migration *m = d->migrations; m != NULL; m = m->next) {
		if (m->session != but && migrate_keys_find(&m->keys, name) != NULL) {
			return true;
		}
	}
	return false;
}

void migration_touched(struct dispatch *d, const struct store_key *key)
{
	for (struct migration *m = d->migrations; m != NULL; m = m->next) {
		struct moving_key *one =
		    key != NULL ? migrate_keys_find(&m->keys, key->name) : NULL;

		for (size_t i = 0; key == NULL && i < m->keys.count; i++) {
			m->keys.list[i].touched = true;
		}
		if (one != NULL) {
			one->touched = true;
		}
	}
}

struct asked {
	const struct dispatch *d;
	const struct session *s;
	bool blocked;
};

static bool ask(void *arg, struct slice key, struct slice flags)
{
	struct asked *a = arg;

	(void)flags;
	a->blocked = migration_holds(a->d, a->s, key);
	return !a->blocked;
}

static bool request_blocked(struct asked *a, const struct command_entry *entry,
			    const struct slice *argv, size_t argc)
{
	if ((entry->cmd->flags & CMD_WRITE) != 0 && command_has_keys(entry)) {
		enum status st = command_keys_each(entry, argv, argc, false, ask, a);

		(void)st; /* a request that makes no sense is refused when it runs */
	}
	return a->blocked;
}

bool migration_blocks(const struct dispatch *d, const struct session *s,
		      const struct command_entry *entry, const struct slice *argv, size_t argc)
{
	struct asked a = {d, s, false};

	if (s->in_multi && strcmp(entry->full_name, "exec") == 0) {
		for (size_t i = 0; i < s->queue_len && !a.blocked; i++) {
			(void)request_blocked(&a, s->queue[i].entry, s->queue[i].argv,
					      s->queue[i].argc);
		}
		return a.blocked;
	}
	return request_blocked(&a, entry, argv, argc);
}
