/* A list of slow commands; each entry is one block of memory. */
#include "net/command/slowlog.h"

#include "engine/base/alloc.h"

#include <stdbool.h>
#include <stdio.h>

enum { ARGS_MAX = 32, ARG_MAX = 128, NOTE_MAX = 64 };

static void forget_oldest(struct slowlog *log)
{
	struct slow_entry *e = log->oldest;

	log->oldest = e->newer;
	if (e->newer != NULL) {
		e->newer->older = NULL;
	} else {
		log->newest = NULL;
	}
	log->len--;
	mem_free(e);
}

void slowlog_set_max(struct slowlog *log, size_t len_max)
{
	log->len_max = len_max;
	while (log->len > len_max) {
		forget_oldest(log);
	}
}

void slowlog_reset(struct slowlog *log)
{
	while (log->len > 0) {
		forget_oldest(log);
	}
}

static struct slice put(uint8_t **at, struct slice bytes)
{
	struct slice copy = slice_of(*at, bytes.len);

	if (bytes.len > 0) {
		memcpy(*at, bytes.data, bytes.len);
	}
	*at += bytes.len;
	return copy;
}

static struct slice put_shortened(uint8_t **at, struct slice arg)
{
	struct slice copy;
	char note[NOTE_MAX];
	int len;

	if (arg.len <= ARG_MAX) {
		return put(at, arg);
	}
	copy = put(at, slice_of(arg.data, ARG_MAX));
	len = snprintf(note, sizeof note, "... (%zu more bytes)", arg.len - ARG_MAX);
	copy.len += put(at, slice_of(note, (size_t)len)).len;
	return copy;
}

void slowlog_add(struct slowlog *log, const struct slice *argv, size_t argc, uint64_t at_s,
		 uint64_t usec, struct slice addr, struct slice name)
{
	size_t kept = argc > ARGS_MAX ? ARGS_MAX : argc;
	size_t size =
	    sizeof(struct slow_entry) + kept * (sizeof *argv + NOTE_MAX) + addr.len + name.len;
	struct slow_entry *e;
	uint8_t *at;

	if (log->len_max == 0) {
		return;
	}
	for (size_t i = 0; i < kept; i++) {
		size += argv[i].len < ARG_MAX ? argv[i].len : ARG_MAX;
	}
	e = mem_alloc(size);
	if (e == NULL) {
		return;
	}
	*e = (struct slow_entry){.older = log->newest,
				 .id = log->next_id++,
				 .at_s = at_s,
				 .usec = usec,
				 .argv = (struct slice *)(e + 1),
				 .argc = kept};
	at = (uint8_t *)(e->argv + kept);
	for (size_t i = 0; i < kept; i++) {
		if (i == ARGS_MAX - 1 && argc > ARGS_MAX) {
			char note[NOTE_MAX];
			int len = snprintf(note, sizeof note, "... (%zu more arguments)",
					   argc - ARGS_MAX + 1);

			e->argv[i] = put(&at, slice_of(note, (size_t)len));
		} else {
			e->argv[i] = put_shortened(&at, argv[i]);
		}
	}
	e->addr = put(&at, addr);
	e->name = put(&at, name);
	if (log->newest != NULL) {
		log->newest->newer = e;
	} else {
		log->oldest = e;
	}
	log->newest = e;
	log->len++;
	slowlog_set_max(log, log->len_max);
}
