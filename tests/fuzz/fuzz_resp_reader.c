/* Requests from bytes: the same bytes give the same requests however they are cut, and no request
 * goes beyond the limits.
 *
 * Input: a byte that chooses the limits, eight that choose the cuts, then the stream. */
#include "engine/base/buf.h"
#include "engine/base/invariant.h"
#include "engine/base/rng.h"
#include "net/proto/resp_reader.h"
#include "tests/fuzz/fuzz_input.h"

static const struct resp_limits limit_sets[] = {
    {RESP_ARGS_MAX, 512 << 20, 0, 65536},
    {10, 512 << 20, 16384, 65536}, /* before AUTH */
    {RESP_ARGS_MAX, 100, 0, 64},
    {3, 1000, 16, 32},
};

static void note(struct buf *log, const void *data, size_t len)
{
	INVARIANT(buf_append(log, data, len) == ST_OK);
}

static void check_request(const struct resp_reader *r, const struct resp_limits *limits,
			  struct slice in, const struct slice *argv, size_t argc, size_t used)
{
	size_t all = 0;

	INVARIANT(used > 0 && used <= in.len);
	for (size_t i = 0; i < argc; i++) {
		all += argv[i].len;
		INVARIANT(in.data[0] != '*' || argv[i].len <= limits->bulk_max);
		INVARIANT(in.data[0] != '*' || limits->bulk_unauthenticated_max == 0 ||
			  argv[i].len <= limits->bulk_unauthenticated_max);
	}
	INVARIANT(all <= used);
	INVARIANT(in.data[0] == '*' ? argc <= limits->args_max : used <= limits->inline_max + 1);
	/* What is kept follows the bytes that came, not what they announce. */
	INVARIANT(r->spans_cap <= 2048 || r->spans_cap <= 2 * in.len);
}

/* One look at what is there; writes what it gave to log. Returns the bytes consumed. */
static size_t look(struct resp_reader *r, const struct resp_limits *limits, struct slice in,
		   struct buf *log, enum status *st)
{
	uint8_t *copy = fuzz_exact(in);
	const struct slice *argv;
	size_t argc, used;

	*st = resp_reader_next(r, slice_of(copy, in.len), limits, &argv, &argc, &used);
	if (*st == ST_OK) {
		check_request(r, limits, slice_of(copy, in.len), argv, argc, used);
		note(log, &argc, sizeof argc);
		for (size_t i = 0; i < argc; i++) {
			note(log, &argv[i].len, sizeof argv[i].len);
			note(log, argv[i].data, argv[i].len);
		}
		FUZZ_CANARY(log->len > 60 && argc == 4 && argv[1].len == 0 && argv[3].len == 11);
	} else if (*st == ST_INVALID) {
		note(log, r->error, strlen(r->error));
	} else {
		INVARIANT(*st == ST_NEED_MORE && used == 0);
		INVARIANT(resp_reader_want(r) == 0 || resp_reader_want(r) > in.len);
	}
	free(copy);
	return used;
}

/* Feeds the stream in pieces of piece_min to piece_max bytes. */
static void read_stream(const struct resp_limits *limits, struct slice stream, struct rng *chance,
			size_t piece_min, size_t piece_max, struct buf *log)
{
	struct resp_reader r;
	size_t start = 0, end = 0;
	enum status st = ST_NEED_MORE;

	resp_reader_init(&r);
	while (st != ST_INVALID && end < stream.len) {
		size_t piece = piece_min + (size_t)rng_below(chance, piece_max - piece_min + 1);

		end += piece < stream.len - end ? piece : stream.len - end;
		do {
			struct slice in = slice_of(stream.data + start, end - start);

			start += look(&r, limits, in, log, &st);
		} while (st == ST_OK && start < end);
	}
	resp_reader_deinit(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 7, 100};
	struct slice in = slice_of(data, size);
	const struct resp_limits *limits = &limit_sets[fuzz_u8(&in) % 4];
	struct rng chance;
	struct buf whole = {0}, cut = {0};

	rng_seed(&chance, fuzz_u64(&in));
	read_stream(limits, in, &chance, size + 1, size + 1, &whole);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		cut.len = 0;
		read_stream(limits, in, &chance, 1, pieces[i], &cut);
		INVARIANT(slice_eq(buf_slice(&whole), buf_slice(&cut)));
	}
	buf_deinit(&whole);
	buf_deinit(&cut);
	return 0;
}
