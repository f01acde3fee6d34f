/* db_views.c - the operations of SFM3's table 2, and flowToS: each a filter over one sum. They are
 * views of Aggregate; what differs is which arguments they take. */
#include "answer.h"
#include "base/address.h"
#include "base/buffer.h"
#include "db_query.h"
#include "dbStub.h"
#include "fault.h"
#include "services_private.h"

enum argument_kind { ARGUMENT_NUMBER, ARGUMENT_TAG, ARGUMENT_ADDRESS };

/* An argument by its name in the contract, and what it is in the filter language. */
struct argument_row {
    const char *field;
    enum argument_kind kind;
    const char *filter;
};
static const struct argument_row src_tag = {"srcTag", ARGUMENT_TAG, "src tag"};
static const struct argument_row dst_tag = {"dstTag", ARGUMENT_TAG, "dst tag"};
static const struct argument_row protocol = {"protocol", ARGUMENT_NUMBER, "proto"};
static const struct argument_row tag_src_port = {"srcPort", ARGUMENT_NUMBER, "src port"};
static const struct argument_row tag_dst_port = {"dstPort", ARGUMENT_NUMBER, "dst port"};
static const struct argument_row tag_src_as = {"srcAS", ARGUMENT_NUMBER, "src as"};
static const struct argument_row tag_dst_as = {"dstAS", ARGUMENT_NUMBER, "dst as"};
static const struct argument_row src_address = {"address", ARGUMENT_ADDRESS, "src ip"};
static const struct argument_row dst_address = {"address", ARGUMENT_ADDRESS, "dst ip"};
static const struct argument_row src_port = {"port", ARGUMENT_NUMBER, "src port"};
static const struct argument_row dst_port = {"port", ARGUMENT_NUMBER, "dst port"};
static const struct argument_row src_as = {"as", ARGUMENT_NUMBER, "src as"};
static const struct argument_row dst_as = {"as", ARGUMENT_NUMBER, "dst as"};
static const struct argument_row tos = {"tos", ARGUMENT_NUMBER, "tos"};

struct argument {
    const struct argument_row *row;
    uint32_t number;
    const char *text; /* tags and addresses; may be NULL: the caller left it out */
};

/* The argument as a term of the filter. */
static enum weir_status put_argument(struct services *s, const struct argument *a,
                                     struct buffer *filter, struct weir_error *error)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    uint32_t number = a->number;
    enum weir_status status = WEIR_OK;
    if (a->row->kind != ARGUMENT_NUMBER && !a->text)
        return weir_fail(error, WEIR_EARGUMENT, a->row->field, "%s is missing", a->row->field);
    if (a->row->kind == ARGUMENT_ADDRESS) {
        status = address_parse(a->text, a->row->field, &address, error);
        if (status == WEIR_OK)
            buffer_print(filter, "%s %s", a->row->filter, address_print(&address, text));
        return status;
    }
    if (a->row->kind == ARGUMENT_TAG)
        status = tag_names_resolve(s->tags, a->text, a->row->field, &number, error);
    if (status == WEIR_OK)
        buffer_print(filter, "%s %u", a->row->filter, number);
    return status;
}

static int view(struct soap *soap, const struct argument *arguments, size_t count, int64_t from_ms,
                int64_t to_ms, struct wt__Totals *answer)
{
    struct buffer filter = {0};
    struct weir_error error;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        if (i)
            buffer_print(&filter, " and ");
        status = put_argument(services_of(soap), &arguments[i], &filter, &error);
    }
    buffer_put_u8(&filter, 0);
    int result = status != WEIR_OK ? fault_error(soap, &error) : filter.failed ? SOAP_EOM : SOAP_OK;
    if (result == SOAP_OK) {
        struct totals_request request = {.filter = (const char *)filter.bytes,
                                         .when = {from_ms, to_ms}};
        struct totals totals;
        result = db_query(soap, &request, &totals);
        if (result == SOAP_OK) {
            result = answer_totals(soap, &totals, answer);
            totals_free(&totals);
        }
    }
    buffer_free(&filter);
    return result;
}

#define TEXT(row_, value_)                                                                         \
    {                                                                                              \
        .row = &(row_), .text = (value_)                                                           \
    }
#define NUMBER(row_, value_)                                                                       \
    {                                                                                              \
        .row = &(row_), .number = (value_)                                                         \
    }
/* The handler that gSOAP's dispatcher calls. A client can send the operation as nil: `q` is NULL
 * then. */
#define VIEW(name, ...)                                                                            \
    int __db__##name(struct soap *soap, struct _db__##name *q, struct wt__Totals *answer)          \
    {                                                                                              \
        if (!q)                                                                                    \
            return fault_missing(soap, #name);                                                     \
        const struct argument arguments[] = {__VA_ARGS__};                                         \
        return view(soap, arguments, sizeof arguments / sizeof *arguments, q->from, q->to,         \
                    answer);                                                                       \
    }

VIEW(flowTagSrc, TEXT(src_tag, q->srcTag))
VIEW(flowTagDst, TEXT(dst_tag, q->dstTag))
VIEW(flowTagSrcDst, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag))
VIEW(flowTagSrcDstProto, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag),
     NUMBER(protocol, q->protocol))
VIEW(flowTagSrcDstPortSrc, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag),
     NUMBER(tag_src_port, q->srcPort))
VIEW(flowTagSrcDstPortDst, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag),
     NUMBER(tag_dst_port, q->dstPort))
VIEW(flowTagSrcDstASSrc, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag),
     NUMBER(tag_src_as, q->srcAS))
VIEW(flowTagSrcDstASDst, TEXT(src_tag, q->srcTag), TEXT(dst_tag, q->dstTag),
     NUMBER(tag_dst_as, q->dstAS))
VIEW(flowSrcIP, TEXT(src_address, q->address))
VIEW(flowDstIP, TEXT(dst_address, q->address))
VIEW(flowSrcPort, NUMBER(src_port, q->port))
VIEW(flowDstPort, NUMBER(dst_port, q->port))
VIEW(flowSrcAS, NUMBER(src_as, q->as))
VIEW(flowDstAS, NUMBER(dst_as, q->as))
VIEW(flowToS, NUMBER(tos, q->tos))
