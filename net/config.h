/* Configuration: the directives of config.def, from defaults, a file, arguments and CONFIG SET. */
#ifndef CAIRN_NET_CONFIG_H
#define CAIRN_NET_CONFIG_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

enum config_id {
#define CONFIG(id, name, other, kind, init, least, most, flags, words) CONFIG_##id,
#include "net/config.def"
#undef CONFIG
	CONFIG_COUNT
};

/* rename-command FROM TO; an empty TO removes the command. */
struct config_rename {
	char *from, *to; /* owned */
};

struct config {
	char *text[CONFIG_COUNT];     /* owned; as CONFIG GET prints it */
	int64_t number[CONFIG_COUNT]; /* INT, MEMORY (bytes), OCTAL, BOOL (0, 1), ENUM (index of the
					 word) */
	bool given[CONFIG_COUNT];     /* by file, argument or CONFIG SET */
	char *file;		      /* absolute path, or NULL */
	const char *reading;	      /* the included file being read, or NULL */
	int depth;		      /* of includes */
	struct config_rename *renames; /* owned array */
	size_t renames_count;
	struct slice *users; /* owned, as are their bytes: what follows "user" in each such line */
	size_t users_count;

	/* Carries values that CONFIG SET gave (changed[id]) into effect; NULL: nobody has to. When
	 * it fails, the values from before are put back; error gets "NAME') - reason". */
	enum status (*apply)(void *arg, const bool changed[], struct buf *error);
	void *apply_arg;
	/* Appends "user ..." lines for the present users, for CONFIG REWRITE, with apply_arg; NULL:
	 * those of the file stay. */
	enum status (*users_text)(void *arg, struct buf *out);
};

/* Everything at its default. ST_NO_MEMORY. */
MUST_CHECK enum status config_init(struct config *c);
void config_deinit(struct config *c);

/* Reads a redis.conf-style file ("-": stdin). On ST_INVALID error says file, line, text and reason.
 */
MUST_CHECK enum status config_read_file(struct config *c, const char *path, struct buf *error);

/* Reads redis-server-style arguments after the program's name: [FILE] [--directive value ...]. */
MUST_CHECK enum status config_read_args(struct config *c, int argc, char **argv, struct buf *error);

/* Id of a name or alias, ignoring case; CONFIG_COUNT: unknown. */
enum config_id config_find(struct slice name);
const char *config_name(enum config_id id);

static inline int64_t config_int(const struct config *c, enum config_id id)
{
	return c->number[id];
}

static inline const char *config_text(const struct config *c, enum config_id id)
{
	return c->text[id];
}

/* Replaces a value by one that the node found out by itself (dir as an absolute path).
 * ST_NO_MEMORY.
 */
MUST_CHECK enum status config_put_text(struct config *c, enum config_id id, const char *text);

/* Sets name, value pairs at run time, all or none. error: "NAME') - reason", for Redis's message.
 * local: the client may change protected ones when enable-protected-configs says local. */
MUST_CHECK enum status config_set_pairs(struct config *c, const struct slice *pairs, size_t count,
					bool local, struct buf *error);

/* Bytes, bytes and seconds; 0: none. */
struct output_limit {
	uint64_t hard, soft, seconds;
};

/* The classes normal and pubsub of client-output-buffer-limit. */
void config_output_limits(const struct config *c, struct output_limit *normal,
			  struct output_limit *pubsub);

/* Puts a value in force that the node itself has come to (the role), for CONFIG GET and REWRITE.
 * ST_NO_MEMORY: the old one stays. */
MUST_CHECK enum status config_replace(struct config *c, enum config_id id, const char *text);

/* Calls each for every directive whose name or alias matches the glob. */
void config_each(const struct config *c, struct slice pattern,
		 void (*each)(void *arg, const char *name, const char *value), void *arg);

/* Rewrites the file that was read: comments and order stay, changed values are replaced, what is
 * not in it and differs from its default is added. Written beside, synced, renamed. */
MUST_CHECK enum status config_rewrite(const struct config *c, struct buf *error);

/* Names of given directives that have no meaning here, for one notice; false when there are none.
 */
bool config_meaningless(const struct config *c, struct buf *names);

#endif
