/* An ordinary program on hiredis, as users write them: it must run on Cairn without a change.
 * usage: hiredis_client PORT; prints the number of checks and exits 0 when all held. */
#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *ctx;
static unsigned checks, failures;

static void check(int good, const char *what)
{
	checks++;
	if (!good) {
		failures++;
		fprintf(stderr, "failed: %s (%s)\n", what, ctx->err != 0 ? ctx->errstr : "reply");
	}
}

static int is_text(const redisReply *r, int type, const char *text)
{
	return r != NULL && r->type == type && r->len == strlen(text) &&
	       memcmp(r->str, text, r->len) == 0;
}

static int is_integer(const redisReply *r, long long value)
{
	return r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer == value;
}

static void simple_commands(void)
{
	static const char binary[] = "a\0b\r\nc";
	redisReply *r = redisCommand(ctx, "SET %s %b", "hi:bin", binary, sizeof binary - 1);

	check(is_text(r, REDIS_REPLY_STATUS, "OK"), "SET answers OK");
	freeReplyObject(r);
	r = redisCommand(ctx, "GET hi:bin");
	check(r != NULL && r->len == sizeof binary - 1 && memcmp(r->str, binary, r->len) == 0,
	      "binary values come back");
	freeReplyObject(r);
	r = redisCommand(ctx, "GET hi:none");
	check(r != NULL && r->type == REDIS_REPLY_NIL, "a missing key is nil");
	freeReplyObject(r);
	r = redisCommand(ctx, "LPUSH hi:bin x");
	check(r != NULL && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "WRONGTYPE", 9) == 0,
	      "a wrong type is an error");
	freeReplyObject(r);
	r = redisCommand(ctx, "DEL hi:n hi:h hi:l");
	freeReplyObject(r);
	r = redisCommand(ctx, "INCRBY hi:n %d", 41);
	check(is_integer(r, 41), "INCRBY answers the sum");
	freeReplyObject(r);
	r = redisCommand(ctx, "HSET hi:h f1 v1 f2 v2");
	check(is_integer(r, 2), "HSET counts new fields");
	freeReplyObject(r);
	r = redisCommand(ctx, "RPUSH hi:l a b c");
	check(is_integer(r, 3), "RPUSH answers the length");
	freeReplyObject(r);
	r = redisCommand(ctx, "LRANGE hi:l 0 -1");
	check(r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
		  is_text(r->element[2], REDIS_REPLY_STRING, "c"),
	      "LRANGE gives the elements");
	freeReplyObject(r);
}

static void pipelined_commands(void)
{
	enum { COUNT = 10000 };
	int good = 1;

	for (int i = 0; i < COUNT; i++) {
		(void)redisAppendCommand(ctx, "SET hi:p:%d value-%d", i, i);
		(void)redisAppendCommand(ctx, "GET hi:p:%d", i);
	}
	for (int i = 0; i < COUNT && good; i++) {
		redisReply *r = NULL;
		char text[32];

		good = redisGetReply(ctx, (void **)&r) == REDIS_OK &&
		       is_text(r, REDIS_REPLY_STATUS, "OK");
		freeReplyObject(r);
		r = NULL;
		(void)snprintf(text, sizeof text, "value-%d", i);
		good = good && redisGetReply(ctx, (void **)&r) == REDIS_OK &&
		       is_text(r, REDIS_REPLY_STRING, text);
		freeReplyObject(r);
	}
	check(good, "20,000 pipelined commands are answered in order");
}

static void transactions(void)
{
	redisReply *r = redisCommand(ctx, "MULTI");

	freeReplyObject(r);
	r = redisCommand(ctx, "INCR hi:n");
	check(is_text(r, REDIS_REPLY_STATUS, "QUEUED"), "commands queue after MULTI");
	freeReplyObject(r);
	r = redisCommand(ctx, "GET hi:n");
	freeReplyObject(r);
	r = redisCommand(ctx, "EXEC");
	check(r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
		  is_integer(r->element[0], 42) && is_text(r->element[1], REDIS_REPLY_STRING, "42"),
	      "EXEC gives both replies");
	freeReplyObject(r);
}

int main(int argc, char **argv)
{
	struct timeval patience = {30, 0};

	if (argc != 2) {
		fprintf(stderr, "usage: hiredis_client PORT\n");
		return 2;
	}
	ctx = redisConnectWithTimeout("127.0.0.1", (int)strtol(argv[1], NULL, 10), patience);
	if (ctx == NULL || ctx->err != 0) {
		fprintf(stderr, "no connection\n");
		return 1;
	}
	(void)redisSetTimeout(ctx, patience);
	simple_commands();
	pipelined_commands();
	transactions();
	redisFree(ctx);
	printf("%u checks, %u failures\n", checks, failures);
	return failures == 0 ? 0 : 1;
}
