/* Passwords among arguments: of AUTH, HELLO, MIGRATE, ACL SETUSER, CONFIG SET. */
#include "net/command/secret_args.h"

#include "net/command/command.h"

enum { HELLO_OPTIONS = 2, MIGRATE_OPTIONS = 6 };

bool command_has_secrets(const char *full_name)
{
	static const char *const names[] = {"auth", "hello", "migrate", "acl|setuser",
					    "config|set"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(full_name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* True when argv[i] is one of so many arguments behind an option of that name. */
static bool behind(const char *option, size_t many, const struct slice *argv, size_t first,
		   size_t i)
{
	for (size_t back = 1; back <= many && i >= first + back; back++) {
		if (word_is(argv[i - back], option)) {
			return true;
		}
	}
	return false;
}

static bool setting_is_secret(struct slice name)
{
	static const char *const names[] = {"requirepass", "masterauth", "masteruser",
					    "tls-key-file-pass", "tls-client-key-file-pass"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (word_is(name, names[i])) {
			return true;
		}
	}
	return false;
}

bool command_arg_is_secret(const char *full_name, const struct slice *argv, size_t argc, size_t i)
{
	if (i >= argc || i == 0) {
		return false;
	}
	if (strcmp(full_name, "auth") == 0) {
		return true;
	}
	if (strcmp(full_name, "acl|setuser") == 0) {
		return i >= 2;
	}
	if (strcmp(full_name, "hello") == 0) {
		return behind("auth", 2, argv, HELLO_OPTIONS, i);
	}
	if (strcmp(full_name, "migrate") == 0) {
		return behind("auth", 1, argv, MIGRATE_OPTIONS, i) ||
		       behind("auth2", 2, argv, MIGRATE_OPTIONS, i);
	}
	return strcmp(full_name, "config|set") == 0 && i >= 3 && i % 2 == 1 &&
	       setting_is_secret(argv[i - 1]);
}
