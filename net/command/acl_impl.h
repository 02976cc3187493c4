/* What the files of access control share. Private to net/command/acl*.c. */
#ifndef CAIRN_NET_COMMAND_ACL_IMPL_H
#define CAIRN_NET_COMMAND_ACL_IMPL_H

#include "net/command/acl.h"

/* --- acl.c --- */

/* A selector that allows nothing, but for acl-pubsub-default's channels. ST_NO_MEMORY. */
MUST_CHECK enum status acl_selector_init(const struct acl *a, struct acl_selector *s);
void acl_selector_deinit(struct acl_selector *s);
/* +@all or -@all: all commands that there are, or none, whatever the rules were. */
void acl_selector_all_commands(const struct acl *a, struct acl_selector *s, bool on);

/* Adds a selector at the end, as acl_selector_init makes it. ST_NO_MEMORY. */
MUST_CHECK enum status acl_user_add_selector(const struct acl *a, struct acl_user *u,
					     struct acl_selector **out);
/* Removes all selectors from the keep-th on. */
void acl_user_drop_selectors(struct acl_user *u, size_t keep);
/* Finds out whether the user is unrestricted; after every change of its rights. */
void acl_user_judge(struct acl_user *u);

/* SHA-256. */
void acl_hash(struct slice password, uint8_t hash[ACL_HASH_LEN]);

#endif
