/* A pipelined connection by hiredis. */
#include "tools/live_sink.h"

#include "engine/base/alloc.h"
#include "tools/live_node.h"

#include <hiredis/hiredis.h>

enum { UNDER_WAY_MAX = 2000 };

struct live_sink {
	redisContext *context;
	uint64_t under_way; /* commands without a reply yet */
	struct buf *error;  /* borrowed */
};

static enum status broken(struct live_sink *s)
{
	buf_note(s->error, "the connection to the node broke: %s", s->context->errstr);
	return ST_IO;
}

/* Errors may also stand inside EXEC's reply. */
static enum status judge(struct live_sink *s, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR) {
		buf_note(s->error, "the node answered: %s", reply->str);
		return ST_READ_ONLY;
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
		if (judge(s, reply->element[i]) != ST_OK) {
			return ST_READ_ONLY;
		}
	}
	return ST_OK;
}

static enum status read_reply(struct live_sink *s)
{
	void *reply = NULL;
	enum status st;

	if (redisGetReply(s->context, &reply) != REDIS_OK) {
		return broken(s);
	}
	s->under_way--;
	st = judge(s, reply);
	freeReplyObject(reply);
	return st;
}

enum status live_sink_open(const struct node_address *a, struct live_sink **out, struct buf *error)
{
	struct live_sink *s = mem_calloc(1, sizeof *s);
	enum status st = s == NULL ? ST_NO_MEMORY : live_connect(a, &s->context, error);

	if (st != ST_OK) {
		mem_free(s);
		return st;
	}
	s->error = error;
	*out = s;
	return ST_OK;
}

enum status live_sink_take(void *arg, struct slice bytes, uint64_t commands)
{
	struct live_sink *s = arg;
	enum status st = ST_OK;
	int done = 0;

	if (redisAppendFormattedCommand(s->context, (const char *)bytes.data, bytes.len) !=
	    REDIS_OK) {
		return broken(s);
	}
	s->under_way += commands;
	while (done == 0) {
		if (redisBufferWrite(s->context, &done) != REDIS_OK) {
			return broken(s);
		}
	}
	while (st == ST_OK && s->under_way > UNDER_WAY_MAX) {
		st = read_reply(s);
	}
	return st;
}

enum status live_sink_finish(struct live_sink *s)
{
	enum status st = ST_OK;

	while (st == ST_OK && s->under_way > 0) {
		st = read_reply(s);
	}
	return st;
}

void live_sink_close(struct live_sink *s)
{
	if (s == NULL) {
		return;
	}
	if (s->context != NULL) {
		redisFree(s->context);
	}
	mem_free(s);
}
