/* INVARIANT(): an assertion about our own bugs that stays on in release builds.
 * Bytes from disk or network are never asserted: they get an error. */
#ifndef CAIRN_ENGINE_BASE_INVARIANT_H
#define CAIRN_ENGINE_BASE_INVARIANT_H

/* Prints the broken condition to stderr and aborts: better halt than spread. */
_Noreturn void invariant_failed(const char *file, int line, const char *text);

#define INVARIANT(cond)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0)) {                                                \
			invariant_failed(__FILE__, __LINE__, #cond);                               \
		}                                                                                  \
	} while (0)

#endif
