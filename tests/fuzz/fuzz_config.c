/* Configuration from a file, from arguments and by CONFIG SET: refused input changes nothing it
 * should not, and what was accepted can be written out, given again and read back the same.
 *
 * Input: a byte that chooses the way in, then a file's text, arguments that end with NUL, or names
 * and values that end with NUL. */
#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "net/config_impl.h"
#include "tests/fuzz/fuzz_input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 64 };

static char dir[64], path[96];

static void remove_files(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

static void prepare(void)
{
	struct stat st;
	int null;

	if (dir[0] != 0) {
		return;
	}
	/* Memory rather than a disk: CONFIG REWRITE syncs. */
	(void)snprintf(dir, sizeof dir, "%s/cairn-fuzz-XXXXXX",
		       stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
	INVARIANT(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof path, "%s/conf", dir);
	INVARIANT(atexit(remove_files) == 0);
	/* "include -" must not wait for a terminal. */
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	INVARIANT(null >= 0 && dup2(null, 0) == 0);
	(void)close(null);
}

static void write_file(struct slice text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	INVARIANT(fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len);
	(void)close(fd);
}

static void same(const struct config *a, const struct config *b)
{
	for (int id = 0; id < CONFIG_COUNT; id++) {
		if (strcmp(a->text[id], b->text[id]) != 0 || a->number[id] != b->number[id]) {
			fprintf(stderr, "%s: '%s' and '%s'\n", config_name((enum config_id)id),
				a->text[id], b->text[id]);
			abort();
		}
	}
}

/* CONFIG REWRITE, then a start with that file. */
static void check_rewrite(struct config *c)
{
	struct config back;
	struct buf error = {0};

	mem_free(c->file);
	c->file = mem_strdup(path);
	INVARIANT(config_rewrite(c, &error) == ST_OK);
	INVARIANT(config_init(&back) == ST_OK);
	if (config_read_file(&back, path, &error) != ST_OK) {
		fprintf(stderr, "%.*s\n", (int)error.len, (const char *)error.data);
		abort();
	}
	same(c, &back);
	config_deinit(&back);
	buf_deinit(&error);
}

/* What CONFIG GET says is taken by CONFIG SET, and changes nothing. */
static void check_set_again(struct config *c)
{
	struct buf error = {0};

	for (int id = 0; id < CONFIG_COUNT; id++) {
		char *text = mem_strdup(c->text[id]);
		struct slice pair[2] = {slice_str(config_name((enum config_id)id)),
					slice_str(text)};

		if ((config_flags((enum config_id)id) & IMMUTABLE) == 0) {
			if (config_set_pairs(c, pair, 1, true, &error) != ST_OK) {
				INVARIANT((config_flags((enum config_id)id) & PROTECTED) != 0);
			}
			INVARIANT(strcmp(c->text[id], text) == 0);
		}
		mem_free(text);
	}
	buf_deinit(&error);
}

static void from_file(struct config *c, struct slice in)
{
	struct buf error = {0};

	write_file(in);
	if (config_read_file(c, path, &error) == ST_OK) {
		check_set_again(c);
		check_rewrite(c);
		FUZZ_CANARY(config_int(c, CONFIG_MAXCLIENTS) > 20000);
	} else {
		INVARIANT(error.len > 0);
	}
	buf_deinit(&error);
}

/* Splits at NUL bytes into C strings of a copy. */
static size_t split(char *copy, size_t len, char *words[WORDS_MAX])
{
	size_t count = 0;

	for (size_t at = 0; at < len && count < WORDS_MAX; at += strlen(copy + at) + 1) {
		words[count++] = copy + at;
	}
	return count;
}

static void from_arguments(struct config *c, char *copy, size_t len)
{
	char *words[WORDS_MAX];
	size_t count = split(copy, len, words);
	struct buf error = {0};

	/* A first word without dashes would be a file's name. */
	if (count > 0 && strncmp(words[0], "--", 2) != 0) {
		return;
	}
	if (config_read_args(c, (int)count, words, &error) == ST_OK) {
		write_file(slice_of("", 0));
		check_rewrite(c);
	} else {
		INVARIANT(error.len > 0);
	}
	buf_deinit(&error);
}

static void from_set(struct config *c, char *copy, size_t len)
{
	char *words[WORDS_MAX];
	struct slice pairs[WORDS_MAX];
	size_t count = split(copy, len, words) & ~(size_t)1;
	struct config before;
	struct buf error = {0};

	for (size_t i = 0; i < count; i++) {
		pairs[i] = slice_str(words[i]);
	}
	INVARIANT(config_init(&before) == ST_OK);
	if (count > 0 && config_set_pairs(c, pairs, count / 2, true, &error) != ST_OK) {
		INVARIANT(error.len > 0);
		same(c, &before);
	}
	write_file(slice_of("", 0));
	check_set_again(c);
	check_rewrite(c);
	config_deinit(&before);
	buf_deinit(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	uint8_t way = fuzz_u8(&in) % 3;
	char *copy = calloc(1, in.len + 1);
	struct config c;

	INVARIANT(copy != NULL);
	prepare();
	if (in.len > 0) {
		memcpy(copy, in.data, in.len);
	}
	INVARIANT(config_init(&c) == ST_OK);
	if (way == 0) {
		from_file(&c, in);
	} else if (way == 1) {
		from_arguments(&c, copy, in.len);
	} else {
		from_set(&c, copy, in.len);
	}
	config_deinit(&c);
	free(copy);
	return 0;
}
