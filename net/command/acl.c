/* The list of users, their passwords, and who has logged in as whom. */
#include "net/command/acl.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "net/command/acl_impl.h"
#include "net/command/session.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

enum status acl_init_empty(struct acl *a, const struct command_table *table)
{
	*a = (struct acl){.table = table};
	a->commands = mem_calloc(table->count, sizeof *a->commands);
	return a->commands == NULL ? ST_NO_MEMORY : ST_OK;
}

enum status acl_init(struct acl *a, const struct command_table *table)
{
	enum status st = acl_init_empty(a, table);
	struct acl_user *u = NULL;

	if (st == ST_OK) {
		st = acl_user_create_open(a, slice_str(ACL_DEFAULT_USER), &u);
	}
	if (st == ST_OK) {
		st = acl_add(a, u);
	}
	if (st != ST_OK) {
		acl_user_destroy(u);
		acl_deinit(a);
		return st;
	}
	a->standard = u;
	return ST_OK;
}

void acl_deinit(struct acl *a)
{
	for (size_t i = 0; i < a->users_count; i++) {
		struct acl_user *u = a->users[i];

		while (u->sessions != NULL) {
			acl_enter(NULL, u->sessions);
		}
		acl_user_destroy(u);
	}
	mem_free(a->users);
	mem_free(a->commands);
	*a = (struct acl){0};
}

/* --- selectors --- */

void acl_selector_deinit(struct acl_selector *s)
{
	mem_free(s->commands);
	buf_deinit(&s->rules);
	byte_list_deinit(&s->first_args);
	buf_deinit(&s->first_args_of);
	byte_list_deinit(&s->keys);
	buf_deinit(&s->keys_use);
	byte_list_deinit(&s->channels);
	*s = (struct acl_selector){0};
}

static size_t command_words(const struct acl *a)
{
	return (a->table->count + 63) / 64;
}

enum status acl_selector_init(const struct acl *a, struct acl_selector *s)
{
	*s = (struct acl_selector){.all_channels = a->channels_open};
	s->commands = mem_calloc(command_words(a), sizeof *s->commands);
	return s->commands == NULL ? ST_NO_MEMORY : ST_OK;
}

void acl_selector_all_commands(const struct acl *a, struct acl_selector *s, bool on)
{
	memset(s->commands, on ? 0xff : 0, command_words(a) * sizeof *s->commands);
	s->all_commands = s->future = on;
	s->rules.len = 0;
	byte_list_deinit(&s->first_args);
	buf_deinit(&s->first_args_of);
}

static enum status copy_bytes(struct buf *to, const struct buf *from)
{
	return from->len == 0 ? ST_OK : buf_append(to, from->data, from->len);
}

static enum status copy_list(struct byte_list *to, const struct byte_list *from)
{
	enum status st = copy_bytes(&to->bytes, &from->bytes);

	return st == ST_OK ? copy_bytes(&to->ends, &from->ends) : st;
}

/* to: as acl_selector_init leaves it. */
static enum status selector_copy(const struct acl *a, struct acl_selector *to,
				 const struct acl_selector *from)
{
	enum status st = copy_bytes(&to->rules, &from->rules);

	memcpy(to->commands, from->commands, command_words(a) * sizeof *to->commands);
	to->all_commands = from->all_commands;
	to->future = from->future;
	to->all_keys = from->all_keys;
	to->all_channels = from->all_channels;
	st = st == ST_OK ? copy_list(&to->first_args, &from->first_args) : st;
	st = st == ST_OK ? copy_bytes(&to->first_args_of, &from->first_args_of) : st;
	st = st == ST_OK ? copy_list(&to->keys, &from->keys) : st;
	st = st == ST_OK ? copy_bytes(&to->keys_use, &from->keys_use) : st;
	return st == ST_OK ? copy_list(&to->channels, &from->channels) : st;
}

enum status acl_user_add_selector(const struct acl *a, struct acl_user *u,
				  struct acl_selector **out)
{
	struct acl_selector *grown =
	    mem_realloc(u->selectors, (u->selectors_count + 1) * sizeof *grown);
	enum status st;

	if (grown == NULL) {
		return ST_NO_MEMORY;
	}
	u->selectors = grown;
	st = acl_selector_init(a, &grown[u->selectors_count]);
	if (st == ST_OK) {
		*out = &grown[u->selectors_count++];
	}
	return st;
}

void acl_user_drop_selectors(struct acl_user *u, size_t keep)
{
	while (u->selectors_count > keep) {
		acl_selector_deinit(&u->selectors[--u->selectors_count]);
	}
}

void acl_user_judge(struct acl_user *u)
{
	u->unrestricted = false;
	for (size_t i = 0; i < u->selectors_count; i++) {
		const struct acl_selector *s = &u->selectors[i];

		u->unrestricted |= s->all_commands && s->all_keys && s->all_channels;
	}
}

/* --- users --- */

bool acl_name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (isspace(name.data[i]) || name.data[i] == 0) {
			return false;
		}
	}
	return true;
}

enum status acl_user_create(const struct acl *a, struct slice name, struct acl_user **out)
{
	struct acl_user *u = mem_calloc(1, sizeof *u);
	struct acl_selector *root;

	if (u == NULL) {
		return ST_NO_MEMORY;
	}
	u->name = mem_calloc(1, name.len + 1);
	if (u->name == NULL || acl_user_add_selector(a, u, &root) != ST_OK) {
		acl_user_destroy(u);
		return ST_NO_MEMORY;
	}
	if (name.len > 0) {
		memcpy(u->name, name.data, name.len);
	}
	*out = u;
	return ST_OK;
}

enum status acl_user_create_open(const struct acl *a, struct slice name, struct acl_user **out)
{
	enum status st = acl_user_create(a, name, out);

	if (st == ST_OK) {
		struct acl_selector *root = &(*out)->selectors[0];

		acl_selector_all_commands(a, root, true);
		root->all_keys = root->all_channels = true;
		(*out)->enabled = (*out)->nopass = true;
		acl_user_judge(*out);
	}
	return st;
}

enum status acl_user_copy(const struct acl *a, const struct acl_user *from, struct acl_user **out)
{
	struct acl_user *u;
	enum status st = acl_user_create(a, slice_str(from->name), &u);

	if (st != ST_OK) {
		return st;
	}
	u->enabled = from->enabled;
	u->nopass = from->nopass;
	u->skip_sanitize = from->skip_sanitize;
	u->unrestricted = from->unrestricted;
	st = copy_bytes(&u->passwords, &from->passwords);
	for (size_t i = 0; st == ST_OK && i < from->selectors_count; i++) {
		struct acl_selector *s = &u->selectors[0];

		if (i > 0) {
			st = acl_user_add_selector(a, u, &s);
		}
		if (st == ST_OK) {
			st = selector_copy(a, s, &from->selectors[i]);
		}
	}
	if (st != ST_OK) {
		acl_user_destroy(u);
		return st;
	}
	*out = u;
	return ST_OK;
}

void acl_user_destroy(struct acl_user *u)
{
	if (u == NULL) {
		return;
	}
	INVARIANT(u->sessions == NULL);
	acl_user_drop_selectors(u, 0);
	mem_free(u->selectors);
	buf_deinit(&u->passwords);
	mem_free(u->name);
	mem_free(u);
}

void acl_user_swap(struct acl_user *u, struct acl_user *from)
{
	struct acl_user old = *u;

	*u = *from;
	*from = old;
	from->name = u->name;
	from->sessions = u->sessions;
	u->name = old.name;
	u->sessions = old.sessions;
}

/* Where the user of that name is, or would be. */
static size_t place_of(const struct acl *a, struct slice name, bool *found)
{
	size_t low = 0, high = a->users_count;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = slice_cmp(slice_str(a->users[mid]->name), name);

		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

struct acl_user *acl_find(const struct acl *a, struct slice name)
{
	bool found;
	size_t at = place_of(a, name, &found);

	return found ? a->users[at] : NULL;
}

enum status acl_add(struct acl *a, struct acl_user *u)
{
	bool found;
	size_t at = place_of(a, slice_str(u->name), &found);

	INVARIANT(!found);
	if (a->users_count == a->users_cap) {
		size_t cap = a->users_cap == 0 ? 8 : a->users_cap * 2;
		struct acl_user **grown = mem_realloc(a->users, cap * sizeof *grown);

		if (grown == NULL) {
			return ST_NO_MEMORY;
		}
		a->users = grown;
		a->users_cap = cap;
	}
	memmove(&a->users[at + 1], &a->users[at],
		(a->users_count - at) * sizeof(struct acl_user *));
	a->users[at] = u;
	a->users_count++;
	return ST_OK;
}

void acl_remove(struct acl *a, struct acl_user *u)
{
	bool found;
	size_t at = place_of(a, slice_str(u->name), &found);

	INVARIANT(found);
	INVARIANT(u != a->standard);
	a->users_count--;
	memmove(&a->users[at], &a->users[at + 1],
		(a->users_count - at) * sizeof(struct acl_user *));
}

void acl_enter(struct acl_user *u, struct session *s)
{
	if (s->user == u) {
		return;
	}
	if (s->user != NULL) {
		*s->user_link = s->user_next;
		if (s->user_next != NULL) {
			s->user_next->user_link = s->user_link;
		}
	}
	s->user = u;
	s->user_next = NULL;
	s->user_link = NULL;
	if (u != NULL) {
		s->user_next = u->sessions;
		s->user_link = &u->sessions;
		if (u->sessions != NULL) {
			u->sessions->user_link = &s->user_next;
		}
		u->sessions = s;
	}
}

/* --- passwords --- */

void acl_hash(struct slice password, uint8_t hash[ACL_HASH_LEN])
{
	unsigned char md[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;

	(void)EVP_Digest(password.len > 0 ? (const void *)password.data : "", password.len, md,
			 &len, EVP_sha256(), NULL);
	INVARIANT(len == ACL_HASH_LEN);
	memcpy(hash, md, ACL_HASH_LEN);
}

bool acl_password_ok(const struct acl_user *u, struct slice password)
{
	uint8_t hash[ACL_HASH_LEN];
	bool ok = u->nopass;

	acl_hash(password, hash);
	for (size_t at = 0; at < u->passwords.len; at += ACL_HASH_LEN) {
		ok |= CRYPTO_memcmp(u->passwords.data + at, hash, ACL_HASH_LEN) == 0;
	}
	return ok;
}

enum status acl_set_password(struct acl_user *u, struct slice password)
{
	uint8_t hash[ACL_HASH_LEN];
	enum status st = buf_reserve(&u->passwords, ACL_HASH_LEN);

	if (st != ST_OK) {
		return st;
	}
	u->passwords.len = 0;
	u->nopass = password.len == 0;
	if (password.len > 0) {
		acl_hash(password, hash);
		st = buf_append(&u->passwords, hash, ACL_HASH_LEN);
	}
	return st;
}
