/* generated_prelude.h - put in front of generated code (-include), which is static but for the
 * first three: they live in the envelope unit, and gSOAP declares them nowhere when WITH_NOGLOBAL
 * is set.
 *
 * An answer is counters for the most part, and gSOAP's library writes each in four pieces, by
 * snprintf(), and a text character by character: servers write them, short texts, and the elements
 * around them with number_out.c instead, each in one.
 *
 * Nor do requests and answers here refer to elements by id, so that servers need not look through
 * the engine's tables of such: see soap_input.h. */
#ifndef WEIR_GENERATED_PRELUDE_H
#define WEIR_GENERATED_PRELUDE_H

struct soap;
void soap_serializeheader(struct soap *soap);
int soap_putheader(struct soap *soap);
int soap_getheader(struct soap *soap);

#ifdef WEIR_SERVER
#define soap_outULONG64        number_out_u64
#define soap_outLONG64         number_out_i64
#define soap_outunsignedInt    number_out_u32
#define soap_outunsignedShort  number_out_u16
#define soap_outstring         text_out
#define soap_element_begin_out element_begin_out
#define soap_element_end_out   element_end_out
#define soap_end_recv          soap_input_end
#define soap_embedded          soap_input_note
#endif

#endif
