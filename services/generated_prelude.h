/* generated_prelude.h - put in front of generated code (-include), which is static but for these
 * three: they live in the envelope unit, and gSOAP declares them nowhere when WITH_NOGLOBAL is set.
 */
#ifndef WEIR_GENERATED_PRELUDE_H
#define WEIR_GENERATED_PRELUDE_H

struct soap;
void soap_serializeheader(struct soap *soap);
int soap_putheader(struct soap *soap);
int soap_getheader(struct soap *soap);

#endif
