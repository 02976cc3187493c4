/* A damaged LMDB file under a whole engine: bytes changed in leaf, branch, overflow, free-list and
 * meta pages, pages zeroed or exchanged, the file cut. Each case runs in a process of its own that
 * opens the copy, reads everything in every way, writes, checkpoints, and opens again. It may be
 * refused, or told of damage; it may never get a wrong answer, hang, or die other than by the
 * node's own handler (exit code 74).
 *
 * CAIRN_STORE_CASES sets how many cases are tried (default 400; with CAIRN_TEST_LONG=1 20000). */
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/keyspace.h"
#include "net/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/check.h"
#include "tests/support/quick_dir.h"
#include "tests/support/small_node.h"
#include "tests/support/tree.h"

enum {
	CASES = 400,
	CASES_LONG = 20000,
	STRINGS = 2400,
	BIG_EVERY = 151, /* one in so many strings lies in overflow pages */
	HASHES = 4,
	FIELDS = 160,
	TAGS = 5,
	ABSENT = 300,
	NOW_MS = 1000000,
	VALUE_MAX = 12000,
	PAGE = 4096,
	SECONDS_MAX = 60,
};

/* How a case ended, as its process's exit code. */
enum verdict {
	RIGHT = 0,    /* every answer was right: the damage lay where it does no harm */
	REFUSED = 10, /* at open */
	TOLD = 11,    /* ST_CORRUPT for some reads, the others right */
	STOPPED = 12, /* reads right, the checkpoint refused */
	WRONG = 20,   /* a wrong answer */
	ORDERLY = 74, /* ended by the node's handler */
};

static char base[64];
static char *report; /* shared with the case's process: what it saw */

/* --- the dataset --- */

static struct slice name_of(uint32_t n, char dst[64])
{
	return slice_of(dst, (size_t)snprintf(dst, 64, "{%u}string:%u", n % TAGS, n));
}

static struct slice value_of(uint32_t n, uint32_t round, char *dst)
{
	size_t len = n % BIG_EVERY == 7 ? 5000 + n : 20 + n * 7 % 60;
	int head = snprintf(dst, 64, "%u.%u:", n, round);

	for (size_t i = (size_t)head; i < len; i++) {
		dst[i] = (char)('a' + (n + i * i + round) % 26);
	}
	return slice_of(dst, len);
}

/* The key's bytes stay in name. */
static void hash_key(uint32_t h, char name[64], struct store_key *key)
{
	store_key_of_key(key,
			 slice_of(name, (size_t)snprintf(name, 64, "{%u}hash:%u", h % TAGS, h)));
}

static struct slice field_of(uint32_t f, char dst[64])
{
	return slice_of(dst, (size_t)snprintf(dst, 64, "field-%u", f));
}

static enum status open_node(const char *dir, struct engine **e, struct buf *error)
{
	struct engine_options opts = {
	    .dir = dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 5,
	    .map_size_max = (uint64_t)1 << 28,
	    .memtable_max = 32 << 20,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 256 << 10,
	    .wal_keep_size = 64 << 10,
	    .wal_compression_level = 1,
	    .fsync = WAL_FSYNC_NO,
	};

	return engine_open(&opts, e, error);
}

static enum status put_string(struct engine *e, uint32_t n, uint32_t round)
{
	struct meta m = {.type = TYPE_STRING, .expire_at_ms = n % 10 == 3 ? NOW_MS * 2 + n : 0};
	char name[64], value[VALUE_MAX];
	struct slice part = value_of(n, round, value);
	struct store_key key;
	enum status st;

	store_key_of_key(&key, name_of(n, name));
	engine_begin(e, slice_str("set"), NOW_MS, 0);
	st = ks_put_blind(e, &key, &m, &part, 1);
	if (st != ST_OK) {
		engine_rollback(e);
		return st;
	}
	(void)engine_commit(e);
	return ST_OK;
}

static void put_hash(struct engine *e, uint32_t h)
{
	struct meta m = {.type = TYPE_HASH, .form = FORM_LARGE, .count = FIELDS};
	struct store_key key;
	char name[64];

	hash_key(h, name, &key);
	engine_begin(e, slice_str("hset"), NOW_MS, 0);
	m.id = ks_new_id(e);
	assert_int_equal(ks_put(e, &key, NULL, &m, NULL, 0), ST_OK);
	for (uint32_t f = 0; f < FIELDS; f++) {
		char field[64], value[VALUE_MAX];
		struct slice part = value_of(h * 1000 + f * 3, 0, value);

		assert_int_equal(ks_field_put(e, key.slot, m.id, field_of(f, field), &part, 1),
				 ST_OK);
	}
	(void)engine_commit(e);
}

/* Ends the turn until the checkpoint that was asked for is over. False: it failed. */
static bool checkpoint(struct engine *e)
{
	struct engine_stats stats;

	(void)engine_turn_end(e);
	(void)engine_checkpoint(e);
	do {
		(void)engine_turn_end(e);
		(void)usleep(200);
		engine_stats(e, &stats);
		if (stats.write_state == ST_READ_ONLY) {
			return false;
		}
	} while (stats.checkpoint_running || stats.writes_since_checkpoint > 0);
	return true;
}

/* A data directory whose store has had several checkpoints, and so a free list. */
static void make_node(const char *dir)
{
	struct engine *e;
	struct buf error = {0};

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(open_node(dir, &e, &error), ST_OK);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t n = 0; n < STRINGS; n++) {
			if (round == 0 || n % 3 == 0) {
				assert_int_equal(put_string(e, n, n % 3 == 0 ? round : 0), ST_OK);
			}
		}
		for (uint32_t h = 0; round == 0 && h < HASHES; h++) {
			put_hash(e, h);
		}
		assert_true(checkpoint(e));
	}
	assert_int_equal(engine_close(e), ST_OK);
	buf_deinit(&error);
}

/* --- asking everything --- */

/* The number that a name ends with, after head bytes. */
static uint32_t number_in(struct slice name, size_t head)
{
	char text[16] = "";

	if (name.len <= head || name.len - head >= sizeof text) {
		return UINT32_MAX;
	}
	memcpy(text, name.data + head, name.len - head);
	return (uint32_t)strtoul(text, NULL, 10);
}

struct asked {
	bool told, wrong;
};

static void note(struct asked *a, bool right, enum status st, const char *what, uint32_t n)
{
	if (st == ST_CORRUPT || st == ST_IO) {
		a->told = true;
	} else if (!right && !a->wrong) {
		a->wrong = true;
		(void)snprintf(report, PAGE, "%s %u: %s", what, n, status_text(st));
	}
}

/* Strings below fresh have been written again. */
static uint32_t round_of(uint32_t n, uint32_t fresh)
{
	return n < fresh ? 9 : n % 3 == 0 ? 2 : 0;
}

static void ask_strings(struct engine *e, uint32_t fresh, struct asked *a)
{
	char name[64], value[VALUE_MAX];
	struct store_key key;
	struct meta m;
	enum status st;

	for (uint32_t n = 0; n < STRINGS; n++) {
		store_key_of_key(&key, name_of(n, name));
		st = ks_lookup(e, &key, &m);
		note(a,
		     st == ST_OK && m.form == FORM_INLINE &&
			 slice_eq(m.payload, value_of(n, round_of(n, fresh), value)),
		     st, "string", n);
	}
	for (uint32_t n = 0; n < ABSENT; n++) {
		store_key_of_key(
		    &key, slice_of(name, (size_t)snprintf(name, sizeof name, "{%u}string:%ux",
							  n % TAGS, n * 8)));
		st = ks_lookup(e, &key, &m);
		note(a, st == ST_NOT_FOUND, st, "absent", n);
	}
}

static void ask_hash(struct engine *e, uint32_t h, struct asked *a)
{
	char field[64], value[VALUE_MAX];
	struct store_key key;
	struct slice got, name;
	struct ks_iter it = {0};
	struct meta m;
	uint64_t order;
	uint32_t count = 0;
	enum status st;

	hash_key(h, value, &key);
	st = ks_lookup(e, &key, &m);
	note(a, st == ST_OK && m.form == FORM_LARGE && m.count == FIELDS, st, "hash", h);
	if (st != ST_OK || m.form != FORM_LARGE) {
		return;
	}
	for (uint32_t f = 0; f < FIELDS; f++) {
		st = ks_field_get(e, key.slot, m.id, field_of(f, field), &got);
		note(a, st == ST_OK && slice_eq(got, value_of(h * 1000 + f * 3, 0, value)), st,
		     "field", f);
		st = ks_field_get(e, key.slot, m.id, field_of(f + 1000, field), &got);
		note(a, st == ST_NOT_FOUND, st, "absent field", f);
	}
	st = ks_fields_open(e, key.slot, m.id, 0, &it);
	while (st == ST_OK && (st = ks_fields_next(&it, &order, &name, &got)) == ST_OK) {
		uint32_t f = number_in(name, 6);

		note(a, f < FIELDS && slice_eq(got, value_of(h * 1000 + f * 3, 0, value)), ST_OK,
		     "scanned field", f);
		count++;
	}
	ks_iter_close(&it);
	note(a, st == ST_END && count == FIELDS, st, "fields scanned", count);
}

static void scan_slot(struct engine *e, uint16_t slot, uint32_t fresh, uint32_t *keys,
		      struct asked *a, bool *told)
{
	char value[VALUE_MAX];
	struct ks_iter it = {0};
	struct slice name;
	struct meta m;
	uint64_t order;
	enum status st = ks_keys_open(e, slot, 0, &it);

	while (st == ST_OK && (st = ks_keys_next(&it, &order, &name, &m)) == ST_OK) {
		(*keys)++;
		if (m.type == TYPE_STRING) {
			uint32_t n = number_in(name, 10);

			note(a,
			     n < STRINGS &&
				 slice_eq(m.payload, value_of(n, round_of(n, fresh), value)),
			     ST_OK, "scanned string", n);
		}
	}
	ks_iter_close(&it);
	*told |= st == ST_CORRUPT || st == ST_IO;
	note(a, st == ST_END, st, "scan of slot", slot);
}

static void ask_all(struct engine *e, uint32_t fresh, struct asked *a)
{
	uint32_t keys = 0, counted = 0;
	bool told = false;

	engine_begin(e, slice_str("ask"), NOW_MS, 0);
	ask_strings(e, fresh, a);
	for (uint32_t h = 0; h < HASHES; h++) {
		ask_hash(e, h, a);
	}
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		if (engine_slot_keys(e, (uint16_t)slot) > 0) {
			counted += (uint32_t)engine_slot_keys(e, (uint16_t)slot);
			scan_slot(e, (uint16_t)slot, fresh, &keys, a, &told);
		}
	}
	/* Blind writes may not be settled yet, so the counters are upper bounds. */
	note(a, told || keys == STRINGS + HASHES, ST_OK, "keys scanned", keys);
	note(a, counted >= STRINGS + HASHES, ST_OK, "keys counted", counted);
	(void)engine_commit(e);
}

/* The life of a case's process. */
static enum verdict live(const char *dir)
{
	struct asked a = {0};
	struct buf error = {0};
	struct engine *e;
	bool stopped = false;

	for (int round = 0; round < 2; round++) {
		enum status st;

		error.len = 0;
		if (open_node(dir, &e, &error) != ST_OK) {
			(void)snprintf(report, PAGE, "%.*s", (int)error.len,
				       (const char *)error.data);
			return error.len > 0 ? REFUSED : WRONG;
		}
		ask_all(e, round == 0 ? 0 : 60, &a);
		for (uint32_t n = 0; round == 0 && n < 60; n++) {
			st = put_string(e, n, 9);
			if (st != ST_OK) {
				(void)snprintf(report, PAGE, "write: %s", status_text(st));
				return WRONG;
			}
		}
		stopped |= !checkpoint(e);
		ask_all(e, 60, &a);
		st = engine_close(e);
		if (st != ST_OK && !stopped) {
			(void)snprintf(report, PAGE, "close: %s", status_text(st));
			return WRONG;
		}
		if (a.wrong) {
			return WRONG;
		}
	}
	return a.told ? TOLD : stopped ? STOPPED : RIGHT;
}

/* --- the cases --- */

struct store_file {
	uint8_t *data;
	size_t len;
};

static void load(const char *path, struct store_file *f)
{
	struct stat info;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	f->len = (size_t)info.st_size;
	f->data = malloc(f->len);
	assert_non_null(f->data);
	assert_int_equal(read(fd, f->data, f->len), (ssize_t)f->len);
	assert_int_equal(close(fd), 0);
}

static void save(const char *path, const uint8_t *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

enum page_class { META_PAGE, FREE_PAGE, BRANCH_PAGE, LEAF_PAGE, OVERFLOW_PAGE, PAGE_CLASSES };

static const char *const class_names[] = {"meta", "free-list", "branch", "leaf", "overflow"};

/* The pages in use, by class. */
static struct {
	uint32_t pages[PAGE_CLASSES][4096];
	uint32_t count[PAGE_CLASSES];
} used;

static void use(enum page_class class, uint64_t page)
{
	assert_true(used.count[class] < 4096);
	used.pages[class][used.count[class]++] = (uint32_t)page;
}

/* Walks a tree of the whole file; engine/store_file.c says how a page looks. */
static void walk(const struct store_file *f, uint64_t page, bool free_list)
{
	const uint8_t *at = f->data + page * PAGE;
	bool leaf;
	unsigned count;

	if (page == UINT64_MAX) {
		return;
	}
	assert_true((page + 1) * PAGE <= f->len);
	leaf = (bytes_get_u16le(at + 10) & 2) != 0;
	count = (bytes_get_u16le(at + 12) - 16u) / 2;
	use(free_list ? FREE_PAGE : leaf ? LEAF_PAGE : BRANCH_PAGE, page);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *node = at + bytes_get_u16le(at + 16 + 2 * i);
		const uint8_t *data = node + 8 + bytes_get_u16le(node + 6);
		unsigned flags = bytes_get_u16le(node + 4);

		if (!leaf) {
			walk(f, bytes_get_u64le(node) & ((UINT64_C(1) << 48) - 1), free_list);
		} else if ((flags & 1) != 0) {
			use(free_list ? FREE_PAGE : OVERFLOW_PAGE, bytes_get_u64le(data));
		} else if ((flags & 2) != 0) {
			walk(f, bytes_get_u64le(data + 40), false);
		}
	}
}

static void classify(const struct store_file *f)
{
	const uint8_t *meta = f->data + 16;

	memset(&used, 0, sizeof used);
	if (bytes_get_u64le(meta + PAGE + 128) > bytes_get_u64le(meta + 128)) {
		meta += PAGE;
	}
	use(META_PAGE, 0);
	use(META_PAGE, 1);
	walk(f, bytes_get_u64le(meta + 64), true);
	walk(f, bytes_get_u64le(meta + 112), false);
}

/* Runs the case on what is in data; damage says what was done, for messages. */
static enum verdict run_case(const char *node, const uint8_t *data, size_t len, const char *damage)
{
	char dir[128], path[160];
	int status = 0;
	pid_t pid;

	(void)snprintf(dir, sizeof dir, "%s/case", base);
	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", dir);
	copy_tree(node, dir);
	save(path, data, len);
	report[0] = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(SECONDS_MAX);
		process_prepare(true);
		_exit((int)live(dir));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	remove_tree(dir);
	CHECK(WIFEXITED(status), "%s: killed by signal %d (%s)\n", damage, WTERMSIG(status),
	      report);
	CHECK(WEXITSTATUS(status) != WRONG, "%s: %s\n", damage, report);
	return (enum verdict)WEXITSTATUS(status);
}

/* Changes a page in one of several ways; text says how. */
static void hurt_page(struct rng *rng, uint8_t *at, const uint8_t *other, char *text)
{
	/* Half of all changes hit the header and the offsets, where the tree hangs together. */
	size_t where = rng_below(rng, 2) == 0 ? rng_below(rng, 40) : rng_below(rng, PAGE);

	switch (rng_below(rng, 8)) {
	case 0:
		(void)snprintf(text, 64, "zeroed");
		memset(at, 0, PAGE);
		break;
	case 1:
		(void)snprintf(text, 64, "replaced by another");
		memcpy(at, other, PAGE);
		break;
	case 2:
		(void)snprintf(text, 64, "noise from %zu on", where);
		for (size_t i = where; i < PAGE && i < where + 32; i++) {
			at[i] = (uint8_t)rng_next(rng);
		}
		break;
	case 3:
		(void)snprintf(text, 64, "byte %zu set", where);
		at[where] = (uint8_t)rng_next(rng);
		break;
	default:
		(void)snprintf(text, 64, "a bit of byte %zu", where);
		at[where] ^= (uint8_t)(1u << rng_below(rng, 8));
		break;
	}
}

static void a_damaged_page_is_never_believed(void **state)
{
	const char *wish = getenv("CAIRN_STORE_CASES");
	uint64_t cases = wish != NULL			     ? strtoull(wish, NULL, 10)
			 : getenv("CAIRN_TEST_LONG") != NULL ? CASES_LONG
							     : CASES;
	uint64_t tally[PAGE_CLASSES][128] = {{0}};
	struct store_file whole;
	char node[128], path[160];
	uint8_t *copy;
	struct rng rng;

	(void)state;
	(void)snprintf(node, sizeof node, "%s/node", base);
	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", node);
	make_node(node);
	load(path, &whole);
	classify(&whole);
	copy = malloc(whole.len);
	for (uint64_t n = 0; n < cases; n++) {
		enum page_class class = (enum page_class)(n % PAGE_CLASSES);
		char how[64], what[160];
		uint32_t page, other;

		rng_seed(&rng, n);
		page = used.pages[class][rng_below(&rng, used.count[class])];
		other = used.pages[LEAF_PAGE][rng_below(&rng, used.count[LEAF_PAGE])];
		memcpy(copy, whole.data, whole.len);
		hurt_page(&rng, copy + (size_t)page * PAGE, whole.data + (size_t)other * PAGE, how);
		(void)snprintf(what, sizeof what, "case %llu, %s page %u: %s",
			       (unsigned long long)n, class_names[class], page, how);
		tally[class][run_case(node, copy, whole.len, what)]++;
	}
	for (int class = 0; class < PAGE_CLASSES; class ++) {
		print_message("%s pages (%u): %llu harmless, %llu refused, %llu told when read, "
			      "%llu when checkpointed, %llu ended by the handler\n",
			      class_names[class], used.count[class],
			      (unsigned long long)tally[class][RIGHT],
			      (unsigned long long)tally[class][REFUSED],
			      (unsigned long long)tally[class][TOLD],
			      (unsigned long long)tally[class][STOPPED],
			      (unsigned long long)tally[class][ORDERLY]);
	}
	free(copy);
	free(whole.data);
	remove_tree(node);
}

/* The newest commit's meta page, or the other one, is damaged in one place or whole: the node goes
 * on from the commit that is left, with the log on top, as if nothing had been. */
static void a_damaged_meta_page_is_made_up_for_by_the_log(void **state)
{
	/* What LMDB keeps in a meta page that matters: page number, flags, magic, page size, flags,
	 * depths and roots of the two trees, last page, transaction. */
	static const size_t places[] = {0,   1,	  7,   10,  11,	 16,  17,  19, 40,  41,
					42,  44,  46,  80,  81,	 87,  92,  94, 128, 129,
					135, 136, 137, 143, 144, 145, 147, 151};
	size_t count = sizeof places / sizeof places[0], step = getenv("CAIRN_STORE_CASES") ? 5 : 1;
	struct store_file whole;
	char node[128], path[160];
	uint8_t *copy;

	(void)state;
	(void)snprintf(node, sizeof node, "%s/node", base);
	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", node);
	make_node(node);
	load(path, &whole);
	copy = malloc(whole.len);
	for (size_t i = 0; i < 2 * count + 4; i += step) {
		uint8_t *at = copy + i % 2 * PAGE;
		char what[64];
		enum verdict v;

		memcpy(copy, whole.data, whole.len);
		if (i < 2 * count) {
			(void)snprintf(what, sizeof what, "meta page %zu, byte %zu", i % 2,
				       places[i / 2]);
			at[places[i / 2]] ^= i % 4 < 2 ? 0x01 : 0x81;
		} else {
			(void)snprintf(what, sizeof what, "meta page %zu, all of it", i % 2);
			memset(at, i < 2 * count + 2 ? 0 : 0xa5, PAGE);
		}
		v = run_case(node, copy, whole.len, what);
		CHECK(v == RIGHT, "%s: ended with %d (%s)\n", what, v, report);
	}
	memset(copy, 0, 2 * (size_t)PAGE);
	assert_int_equal(run_case(node, copy, whole.len, "both meta pages"), REFUSED);
	free(copy);
	free(whole.data);
	remove_tree(node);
}

/* Cut anywhere, the file is refused, or does not need what is gone. */
static void a_cut_file_is_noticed(void **state)
{
	struct store_file whole;
	char node[128], path[160];
	uint64_t refused = 0, n = 0;

	(void)state;
	(void)snprintf(node, sizeof node, "%s/node", base);
	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", node);
	make_node(node);
	load(path, &whole);
	for (size_t len = 0; len < whole.len; len += whole.len / 23, n++) {
		char what[64];

		(void)snprintf(what, sizeof what, "cut at %zu of %zu", len, whole.len);
		refused += run_case(node, whole.data, len, what) == REFUSED;
	}
	print_message("%llu of %llu cut files refused\n", (unsigned long long)refused,
		      (unsigned long long)n);
	assert_true(refused > n / 2);
	free(whole.data);
	remove_tree(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_damaged_page_is_never_believed),
	    cmocka_unit_test(a_damaged_meta_page_is_made_up_for_by_the_log),
	    cmocka_unit_test(a_cut_file_is_noticed),
	};
	int failed;

	report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!quick_dir(base, sizeof base, "store") || report == MAP_FAILED) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
