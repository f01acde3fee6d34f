/* envelope.c - the unit that owns the global envelope code (build/soap/envC.c): see envelope.h. */
#undef WITH_NOGLOBAL /* here, and only here, gSOAP's global fault structs are visible */
#include "envH.h"
#include "wt.nsmap"
#include "envelope.h"

static struct wt__Fault *detail_new(struct soap *soap, const struct envelope_fault *fault)
{
    struct wt__Fault *d = soap_malloc(soap, sizeof *d);
    if (!d)
        return NULL;
    d->code = soap_strdup(soap, fault->code);
    d->field = fault->field && *fault->field ? soap_strdup(soap, fault->field) : NULL;
    d->message = soap_strdup(soap, fault->message);
    d->retryable = fault->retryable ? xsd__boolean__true_ : xsd__boolean__false_;
    return d->code && d->message ? d : NULL;
}

int envelope_fault_set(struct soap *soap, const struct envelope_fault *fault)
{
    struct wt__Fault *d = detail_new(soap, fault);
    struct SOAP_ENV__Detail *detail = soap_malloc(soap, sizeof *detail);
    if (!d || !detail)
        return soap->error = SOAP_EOM;
    if (fault->sender)
        soap_sender_fault(soap, d->message, NULL);
    else
        soap_receiver_fault(soap, d->message, NULL);
    memset(detail, 0, sizeof *detail);
    detail->wt__Fault = d;
    if (soap->version == 2) {
        soap->fault->SOAP_ENV__Detail = detail;
        soap->fault->detail = NULL;
    } else {
        soap->fault->detail = detail;
        soap->fault->SOAP_ENV__Detail = NULL;
    }
    return soap->error = SOAP_FAULT;
}

static int put_fault(struct soap *soap)
{
    return soap_envelope_begin_out(soap) || soap_putheader(soap) || soap_body_begin_out(soap) ||
           soap_putfault(soap) || soap_body_end_out(soap) || soap_envelope_end_out(soap);
}

int envelope_fault_send(struct soap *soap)
{
    int status = soap->error;
    soap->error = SOAP_OK;
    soap->encodingStyle = NULL;
    soap_serializeheader(soap);
    soap_serializefault(soap);
    (void)soap_begin_count(soap);
    if ((soap->mode & SOAP_IO_LENGTH) && put_fault(soap))
        return soap->error;
    if (soap_end_count(soap) || soap_response(soap, status) || put_fault(soap))
        return soap->error;
    return soap_end_send(soap);
}

bool envelope_fault_read(struct soap *soap, struct envelope_fault *fault)
{
    /* gSOAP makes one of these three of a fault that was received, by its code. */
    if (!soap->fault || (soap->error != SOAP_FAULT && soap->error != SOAP_CLI_FAULT &&
                         soap->error != SOAP_SVR_FAULT))
        return false;
    const struct SOAP_ENV__Detail *detail =
        soap->fault->detail ? soap->fault->detail : soap->fault->SOAP_ENV__Detail;
    const char **text = soap_faultstring(soap);
    if (!detail && (!text || !*text))
        return false;
    const struct wt__Fault *d = detail ? detail->wt__Fault : NULL;
    *fault = (struct envelope_fault){
        .code = d ? d->code : NULL,
        .field = d ? d->field : NULL,
        .message = d && d->message ? d->message
                   : text && *text ? *text
                                   : "fault without a text",
        .retryable = d && d->retryable == xsd__boolean__true_,
    };
    return true;
}
