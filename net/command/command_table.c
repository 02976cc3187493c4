/* Joins the rows of all command files and finds them by name. */
#include "net/command/command_table.h"

#include "engine/base/alloc.h"

static const struct command *const groups[] = {
    commands_connection,  commands_txn,	   commands_script,
#if __has_include("net/command/cmd_key.c")
    commands_key,	  commands_dump,   commands_migrate,
#endif
#if __has_include("net/command/cmd_server.c")
    commands_replication, commands_server,
#endif
#if __has_include("net/command/cmd_string.c")
    commands_string,
#endif
#if __has_include("net/command/cmd_bitmap.c")
    commands_bitmap,
#endif
    commands_hll,	  commands_geo,	   commands_lolwut,  commands_cluster, commands_pubsub,
#if __has_include("net/command/cmd_hash.c")
    commands_hash,
#endif
#if __has_include("net/command/cmd_list.c")
    commands_list,
#endif
    commands_zset,	  commands_set,	   commands_stream,
};
enum { GROUPS_COUNT = sizeof groups / sizeof groups[0] };

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static size_t name_hash(struct slice name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < name.len; i++) {
		h = (h ^ lower(name.data[i])) * 0x100000001b3u;
	}
	return (size_t)(h ^ h >> 29);
}

static size_t rows_count(const struct command *rows)
{
	size_t n = 0;

	while (rows != NULL && rows[n].name != NULL) {
		n++;
	}
	return n;
}

/* Counts rows and the bytes of all full names. */
static void measure(struct command_table *t, size_t *names_len)
{
	*names_len = 0;
	t->count = 0;
	t->top_count = 0;
	for (size_t g = 0; g < GROUPS_COUNT; g++) {
		for (const struct command *c = groups[g]; c->name != NULL; c++) {
			size_t subs = rows_count(c->subcommands);

			t->top_count++;
			t->count += 1 + subs;
			*names_len += strlen(c->name) + 1;
			for (size_t i = 0; i < subs; i++) {
				*names_len += strlen(c->name) + strlen(c->subcommands[i].name) + 2;
			}
		}
	}
}

static char *put_name(char *at, struct command_entry *e)
{
	const char *parts[2] = {e->parent != NULL ? e->parent->cmd->name : NULL, e->cmd->name};
	char *start = at;

	if (parts[0] != NULL) {
		size_t len = strlen(parts[0]);

		memcpy(at, parts[0], len);
		at += len;
		*at++ = '|';
	}
	memcpy(at, parts[1], strlen(parts[1]) + 1);
	at += strlen(parts[1]);
	e->full_name = start;
	e->full_name_len = (size_t)(at - start);
	e->called = e->full_name;
	e->called_len = e->full_name_len;
	return at + 1;
}

static void insert(struct command_table *t, const struct command_entry *e)
{
	size_t at = name_hash(slice_of(e->called, e->called_len)) & t->buckets_mask;

	while (t->buckets[at] != NULL) {
		at = (at + 1) & t->buckets_mask;
	}
	t->buckets[at] = e;
}

static void fill(struct command_table *t)
{
	struct command_entry *top = t->entries, *sub = t->entries + t->top_count;
	char *names = t->names;

	for (size_t g = 0; g < GROUPS_COUNT; g++) {
		for (const struct command *c = groups[g]; c->name != NULL; c++, top++) {
			*top = (struct command_entry){
			    .cmd = c, .subs = sub, .index = (uint32_t)(top - t->entries)};
			names = put_name(names, top);
			top->subs_count = rows_count(c->subcommands);
			for (size_t i = 0; i < top->subs_count; i++, sub++) {
				*sub =
				    (struct command_entry){.cmd = &c->subcommands[i],
							   .parent = top,
							   .index = (uint32_t)(sub - t->entries)};
				names = put_name(names, sub);
			}
			insert(t, top);
		}
	}
}

enum status command_table_init(struct command_table *t)
{
	size_t names_len;
	size_t buckets = 64;

	measure(t, &names_len);
	while (buckets < t->top_count * 4) {
		buckets *= 2;
	}
	t->buckets_mask = buckets - 1;
	t->entries = mem_calloc(t->count, sizeof *t->entries);
	t->buckets = mem_calloc(buckets, sizeof(struct command_entry *));
	t->names = mem_alloc(names_len);
	if (t->entries == NULL || t->buckets == NULL || t->names == NULL) {
		command_table_deinit(t);
		return ST_NO_MEMORY;
	}
	fill(t);
	return ST_OK;
}

void command_table_deinit(struct command_table *t)
{
	mem_free(t->entries);
	mem_free(t->buckets);
	mem_free(t->names);
	*t = (struct command_table){0};
}

const struct command_entry *command_table_find(const struct command_table *t, struct slice name)
{
	size_t at = name_hash(name) & t->buckets_mask;

	for (; t->buckets[at] != NULL; at = (at + 1) & t->buckets_mask) {
		const struct command_entry *e = t->buckets[at];

		if (e->called_len == name.len && word_is(name, e->called)) {
			return e;
		}
	}
	return NULL;
}

enum status command_table_rename(struct command_table *t, struct slice from, struct slice to)
{
	const struct command_entry *found = command_table_find(t, from);
	struct command_entry *e;

	if (found == NULL) {
		return ST_NOT_FOUND;
	}
	if (to.len > 0 && command_table_find(t, to) != NULL) {
		return ST_INVALID;
	}
	e = &t->entries[found - t->entries];
	e->called = to.len > 0 ? (const char *)to.data : NULL;
	e->called_len = to.len;
	t->removed_count += to.len == 0;
	memset(t->buckets, 0, (t->buckets_mask + 1) * sizeof(struct command_entry *));
	for (size_t i = 0; i < t->top_count; i++) {
		if (t->entries[i].called != NULL) {
			insert(t, &t->entries[i]);
		}
	}
	return ST_OK;
}

const struct command_entry *command_entry_sub(const struct command_entry *e, struct slice name)
{
	for (size_t i = 0; i < e->subs_count; i++) {
		if (word_is(name, e->subs[i].cmd->name)) {
			return &e->subs[i];
		}
	}
	return NULL;
}

const struct command_entry *command_table_find_full(const struct command_table *t,
						    struct slice full_name)
{
	const uint8_t *bar = full_name.len > 0 ? memchr(full_name.data, '|', full_name.len) : NULL;
	const struct command_entry *e;
	size_t len;

	if (bar == NULL) {
		return command_table_find(t, full_name);
	}
	len = (size_t)(bar - full_name.data);
	e = command_table_find(t, slice_of(full_name.data, len));
	return e == NULL ? NULL : command_entry_sub(e, slice_skip(full_name, len + 1));
}

const struct command_entry *command_table_resolve(const struct command_table *t,
						  const struct slice *argv, size_t argc)
{
	const struct command_entry *e = command_table_find(t, argv[0]);

	if (e == NULL || e->subs_count == 0 || argc == 1) {
		return e;
	}
	return command_entry_sub(e, argv[1]);
}

bool command_arity_ok(const struct command *cmd, size_t argc)
{
	return cmd->arity > 0 ? argc == (size_t)cmd->arity : argc >= (size_t)-cmd->arity;
}

bool command_key_next(const struct command *cmd, size_t argc, size_t *at)
{
	const struct command_keys *k = &cmd->keys;
	size_t last = k->last < 0 ? argc - (size_t)-k->last : (size_t)k->last;

	if (k->first == 0) {
		return false;
	}
	*at = *at == 0 ? (size_t)k->first : *at + (size_t)k->step;
	return *at <= last && *at < argc;
}
