/* A serialized value from anywhere: decoding it never leaves it, takes elements only from it, and
 * says the same of it twice.
 *
 * Input: type and body, without version and checksum (any payload's checksum can be made right). */
#include "engine/base/invariant.h"
#include "net/proto/rdb_format.h"
#include "net/proto/rdb_value.h"
#include "tests/fuzz/fuzz_input.h"

enum { STRING_MAX = 1 << 16 };

struct seen {
	uint64_t items, bytes, sum;
};

static enum status take(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	struct seen *s = arg;
	struct slice parts[2] = {item->bytes, item->value};

	INVARIANT(kind <= RDB_KIND_MODULE && item->score == item->score);
	for (int p = 0; p < 2; p++) {
		INVARIANT(parts[p].len <= STRING_MAX);
		for (size_t i = 0; i < parts[p].len; i++) {
			s->sum = s->sum * 31 + parts[p].data[i];
		}
		s->bytes += parts[p].len;
	}
	s->items++;
	return ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_exact(slice_of(data, size));
	struct slice value = slice_of(exact, size);
	struct seen first = {0}, second = {0};
	enum status st = rdb_value_decode(value, STRING_MAX, take, &first);

	INVARIANT(rdb_value_decode(value, STRING_MAX, take, &second) == st);
	INVARIANT(first.items == second.items && first.sum == second.sum);
	/* Every element takes a byte at least, or was unpacked from one. */
	INVARIANT(first.items <= 264 * (uint64_t)size);
	FUZZ_CANARY(st == ST_OK && data[0] == RDB_TYPE_LIST && first.items == 4);
	free(exact);
	return 0;
}
