/* envelope.h - typed faults in the SOAP envelope, written by servers and read by clients.
 *
 * A fault's detail is one wt:Fault (schemas/xsd/weir-types.xsd). This is the only unit that sees
 * gSOAP's fault structs; it belongs to both sides and knows nothing of either.
 *
 * Threads: a struct soap belongs to one thread. */
#ifndef WEIR_ENVELOPE_H
#define WEIR_ENVELOPE_H

#include <stdbool.h>

struct soap;

struct envelope_fault {
    const char *code;    /* "BadArgument"…, wt:FaultCode; NULL when the peer sent no wt:Fault */
    const char *field;   /* NULL: none */
    const char *message; /* one line; never NULL after a successful read */
    bool retryable;
    bool sender; /* writing: the caller's mistake (Client / Sender) or ours */
};

/* Makes *fault the fault of the message being answered and returns SOAP_FAULT, for a handler to
 * return; SOAP_EOM when memory ends. Texts are copied. */
int envelope_fault_set(struct soap *soap, const struct envelope_fault *fault);

/* Servers: writes the fault that is set as the answer, and keeps the connection as soap->keep_alive
 * says (gSOAP's own soap_send_fault() always ends it). Returns soap->error. */
int envelope_fault_send(struct soap *soap);

/* After a call failed: false when it failed without a fault from the peer (soap->error and
 * soap_http_status tell), else fills *fault with texts that live until soap_end(). */
bool envelope_fault_read(struct soap *soap, struct envelope_fault *fault);

#endif
