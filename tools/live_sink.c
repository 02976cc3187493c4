/* A pipelined connection by hiredis. */
#include "tools/live_sink.h"

#include "engine/base/alloc.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/time.h>

enum { CONNECT_SECONDS = 10, REPLY_SECONDS = 120, UNDER_WAY_MAX = 2000 };

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

static enum status authenticate(struct live_sink *s, const struct node_address *a)
{
	int rc;

	if (a->password[0] == '\0') {
		rc = redisAppendCommand(s->context, "PING");
	} else if (a->user[0] == '\0') {
		rc = redisAppendCommand(s->context, "AUTH %s", a->password);
	} else {
		rc = redisAppendCommand(s->context, "AUTH %s %s", a->user, a->password);
	}
	if (rc != REDIS_OK) {
		return broken(s);
	}
	s->under_way++;
	return read_reply(s);
}

enum status live_sink_open(const struct node_address *a, struct live_sink **out, struct buf *error)
{
	struct timeval connect = {.tv_sec = CONNECT_SECONDS}, reply = {.tv_sec = REPLY_SECONDS};
	struct live_sink *s = mem_calloc(1, sizeof *s);
	enum status st = ST_IO;

	if (s == NULL) {
		return ST_NO_MEMORY;
	}
	s->error = error;
	(void)signal(SIGPIPE, SIG_IGN); /* a node that goes away is an error like any other */
	s->context = a->port == 0 ? redisConnectUnixWithTimeout(a->host, connect)
				  : redisConnectWithTimeout(a->host, a->port, connect);
	if (s->context == NULL) {
		st = ST_NO_MEMORY;
	} else if (s->context->err != 0) {
		buf_note(error, "%s port %u: %s", a->host, a->port, s->context->errstr);
	} else if (redisSetTimeout(s->context, reply) != REDIS_OK) {
		st = broken(s);
	} else {
		st = authenticate(s, a);
	}
	if (st != ST_OK) {
		live_sink_close(s);
		return st;
	}
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
