/* A load generator for one server: epoll, pipelining, many connections, one thread.
 *
 * Requests are built once per connection slot from a seeded generator, replies are counted by a
 * scanner that knows just enough RESP to find their ends, so that on two cores the server stays the
 * bottleneck. Latency is from the moment a batch is written to the reply of each of its commands,
 * kept in a histogram with under 1 % error. Prints one line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "engine/base/rng.h"

enum { BUCKETS = 64 * 128, MSET_KEYS = 10, READ_SIZE = 256 * 1024, WORDS_MAX = 256 };
enum command { CMD_SET, CMD_GET, CMD_INCR, CMD_MSET, CMD_MIXED, CMD_LOAD, CMD_WORDS };

struct options {
	int port, connections, pipeline, value_size;
	uint64_t keys, requests, seed, rate;
	double seconds;
	enum command command;
	unsigned get_percent; /* of CMD_MIXED */
	bool random_values;
	bool in_order; /* of CMD_WORDS: %k counts up */
};

/* One word of a command that was given in words: its text, then what is put in anew each time. */
struct word {
	const char *text;
	size_t text_len;
	char drawn; /* 'k', 'n', 'v'; 0: nothing */
};

struct connection {
	int fd;
	char *out;
	size_t out_len, out_sent, out_cap;
	char *in;
	size_t in_len, in_cap;
	uint64_t sent_ns;
	unsigned waiting; /* replies still to come of the batch */
};

static struct options opt = {
    .port = 6379,
    .connections = 50,
    .pipeline = 1,
    .value_size = 100,
    .keys = 1000000,
    .seconds = 0,
    .requests = 0,
    .seed = 1,
    .command = CMD_SET,
    .get_percent = 50,
};
static struct rng rng;
static uint64_t histogram[BUCKETS], issued, done, errors, latency_sum_ns, latency_max_ns;
static char *random_bytes;
static struct word words[WORDS_MAX];
static size_t words_count;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "loadgen: %s: %m\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Bucket of a latency: 128 per power of two. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned top;

	if (ns < 256) {
		return (unsigned)ns;
	}
	top = 63u - (unsigned)__builtin_clzll(ns);
	return (top - 7) * 128 + (unsigned)(ns >> (top - 7));
}

static uint64_t bucket_ns(unsigned bucket)
{
	if (bucket < 256) {
		return bucket;
	}
	return (uint64_t)(bucket % 128 + 128) << (bucket / 128 - 1);
}

static void record(uint64_t ns)
{
	unsigned b = bucket_of(ns);

	histogram[b < BUCKETS ? b : BUCKETS - 1]++;
	latency_sum_ns += ns;
	if (ns > latency_max_ns) {
		latency_max_ns = ns;
	}
}

static double percentile_us(double part)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		total += histogram[i];
	}
	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > 0 && (double)seen >= part * (double)total) {
			return (double)bucket_ns(i) / 1000;
		}
	}
	return 0;
}

/* A value that compresses as small JSON documents do, or not at all. */
static size_t put_value(char *at, uint64_t key)
{
	size_t len = (size_t)opt.value_size;
	uint64_t r = rng_next(&rng);
	int n;

	if (opt.random_values) {
		memcpy(at, random_bytes + (r & 0xfffff), len);
		return len;
	}
	n = snprintf(at, len + 1,
		     "{\"id\":%" PRIu64 ",\"user\":\"u%05" PRIu64 "\",\"score\":%" PRIu64
		     ",\"active\":%s,\"token\":\"%012" PRIx64 "\",\"tags\":[\"t%" PRIu64 "\"]",
		     key, r % 100000, (r >> 20) % 1000, (r & 1) != 0 ? "true" : "false",
		     (r >> 8) & 0xffffffffffff, (r >> 56) % 20);
	if (n > (int)len) {
		n = (int)len;
	}
	memset(at + n, ' ', len - (size_t)n);
	at[len - 1] = '}';
	return len;
}

static char *put_bulk_header(char *at, size_t len)
{
	return at + snprintf(at, 24, "$%zu\r\n", len);
}

static char *put_key(char *at, uint64_t key)
{
	return at + snprintf(at, 32, "$16\r\nkey:%012" PRIu64 "\r\n", key % 1000000000000);
}

static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *put_pair(char *at, uint64_t key)
{
	at = put_key(at, key);
	at = put_bulk_header(at, (size_t)opt.value_size);
	at += put_value(at, key);
	return put_text(at, "\r\n");
}

static char *put_word(char *at, const struct word *word, uint64_t key)
{
	char drawn[32];
	size_t len = 0;

	if (word->drawn == 'k') {
		len = (size_t)snprintf(drawn, sizeof drawn, "%012" PRIu64, key % 1000000000000);
	} else if (word->drawn == 'n') {
		len = (size_t)snprintf(drawn, sizeof drawn, "%" PRIu64, rng_below(&rng, opt.keys));
	} else if (word->drawn == 'v') {
		len = (size_t)opt.value_size;
	}
	at = put_bulk_header(at, word->text_len + len);
	memcpy(at, word->text, word->text_len);
	at += word->text_len;
	if (word->drawn == 'v') {
		(void)put_value(at, key);
	} else {
		memcpy(at, drawn, len);
	}
	return put_text(at + len, "\r\n");
}

static char *put_words(char *at)
{
	uint64_t key = opt.in_order ? issued % opt.keys : rng_below(&rng, opt.keys);

	at += snprintf(at, 24, "*%zu\r\n", words_count);
	for (size_t i = 0; i < words_count; i++) {
		at = put_word(at, &words[i], key);
	}
	return at;
}

/* Most bytes of one request. */
static size_t command_size(void)
{
	size_t pairs = opt.command == CMD_MSET ? MSET_KEYS : 1, text = 64;

	if (opt.command == CMD_WORDS) {
		pairs = words_count;
		for (size_t i = 0; i < words_count; i++) {
			text += words[i].text_len;
		}
	}
	return pairs * ((size_t)opt.value_size + 64) + text;
}

static char *put_command(char *at)
{
	enum command command = opt.command;
	uint64_t key;

	if (command == CMD_WORDS) {
		return put_words(at);
	}
	key = command == CMD_LOAD ? issued : rng_below(&rng, opt.keys);
	if (command == CMD_MIXED) {
		command = rng_below(&rng, 100) < opt.get_percent ? CMD_GET : CMD_SET;
	}
	switch (command) {
	case CMD_GET:
		return put_key(put_text(at, "*2\r\n$3\r\nGET\r\n"), key);
	case CMD_INCR:
		at = put_text(at, "*2\r\n$4\r\nINCR\r\n");
		/* Counters of their own, as wide as the other keys. */
		return at + snprintf(at, 32, "$16\r\nctr:%012" PRIu64 "\r\n", key);
	case CMD_MSET:
		at = put_text(at, "*21\r\n$4\r\nMSET\r\n");
		for (int i = 0; i < MSET_KEYS; i++) {
			at = put_pair(at, rng_below(&rng, opt.keys));
		}
		return at;
	default:
		return put_pair(put_text(at, "*3\r\n$3\r\nSET\r\n"), key);
	}
}

/* Offset after the reply that starts at p, with all elements of an array, or NULL when it is cut.
 */
static const char *reply_end(const char *p, const char *end)
{
	for (unsigned long left = 1; left > 0; left--) {
		const char *line = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

		if (line == NULL) {
			return NULL;
		}
		if (*p == '-') {
			errors++;
		}
		if (*p == '*' && p[1] != '-') {
			left += strtoul(p + 1, NULL, 10);
		}
		if (*p == '$' && p[1] != '-') {
			size_t len = strtoul(p + 1, NULL, 10) + 2;

			if ((size_t)(end - line - 1) < len) {
				return NULL;
			}
			line += len;
		}
		p = line + 1;
	}
	return p;
}

static bool finished(uint64_t now, uint64_t end_ns)
{
	return (opt.requests != 0 && issued >= opt.requests) || (end_ns != 0 && now >= end_ns);
}

static void flush_out(struct connection *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = write(c->fd, c->out + c->out_sent, c->out_len - c->out_sent);

		if (n < 0 && errno == EAGAIN) {
			return;
		}
		if (n <= 0) {
			die("write");
		}
		c->out_sent += (size_t)n;
	}
}

static void send_batch(struct connection *c, uint64_t now)
{
	char *at = c->out;

	for (int i = 0; i < opt.pipeline; i++) {
		if (opt.requests != 0 && issued >= opt.requests) {
			break;
		}
		at = put_command(at);
		issued++;
		c->waiting++;
	}
	c->out_len = (size_t)(at - c->out);
	c->out_sent = 0;
	c->sent_ns = now;
	flush_out(c);
}

/* Reads what is there; true when the batch is answered. */
static bool read_replies(struct connection *c)
{
	const char *at, *end;
	uint64_t now;
	ssize_t n = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);

	if (n < 0 && errno == EAGAIN) {
		return false;
	}
	if (n <= 0) {
		die(n == 0 ? "the server closed the connection" : "read");
	}
	c->in_len += (size_t)n;
	now = now_ns();
	at = c->in;
	end = c->in + c->in_len;
	while (c->waiting > 0 && at < end) {
		const char *next = reply_end(at, end);

		if (next == NULL) {
			break;
		}
		at = next;
		c->waiting--;
		done++;
		record(now - c->sent_ns);
	}
	c->in_len = (size_t)(end - at);
	memmove(c->in, at, c->in_len);
	return c->waiting == 0;
}

static void connect_one(struct connection *c, int epoll, uint32_t index)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = index};
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	c->out_cap = command_size() * (size_t)opt.pipeline;
	c->in_cap = READ_SIZE + ((size_t)opt.value_size + 64) * (size_t)opt.pipeline;
	c->out = malloc(c->out_cap);
	c->in = malloc(c->in_cap);
	if (c->fd < 0 || c->out == NULL || c->in == NULL ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
		die("connect");
	}
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
		die("epoll");
	}
}

/* With a rate, batches are held back so that issued follows the clock. */
static bool may_send(uint64_t now, uint64_t begin)
{
	return opt.rate == 0 || (double)issued <= (double)(now - begin) / 1e9 * (double)opt.rate;
}

static uint64_t run(void)
{
	struct connection *all = calloc((size_t)opt.connections, sizeof *all);
	struct epoll_event events[256];
	int epoll = epoll_create1(0), busy = 0;
	uint64_t begin, end_ns;

	if (all == NULL || epoll < 0) {
		die("start");
	}
	for (int i = 0; i < opt.connections; i++) {
		connect_one(&all[i], epoll, (uint32_t)i);
	}
	begin = now_ns();
	end_ns = opt.seconds > 0 ? begin + (uint64_t)(opt.seconds * 1e9) : 0;
	for (;;) {
		uint64_t now = now_ns();
		int n;

		for (int i = 0; i < opt.connections && !finished(now, end_ns); i++) {
			if (all[i].waiting == 0 && may_send(now, begin)) {
				send_batch(&all[i], now_ns());
			}
		}
		busy = 0;
		for (int i = 0; i < opt.connections; i++) {
			busy += all[i].waiting > 0;
		}
		if (busy == 0 && finished(now, end_ns)) {
			break;
		}
		n = epoll_wait(epoll, events, 256, opt.rate != 0 ? 1 : 1000);
		for (int i = 0; i < n; i++) {
			struct connection *c = &all[events[i].data.u32];

			flush_out(c);
			while ((events[i].events & EPOLLIN) != 0 && c->waiting > 0) {
				unsigned before = c->waiting;
				size_t held = c->in_len;

				if (read_replies(c)) {
					if (!finished(now_ns(), end_ns) &&
					    may_send(now_ns(), begin)) {
						send_batch(c, now_ns());
					}
					break;
				}
				if (c->waiting == before && c->in_len == held) {
					break;
				}
			}
		}
	}
	return now_ns() - begin;
}

/* A command in words, such as "HSET big f:%k %v". The text is borrowed. */
static void set_words(const char *text)
{
	for (words_count = 0; *text != '\0' && words_count < WORDS_MAX; words_count++) {
		struct word *word = &words[words_count];
		size_t len = strcspn(text, " ");

		*word = (struct word){.text = text, .text_len = len};
		if (len >= 2 && text[len - 2] == '%' && strchr("knv", text[len - 1]) != NULL) {
			word->text_len = len - 2;
			word->drawn = text[len - 1];
		}
		text += len + (text[len] == ' ');
	}
	if (words_count < 2 || *text != '\0') {
		fprintf(stderr,
			"loadgen: --command is one of set get incr mset mixed load, or a command"
			" of 2 to %d words\n",
			WORDS_MAX);
		exit(2);
	}
}

static enum command command_named(const char *name)
{
	static const char *const names[] = {"set", "get", "incr", "mset", "mixed", "load"};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(name, names[i]) == 0) {
			return (enum command)i;
		}
	}
	set_words(name);
	return CMD_WORDS;
}

static void set_option(const char *name, const char *value)
{
	uint64_t number = strtoull(value, NULL, 10);

	if (strcmp(name, "--port") == 0) {
		opt.port = (int)number;
	} else if (strcmp(name, "--clients") == 0) {
		opt.connections = (int)number;
	} else if (strcmp(name, "--pipeline") == 0) {
		opt.pipeline = (int)number;
	} else if (strcmp(name, "--size") == 0) {
		opt.value_size = (int)number;
	} else if (strcmp(name, "--keys") == 0) {
		opt.keys = number;
	} else if (strcmp(name, "--requests") == 0) {
		opt.requests = number;
	} else if (strcmp(name, "--seconds") == 0) {
		opt.seconds = strtod(value, NULL);
	} else if (strcmp(name, "--rate") == 0) {
		opt.rate = number;
	} else if (strcmp(name, "--seed") == 0) {
		opt.seed = number;
	} else if (strcmp(name, "--ratio") == 0) {
		opt.get_percent = (unsigned)number;
	} else if (strcmp(name, "--order") == 0) {
		opt.in_order = strcmp(value, "yes") == 0;
	} else if (strcmp(name, "--value") == 0) {
		opt.random_values = strcmp(value, "random") == 0;
	} else if (strcmp(name, "--command") == 0) {
		opt.command = command_named(value);
	} else {
		fprintf(
		    stderr,
		    "usage: loadgen --port N [--command set|get|incr|mset|mixed|load|WORDS]"
		    " [--clients 50] [--pipeline 1]\n  [--keys 1000000] [--size 100]"
		    " [--value json|random] [--ratio GET%%] [--requests N | --seconds S]\n"
		    "  [--rate per second] [--seed N] [--order no|yes]\n"
		    "WORDS is a command in words that may end in %%k, %%n or %%v: the request's"
		    " key, random or\n(--order yes) counting up to --keys; a random number below"
		    " --keys; a value.\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct rusage usage;
	uint64_t took;

	for (int i = 1; i < argc; i += 2) {
		set_option(argv[i], i + 1 < argc ? argv[i + 1] : "");
	}
	if (opt.command == CMD_LOAD) {
		opt.requests = opt.keys;
	} else if (opt.requests == 0 && opt.seconds <= 0) {
		opt.requests = 100000;
	}
	if (opt.connections < 1 || opt.pipeline < 1 || opt.keys < 1 || opt.value_size < 1) {
		set_option("--help", "");
	}
	rng_seed(&rng, opt.seed);
	random_bytes = malloc((1u << 20) + (size_t)opt.value_size + 8);
	if (random_bytes == NULL) {
		die("memory");
	}
	for (size_t i = 0; i + 8 <= (1u << 20) + (size_t)opt.value_size; i += 8) {
		uint64_t r = rng_next(&rng);

		memcpy(random_bytes + i, &r, 8);
	}
	took = run();
	(void)getrusage(RUSAGE_SELF, &usage);
	printf("{\"requests\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"seconds\":%.6f,\"per_second\":%.1f,\"mean_us\":%.2f,\"p50_us\":%.2f,"
	       "\"p99_us\":%.2f,\"p999_us\":%.2f,\"max_us\":%.2f,\"client_cpu\":%.3f}\n",
	       done, errors, (double)took / 1e9, (double)done * 1e9 / (double)took,
	       (double)latency_sum_ns / 1000 / (double)(done == 0 ? 1 : done), percentile_us(0.5),
	       percentile_us(0.99), percentile_us(0.999), (double)latency_max_ns / 1000,
	       (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
		   (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
	return errors == 0 ? 0 : 1;
}
