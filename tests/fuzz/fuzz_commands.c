/* Streams of commands on a real engine: every reply is one well-formed value, and afterwards counts
 * agree with scans, lengths with what is in a key, and a restart brings back what was there.
 *
 * Input: a byte of switches (a checkpoint at the end, a restart, RESP3), then steps: a command with
 * arguments that fit its row or do not, or an event in the node's life. */
#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/command_box.h"
#include "tests/support/reply.h"

#include <unistd.h>
#include <xxhash.h>

enum { ROWS_MAX = 256, ARGS_MAX = 24, REPEAT_MAX = 4096, STEPS_MAX = 60, NAMES_MAX = 64 };
enum { EVENT_FIRST = 200 }; /* a step's first byte from here on is an event */

static const uint64_t start_ms = 1700000000000;
static struct command_box box;
static const struct command *rows[ROWS_MAX];
static size_t rows_count;

static const char *const words[] = {
    "EX",	    "PX",	"EXAT",	       "PXAT",	   "NX",    "XX",	"GT",
    "LT",	    "GET",	"SET",	       "INCRBY",   "COUNT", "MATCH",	"LEFT",
    "RIGHT",	    "BEFORE",	"AFTER",       "KEEPTTL",  "RANK",  "MAXLEN",	"TYPE",
    "u8",	    "i64",	"#3",	       "SAT",	   "WRAP",  "OVERFLOW", "FAIL",
    "AND",	    "XOR",	"NOT",	       "BYTE",	   "BIT",   "LEN",	"IDX",
    "WITHMATCHLEN", "string",	"list",	       "hash",	   "*",	    "k[1-3]",	"REPLACE",
    "DB",	    "0",	"PERSIST",     "ENCODING", "FREQ",  "REFCOUNT", "IDLETIME",
    "WITHVALUES",   "NOVALUES", "MINMATCHLEN",
};
static const char *const numbers[] = {
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-1",
    "0",
    "1",
    "1.5",
    "-0.25",
    "1e300",
    "inf",
    "nan",
    "",
    "0x10",
    " 1",
    "4294967295",
    "536870911",
    "1700000100",
};

static void close_box(void)
{
	command_box_close(&box);
}

static void add_rows(const struct command *row)
{
	for (; row->name != NULL; row++) {
		/* Waiting is for a loop, and what asks the host is not here. */
		if (strncmp(row->name, "wait", 4) != 0) {
			INVARIANT(rows_count < ROWS_MAX);
			rows[rows_count++] = row;
		}
	}
}

static void prepare(void)
{
	static const char *const more[] = {"dbsize", "flushall", "flushdb", "ping",
					   "echo",   "hello",	 "select",  "reset"};

	if (rows_count > 0) {
		return;
	}
	/* Memory rather than a disk: checkpoints sync. */
	if (access("/dev/shm", W_OK) == 0) {
		INVARIANT(setenv("TMPDIR", "/dev/shm", 0) == 0);
	}
	command_box_open(&box, 3);
	INVARIANT(atexit(close_box) == 0);
	add_rows(commands_string);
	add_rows(commands_bitmap);
	add_rows(commands_key);
	add_rows(commands_hash);
	add_rows(commands_list);
	add_rows(commands_txn);
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
		rows[rows_count] = dispatch_lookup(box.dispatch, slice_str(more[i]));
		INVARIANT(rows[rows_count++] != NULL);
	}
}

/* --- one command --- */

/* Room for arguments that are made up, until the command has run. */
struct room {
	char bytes[ARGS_MAX][REPEAT_MAX];
	size_t used;
};

static struct slice made_text(struct room *room, const char *prefix, int n)
{
	char *at = room->bytes[room->used++];

	return slice_of(at, (size_t)snprintf(at, REPEAT_MAX, "%s%d", prefix, n));
}

static struct slice argument(struct slice *in, struct room *room, bool key)
{
	uint8_t kind = fuzz_u8(in), n;
	char *at;

	if (key && kind < 240) {
		kind &= 7;
	}
	if (kind < 8) {
		return kind < 6 ? made_text(room, "k", kind) : made_text(room, "{k1}", kind);
	}
	n = fuzz_u8(in);
	switch (kind % 8) {
	case 0:
		return made_text(room, "f", n);
	case 1:
		return made_text(room, "", (int8_t)n);
	case 2:
		return slice_str(words[n % (sizeof words / sizeof words[0])]);
	case 3:
		return slice_str(numbers[n % (sizeof numbers / sizeof numbers[0])]);
	case 4: /* long: beyond what is kept in a blob, or as a key in its store key */
		at = room->bytes[room->used++];
		memset(at, 'a' + n % 4, (size_t)n * 16);
		return slice_of(at, (size_t)n * 16);
	case 5:
		return made_text(room, "", n * 1000);
	default:
		return fuzz_take(in, n & 31);
	}
}

static void run_command(struct slice *in, uint8_t which, int64_t fail_nth)
{
	static struct room room;
	const struct command *row = rows[which % rows_count];
	size_t argc = row->arity > 0 ? (size_t)row->arity : (size_t)-row->arity;
	uint8_t more = fuzz_u8(in);
	struct slice argv[ARGS_MAX], reply;

	room.used = 0;
	argc += row->arity < 0 ? more & 7 : 0;
	argc = more >= 250 ? more & 3u : argc; /* mostly as the row says */
	argc = argc == 0 ? 1 : argc;
	argv[0] = slice_str(row->name);
	for (size_t i = 1; i < argc; i++) {
		int at = (int)i - row->keys.first;
		bool key = row->keys.first > 0 && at >= 0 && at % row->keys.step == 0 &&
			   (row->keys.last < 0 || (int)i <= row->keys.last);

		argv[i] = argument(in, &room, key);
	}
	mem_fail_nth(fail_nth);
	reply = command_box_run(&box, argv, argc);
	mem_fail_nth(-1);
	/* A reply that memory did not suffice for closes the client instead. */
	if (!reply_whole(reply) && !(fail_nth >= 0 && box.session.close_after_reply)) {
		fprintf(stderr, "%s: reply '%.*s'\n", row->name, (int)reply.len,
			(const char *)reply.data);
		abort();
	}
	box.session.close_after_reply = false;
}

/* --- events --- */

static void restart(void)
{
	engine_box_restart(&box.engine);
	dispatch_set_engine(box.dispatch, box.engine.e);
}

static void event(struct slice *in, uint8_t which)
{
	uint8_t n = fuzz_u8(in);

	switch (which % 8) {
	case 0:
	case 1:
		box.engine.now_ms += (uint64_t)1 << n % 24;
		break;
	case 2:
		(void)engine_expire_cycle(box.engine.e, box.engine.now_ms, n);
		break;
	case 3:
		(void)engine_checkpoint(box.engine.e); /* goes on behind the next steps */
		break;
	case 4:
		if (n % 32 == 7) {
			engine_box_checkpoint(&box.engine);
		}
		break;
	case 5:
		if (n == 77) {
			restart();
		}
		break;
	default:
		run_command(in, n, which >> 3);
	}
}

/* --- what must be true afterwards --- */

static struct slice ask(const char *name, struct slice key, const char *extra)
{
	struct slice argv[4] = {slice_str(name), key};
	size_t argc = 2;

	if (extra != NULL) {
		argv[argc++] = slice_str(extra);
		argv[argc++] = slice_str("-1");
	}
	return command_box_run(&box, argv, argc);
}

static uint64_t values_of(struct slice reply)
{
	struct reply_head head;

	INVARIANT(reply_whole(reply) && reply_next(&reply, &head));
	return head.kind == '$' ? head.text.len : head.values;
}

/* Lengths agree with contents. Returns a digest of what is in the key. */
static uint64_t check_key(struct slice key, bool *expires)
{
	static const struct {
		const char *type, *length, *all, *from;
		uint64_t per;
	} types[] = {{"+string\r\n", "STRLEN", "GET", NULL, 1},
		     {"+hash\r\n", "HLEN", "HGETALL", NULL, 2},
		     {"+list\r\n", "LLEN", "LRANGE", "0", 1}};
	struct slice reply = ask("TYPE", key, NULL);
	size_t t = 0;
	int64_t length, ttl;
	uint64_t digest;

	while (t < 3 && !slice_eq(reply, slice_str(types[t].type))) {
		t++;
	}
	INVARIANT(t < 3);
	length = reply_int(ask(types[t].length, key, NULL));
	INVARIANT(length >= (t == 0 ? 0 : 1));
	reply = ask(types[t].all, key, types[t].from);
	INVARIANT(values_of(reply) == (uint64_t)length * types[t].per);
	digest = XXH3_64bits(reply.data, reply.len);
	INVARIANT(reply_int(ask("EXISTS", key, NULL)) == 1);
	ttl = reply_int(ask("PTTL", key, NULL));
	*expires = ttl >= 0;
	INVARIANT(ttl >= -1);
	FUZZ_CANARY(t == 2 && ttl >= 0);
	return digest ^ XXH3_64bits_withSeed(key.data, key.len, (uint64_t)ttl);
}

static void check_counts(uint64_t keys, uint64_t expires)
{
	while (engine_count_resolve(box.engine.e, 1000) > 0) {
		(void)engine_turn_end(box.engine.e);
		(void)usleep(200);
	}
	INVARIANT(engine_keys(box.engine.e) == keys);
	INVARIANT(engine_expires(box.engine.e) == expires);
}

/* All keys by KEYS; counts agree. Returns a digest of the keyspace that knows no order. With
 * and_delete all keys are gone then. */
static uint64_t check_keyspace(bool and_delete)
{
	struct slice reply = ask("KEYS", slice_str("*"), NULL), in;
	struct buf copy = {0};
	struct reply_head head;
	uint64_t count, expires = 0, digest = 0;

	INVARIANT(buf_append(&copy, reply.data, reply.len) == ST_OK);
	in = buf_slice(&copy);
	INVARIANT(reply_whole(in) && reply_next(&in, &head));
	count = head.values;
	for (uint64_t i = 0; i < count; i++) {
		bool has_ttl;

		INVARIANT(reply_next(&in, &head));
		digest += check_key(head.text, &has_ttl);
		expires += has_ttl;
		INVARIANT(!and_delete || reply_int(ask("DEL", head.text, NULL)) == 1);
	}
	buf_deinit(&copy);
	check_counts(and_delete ? 0 : count, and_delete ? 0 : expires);
	return digest;
}

static void check_all(uint8_t switches)
{
	uint64_t digest;

	if (box.session.in_multi) {
		(void)command_box_line(&box, "DISCARD");
	}
	(void)command_box_line(&box, "HELLO 2");
	while (engine_expire_cycle(box.engine.e, box.engine.now_ms, 1000) > 0) {
	}
	digest = check_keyspace(false);
	/* Both take long, so only few inputs ask for them. */
	if (switches == 7) {
		engine_box_checkpoint(&box.engine);
		INVARIANT(check_keyspace(false) == digest);
	}
	if (switches == 27) {
		restart();
		INVARIANT(check_keyspace(false) == digest);
	}
	/* Cheaper than a FLUSHALL, and the deletes are tried as well. */
	INVARIANT(check_keyspace(true) == digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	uint8_t switches = fuzz_u8(&in);

	prepare();
	session_deinit(&box.session);
	box.engine.now_ms = start_ms;
	session_init(&box.session, 1, box.engine.now_ms);
	box.session.proto = (switches & 32) != 0 ? 3 : 2;
	box.session.authenticated = true;
	for (int steps = 0; in.len > 0 && steps < STEPS_MAX; steps++) {
		uint8_t first = fuzz_u8(&in);

		if (first >= EVENT_FIRST) {
			event(&in, first);
		} else {
			run_command(&in, first, -1);
		}
	}
	check_all(switches);
	return 0;
}
