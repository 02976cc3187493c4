/* Libraries of functions from bytes that anybody may have sent: the payload of FUNCTION RESTORE,
 * the bytes of a set, the first line of a library. What is taken comes back when it is written
 * again, and nothing leaves its input.
 *
 * The first byte chooses: 0 the body of a payload, whose checksum is made right; 1 a set; 2 a
 * library's code. */
#include "engine/base/invariant.h"
#include "engine/library_set.h"
#include "net/command/script_shebang.h"
#include "net/proto/rdb_library.h"
#include "tests/fuzz/fuzz_input.h"

static void read_payload(struct slice body)
{
	struct buf payload = {0}, again = {0}, scratch = {0};
	struct rdb_reader r;
	struct slice code = {0};
	size_t count = 0;
	enum status st;

	INVARIANT(buf_append(&payload, body.data, body.len) == ST_OK);
	INVARIANT(rdb_library_seal(&payload) == ST_OK);
	INVARIANT(rdb_library_open(buf_slice(&payload), &r) == ST_OK);
	while ((st = rdb_library_next(&r, &scratch, &code)) == ST_OK) {
		INVARIANT(rdb_library_put(&again, code) == ST_OK);
		count++;
	}
	if (st == ST_END) {
		INVARIANT(rdb_library_seal(&again) == ST_OK);
		INVARIANT(rdb_library_open(buf_slice(&again), &r) == ST_OK);
		while (rdb_library_next(&r, &scratch, &code) == ST_OK) {
			count--;
		}
		INVARIANT(count == 0 && r.left.len == 0);
	}
	FUZZ_CANARY(st == ST_END && body.len > 12 && code.len == 7);
	buf_deinit(&payload);
	buf_deinit(&again);
	buf_deinit(&scratch);
}

static void read_set(struct slice in)
{
	struct library_set set = {0};
	struct buf again = {0};

	if (library_set_decode(in, &set) == ST_OK) {
		INVARIANT(library_set_encode(&set, &again) == ST_OK);
		INVARIANT(slice_eq(buf_slice(&again), in));
	}
	library_set_deinit(&set);
	buf_deinit(&again);
}

static void read_head(struct slice code)
{
	struct library_head head = {0};
	struct buf error = {0};
	enum status st = script_library_head(code, &head, &error);

	INVARIANT((st == ST_OK) == (error.len == 0));
	if (st == ST_OK) {
		INVARIANT(script_name_ok(buf_slice(&head.name)));
		INVARIANT(head.body.len > 0 && head.body.data[0] == '\n');
		INVARIANT(head.body.data + head.body.len == code.data + code.len);
	}
	buf_deinit(&head.name);
	buf_deinit(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (size == 0) {
		return 0;
	}
	exact = fuzz_exact(slice_of(data + 1, size - 1));
	switch (data[0] % 3) {
	case 0:
		read_payload(slice_of(exact, size - 1));
		break;
	case 1:
		read_set(slice_of(exact, size - 1));
		break;
	default:
		read_head(slice_of(exact, size - 1));
		break;
	}
	free(exact);
	return 0;
}
