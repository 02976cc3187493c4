/* A ring of bytes. */
#include "net/redis_backlog.h"

#include "engine/base/alloc.h"

enum status redis_backlog_init(struct redis_backlog *b, size_t size, uint64_t offset)
{
	uint8_t *ring = mem_alloc(size);

	if (ring == NULL) {
		return ST_NO_MEMORY;
	}
	*b = (struct redis_backlog){.ring = ring, .size = size, .offset = offset};
	return ST_OK;
}

void redis_backlog_deinit(struct redis_backlog *b)
{
	mem_free(b->ring);
	*b = (struct redis_backlog){0};
}

void redis_backlog_add(struct redis_backlog *b, struct slice bytes)
{
	b->offset += bytes.len;
	b->held = b->held + bytes.len < b->size ? b->held + bytes.len : b->size;
	if (bytes.len > b->size) {
		bytes = slice_skip(bytes, bytes.len - b->size);
	}
	while (bytes.len > 0) {
		size_t at = (size_t)((b->offset - bytes.len) % b->size);
		size_t part = bytes.len < b->size - at ? bytes.len : b->size - at;

		memcpy(b->ring + at, bytes.data, part);
		bytes = slice_skip(bytes, part);
	}
}

bool redis_backlog_reaches(const struct redis_backlog *b, uint64_t offset)
{
	return offset <= b->offset && b->offset - offset <= b->held;
}

struct slice redis_backlog_from(const struct redis_backlog *b, uint64_t offset)
{
	size_t at = (size_t)(offset % b->size);
	uint64_t left = b->offset - offset;

	return slice_of(b->ring + at, left < b->size - at ? (size_t)left : b->size - at);
}
