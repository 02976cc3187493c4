/* Runs the unit tests of one file, or lists the files without an argument. The build declares each
 * file's main() under a name of its own, and defines UNIT_MAINS as the pairs of name and function.
 */
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(void);
} mains[] = {UNIT_MAINS};

int main(int argc, char **argv)
{
	const size_t count = sizeof(mains) / sizeof(mains[0]);
	for (size_t i = 0; i < count; i++) {
		if (argc != 2)
			printf("%s\n", mains[i].name);
		else if (strcmp(mains[i].name, argv[1]) == 0)
			return mains[i].run();
	}
	fprintf(stderr, "usage: unit_tests FILE, one of those above or of tests/unit/test_*.c\n");
	return 2;
}
