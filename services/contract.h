/* contract.h - questions about the contract itself, answered from its documents (wsdl/,
 * schemas/xsd). Pure; any thread. */
#ifndef WEIR_CONTRACT_H
#define WEIR_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

#define CONTRACT_NAME_SIZE 64

/* Which element that `parent` must have is not in the message (or is nil there): the first one, in
 * the contract's order. False: none, or the contract does not know the parent. `document` is a
 * WSDL's file name. A guess for an error text, made after the parser refused the message: it looks
 * for names, not structure. */
bool contract_missing(const char *document, const char *parent, const char *message, size_t length,
                      char out[CONTRACT_NAME_SIZE]);

#endif
