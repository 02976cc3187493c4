/* Which lookups are not expected to fault: is the whole store in memory, and which keys were read
 * lately. */
#ifndef CAIRN_ENGINE_RESIDENCY_H
#define CAIRN_ENGINE_RESIDENCY_H

#include "engine/store.h"

struct residency;

/* Starts a thread that looks whether all pages of the store are in memory: at once, and then every
 * half second while asked. The later looks map them too. */
MUST_CHECK enum status residency_start(struct store *store, struct residency **out);
void residency_stop(struct residency *r); /* NULL is fine */

/* Waits for the first look, which a start overlaps with other work. */
void residency_ready(struct residency *r);

/* True when the whole store was in memory at the last look, or this hash was marked lately.
 * Executor. */
bool residency_warm(struct residency *r, uint64_t hash);

/* Says that what belongs to this hash was just read or touched. Executor. */
void residency_mark(struct residency *r, uint64_t hash);

/* Has the thread look now, since the store has changed: pages that it has grown by are mapped
 * before lookups meet them. Executor. */
void residency_look(struct residency *r);

/* True when the last look found the whole store in memory. Any thread. */
bool residency_all(const struct residency *r);

#endif
