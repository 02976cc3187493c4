/* Lines of words with quotes, as inline requests and configuration files have them. Pure. */
#ifndef CAIRN_NET_PROTO_QUOTED_WORDS_H
#define CAIRN_NET_PROTO_QUOTED_WORDS_H

#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Reads the next word of text from *at on and writes it, unescaped, to dst (room for the rest of
 * the line is always enough). Words end at blanks; "..." understands \n \r \t \b \a \xHH and
 * \ before anything else, '...' only \'. ST_END: no word is left. ST_INVALID: a quote is not
 * closed, or something sticks to its end. */
MUST_CHECK enum status quoted_word_next(const uint8_t *text, size_t len, size_t *at, char *dst,
					size_t *dst_len);

#endif
