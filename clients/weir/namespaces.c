/* namespaces.c - the generated tables of XML namespaces, one a service. */
#include "colStub.h"
#include "db.nsmap"
#include "col.nsmap"
