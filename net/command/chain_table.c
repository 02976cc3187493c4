/* Buckets of doubly linked chains; doubled when there are more entries than buckets. */
#include "net/command/chain_table.h"

#include "engine/base/alloc.h"

enum { BUCKETS_MIN = 64 };

void chain_table_deinit(struct chain_table *t)
{
	mem_free(t->buckets);
	*t = (struct chain_table){0};
}

static void link_in(struct chain_table *t, struct chained *c)
{
	struct chained **head = &t->buckets[c->hash & t->mask];

	c->next = *head;
	c->link = head;
	if (c->next != NULL) {
		c->next->link = &c->next;
	}
	*head = c;
}

enum status chain_table_room(struct chain_table *t)
{
	size_t size = t->buckets == NULL ? BUCKETS_MIN : (t->mask + 1) * 2;
	struct chain_table grown = {.mask = size - 1, .count = t->count};

	if (t->buckets != NULL && t->count <= t->mask) {
		return ST_OK;
	}
	grown.buckets = mem_calloc(size, sizeof *grown.buckets);
	if (grown.buckets == NULL) {
		/* Staying small only costs time. */
		return t->buckets == NULL ? ST_NO_MEMORY : ST_OK;
	}
	for (size_t i = 0; t->buckets != NULL && i <= t->mask; i++) {
		for (struct chained *c = t->buckets[i], *next; c != NULL; c = next) {
			next = c->next;
			link_in(&grown, c);
		}
	}
	mem_free(t->buckets);
	*t = grown;
	return ST_OK;
}

void chain_table_add(struct chain_table *t, struct chained *c)
{
	link_in(t, c);
	t->count++;
}

void chain_table_remove(struct chain_table *t, struct chained *c)
{
	*c->link = c->next;
	if (c->next != NULL) {
		c->next->link = c->link;
	}
	t->count--;
}

struct chained *chain_table_first(const struct chain_table *t, uint64_t hash)
{
	return t->buckets == NULL ? NULL : t->buckets[hash & t->mask];
}
