/* values.h - one record as a set of values on its way into columns: for protocols whose records
 * have no template, so that each record decides for itself which elements it has (sFlow).
 *
 *     struct wire_values v;
 *     wire_values_clear(&v);
 *     wire_set_number(&v, V_PROTOCOL, 6);          … as the bytes are read …
 *     status = wire_values_append(&v, &columns, batch, &row);
 *
 * Octets are pointed to, not copied: they must live until the record is appended. Numbers are in
 * host order, as columns have them. Setting a value again replaces it.
 *
 * Threads: a struct belongs to one thread. */
#ifndef WEIR_WIRE_VALUES_H
#define WEIR_WIRE_VALUES_H

#include "base/status.h"
#include "flow/batch.h"

#define WIRE_MPLS_LABELS 10u /* elements 70 to 79 */

/* One row a value that can be set: name, element. Width and type follow from the element. */
#define WIRE_VALUES(X)                                                                             \
    X(V_OCTETS, IANA(1))                                                                           \
    X(V_PACKETS, IANA(2))                                                                          \
    X(V_FLOWS, IANA(3))                                                                            \
    X(V_PROTOCOL, IANA(4))                                                                         \
    X(V_CLASS_OF_SERVICE, IANA(5))                                                                 \
    X(V_TCP_FLAGS, IANA(6))                                                                        \
    X(V_SOURCE_PORT, IANA(7))                                                                      \
    X(V_SOURCE_IPV4, IANA(8))                                                                      \
    X(V_SOURCE_IPV4_PREFIX, IANA(9))                                                               \
    X(V_INGRESS, IANA(10))                                                                         \
    X(V_DESTINATION_PORT, IANA(11))                                                                \
    X(V_DESTINATION_IPV4, IANA(12))                                                                \
    X(V_DESTINATION_IPV4_PREFIX, IANA(13))                                                         \
    X(V_EGRESS, IANA(14))                                                                          \
    X(V_NEXT_HOP_IPV4, IANA(15))                                                                   \
    X(V_SOURCE_AS, IANA(16))                                                                       \
    X(V_DESTINATION_AS, IANA(17))                                                                  \
    X(V_BGP_NEXT_HOP_IPV4, IANA(18))                                                               \
    X(V_POST_OCTETS, IANA(23))                                                                     \
    X(V_POST_PACKETS, IANA(24))                                                                    \
    X(V_SOURCE_IPV6, IANA(27))                                                                     \
    X(V_DESTINATION_IPV6, IANA(28))                                                                \
    X(V_SOURCE_IPV6_PREFIX, IANA(29))                                                              \
    X(V_DESTINATION_IPV6_PREFIX, IANA(30))                                                         \
    X(V_FLOW_LABEL, IANA(31))                                                                      \
    X(V_ICMP_IPV4, IANA(32))                                                                       \
    X(V_SAMPLING_INTERVAL, IANA(34))                                                               \
    X(V_TOP_LABEL_IPV4, IANA(47))                                                                  \
    X(V_FRAGMENT_ID, IANA(54))                                                                     \
    X(V_POST_CLASS_OF_SERVICE, IANA(55))                                                           \
    X(V_SOURCE_MAC, IANA(56))                                                                      \
    X(V_POST_DESTINATION_MAC, IANA(57))                                                            \
    X(V_VLAN, IANA(58))                                                                            \
    X(V_POST_VLAN, IANA(59))                                                                       \
    X(V_DIRECTION, IANA(61))                                                                       \
    X(V_NEXT_HOP_IPV6, IANA(62))                                                                   \
    X(V_BGP_NEXT_HOP_IPV6, IANA(63))                                                               \
    X(V_MPLS_LABEL, IANA(70))                                                                      \
    X(V_MPLS_LABEL_2, IANA(71))                                                                    \
    X(V_MPLS_LABEL_3, IANA(72))                                                                    \
    X(V_MPLS_LABEL_4, IANA(73))                                                                    \
    X(V_MPLS_LABEL_5, IANA(74))                                                                    \
    X(V_MPLS_LABEL_6, IANA(75))                                                                    \
    X(V_MPLS_LABEL_7, IANA(76))                                                                    \
    X(V_MPLS_LABEL_8, IANA(77))                                                                    \
    X(V_MPLS_LABEL_9, IANA(78))                                                                    \
    X(V_MPLS_LABEL_10, IANA(79))                                                                   \
    X(V_DESTINATION_MAC, IANA(80))                                                                 \
    X(V_POST_SOURCE_MAC, IANA(81))                                                                 \
    X(V_FRAGMENT_OFFSET, IANA(88))                                                                 \
    X(V_FORWARDING, IANA(89))                                                                      \
    X(V_NEXT_AS, IANA(128))                                                                        \
    X(V_PREVIOUS_AS, IANA(129))                                                                    \
    X(V_AGENT_IPV4, IANA(130))                                                                     \
    X(V_AGENT_IPV6, IANA(131))                                                                     \
    X(V_OBSERVATION_POINT, IANA(138))                                                              \
    X(V_ICMP_IPV6, IANA(139))                                                                      \
    X(V_FLOW_START, IANA(152))                                                                     \
    X(V_FLOW_END, IANA(153))                                                                       \
    X(V_TOP_LABEL_IPV6, IANA(140))                                                                 \
    X(V_TTL, IANA(192))                                                                            \
    X(V_FRAGMENT_FLAGS, IANA(197))                                                                 \
    X(V_TOP_LABEL_TTL, IANA(200))                                                                  \
    X(V_IP_LENGTH, IANA(224))                                                                      \
    X(V_POST_NAT_SOURCE_IPV4, IANA(225))                                                           \
    X(V_POST_NAT_DESTINATION_IPV4, IANA(226))                                                      \
    X(V_POST_NAT_SOURCE_PORT, IANA(227))                                                           \
    X(V_POST_NAT_DESTINATION_PORT, IANA(228))                                                      \
    X(V_NAT_EVENT, IANA(230))                                                                      \
    X(V_FIREWALL_EVENT, IANA(233))                                                                 \
    X(V_INGRESS_VRF, IANA(234))                                                                    \
    X(V_EGRESS_VRF, IANA(235))                                                                     \
    X(V_DOT1Q_VLAN, IANA(243))                                                                     \
    X(V_DOT1Q_PRIORITY, IANA(244))                                                                 \
    X(V_CUSTOMER_VLAN, IANA(245))                                                                  \
    X(V_CUSTOMER_PRIORITY, IANA(246))                                                              \
    X(V_ETHERNET_TYPE, IANA(256))                                                                  \
    X(V_POST_NAT_SOURCE_IPV6, IANA(281))                                                           \
    X(V_POST_NAT_DESTINATION_IPV6, IANA(282))                                                      \
    X(V_FRAME_SIZE, IANA(312))                                                                     \
    X(V_OBSERVED_PACKETS, IANA(318))                                                               \
    X(V_USER, IANA(371))                                                                           \
    X(V_DESTINATION_USER, IE_KEY_NTH(0, 371, 1))                                                   \
    X(V_HTTP_HOST, IANA(460))                                                                      \
    X(V_HTTP_TARGET, IANA(461))

enum wire_value {
#define WIRE_VALUE_NAME(name, key) name,
    WIRE_VALUES(WIRE_VALUE_NAME)
#undef WIRE_VALUE_NAME
    WIRE_VALUE_COUNT
};

#define WIRE_VALUE_WORDS ((WIRE_VALUE_COUNT + 63) / 64)

struct wire_values {
    uint64_t present[WIRE_VALUE_WORDS];
    union {
        uint64_t number;
        struct octets octets; /* 16 of them for IPv6 addresses */
    } at[WIRE_VALUE_COUNT];
};

/* Where the values go in one batch; zeroed at first. */
struct wire_columns {
    uint64_t generation; /* of the batch; 0: none */
    uint64_t bound[WIRE_VALUE_WORDS];
    uint16_t index[WIRE_VALUE_COUNT];
};

static inline void wire_values_clear(struct wire_values *v)
{
    for (size_t i = 0; i < WIRE_VALUE_WORDS; i++)
        v->present[i] = 0;
}

static inline bool wire_has(const struct wire_values *v, enum wire_value which)
{
    return v->present[which / 64] >> (which % 64) & 1;
}

static inline void wire_set_number(struct wire_values *v, enum wire_value which, uint64_t number)
{
    v->present[which / 64] |= UINT64_C(1) << (which % 64);
    v->at[which].number = number;
}

static inline void wire_set_octets(struct wire_values *v, enum wire_value which,
                                   const uint8_t *bytes, size_t length)
{
    v->present[which / 64] |= UINT64_C(1) << (which % 64);
    v->at[which].octets = (struct octets){bytes, (uint32_t)length};
}

ie_key wire_value_key(enum wire_value which);
static inline bool wire_is_bound(const struct wire_columns *c, enum wire_value which)
{
    return c->bound[which / 64] >> (which % 64) & 1;
}
/* The place of the column of a value that is bound in this batch. */
static inline uint16_t wire_column_of(const struct wire_columns *c, enum wire_value which)
{
    return c->index[which];
}

/* Adds a row with these values; *row says which. WEIR_EBUSY: the batch has no room, or not these
 * columns: hand it on and call again with an empty one; on an empty batch: WEIR_ELIMIT.
 * WEIR_ENOMEM. In all these cases the batch has no row more. */
enum weir_status wire_values_append(const struct wire_values *v, struct wire_columns *columns,
                                    struct batch *b, uint32_t *row);
/* Puts the values into a row that is there. WEIR_ELIMIT: the batch can not have these columns;
 * WEIR_ENOMEM. The row may then have some of them. */
enum weir_status wire_values_put(const struct wire_values *v, struct wire_columns *columns,
                                 struct batch *b, uint32_t row);

#endif
