/* tag_scan.h - bounds what a message can make gSOAP's XML parser do, before that parser sees it.
 *
 * Measured on the parser: one tag with 40,000 attributes costs 3 s of CPU, 20,000 namespace
 * declarations 1 s, and every prefix is looked up through all declarations in force. So tags,
 * attributes a tag and (in the parser itself) depth are limited; then a megabyte costs milliseconds
 * whatever is in it.
 *
 * The scan is a lexer of tags, stricter than the parser: every '<' begins a tag, attribute values
 * are quoted, and '<' or a stray quote inside a tag is refused. So each tag the parser finds begins
 * where one was found here, and ends there too: it can not be led to see fewer attributes than the
 * parser will. After "<!" (comment, CDATA, DTD), where lexers disagree, attributes are no longer
 * told from text: every '=' up to the end counts, and few are allowed.
 *
 * Pure; any thread. */
#ifndef WEIR_TAG_SCAN_H
#define WEIR_TAG_SCAN_H

#include <stddef.h>

#define TAG_ATTRIBUTES_MOST 64u
#define TAGS_MOST           200000u
#define TAG_LOOSE_MOST      256u /* '=' after "<!" */

/* NULL: within the limits. Else one line that says which limit is passed or rule broken. */
const char *tag_scan(const char *bytes, size_t length);

#endif
