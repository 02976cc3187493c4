/* Records of a log as commands: whatever the records hold, what comes out are whole commands, as
 * many as were told, and none of a record that does not fit what came before.
 *
 * Input: a byte (1: the log goes back to its beginning; its upper half: so many records come
 * without commands), then records back to back (engine/wal/wal_record.h). */
#include "engine/base/invariant.h"
#include "engine/export/translate.h"
#include "net/proto/resp_reader.h"
#include "tests/fuzz/fuzz_input.h"

struct told {
	struct buf bytes;
	uint64_t commands;
};

static enum status take(void *arg, struct slice bytes, uint64_t commands)
{
	struct told *t = arg;

	t->commands += commands;
	return buf_append(&t->bytes, bytes.data, bytes.len);
}

/* The number of commands in the bytes, which hold nothing else. claims: XCLAIMs among them. */
static uint64_t count_commands(struct slice bytes, size_t *claims)
{
	const struct resp_limits limits = {
	    .args_max = RESP_ARGS_MAX, .bulk_max = UINT32_MAX, .inline_max = 1024};
	struct resp_reader r;
	uint64_t n = 0;

	resp_reader_init(&r);
	while (bytes.len > 0) {
		const struct slice *argv;
		size_t argc, used;

		INVARIANT(resp_reader_next(&r, bytes, &limits, &argv, &argc, &used) == ST_OK);
		INVARIANT(argc > 0);
		*claims += slice_eq(argv[0], slice_str("XCLAIM"));
		bytes = slice_skip(bytes, used);
		n++;
	}
	resp_reader_deinit(&r);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_exact(slice_of(data, size));
	struct slice in = slice_of(copy, size);
	const struct key_choice all = {0};
	struct told told = {0};
	struct resp_sink sink = {.take = take, .arg = &told};
	struct translator t;
	struct wal_record rec;
	size_t used, claims = 0;
	uint8_t how = fuzz_u8(&in);
	unsigned skipped = how >> 4;
	enum status st = translate_init(&t, all, (how & 1) != 0, 0);

	INVARIANT(st == ST_OK);
	while (in.len > 0 && st == ST_OK && wal_record_decode(in, &rec, &used) == ST_OK) {
		st = skipped > 0 ? translate_skip(&t, &rec) : translate_record(&t, &rec, &sink);
		skipped = skipped > 0 ? skipped - 1 : 0;
		in = slice_skip(in, used);
	}
	INVARIANT(st != ST_NO_MEMORY && resp_flush(&sink) == ST_OK);
	INVARIANT(count_commands(buf_slice(&told.bytes), &claims) == told.commands);
	FUZZ_CANARY(st == ST_OK && claims >= 3);
	translate_deinit(&t);
	resp_sink_deinit(&sink);
	buf_deinit(&told.bytes);
	free(copy);
	return 0;
}
