/* Training through zstd's dictionary builder. */
#include "engine/wal/wal_dictionary.h"

#include "engine/wal/wal_segment.h"

#include <zdict.h>

enum status wal_dictionary_train(struct slice samples, const size_t *sizes, uint32_t count,
				 size_t size_max, struct buf *out)
{
	enum status st;
	size_t n;

	if (size_max < WAL_DICTIONARY_MIN || size_max > WAL_DICTIONARY_MAX) {
		return ST_LIMIT;
	}
	st = buf_reserve(out, size_max);
	if (st != ST_OK) {
		return st;
	}
	n = ZDICT_trainFromBuffer(out->data + out->len, size_max, samples.data, sizes, count);
	if (ZDICT_isError(n) || n == 0) {
		return ST_INVALID;
	}
	out->len += n;
	return ST_OK;
}

uint32_t wal_dictionary_id(struct slice dictionary)
{
	return dictionary.len == 0 ? 0 : ZDICT_getDictID(dictionary.data, dictionary.len);
}
