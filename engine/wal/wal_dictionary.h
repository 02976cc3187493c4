/* Dictionaries for the log's compression: what zstd is told beforehand, so that small frames shrink
 * too. A segment carries the one that its frames need (wal_segment.h). Pure. */
#ifndef CAIRN_ENGINE_WAL_WAL_DICTIONARY_H
#define CAIRN_ENGINE_WAL_WAL_DICTIONARY_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

enum { WAL_DICTIONARY_MIN = 1024 }; /* bytes; less is not worth its place */

/* Trains a dictionary of at most size_max bytes (WAL_DICTIONARY_MIN to WAL_DICTIONARY_MAX) and
 * appends it to out. samples are count records back to back, sizes their lengths. ST_INVALID: too
 * few of them, or too much alike, to learn anything from. ST_LIMIT: size_max is out of range.
 * ST_NO_MEMORY. */
MUST_CHECK enum status wal_dictionary_train(struct slice samples, const size_t *sizes,
					    uint32_t count, size_t size_max, struct buf *out);

/* The number that zstd knows a trained dictionary by; 0: the bytes are not one. */
uint32_t wal_dictionary_id(struct slice dictionary);

#endif
