/* The libraries of scripts on bytes of anybody's: JSON and MessagePack that are taken give values
 * which are written and taken again; formats and data of struct do whatever they do within bounds.
 *
 * Input: a byte that chooses, then a format that ends at a zero (struct alone), then data. */
#include "engine/base/invariant.h"
#include "net/script/sandbox.h"
#include "tests/fuzz/fuzz_input.h"

#include <lauxlib.h>

#define JSON_TWICE                                                                                 \
	"local ok,v=pcall(cjson.decode,DATA) if not ok then return end "                           \
	"local text=cjson.encode(v) return #cjson.encode(cjson.decode(text))>0"
/* A table nested deeper than pack follows is written as nil, which cannot be a key when read again.
 */
#define PACK_TWICE                                                                                 \
	"local ok,a,b,c=pcall(cmsgpack.unpack,DATA) if not ok then return end "                    \
	"local tables=type(a)=='table' or type(b)=='table' or type(c)=='table' "                   \
	"local t=cmsgpack.pack(a,b,c) local again,p,q,r=pcall(cmsgpack.unpack,t) "                 \
	"if not again and not tables then error(p) end "                                           \
	"return tables or cmsgpack.pack(p,q,r)==t"
#define UNPACK_SOME "pcall(cmsgpack.unpack_one,DATA,1) pcall(cmsgpack.unpack_limit,DATA,3,2)"
#define STRUCT_ALL                                                                                 \
	"pcall(struct.unpack,FORMAT,DATA) pcall(struct.pack,FORMAT,1,DATA,2.5,DATA,-1) "           \
	"pcall(struct.pack,FORMAT,DATA,DATA,DATA) pcall(struct.size,FORMAT)"

static const char *const scripts[] = {JSON_TWICE, PACK_TWICE, UNPACK_SOME, STRUCT_ALL};

static void nothing_more(lua_State *L)
{
	(void)L;
}

struct run {
	const char *script;
	struct slice format, data;
};

static int run_protected(lua_State *L)
{
	struct run *r = lua_touserdata(L, 1);

	lua_settop(L, 0);
	lua_pushlstring(L, (const char *)r->data.data, r->data.len);
	sandbox_set_global(L, "DATA");
	lua_pushlstring(L, (const char *)r->format.data, r->format.len);
	sandbox_set_global(L, "FORMAT");
	INVARIANT(sandbox_compile(L, r->script, strlen(r->script), "@fuzz") == 0);
	lua_call(L, 0, 1);
	FUZZ_CANARY(r->script == scripts[1] && lua_toboolean(L, -1) && r->data.len == 3 &&
		    r->data.data[0] == 0x92);
	/* What was taken is written the same again, but for tables, whose order is Lua's. */
	INVARIANT(lua_isnil(L, -1) || lua_toboolean(L, -1));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sandbox box;
	struct run r = {0};
	const uint8_t *end;

	if (box.L == NULL) {
		INVARIANT(sandbox_open(&box, NULL, nothing_more) == ST_OK);
	}
	if (size == 0) {
		return 0;
	}
	r.script = scripts[data[0] % (sizeof scripts / sizeof scripts[0])];
	r.data = slice_of(data + 1, size - 1);
	end = size > 1 ? memchr(r.data.data, 0, r.data.len) : NULL;
	if (r.script == scripts[3] && end != NULL) {
		r.format = slice_of(r.data.data, (size_t)(end - r.data.data));
		r.data = slice_skip(r.data, r.format.len + 1);
	}
	sandbox_begin(&box);
	if (lua_cpcall(box.L, run_protected, &r) != 0) {
		/* Only what encode refuses by itself may end here. */
		const char *text = lua_tostring(box.L, -1);

		INVARIANT(text != NULL && (strstr(text, "Cannot serialise") != NULL ||
					   strstr(text, "stack overflow") != NULL));
	}
	return 0;
}
