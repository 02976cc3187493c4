/* Where users come from and go to: requirepass, lines of the configuration, the aclfile. */
#include "net/config_impl.h"
#include "net/file_replace.h"
#include "net/server.h"

#include <limits.h>
#include <stdio.h>

enum status users_file_read(struct command_host *h, struct buf *text, struct buf *error)
{
	const char *file = config_text(server_of_host(h)->config, CONFIG_ACLFILE);

	return config_read_text(file, "ACL file", text, error);
}

enum status users_file_write(struct command_host *h, struct slice text, struct buf *error)
{
	const struct server *s = server_of_host(h);
	const char *file = config_text(s->config, CONFIG_ACLFILE);
	bool whole = file[0] == '/';
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s%s%s", whole ? "" : s->run_dir, whole ? "" : "/",
		     file) >= (int)sizeof path) {
		buf_note(error, "the path of the ACL file is too long");
		return ST_LIMIT;
	}
	return file_replace(path, ".save-tmp", text, 0600, NULL, error);
}

enum status users_load(struct server *s, struct buf *error)
{
	const struct config *c = s->config;
	const char *file = config_text(c, CONFIG_ACLFILE);
	struct buf text = {0};
	enum status st = dispatch_set_password(s->dispatch, config_text(c, CONFIG_REQUIREPASS));

	if (st == ST_OK && file[0] != 0 && c->users_count > 0) {
		buf_note(error, "users are defined both in the configuration and by aclfile: "
				"define them in one of the two only");
		return ST_INVALID;
	}
	if (st == ST_OK && c->users_count > 0) {
		st = dispatch_users_configure(s->dispatch, c->users, c->users_count, error);
	}
	if (st == ST_OK && file[0] != 0) {
		st = users_file_read(&s->host, &text, error);
		if (st == ST_OK) {
			st = dispatch_users_load(s->dispatch, file, buf_slice(&text), error);
		}
	}
	buf_deinit(&text);
	return st;
}

enum status users_write(void *server, struct buf *out)
{
	struct server *s = server;

	/* An aclfile is ACL SAVE's to write. */
	return config_text(s->config, CONFIG_ACLFILE)[0] != 0
		   ? ST_OK
		   : dispatch_users_write(s->dispatch, out);
}
