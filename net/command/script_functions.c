/* The table of functions, and how it follows the engine's libraries. */
#include "net/command/script_functions.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/engine_library.h"
#include "net/command/dispatch_state.h"
#include "net/command/script_run.h"
#include "net/command/script_shebang.h"

#include <lauxlib.h>

/* --- the table --- */

static size_t place_of_library(const struct function_table *t, struct slice name, bool *found)
{
	size_t low = 0, high = t->count;

	*found = false;
	while (low < high && !*found) {
		size_t mid = low + (high - low) / 2;
		int c = slice_cmp(t->names[mid], name);

		*found = c == 0;
		low = c < 0 ? mid + 1 : *found ? mid : low;
		high = c > 0 ? mid : high;
	}
	return low;
}

static size_t place_of_function(const struct function_table *t, struct slice name, bool *found)
{
	size_t low = 0, high = t->functions_count;

	*found = false;
	while (low < high && !*found) {
		size_t mid = low + (high - low) / 2;
		int c = function_name_cmp(function_name(t->functions[mid]), name);

		*found = c == 0;
		low = c < 0 ? mid + 1 : *found ? mid : low;
		high = c > 0 ? mid : high;
	}
	return low;
}

struct function_library *function_table_library(const struct function_table *t, struct slice name)
{
	bool found;
	size_t at = place_of_library(t, name, &found);

	return found ? t->libraries[at] : NULL;
}

struct function *function_table_function(const struct function_table *t, struct slice name)
{
	bool found;
	size_t at = place_of_function(t, name, &found);

	return found ? t->functions[at] : NULL;
}

/* Grows an array to have room for more entries of size bytes. */
static enum status grow(void **array, size_t *cap, size_t count, size_t more, size_t size)
{
	size_t wanted = *cap == 0 ? 8 : *cap;
	void *grown;

	while (wanted - count < more) {
		wanted *= 2;
	}
	if (wanted == *cap) {
		return ST_OK;
	}
	grown = mem_realloc(*array, wanted * size);
	if (grown == NULL) {
		return ST_NO_MEMORY;
	}
	*array = grown;
	*cap = wanted;
	return ST_OK;
}

enum status function_table_reserve(struct function_table *t, size_t libraries, size_t functions)
{
	size_t cap = t->cap; /* of names and libraries */
	void *names = t->names, *items = t->libraries, *all = t->functions;
	enum status st = grow(&names, &cap, t->count, libraries, sizeof *t->names);

	t->names = names;
	if (st == ST_OK) {
		cap = t->cap;
		st = grow(&items, &cap, t->count, libraries, sizeof *t->libraries);
		t->libraries = items;
	}
	if (st == ST_OK) {
		t->cap = cap;
		st = grow(&all, &t->functions_cap, t->functions_count, functions,
			  sizeof *t->functions);
		t->functions = all;
	}
	return st;
}

void function_table_add(struct function_table *t, struct slice name, struct function_library *l)
{
	bool found;
	size_t at = place_of_library(t, name, &found);

	INVARIANT(!found && t->count < t->cap);
	memmove(&t->libraries[at + 1], &t->libraries[at], (t->count - at) * sizeof *t->libraries);
	memmove(&t->names[at + 1], &t->names[at], (t->count - at) * sizeof *t->names);
	t->libraries[at] = l;
	t->names[at] = name;
	t->count++;
	for (size_t i = 0; i < l->count; i++) {
		at = place_of_function(t, function_name(l->functions[i]), &found);
		INVARIANT(!found && t->functions_count < t->functions_cap);
		memmove(&t->functions[at + 1], &t->functions[at],
			(t->functions_count - at) * sizeof *t->functions);
		t->functions[at] = l->functions[i];
		t->functions_count++;
	}
}

void function_table_remove(struct function_table *t, struct function_library *l)
{
	size_t kept = 0, at = 0;

	while (at < t->count && t->libraries[at] != l) {
		at++;
	}
	INVARIANT(at < t->count);
	t->count--;
	memmove(&t->libraries[at], &t->libraries[at + 1], (t->count - at) * sizeof *t->libraries);
	memmove(&t->names[at], &t->names[at + 1], (t->count - at) * sizeof *t->names);
	for (size_t i = 0; i < t->functions_count; i++) {
		if (t->functions[i]->library != l) {
			t->functions[kept++] = t->functions[i];
		}
	}
	t->functions_count = kept;
}

void function_table_deinit(struct function_table *t)
{
	mem_free(t->libraries);
	mem_free(t->names);
	mem_free(t->functions);
	*t = (struct function_table){0};
}

const struct function *function_table_clash(const struct function_table *t,
					    const struct function_library *l,
					    const struct function_library *except)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct function *f =
		    function_table_function(t, function_name(l->functions[i]));

		if (f != NULL && f->library != except) {
			return l->functions[i];
		}
	}
	return NULL;
}

/* --- the engine's libraries --- */

void functions_forget(struct functions *f)
{
	while (f->table.count > 0) {
		struct function_library *l = f->table.libraries[f->table.count - 1];

		function_table_remove(&f->table, l);
		script_library_free(&f->box, l);
	}
	f->version = 0;
}

void functions_deinit(struct functions *f)
{
	functions_forget(f);
	function_table_deinit(&f->table);
	sandbox_close(&f->box);
}

static int push_loading(lua_State *L)
{
	struct functions *f = lua_touserdata(L, 1);

	script_api_push_loading(L);
	f->loading_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	/* The first reference that is given back takes memory; later ones must not fail. */
	lua_pushboolean(L, 1);
	luaL_unref(L, LUA_REGISTRYINDEX, luaL_ref(L, LUA_REGISTRYINDEX));
	return 0;
}

enum status functions_open(struct dispatch *d)
{
	struct functions *f = &d->scripts->functions;
	enum status st;

	if (f->box.L != NULL) {
		return ST_OK;
	}
	st = sandbox_open(&f->box, d->scripts, script_api_fill_functions);
	if (st == ST_OK && lua_cpcall(f->box.L, push_loading, f) != 0) {
		sandbox_close(&f->box);
		st = ST_NO_MEMORY;
	}
	return st;
}

/* Whether the engine still has what the library was made from. */
static bool is_current(const struct library_set *set, const struct function_library *l)
{
	return library_set_find(set, library_name(l->source)) == l->source;
}

/* A library as far as it can be loaded here: without functions where it can't. NULL: out of memory.
 */
static struct function_library *load_anyway(struct dispatch *d, struct library *source)
{
	struct functions *f = &d->scripts->functions;
	struct function_library *l = NULL;
	const struct function *clash;
	struct buf error = {0};
	struct library_head head = {0};
	enum status st = script_library_head(library_code(source), &head, &error);

	if (st == ST_OK) {
		st = script_library_load(&f->box, head.body, d->clock, 0, &l, &error);
	}
	clash = st == ST_OK ? function_table_clash(&f->table, l, NULL) : NULL;
	if (clash != NULL) {
		buf_note(&error, "ERR Function %s already exists", clash->text);
		script_library_free(&f->box, l);
		st = ST_INVALID;
	}
	if (st == ST_INVALID) {
		logger(LOG_LVL_WARNING,
		       "library '%.*s' cannot be loaded, so its functions can't be called; it is "
		       "kept as it is: %.*s",
		       (int)source->name_len, (const char *)library_name(source).data,
		       (int)error.len, (const char *)error.data);
		l = mem_calloc(1, sizeof *l);
	} else if (st != ST_OK) {
		l = NULL;
	}
	buf_deinit(&head.name);
	buf_deinit(&error);
	return l;
}

/* Loads what the engine has and the table has not. */
static enum status load_missing(struct dispatch *d, const struct library_set *set)
{
	struct function_table *t = &d->scripts->functions.table;

	for (size_t i = 0; i < set->count; i++) {
		struct library *source = set->items[i];
		struct function_library *l;

		if (function_table_library(t, library_name(source)) != NULL) {
			continue;
		}
		l = load_anyway(d, source);
		if (l == NULL) {
			return ST_NO_MEMORY;
		}
		l->source = library_hold(source);
		if (function_table_reserve(t, 1, l->count) != ST_OK) {
			script_library_free(&d->scripts->functions.box, l);
			return ST_NO_MEMORY;
		}
		function_table_add(t, library_name(source), l);
	}
	return ST_OK;
}

enum status functions_sync(struct dispatch *d)
{
	struct functions *f = &d->scripts->functions;
	const struct library_set *set;
	enum status st;

	if (d->engine == NULL || d->scripts->run != NULL ||
	    f->version == engine_libraries_version(d->engine)) {
		return ST_OK;
	}
	set = engine_libraries(d->engine);
	if (set->count > 0 && functions_open(d) != ST_OK) {
		return ST_NO_MEMORY;
	}
	for (size_t i = f->table.count; i-- > 0;) {
		struct function_library *l = f->table.libraries[i];

		if (!is_current(set, l)) {
			function_table_remove(&f->table, l);
			script_library_free(&f->box, l);
		}
	}
	st = load_missing(d, set);
	if (st == ST_OK) {
		f->version = engine_libraries_version(d->engine);
	}
	return st;
}
