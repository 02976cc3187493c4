/* Access control: users, and what each may run, touch and listen to. The rules are those of ACL
 * SETUSER (acl_rules.c); their text is that of ACL LIST and of the aclfile (acl_text.c). A user has
 * a root selector and any number of others: a request may run when one of them allows all of it.
 * Nothing here knows clients' connections; net/command/dispatch_acl.c does. Executor thread. */
#ifndef CAIRN_NET_COMMAND_ACL_H
#define CAIRN_NET_COMMAND_ACL_H

#include "engine/base/byte_list.h"
#include "net/command/command_table.h"

struct session;
struct command_facts;

enum { ACL_HASH_LEN = 32 /* SHA-256 */ };

#define ACL_DEFAULT_USER "default"

/* What a key pattern lets be done. */
enum acl_use { ACL_READ = 1, ACL_WRITE = 2, ACL_READ_WRITE = 3 };

struct acl_selector {
	bool all_commands; /* and none was taken away since: every command there is */
	bool future;	   /* +@all came last, not -@all: what is not named is allowed */
	bool all_keys, all_channels;
	uint64_t *commands; /* owned: a bit for each command_entry.index */
	struct buf rules;   /* "+get -@write": what came after +@all or -@all */
	struct byte_list
	    first_args;		   /* +select|0: words that a command may have as first argument */
	struct buf first_args_of;  /* uint32_t each: the index of that command */
	struct byte_list keys;	   /* patterns */
	struct buf keys_use;	   /* uint8_t each: of enum acl_use */
	struct byte_list channels; /* patterns */
};

struct acl_user {
	char *name; /* owned; no blanks and no NUL */
	bool enabled, nopass, skip_sanitize;
	bool unrestricted;    /* one selector allows everything: nothing need be asked */
	struct buf passwords; /* ACL_HASH_LEN each, in the order in which they were given */
	struct acl_selector *selectors; /* owned; the first is the root */
	size_t selectors_count;
	struct session *sessions; /* who has logged in as this user; list by session.user_next */
};

/* What is asked of a command for every request of a restricted user, looked up once. */
struct acl_command {
	bool known;
	bool keys;	     /* it names any */
	bool exact;	     /* its arguments say what becomes of its keys: command_exact_flags */
	bool plain;	     /* its keys are those of its row, and all are used in the same way */
	uint8_t use;	     /* that way: of enum acl_use; 0: any pattern does */
	bool channels;	     /* it names channels, from argument 1 on ... */
	bool one, patterns;  /* ... one alone; as patterns */
	uint32_t categories; /* bits as acl_category gives them */
	const struct command_facts *facts; /* NULL: none */
};

struct acl {
	const struct command_table *table;
	struct acl_command *commands; /* by command_entry.index */
	struct acl_user **users;      /* by name, ascending */
	size_t users_count, users_cap;
	struct acl_user *standard; /* "default": who has not logged in */
	bool channels_open; /* acl-pubsub-default allchannels: for users and selectors to come */
};

/* Only the default user, who may do anything without a password. The table is borrowed and stays.
 * ST_NO_MEMORY. */
MUST_CHECK enum status acl_init(struct acl *a, const struct command_table *table);
void acl_deinit(struct acl *a);

/* --- users --- */

/* The user of that name, or NULL. */
struct acl_user *acl_find(const struct acl *a, struct slice name);

/* A user with no rights that is in no list yet; with acl-pubsub-default's channels. ST_NO_MEMORY.
 */
MUST_CHECK enum status acl_user_create(const struct acl *a, struct slice name,
				       struct acl_user **out);
/* The same with the rights that the default user has at first. */
MUST_CHECK enum status acl_user_create_open(const struct acl *a, struct slice name,
					    struct acl_user **out);
/* A copy, in no list and without sessions. ST_NO_MEMORY. */
MUST_CHECK enum status acl_user_copy(const struct acl *a, const struct acl_user *from,
				     struct acl_user **out);
/* Frees a user that no session has. NULL is fine. */
void acl_user_destroy(struct acl_user *u);

/* Puts a user into the list; there is none of that name. It is the list's then. ST_NO_MEMORY. */
MUST_CHECK enum status acl_add(struct acl *a, struct acl_user *u);
/* Takes a user out of the list; it is the caller's then. */
void acl_remove(struct acl *a, struct acl_user *u);
/* Gives u the rights, passwords and state of from, which gets those of u. Names and sessions stay.
 */
void acl_user_swap(struct acl_user *u, struct acl_user *from);

/* Ties a session to the user, instead of the one that it had, or to none (NULL). */
void acl_enter(struct acl_user *u, struct session *s);

/* True when the user may log in with that password; takes the same time for any wrong one. */
bool acl_password_ok(const struct acl_user *u, struct slice password);
/* The user's only password from now on; an empty one: none is asked for. ST_NO_MEMORY. */
MUST_CHECK enum status acl_set_password(struct acl_user *u, struct slice password);

/* True when the name may be one: no blanks, no NUL. */
bool acl_name_ok(struct slice name);

/* --- rules --- */

/* Applies one modifier of ACL SETUSER. ST_INVALID: reason says why in Redis's words, and the user
 * is half changed where a selector was; ST_NO_MEMORY. */
MUST_CHECK enum status acl_user_rule(struct acl *a, struct acl_user *u, struct slice op,
				     const char **reason);

/* Joins the words of selectors, "(+get" "~a)", which may have come in several; words get slices of
 * argv or, for what was joined, of store, which the caller frees. ST_INVALID: *count is the index
 * of a word whose parenthesis is not closed. ST_NO_MEMORY. */
MUST_CHECK enum status acl_join_selectors(const struct slice *argv, size_t argc,
					  struct slice *words, size_t *count,
					  struct byte_list *store);

/* --- categories --- */

enum { ACL_CATEGORIES = 21 };

/* The name of a category by its number, below ACL_CATEGORIES. */
const char *acl_category_name(size_t i);
/* Its number, ignoring case; ACL_CATEGORIES: there is none. */
size_t acl_category_find(struct slice name);
/* What is known of a command. */
const struct acl_command *acl_command_of(struct acl *a, const struct command_entry *e);

/* --- checks --- */

enum acl_denial {
	ACL_ALLOWED,
	ACL_DENIED_COMMAND,
	ACL_DENIED_KEY,
	ACL_DENIED_AUTH,
	ACL_DENIED_CHANNEL,
};

/* Whether the user may run the request. object gets the key or channel that is denied. */
enum acl_denial acl_check(struct acl *a, const struct acl_user *u, const struct command_entry *e,
			  const struct slice *argv, size_t argc, struct slice *object);

/* Whether a selector that lets the user run the request lets it read any key: what SORT's BY and
 * GET ask for. */
bool acl_reads_all_keys(struct acl *a, const struct acl_user *u, const struct command_entry *e,
			const struct slice *argv, size_t argc);

/* Whether the user may listen to a channel, or to a pattern of channels. */
bool acl_channel_ok(const struct acl_user *u, struct slice channel, bool pattern);

/* --- texts --- */

/* Appends what ACL LIST says of the user: "user NAME on ...". ST_NO_MEMORY. */
MUST_CHECK enum status acl_describe(const struct acl_user *u, struct buf *out);
/* Appends parts of it, as ACL GETUSER has them. ST_NO_MEMORY. */
MUST_CHECK enum status acl_describe_commands(const struct acl_selector *s, struct buf *out);
MUST_CHECK enum status acl_describe_keys(const struct acl_selector *s, struct buf *out);
MUST_CHECK enum status acl_describe_channels(const struct acl_selector *s, struct buf *out);
/* A password's hash in hex. */
void acl_hash_text(const uint8_t hash[ACL_HASH_LEN], char text[2 * ACL_HASH_LEN + 1]);

/* Appends a line for each user, as ACL LIST has them. ST_NO_MEMORY. */
MUST_CHECK enum status acl_write(const struct acl *a, struct buf *out);

/* Reads lines as acl_write makes them, with empty ones and comments between, into fresh, a list
 * that holds no users. ST_INVALID: error says for each bad line "FILE:LINE: why. "; ST_NO_MEMORY.
 */
MUST_CHECK enum status acl_read(struct acl *fresh, const char *file, struct slice text,
				struct buf *error);
/* The words of one line after "user", the name first: adds that user to fresh, or changes the
 * default user that is in it. error gets the reason. ST_INVALID, ST_NO_MEMORY. */
MUST_CHECK enum status acl_read_user(struct acl *fresh, const struct slice *words, size_t count,
				     struct buf *error);

/* A list without any user, for acl_read; ended by acl_deinit. */
MUST_CHECK enum status acl_init_empty(struct acl *a, const struct command_table *table);

#endif
