/* Scripts by their SHA-1, in a table of open addressing: the digest is hash enough. */
#include "net/command/script_cache.h"

#include "engine/base/alloc.h"

#include <openssl/evp.h>

enum { CAP_MIN = 16, SHA_BYTES = SCRIPT_SHA_LEN / 2 };

void script_sha(struct slice text, char sha[SCRIPT_SHA_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;

	(void)EVP_Digest(text.data, text.len, md, &len, EVP_sha1(), NULL);
	for (size_t i = 0; i < SHA_BYTES; i++) {
		sha[2 * i] = digits[md[i] >> 4];
		sha[2 * i + 1] = digits[md[i] & 15];
	}
	sha[SCRIPT_SHA_LEN] = 0;
}

static size_t place_of(const char *sha)
{
	size_t h = 0;

	for (size_t i = 0; i < 15; i++) {
		h = h << 4 | (size_t)((sha[i] <= '9' ? sha[i] - '0' : sha[i] - 'a' + 10) & 15);
	}
	return h;
}

static struct cached_script **slot_of(const struct script_cache *c, const char *sha)
{
	size_t at = place_of(sha) & (c->cap - 1);

	while (c->slots[at] != NULL && memcmp(c->slots[at]->sha, sha, SCRIPT_SHA_LEN) != 0) {
		at = (at + 1) & (c->cap - 1);
	}
	return &c->slots[at];
}

const struct cached_script *script_cache_find(const struct script_cache *c, struct slice sha)
{
	char lower[SCRIPT_SHA_LEN + 1];

	if (sha.len != SCRIPT_SHA_LEN || c->count == 0) {
		return NULL;
	}
	for (size_t i = 0; i < SCRIPT_SHA_LEN; i++) {
		uint8_t b = sha.data[i];

		lower[i] = (char)(b >= 'A' && b <= 'Z' ? b | 0x20 : b);
	}
	lower[SCRIPT_SHA_LEN] = 0;
	return *slot_of(c, lower);
}

static enum status grow(struct script_cache *c)
{
	struct script_cache grown = *c;

	if (c->count < c->cap / 2) {
		return ST_OK;
	}
	grown.cap = c->cap == 0 ? CAP_MIN : c->cap * 2;
	grown.slots = mem_calloc(grown.cap, sizeof *grown.slots);
	if (grown.slots == NULL) {
		return ST_NO_MEMORY;
	}
	for (size_t i = 0; i < c->cap; i++) {
		if (c->slots[i] != NULL) {
			*slot_of(&grown, c->slots[i]->sha) = c->slots[i];
		}
	}
	mem_free(c->slots);
	*c = grown;
	return ST_OK;
}

enum status script_cache_add(struct script_cache *c, const struct cached_script *script)
{
	struct cached_script *copy = mem_alloc(sizeof *copy);

	if (copy == NULL || grow(c) != ST_OK) {
		mem_free(copy);
		return ST_NO_MEMORY;
	}
	*copy = *script;
	*slot_of(c, copy->sha) = copy;
	c->count++;
	c->bytes += copy->bytes;
	return ST_OK;
}

void script_cache_deinit(struct script_cache *c)
{
	for (size_t i = 0; i < c->cap; i++) {
		mem_free(c->slots[i]);
	}
	mem_free(c->slots);
	*c = (struct script_cache){0};
}
