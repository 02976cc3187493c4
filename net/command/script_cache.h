/* The scripts that EVAL and SCRIPT LOAD have compiled, by the SHA-1 of their text. */
#ifndef CAIRN_NET_COMMAND_SCRIPT_CACHE_H
#define CAIRN_NET_COMMAND_SCRIPT_CACHE_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum { SCRIPT_SHA_LEN = 40 };

struct cached_script {
	char sha[SCRIPT_SHA_LEN + 1]; /* lower case */
	unsigned flags;		      /* of enum script_flags */
	int ref;		      /* of its function in the sandbox's registry */
	size_t bytes;		      /* length of its text */
};

/* A zeroed one is empty. */
struct script_cache {
	struct cached_script **slots; /* open addressing */
	size_t cap, count, bytes;
};

/* The lower-case hex SHA-1 of a text. */
void script_sha(struct slice text, char sha[SCRIPT_SHA_LEN + 1]);

/* By SHA-1, of any case; NULL: not here. Valid until the cache is emptied. */
const struct cached_script *script_cache_find(const struct script_cache *c, struct slice sha);

/* Adds one that is not here yet. ST_NO_MEMORY. */
MUST_CHECK enum status script_cache_add(struct script_cache *c, const struct cached_script *script);

/* Forgets all. */
void script_cache_deinit(struct script_cache *c);

#endif
