/* A program on hiredis that does its own routing in a cluster: it asks anybody, follows MOVED and
 * ASK, remembers where each key was, and tries another node when one is gone.
 * usage: hiredis_cluster_client PORT...
 * Writes rising numbers and reads them back. A line on standard input is answered with what has
 * happened so far, as JSON; the end of standard input ends it. */
#include <hiredis/hiredis.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEYS = 120, PORTS_MAX = 64, TRIES = 16, ERRORS_MAX = 32, ERROR_LEN = 60 };

struct error_count {
	char text[ERROR_LEN];
	unsigned long count;
};

static int ports[PORTS_MAX];
static redisContext *links[PORTS_MAX];
static size_t port_count;
static size_t where[KEYS]; /* index of the port that had it last */
static long long sent[KEYS], acked[KEYS];
static unsigned long done, lost, wrong;
static struct error_count errors[ERRORS_MAX];
static size_t error_count;
static double gap, last;

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The error's first word, which is what a program can go by. */
static void note(const char *text)
{
	size_t len = strcspn(text, " ");

	if (len >= ERROR_LEN) {
		len = ERROR_LEN - 1;
	}
	for (size_t i = 0; i < error_count; i++) {
		if (strncmp(errors[i].text, text, len) == 0 && errors[i].text[len] == 0) {
			errors[i].count++;
			return;
		}
	}
	if (error_count < ERRORS_MAX) {
		memcpy(errors[error_count].text, text, len);
		errors[error_count++].count = 1;
	}
}

static void drop(size_t at)
{
	if (links[at] != NULL) {
		redisFree(links[at]);
		links[at] = NULL;
	}
}

static redisContext *link_to(size_t at)
{
	struct timeval patience = {.tv_sec = 3};

	if (links[at] == NULL) {
		links[at] = redisConnectWithTimeout("127.0.0.1", ports[at], patience);
		if (links[at] != NULL && links[at]->err == 0) {
			(void)redisSetTimeout(links[at], patience);
		} else {
			drop(at);
		}
	}
	return links[at];
}

/* "MOVED slot host:port": the port's index, which may be a new one. */
static size_t target_of(const char *text)
{
	const char *colon = strrchr(text, ':');
	int port = colon == NULL ? 0 : (int)strtol(colon + 1, NULL, 10);

	for (size_t i = 0; i < port_count; i++) {
		if (ports[i] == port) {
			return i;
		}
	}
	if (port_count == PORTS_MAX || port == 0) {
		return 0;
	}
	ports[port_count] = port;
	return port_count++;
}

static redisReply *ask_once(size_t at, bool asking, const char *command)
{
	redisContext *c = link_to(at);
	redisReply *r = NULL;

	if (c == NULL) {
		return NULL;
	}
	if (asking) {
		r = redisCommand(c, "ASKING");
		freeReplyObject(r);
	}
	if (c->err == 0) {
		r = redisCommand(c, command);
	}
	if (c->err != 0) {
		freeReplyObject(r);
		r = NULL;
		drop(at);
	}
	return r;
}

/* Runs a command about a key wherever the cluster sends it; NULL after an error, which is noted. */
static redisReply *run(int key, const char *command)
{
	size_t at = where[key];
	bool asking = false;

	for (int i = 0; i < TRIES; i++) {
		redisReply *r = ask_once(at, asking, command);

		asking = false;
		if (r == NULL) {
			note("connection");
			where[key] = (at + 1) % port_count;
			return NULL;
		}
		if (r->type != REDIS_REPLY_ERROR) {
			return r;
		}
		if (strncmp(r->str, "MOVED ", 6) == 0) {
			at = where[key] = target_of(r->str);
		} else if (strncmp(r->str, "ASK ", 4) == 0) {
			at = target_of(r->str);
			asking = true;
		} else {
			note(r->str);
			freeReplyObject(r);
			return NULL;
		}
		freeReplyObject(r);
	}
	note("REDIRECTED too often");
	return NULL;
}

static bool write_key(int key)
{
	char command[96];
	redisReply *r;
	bool good;

	sent[key]++;
	(void)snprintf(command, sizeof command, "SET hc%d:%d %lld", (int)getpid(), key, sent[key]);
	r = run(key, command);
	good = r != NULL;
	if (good) {
		double t = now_s();

		acked[key] = sent[key];
		gap = t - last > gap ? t - last : gap;
		last = t;
	}
	freeReplyObject(r);
	return good;
}

static bool read_key(int key)
{
	char command[96];
	long long found;
	redisReply *r;

	(void)snprintf(command, sizeof command, "GET hc%d:%d", (int)getpid(), key);
	r = run(key, command);
	if (r == NULL) {
		return false;
	}
	found = r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10) : 0;
	if (found > sent[key]) {
		wrong++;
	} else if (found < acked[key]) {
		lost += (unsigned long)(acked[key] - found);
	}
	acked[key] = found;
	freeReplyObject(r);
	return true;
}

static int any_key(void)
{
	static unsigned state = 1;

	state = state * 1103515245U + 12345U;
	return (int)(state >> 16) % KEYS;
}

static void report(void)
{
	printf("{\"done\": %lu, \"lost\": %lu, \"wrong\": [", done, lost);
	if (wrong > 0) {
		printf("%lu", wrong);
	}
	printf("], \"gap\": %.3f, \"errors\": {", gap);
	for (size_t i = 0; i < error_count; i++) {
		printf("%s\"%s\": %lu", i == 0 ? "" : ", ", errors[i].text, errors[i].count);
	}
	printf("}}\n");
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[64];

	for (int i = 1; i < argc && port_count < PORTS_MAX; i++) {
		ports[port_count++] = (int)strtol(argv[i], NULL, 10);
	}
	if (port_count == 0) {
		(void)fprintf(stderr, "usage: hiredis_cluster_client PORT...\n");
		return 2;
	}
	last = now_s();
	for (;;) {
		int key = any_key();
		bool good = write_key(key) && read_key(any_key());

		done += good;
		if (poll(&in, 1, good ? 2 : 20) > 0) {
			if (read(STDIN_FILENO, line, sizeof line) <= 0) {
				return 0;
			}
			report();
		}
	}
}
