/* Acknowledged offsets, and what they stand for. */
#include "net/redis_acks.h"

#include "net/command/command.h"

#include <strings.h>

enum {
	MARKS_MAX = 4096, /* pending ones; further ones make the last one coarser */
	ARGS_MAX = 64,
	BULK_MAX = 4096,
	REQUEST_MAX = 64 << 10,
};

struct mark {
	uint64_t offset, lsn;
};

void redis_acks_init(struct redis_acks *a, uint64_t offset, uint64_t lsn)
{
	*a = (struct redis_acks){.offset = offset, .lsn = lsn};
	resp_reader_init(&a->reader);
}

void redis_acks_deinit(struct redis_acks *a)
{
	resp_reader_deinit(&a->reader);
	buf_deinit(&a->in);
	buf_deinit(&a->marks);
}

void redis_acks_relink(struct redis_acks *a)
{
	resp_reader_deinit(&a->reader);
	resp_reader_init(&a->reader);
	a->in.len = 0;
}

static struct mark *marks_of(const struct redis_acks *a, size_t *count)
{
	*count = a->marks.len / sizeof(struct mark);
	return (struct mark *)(void *)a->marks.data;
}

/* Forgets the marks that the acknowledged offset has passed. */
static void settle(struct redis_acks *a)
{
	size_t count, passed = 0;
	const struct mark *marks = marks_of(a, &count);

	while (passed < count && marks[passed].offset <= a->offset) {
		a->lsn = marks[passed++].lsn;
	}
	if (passed > 0) {
		buf_consume(&a->marks, passed * sizeof *marks);
	}
}

void redis_acks_mark(struct redis_acks *a, uint64_t offset, uint64_t lsn)
{
	struct mark mark = {offset, lsn};
	size_t count;
	struct mark *marks = marks_of(a, &count);

	if (count > 0 && (marks[count - 1].offset == offset || count >= MARKS_MAX ||
			  buf_reserve(&a->marks, sizeof mark) != ST_OK)) {
		marks[count - 1] = mark;
	} else if (buf_append(&a->marks, &mark, sizeof mark) != ST_OK) {
		return; /* the next one tells */
	}
	settle(a);
}

static void take_request(struct redis_acks *a, const struct slice *argv, size_t argc)
{
	int64_t offset;

	if (argc < 3 || argv[0].len != 8 ||
	    strncasecmp((const char *)argv[0].data, "replconf", 8) != 0 || argv[1].len != 3 ||
	    strncasecmp((const char *)argv[1].data, "ack", 3) != 0 ||
	    !parse_int(argv[2], &offset) || offset < 0) {
		return;
	}
	a->count++;
	if ((uint64_t)offset > a->offset) {
		a->offset = (uint64_t)offset;
	}
	settle(a);
}

enum status redis_acks_take(struct redis_acks *a, struct slice bytes)
{
	const struct resp_limits limits = {
	    .args_max = ARGS_MAX, .bulk_max = BULK_MAX, .inline_max = REQUEST_MAX};
	enum status st = buf_append(&a->in, bytes.data, bytes.len);
	size_t at = 0;

	a->alive = a->alive || bytes.len > 0;
	while (st == ST_OK && at < a->in.len) {
		const struct slice *argv;
		size_t argc, used;

		st = resp_reader_next(&a->reader, slice_skip(buf_slice(&a->in), at), &limits, &argv,
				      &argc, &used);
		if (st == ST_OK) {
			take_request(a, argv, argc);
			at += used;
		}
	}
	buf_consume(&a->in, at);
	if (st == ST_NEED_MORE && a->in.len <= REQUEST_MAX) {
		return ST_OK;
	}
	if (st == ST_NEED_MORE || st == ST_INVALID) {
		a->fault = "the replica sent what is no acknowledgement";
		return ST_INVALID;
	}
	return st;
}
