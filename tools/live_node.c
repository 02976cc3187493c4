/* Asking a running node. */
#include "tools/live_node.h"

#include "engine/base/alloc.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

enum { CONNECT_SECONDS = 10, REPLY_SECONDS = 120, MOVES_MAX = 5 };

struct live_node {
	redisContext *context;
	struct node_address address; /* of the node it is connected to */
};

static enum status broken(const redisContext *c, struct buf *error)
{
	buf_note(error, "the connection to the node broke: %s", c->errstr);
	return ST_IO;
}

static enum status refused(const redisReply *reply, struct buf *error)
{
	buf_note(error, "the node answered: %s", reply->str);
	return ST_READ_ONLY;
}

/* --- connecting --- */

static enum status authenticate(redisContext *c, const struct node_address *a, struct buf *error)
{
	enum status st = ST_OK;
	redisReply *reply;

	if (a->password[0] == '\0') {
		reply = redisCommand(c, "PING");
	} else if (a->user[0] == '\0') {
		reply = redisCommand(c, "AUTH %s", a->password);
	} else {
		reply = redisCommand(c, "AUTH %s %s", a->user, a->password);
	}
	if (reply == NULL) {
		return broken(c, error);
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		st = refused(reply, error);
	}
	freeReplyObject(reply);
	return st;
}

enum status live_connect(const struct node_address *a, struct redisContext **out, struct buf *error)
{
	struct timeval connect = {.tv_sec = CONNECT_SECONDS}, reply = {.tv_sec = REPLY_SECONDS};
	redisContext *c;
	enum status st = ST_IO;

	(void)signal(SIGPIPE, SIG_IGN); /* a node that goes away is an error like any other */
	c = a->port == 0 ? redisConnectUnixWithTimeout(a->host, connect)
			 : redisConnectWithTimeout(a->host, a->port, connect);
	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	if (c->err != 0) {
		buf_note(error, "%s port %u: %s", a->host, a->port, c->errstr);
	} else if (redisSetTimeout(c, reply) != REDIS_OK) {
		st = broken(c, error);
	} else {
		st = authenticate(c, a, error);
	}
	if (st != ST_OK) {
		redisFree(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

enum status live_node_open(const struct node_address *address, struct live_node **out,
			   struct buf *error)
{
	struct live_node *n = mem_calloc(1, sizeof *n);
	enum status st = n == NULL ? ST_NO_MEMORY : live_connect(address, &n->context, error);

	if (st != ST_OK) {
		mem_free(n);
		return st;
	}
	n->address = *address;
	*out = n;
	return ST_OK;
}

void live_node_close(struct live_node *n)
{
	if (n != NULL) {
		redisFree(n->context);
		mem_free(n);
	}
}

/* --- asking --- */

/* Goes to the node that "MOVED slot host:port" names; an empty host is this one's. */
static enum status move_to(struct live_node *n, const char *text, struct buf *error)
{
	struct node_address next = n->address;
	const char *at = strrchr(text, ' '), *colon = at == NULL ? NULL : strrchr(at, ':');
	redisContext *c;
	uint64_t port;
	enum status st;

	if (colon == NULL || !parse_u64(colon + 1, &port) || port == 0 || port > UINT16_MAX ||
	    (size_t)(colon - at) > sizeof next.host) {
		buf_note(error, "the node answered: %s", text);
		return ST_READ_ONLY;
	}
	if (colon > at + 1) {
		(void)snprintf(next.host, sizeof next.host, "%.*s", (int)(colon - at - 1), at + 1);
	}
	next.port = (uint16_t)port;
	st = live_connect(&next, &c, error);
	if (st == ST_OK) {
		redisFree(n->context);
		n->context = c;
		n->address = next;
	}
	return st;
}

enum status live_node_ask(struct live_node *n, const struct slice *argv, size_t argc,
			  struct redisReply **out, struct buf *error)
{
	const char *words[LIVE_ARGS_MAX];
	size_t lengths[LIVE_ARGS_MAX];

	if (argc > LIVE_ARGS_MAX) {
		return ST_LIMIT;
	}
	for (size_t i = 0; i < argc; i++) {
		words[i] = (const char *)argv[i].data;
		lengths[i] = argv[i].len;
	}
	for (int moves = 0;; moves++) {
		redisReply *reply = redisCommandArgv(n->context, (int)argc, words, lengths);
		enum status st = ST_OK;

		if (reply == NULL) {
			return broken(n->context, error);
		}
		if (reply->type != REDIS_REPLY_ERROR) {
			*out = reply;
			return ST_OK;
		}
		st = strncmp(reply->str, "MOVED ", 6) == 0 && moves < MOVES_MAX
			 ? move_to(n, reply->str, error)
			 : refused(reply, error);
		freeReplyObject(reply);
		if (st != ST_OK) {
			return st;
		}
	}
}

enum status live_node_send(struct live_node *n, struct slice commands, uint64_t count,
			   struct redisReply **last, struct buf *error)
{
	redisReply *reply = NULL;
	enum status st = ST_OK;

	if (redisAppendFormattedCommand(n->context, (const char *)commands.data, commands.len) !=
	    REDIS_OK) {
		return broken(n->context, error);
	}
	for (uint64_t i = 0; i < count; i++) {
		void *got = NULL;

		live_node_free(reply);
		if (redisGetReply(n->context, &got) != REDIS_OK) {
			return broken(n->context, error);
		}
		reply = got;
		if (reply->type == REDIS_REPLY_ERROR && st == ST_OK) {
			st = refused(reply, error);
		}
	}
	if (st != ST_OK) {
		live_node_free(reply);
		return st;
	}
	*last = reply;
	return ST_OK;
}

void live_node_free(struct redisReply *reply)
{
	if (reply != NULL) {
		freeReplyObject(reply);
	}
}
