/* Byte strings back to back. */
#include "engine/base/byte_list.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"

void byte_list_deinit(struct byte_list *l)
{
	buf_deinit(&l->bytes);
	buf_deinit(&l->ends);
}

enum status byte_list_add(struct byte_list *l, struct slice bytes)
{
	size_t end = l->bytes.len + bytes.len;
	enum status st = buf_reserve(&l->ends, sizeof end);

	if (st == ST_OK) {
		st = buf_append(&l->bytes, bytes.data, bytes.len);
	}
	return st == ST_OK ? buf_append(&l->ends, &end, sizeof end) : st;
}

struct slice byte_list_at(const struct byte_list *l, size_t i)
{
	size_t begin = 0, end;

	INVARIANT(i < byte_list_count(l));
	memcpy(&end, l->ends.data + i * sizeof end, sizeof end);
	if (i > 0) {
		memcpy(&begin, l->ends.data + (i - 1) * sizeof begin, sizeof begin);
	}
	return end == begin ? slice_of(NULL, 0) : slice_of(l->bytes.data + begin, end - begin);
}

struct slice *byte_list_slices(const struct byte_list *l)
{
	size_t count = byte_list_count(l);
	struct slice *all = mem_calloc(count > 0 ? count : 1, sizeof *all);

	for (size_t i = 0; all != NULL && i < count; i++) {
		all[i] = byte_list_at(l, i);
	}
	return all;
}
