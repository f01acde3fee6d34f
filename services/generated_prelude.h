/* generated_prelude.h - put in front of generated code (-include), which is static but for the
 * first three: they live in the envelope unit, and gSOAP declares them nowhere when WITH_NOGLOBAL
 * is set.
 *
 * An answer is counters for the most part, and gSOAP's library writes each in four pieces, by
 * snprintf(): servers write them with number_out.c instead, in one. */
#ifndef WEIR_GENERATED_PRELUDE_H
#define WEIR_GENERATED_PRELUDE_H

struct soap;
void soap_serializeheader(struct soap *soap);
int soap_putheader(struct soap *soap);
int soap_getheader(struct soap *soap);

#ifdef WEIR_SERVER
#define soap_outULONG64 number_out_u64
#define soap_outLONG64  number_out_i64
#endif

#endif
