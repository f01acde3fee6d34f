/* soap_input.h - the beginning and the end of a message in gSOAP's engine, instead of its own
 * soap_begin_recv() and soap_end_recv(), for a message whose octets are in memory.
 *
 * Theirs walk through two tables of 2,000 and 4,000 entries, four times a message, for elements
 * that are referred to by id; with SOAP_XML_TREE, which ours run with both ways, these are always
 * empty. They also read the HTTP head, which http_head.c has read and judged before. Neither is
 * done here. What is set and cleared is what version 2.8.124 sets and clears; built with another
 * one, its own functions are called, and only the time that they take differs.
 *
 * Threads: as of the engine, one at a time. */
#ifndef WEIR_SOAP_INPUT_H
#define WEIR_SOAP_INPUT_H

#include <stdbool.h>
#include <stdsoap2.h>

/* Can the engine begin with the envelope? Else it wants the HTTP head in front of it. */
#define SOAP_INPUT_BARE (GSOAP_VERSION == 208124)

/* Gets the engine, which was begun (soap_begin()) or left tidy (soap_input_tidy()), ready to parse
 * an envelope of which it has read nothing yet. Its members socket, error, bufidx, buflen and
 * namespaces (soap_set_namespaces()) are the caller's to set before. */
void soap_input_begin(struct soap *soap);
/* After a message that was answered without a fault: gives back what the parser was given, and
 * leaves what the next soap_input_begin() needs. */
void soap_input_tidy(struct soap *soap);

/* In the generated servers' place of soap_end_recv(): the envelope has been read. SOAP_OK, or an
 * error, which is in soap->error too. */
int soap_input_end(struct soap *soap);
/* In the place of soap_embedded(), which notes what an answer may refer to by id. */
void soap_input_note(struct soap *soap, const void *element, int type);

#endif
