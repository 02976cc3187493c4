/* One value of each kind of directive: what is taken, what it becomes, and why others are not. */
#include "engine/base/alloc.h"
#include "net/config_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INTEGER "argument couldn't be parsed into an integer"
#define BYTES	"argument must be a memory value"
#define COUNT	"wrong number of arguments"
#define FSYNC	"argument(s) must be one of the following: everysec, always, no"
#define SIGNAL	"argument(s) must be one of the following: default, save, nosave, now, force"

/* text NULL: refused with reason. value is split at blanks. */
static const struct {
	enum config_id id;
	const char *value, *text;
	int64_t number;
	const char *reason;
} cases[] = {
    {CONFIG_TIMEOUT, "77", "77", 77, NULL},
    {CONFIG_TIMEOUT, "-1", NULL, 0, "argument must be between 0 and 2147483647 inclusive"},
    {CONFIG_TIMEOUT, "2147483648", NULL, 0, "argument must be between 0 and 2147483647 inclusive"},
    {CONFIG_TIMEOUT, "0700", NULL, 0, INTEGER},
    {CONFIG_TIMEOUT, "+1", NULL, 0, INTEGER},
    {CONFIG_TIMEOUT, "1kb", NULL, 0, INTEGER},
    {CONFIG_TIMEOUT, "", NULL, 0, INTEGER},
    {CONFIG_TIMEOUT, "1 2", NULL, 0, COUNT},
    {CONFIG_HZ, "0", "1", 1, NULL},
    {CONFIG_HZ, "99999", "500", 500, NULL},
    {CONFIG_MAXMEMORY, "0", "0", 0, NULL},
    {CONFIG_MAXMEMORY, "", "0", 0, NULL},
    {CONFIG_MAXMEMORY, "1k", "1000", 1000, NULL},
    {CONFIG_MAXMEMORY, "1Kb", "1024", 1024, NULL},
    {CONFIG_MAXMEMORY, "3mB", "3145728", 3 << 20, NULL},
    {CONFIG_MAXMEMORY, "2g", "2000000000", 2000000000, NULL},
    {CONFIG_MAXMEMORY, "1tb", "1099511627776", (int64_t)1 << 40, NULL},
    {CONFIG_REPL_BACKLOG_SIZE, "1kb", "16384", 16384, NULL},
    {CONFIG_REPL_BACKLOG_SIZE, "16385", "16385", 16385, NULL},
    {CONFIG_MAXMEMORY, "-1", NULL, 0, BYTES},
    {CONFIG_MAXMEMORY, "1.5gb", NULL, 0, BYTES},
    {CONFIG_MAXMEMORY, "5%", NULL, 0, BYTES},
    {CONFIG_MAXMEMORY, "99999999999999999999gb", NULL, 0,
     "argument must be between 0 and 9223372036854775807 inclusive"},
    {CONFIG_MAXMEMORY_CLIENTS, "5%", "5%", -5, NULL},
    {CONFIG_MAXMEMORY_CLIENTS, "10mb", "10485760", 10 << 20, NULL},
    {CONFIG_MAXMEMORY_CLIENTS, "101%", NULL, 0, "percentage argument must be less or equal to 100"},
    {CONFIG_DBFILENAME, "a.rdb", "a.rdb", 0, NULL},
    {CONFIG_DBFILENAME, "a/b.rdb", NULL, 0, "dbfilename can't be a path, just a filename"},
    {CONFIG_MAXMEMORY_CLIENTS, "-5%", NULL, 0, "argument must be a memory or percent value"},
    {CONFIG_PROTECTED_MODE, "YES", "yes", 1, NULL},
    {CONFIG_PROTECTED_MODE, "no", "no", 0, NULL},
    {CONFIG_PROTECTED_MODE, "1", NULL, 0, "argument must be 'yes' or 'no'"},
    {CONFIG_REPLICA_READ_ONLY, "yes", "yes", 1, NULL},
    {CONFIG_REPLICA_READ_ONLY, "no", NULL, 0,
     "a replica's log is its primary's: it can take no writes of its own"},
    {CONFIG_APPENDFSYNC, "ALWAYS", "always", 1, NULL},
    {CONFIG_APPENDFSYNC, "sometimes", NULL, 0, FSYNC},
    {CONFIG_UNIXSOCKETPERM, "0770", "770", 0770, NULL},
    {CONFIG_UNIXSOCKETPERM, "999", NULL, 0, "argument couldn't be parsed as an octal number"},
    {CONFIG_SAVE, "", "", 0, NULL},
    {CONFIG_SAVE, "900 1 300 10", "900 1 300 10", 0, NULL},
    {CONFIG_SAVE, "900", NULL, 0, "Invalid save parameters"},
    {CONFIG_SAVE, "900 1.5", NULL, 0, "Invalid save parameters"},
    {CONFIG_SAVE, "900 -1", NULL, 0, "Invalid save parameters"},
    {CONFIG_LATENCY_PERCENTILES, "", "", 0, NULL},
    {CONFIG_LATENCY_PERCENTILES, "50 99.9", "50 99.9", 0, NULL},
    {CONFIG_LATENCY_PERCENTILES, "0.0 50.0 99.90 1e2 1e-17", "0 50 99.9 100 0.00000000000000001", 0,
     NULL},
    {CONFIG_LATENCY_PERCENTILES, "x", NULL, 0,
     "Invalid latency-tracking-info-percentiles parameters"},
    {CONFIG_LATENCY_PERCENTILES, "101", NULL, 0,
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
    {CONFIG_OOM_SCORE_ADJ_VALUES, "1 2 3", "1 2 3", 0, NULL},
    {CONFIG_OOM_SCORE_ADJ_VALUES, "1 2", NULL, 0, COUNT},
    {CONFIG_OOM_SCORE_ADJ_VALUES, "1 x 3", NULL, 0,
     "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
    {CONFIG_OOM_SCORE_ADJ_VALUES, "1 2 3000", NULL, 0,
     "Invalid oom-score-adj-values, elements must be between -2000 and 2000."},
    {CONFIG_SHUTDOWN_ON_SIGTERM, "default", "default", 0, NULL},
    {CONFIG_SHUTDOWN_ON_SIGTERM, "force now nosave", "nosave now force", 14, NULL},
    {CONFIG_SHUTDOWN_ON_SIGTERM, "later", NULL, 0, SIGNAL},
    {CONFIG_SHUTDOWN_ON_SIGTERM, "save nosave", NULL, 0,
     "shutdown options SAVE and NOSAVE can't be used simultaneously"},
    {CONFIG_NOTIFY_KEYSPACE_EVENTS, "KEA", "AKE", 0x1000 | 0x3ff | 0x400 | 0x800, NULL},
    {CONFIG_NOTIFY_KEYSPACE_EVENTS, "El", "lE", 0x4 | 0x800, NULL},
    {CONFIG_NOTIFY_KEYSPACE_EVENTS, "q", NULL, 0,
     "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."},
    {CONFIG_OUTPUT_BUFFER_LIMIT, "",
     "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 "
     "8388608 60",
     0, NULL},
    {CONFIG_OUTPUT_BUFFER_LIMIT, "normal 1mb 2mb 3 replica 4 5 6",
     "normal 1048576 2097152 3 slave 4 5 6 pubsub 33554432 8388608 60", 0, NULL},
    {CONFIG_OUTPUT_BUFFER_LIMIT, "normal 1 2", NULL, 0,
     "Wrong number of arguments in buffer limit configuration."},
    {CONFIG_OUTPUT_BUFFER_LIMIT, "boss 1 2 3", NULL, 0,
     "Invalid client class specified in buffer limit configuration."},
    {CONFIG_OUTPUT_BUFFER_LIMIT, "normal x 2 3", NULL, 0,
     "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
    {CONFIG_REPLICAOF, "no one", "", 0, NULL},
    {CONFIG_TLS_PORT, "65536", NULL, 0, "argument must be between 0 and 65535 inclusive"},
    {CONFIG_TLS_AUTH_CLIENTS, "Optional", "optional", 2, NULL},
};

static void each_kind_takes_its_values_and_says_why_not_others(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(config_init(&c), ST_OK);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice words[LINE_WORDS_MAX];
		const char *reason = NULL;
		char *text = NULL;
		int64_t number = -99;
		size_t count;
		enum status st;

		assert_int_equal(config_split_blanks(slice_str(cases[i].value), words, &count),
				 ST_OK);
		st = config_parse(&c, cases[i].id, words, count, &text, &number, &reason);
		if (cases[i].text == NULL) {
			assert_int_equal(st, ST_INVALID);
			assert_string_equal(reason, cases[i].reason);
			continue;
		}
		if (st != ST_OK) {
			fail_msg("%s %s: %s", config_name(cases[i].id), cases[i].value, reason);
		}
		assert_string_equal(text, cases[i].text);
		if (cases[i].id != CONFIG_NOTIFY_KEYSPACE_EVENTS) {
			assert_true(number == cases[i].number);
		}
		mem_free(text);
	}
	config_deinit(&c);
}

static void a_word_that_is_too_long_or_holds_a_nul_is_refused(void **state)
{
	static char big[5000];
	struct config c;
	struct slice words[2] = {slice_of(big, sizeof big), slice_of("a\0b", 3)};
	const char *reason;
	int64_t number;
	char *text;

	(void)state;
	memset(big, 'x', sizeof big);
	assert_int_equal(config_init(&c), ST_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    config_parse(&c, CONFIG_REQUIREPASS, &words[i], 1, &text, &number, &reason),
		    ST_INVALID);
	}
	config_deinit(&c);
}

static void nothing_leaks_or_half_changes_when_memory_ends(void **state)
{
	struct slice words[4] = {slice_str("normal"), slice_str("1"), slice_str("2"),
				 slice_str("3")};
	struct config c;
	const char *reason;
	enum status st = ST_NO_MEMORY;

	(void)state;
	assert_int_equal(config_init(&c), ST_OK);
	for (int64_t n = 0; st == ST_NO_MEMORY; n++) {
		mem_fail_nth(n);
		st = config_assign(&c, CONFIG_OUTPUT_BUFFER_LIMIT, words, 4, &reason);
		mem_fail_nth(-1);
		assert_true(st == ST_OK || st == ST_NO_MEMORY);
		assert_int_equal(
		    strncmp(config_text(&c, CONFIG_OUTPUT_BUFFER_LIMIT), "normal 0", 8) == 0,
		    st == ST_NO_MEMORY);
	}
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_kind_takes_its_values_and_says_why_not_others),
	    cmocka_unit_test(a_word_that_is_too_long_or_holds_a_nul_is_refused),
	    cmocka_unit_test(nothing_leaks_or_half_changes_when_memory_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
