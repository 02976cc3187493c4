/* Status codes: what every fallible function of Cairn returns. */
#ifndef CAIRN_ENGINE_BASE_STATUS_H
#define CAIRN_ENGINE_BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

/* One row per code: symbol, text for humans. Never renumbered on disk or wire, so order is free. */
#define STATUS_LIST(X)                                                                             \
	X(ST_OK, "ok")                                                                             \
	X(ST_NOT_FOUND, "not found")                                                               \
	X(ST_END, "end of data")                                                                   \
	X(ST_TORN, "torn tail")                                                                    \
	X(ST_CORRUPT, "damaged data")                                                              \
	X(ST_VERSION, "unknown format version")                                                    \
	X(ST_NO_MEMORY, "out of memory")                                                           \
	X(ST_NO_SPACE, "no space left on device")                                                  \
	X(ST_MAP_FULL, "LMDB map is full (raise map-size-max)")                                    \
	X(ST_IO, "input/output error")                                                             \
	X(ST_LIMIT, "limit exceeded")                                                              \
	X(ST_INVALID, "invalid argument")                                                          \
	X(ST_WRONG_TYPE, "wrong type")                                                             \
	X(ST_EXISTS, "already exists")                                                             \
	X(ST_LOCKED, "locked by another process")                                                  \
	X(ST_COLLISION, "two long names share one 128-bit hash")                                   \
	X(ST_READ_ONLY, "writes are stopped")                                                      \
	X(ST_AGAIN, "try again")                                                                   \
	X(ST_NEED_MORE, "more input needed")

enum status {
#define STATUS_ENUM(sym, text) sym,
	STATUS_LIST(STATUS_ENUM)
#undef STATUS_ENUM
};

/* The text of a code; a static string, never NULL. */
const char *status_text(enum status st);

#endif
