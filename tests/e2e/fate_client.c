/* Did my write survive? An example on hiredis: writes, keeps the position of the write, and asks
 * any node of the shard for its fate later, perhaps after a failover.
 * usage: fate_client PORT write KEY VALUE      prints the position
 *        fate_client PORT fate POSITION        prints fate, replicas and file, as far as known */
#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>

/* The write, and where it is: both on one connection. */
static int write_key(redisContext *c, const char *key, const char *value)
{
	redisReply *set = redisCommand(c, "SET %s %s", key, value);
	redisReply *position = redisCommand(c, "CLUSTER LSN");
	int done = set != NULL && set->type == REDIS_REPLY_STATUS && position != NULL &&
		   position->type == REDIS_REPLY_STRING;

	if (done) {
		printf("%s\n", position->str);
	}
	freeReplyObject(set);
	freeReplyObject(position);
	return done ? 0 : 1;
}

static void print_value(const redisReply *value)
{
	if (value->type == REDIS_REPLY_INTEGER) {
		printf("%lld", value->integer);
	} else {
		printf("%s", value->type == REDIS_REPLY_NIL ? "none" : value->str);
	}
}

/* The reply is a list of names and values. */
static int tell_fate(redisContext *c, const char *position)
{
	redisReply *reply = redisCommand(c, "CLUSTER LSN %s", position);

	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
		fprintf(stderr, "%s\n", reply == NULL ? c->errstr : reply->str);
		freeReplyObject(reply);
		return 1;
	}
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		printf("%s%s=", i == 0 ? "" : " ", reply->element[i]->str);
		print_value(reply->element[i + 1]);
	}
	printf("\n");
	freeReplyObject(reply);
	return 0;
}

int main(int argc, char **argv)
{
	redisContext *c;
	int port = 0, code = 2;

	if (argc < 4 || sscanf(argv[1], "%d", &port) != 1) {
		fprintf(stderr, "usage: fate_client PORT write KEY VALUE | PORT fate POSITION\n");
		return 2;
	}
	c = redisConnect("127.0.0.1", port);
	if (c == NULL || c->err != 0) {
		fprintf(stderr, "no connection to port %d\n", port);
		return 1;
	}
	if (strcmp(argv[2], "write") == 0 && argc == 5) {
		code = write_key(c, argv[3], argv[4]);
	} else if (strcmp(argv[2], "fate") == 0) {
		code = tell_fate(c, argv[3]);
	}
	redisFree(c);
	return code;
}
