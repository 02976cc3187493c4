/* Opening a store read-only, and what happens when its tree leads nowhere. */
#include "tools/tool_store.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LMDB believes the page numbers, flags, offsets and lengths in its pages, and the file is mapped:
 * a wrong one makes it read behind the file's end, follow a pointer that it never set, or end the
 * process by an assertion. Nothing that was read then can be used. */
static void on_wild_read(int number)
{
	static const char text[] =
	    "the LMDB file is damaged: its tree leads to places that are not in the file. Restore "
	    "it from a backup, or build a new directory with cairn-wal replay --to-env\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(EXIT_DAMAGE);
}

static void guard_reads(void)
{
	struct sigaction act = {.sa_handler = on_wild_read};

	(void)sigaction(SIGBUS, &act, NULL);
	(void)sigaction(SIGSEGV, &act, NULL);
	(void)sigaction(SIGABRT, &act, NULL);
}

int tool_store_open(struct tool *t, const char *file, struct tool_store *out)
{
	struct store_options options = {
	    .path = file, .io = t->io, .map_size_max = (uint64_t)1 << 40, .read_only = true};
	struct tool_store s = {0};
	struct buf error = {0};
	struct stat info;
	enum status st;
	int code = EXIT_GO_ON;

	if (stat(file, &info) != 0) {
		return tool_fail(t, EXIT_IO, "%s: %m", file);
	}
	if (!S_ISREG(info.st_mode)) {
		return tool_fail(t, EXIT_IO, "%s is not a regular file", file);
	}
	guard_reads();
	st = store_open(&options, &s.store, &error);
	if (st == ST_OK) {
		st = store_reader_open(s.store, &s.reader);
	}
	if (st == ST_OK) {
		st = store_reader_state(s.reader, &s.state);
	}
	if (st == ST_OK) {
		*out = s;
	} else {
		tool_store_close(&s);
		code = tool_fail(t, tool_exit_of(st), "%s", tool_text(&error, st));
	}
	buf_deinit(&error);
	return code;
}

void tool_store_close(struct tool_store *s)
{
	store_reader_close(s->reader);
	store_close(s->store);
	*s = (struct tool_store){0};
}
