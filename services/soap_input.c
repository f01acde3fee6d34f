/* soap_input.c - see soap_input.h. Between soap_engine.c and gSOAP's engine. */
#include "soap_input.h"

static void free_namespaces(struct soap *soap)
{
    while (soap->nlist) {
        struct soap_nlist *next = soap->nlist->next;
        SOAP_FREE(soap, soap->nlist);
        soap->nlist = next;
    }
}

/* Names of attributes that came, and room for their values: who sends them chooses how many. */
static void free_attributes(struct soap *soap)
{
    while (soap->attributes) {
        struct soap_attribute *next = soap->attributes->next;
        if (soap->attributes->value)
            SOAP_FREE(soap, soap->attributes->value);
        SOAP_FREE(soap, soap->attributes);
        soap->attributes = next;
    }
}

static void clear_position(struct soap *soap)
{
    soap->null = soap->mustUnderstand = 0;
    soap->position = 0;
    soap->ns = 0;
    soap->event = 0;
    soap->evlev = 0;
    soap->level = 0;
    soap->count = soap->length = 0;
    soap->cdata = soap->peeked = soap->shaky = 0;
    soap->ahead = 0;
    soap->idnum = 0;
    soap->labidx = 0;
    soap->part = SOAP_BEGIN_RECV;
    soap->body = 1;
}

static void clear_message(struct soap *soap)
{
    soap->version = 0; /* the envelope tells */
    soap->encoding = 0;
    soap->encodingStyle = NULL;
    soap->status = 0;
    soap->endpoint[0] = '\0';
    soap->action = NULL;
    soap->fform = NULL;
    soap->header = NULL;
    soap->fault = NULL;
    soap->dom = NULL;
}

/* Of attachments, that there are none. */
static void clear_attachments(struct soap *soap)
{
    soap->dime.list = soap->dime.first = soap->dime.last = NULL;
    soap->dime.chunksize = soap->dime.buflen = 0;
    soap->mime.list = soap->mime.first = soap->mime.last = NULL;
    soap->mime.boundary = NULL;
    soap->mime.start = NULL;
}

void soap_input_begin(struct soap *soap)
{
    soap->error = SOAP_OK;
    soap->recverror = 0;
    soap->imode &= ~(soap_mode)(SOAP_ENC_DIME | SOAP_ENC_MIME | SOAP_ENC_ZLIB);
    soap->mode = soap->imode;
    clear_position(soap);
    clear_message(soap);
    clear_attachments(soap);
    if (!soap->local_namespaces) /* soap_begin() gave them back */
        soap_set_local_namespaces(soap);
}

void soap_input_tidy(struct soap *soap)
{
    free_namespaces(soap);
    free_attributes(soap);
    soap_dealloc(soap, NULL);
}

int soap_input_end(struct soap *soap)
{
    if (!SOAP_INPUT_BARE || soap->xlist || (soap->mode & (SOAP_ENC_DIME | SOAP_ENC_MIME)))
        return soap_end_recv(soap);
    soap->part = SOAP_END;
    free_namespaces(soap);
    return SOAP_OK;
}

void soap_input_note(struct soap *soap, const void *element, int type)
{
    if (!(soap->omode & SOAP_XML_TREE))
        soap_embedded(soap, element, type);
}
