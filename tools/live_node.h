/* A connection to a running node for questions and answers, by hiredis. What is only sent goes
 * through live_sink.h. */
#ifndef CAIRN_TOOLS_LIVE_NODE_H
#define CAIRN_TOOLS_LIVE_NODE_H

#include "engine/base/buf.h"
#include "tools/tool_parse.h"

struct redisContext;
struct redisReply;
struct live_node;

/* A connection of hiredis, connected and authenticated. ST_IO: no connection; ST_READ_ONLY: the
 * node refuses; ST_NO_MEMORY. error gets a line for humans on any failure, here and below. */
MUST_CHECK enum status live_connect(const struct node_address *address, struct redisContext **out,
				    struct buf *error);

/* Errors as live_connect. */
MUST_CHECK enum status live_node_open(const struct node_address *address, struct live_node **out,
				      struct buf *error);
void live_node_close(struct live_node *n); /* NULL is fine */

enum { LIVE_ARGS_MAX = 512 };

/* Sends one command of at most LIVE_ARGS_MAX arguments and waits for its reply, which is freed by
 * live_node_free. The answer MOVED is followed: the connection is then one to the node that it
 * names, with what the old one had in hand (a WATCH) gone, so the first command about a key is the
 * one that may be moved. ST_IO: the connection broke; ST_READ_ONLY: an error came back. */
MUST_CHECK enum status live_node_ask(struct live_node *n, const struct slice *argv, size_t argc,
				     struct redisReply **out, struct buf *error);
/* The same for commands that are encoded already, whose replies but the last one are dropped
 * unless one is an error. MOVED is not followed. */
MUST_CHECK enum status live_node_send(struct live_node *n, struct slice commands, uint64_t count,
				      struct redisReply **last, struct buf *error);
void live_node_free(struct redisReply *reply); /* NULL is fine */

#endif
