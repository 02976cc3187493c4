/* Runs a fuzz target over files and folders of inputs, for builds without libFuzzer. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static int run_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size == 0 ? 1 : size);
	int bad = 1;

	if (f != NULL && data != NULL && fread(data, 1, size, f) == size) {
		/* An exact-size heap copy lets the address sanitizer see a read past the end. */
		(void)LLVMFuzzerTestOneInput(data, size);
		inputs++;
		bad = 0;
	}
	if (bad) {
		fprintf(stderr, "cannot read %s\n", path);
	}
	free(data);
	if (f != NULL) {
		fclose(f);
	}
	return bad;
}

static int run_path(const char *path)
{
	struct stat st;
	struct dirent *entry;
	DIR *dir;
	int bad = 0;

	if (stat(path, &st) != 0) {
		/* A target without a corpus still runs: the empty input below. */
		return 0;
	}
	if (!S_ISDIR(st.st_mode)) {
		return run_file(path, (size_t)st.st_size);
	}
	dir = opendir(path);
	if (dir == NULL) {
		return 1;
	}
	while (bad == 0 && (entry = readdir(dir)) != NULL) {
		char child[PATH_MAX];

		if (entry->d_name[0] != '.' && snprintf(child, sizeof(child), "%s/%s", path,
							entry->d_name) < (int)sizeof(child)) {
			bad = run_path(child);
		}
	}
	closedir(dir);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc && bad == 0; i++) {
		bad = run_path(argv[i]);
	}
	printf("%lu inputs replayed\n", inputs);
	return bad;
}
