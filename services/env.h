// env.h - the SOAP envelope, once for all services: input of soapcpp2, not of a C compiler.
//
// Every service and client is generated with static serializers (-DWITH_NOGLOBAL); what gSOAP's
// library wants globally (header, fault, its detail) is generated from here alone. The detail's
// element is wt:Fault of schemas/xsd/weir-types.xsd; its code is text here, so that a client shows
// a code it does not know yet. services/envelope.h is the C side of it.
#import "soap12.h"
//gsoap wt schema namespace: urn:weir:types:1
//gsoap wt schema elementForm: qualified
enum xsd__boolean { xsd__boolean__false_, xsd__boolean__true_ };
struct wt__Fault {
    char *code 1;
    char *field 0;
    char *message 1;
    enum xsd__boolean retryable 1;
};
mutable struct SOAP_ENV__Header { };
mutable struct SOAP_ENV__Detail {
    struct wt__Fault *wt__Fault 0;
    int __type;
    void *fault;
    _XML __any;
};
