/* number_out.h - functions of gSOAP's library that answers call most, again: the same arguments,
 * results and octets, written in one piece each where nothing is special. generated_prelude.h puts
 * them into the generated servers.
 *
 * Results are SOAP_OK or an error that is in soap->error too. Threads: as of the struct soap, one
 * at a time. */
#ifndef WEIR_NUMBER_OUT_H
#define WEIR_NUMBER_OUT_H

#include <stdsoap2.h>

int number_out_u64(struct soap *soap, const char *tag, int id, const ULONG64 *value,
                   const char *type, int n);
int number_out_i64(struct soap *soap, const char *tag, int id, const LONG64 *value,
                   const char *type, int n);
int number_out_u32(struct soap *soap, const char *tag, int id, const unsigned int *value,
                   const char *type, int n);
int number_out_u16(struct soap *soap, const char *tag, int id, const unsigned short *value,
                   const char *type, int n);
int text_out(struct soap *soap, const char *tag, int id, char *const *text, const char *type,
             int n);
int element_begin_out(struct soap *soap, const char *tag, int id, const char *type);
int element_end_out(struct soap *soap, const char *tag);

#endif
