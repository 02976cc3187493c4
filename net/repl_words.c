/* Words between the executor and a sender. */
#include "net/repl_words.h"

#include "engine/base/alloc.h"
#include "net/proto/repl_message.h"

struct repl_payload {
	size_t len;
	uint8_t bytes[];
};

void repl_words_deinit(struct repl_words *w)
{
	mem_free(atomic_exchange(&w->contents, NULL));
}

bool repl_words_mark(struct repl_words *w, uint64_t lsn)
{
	return atomic_exchange(&w->mark, lsn) != lsn;
}

enum status repl_words_contents(struct repl_words *w, struct slice payload)
{
	struct repl_payload *p = mem_alloc(sizeof *p + payload.len);

	if (p == NULL) {
		return ST_NO_MEMORY;
	}
	p->len = payload.len;
	memcpy(p->bytes, payload.data, payload.len);
	mem_free(atomic_exchange(&w->contents, p));
	return ST_OK;
}

static bool mark_due(struct repl_words *w, uint64_t next_lsn, uint64_t *mark)
{
	*mark = atomic_load(&w->mark);
	return *mark != w->mark_taken && *mark + 1 >= next_lsn;
}

bool repl_words_due(struct repl_words *w, uint64_t next_lsn)
{
	uint64_t mark;

	return mark_due(w, next_lsn, &mark) || atomic_load(&w->contents) != NULL;
}

enum status repl_words_take(struct repl_words *w, uint64_t next_lsn, struct buf *out)
{
	struct repl_payload *p;
	enum status st = ST_OK;
	uint64_t mark;

	if (mark_due(w, next_lsn, &mark)) {
		w->mark_taken = mark;
		st = repl_put_mark(mark, out);
	}
	p = st == ST_OK ? atomic_exchange(&w->contents, NULL) : NULL;
	if (p != NULL) {
		st = repl_put_contents(slice_of(p->bytes, p->len), out);
		mem_free(p);
	}
	return st;
}
