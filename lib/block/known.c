/* known.c - what is known beforehand about elements: which ones queries read in bulk, and which
 * ones say nearly the same as another column. Only encoders ask; the choice is written into the
 * block. */
#include "block/codec.h"

static const ie_key hot[] = {
    WEIR_EXPORTER, WEIR_DOMAIN,  WEIR_FLOW_START, WEIR_FLOW_END,      WEIR_OCTETS,
    WEIR_PACKETS,  WEIR_SRC_TAG, WEIR_DST_TAG,    WEIR_SAMPLING_RATE, WEIR_SAMPLING_ORIGIN,
    IANA(1),  /* octetDeltaCount */
    IANA(2),  /* packetDeltaCount */
    IANA(4),  /* protocolIdentifier */
    IANA(5),  /* ipClassOfService */
    IANA(7),  /* sourceTransportPort */
    IANA(8),  /* sourceIPv4Address */
    IANA(10), /* ingressInterface */
    IANA(11), /* destinationTransportPort */
    IANA(12), /* destinationIPv4Address */
    IANA(14), /* egressInterface */
    IANA(16), /* bgpSourceAsNumber */
    IANA(17), /* bgpDestinationAsNumber */
    IANA(27), /* sourceIPv6Address */
    IANA(28), /* destinationIPv6Address */
    IANA(85), /* octetTotalCount */
    IANA(86), /* packetTotalCount */
};

/* Column and bases. No chain is longer than BASE_DEPTH_MOST, and none comes back to itself:
 * flowStart… -> WEIR_FLOW_START -> WEIR_FLOW_END -> WEIR_EXPORT_TIME is the longest. */
static const struct relation {
    ie_key key;
    ie_key bases[BASES_MOST + 1];
} relations[] = {
    {WEIR_OCTETS, {IANA(1), IANA(85)}},
    {WEIR_PACKETS, {IANA(2), IANA(86)}},
    {WEIR_FLOW_START, {WEIR_FLOW_END}},
    {WEIR_FLOW_END, {WEIR_EXPORT_TIME}},
    {WEIR_SYS_UP_TIME, {WEIR_EXPORT_TIME}},
    {IANA(21), {WEIR_FLOW_END}},    /* flowEndSysUpTime: less the boot time */
    {IANA(22), {WEIR_FLOW_START}},  /* flowStartSysUpTime */
    {IANA(152), {WEIR_FLOW_START}}, /* flowStartMilliseconds */
    {IANA(153), {WEIR_FLOW_END}},   /* flowEndMilliseconds */
    {IANA(18), {IANA(15)}},         /* bgpNextHopIPv4Address, ipNextHopIPv4Address */
    {IANA(23), {IANA(1)}},          /* postOctetDeltaCount */
    {IANA(24), {IANA(2)}},          /* postPacketDeltaCount */
    {IANA(225), {IANA(8)}},         /* postNATSourceIPv4Address */
    {IANA(226), {IANA(12)}},        /* postNATDestinationIPv4Address */
    {IANA(227), {IANA(7)}},         /* postNAPTSourceTransportPort */
    {IANA(228), {IANA(11)}},        /* postNAPTDestinationTransportPort */
};

bool column_is_hot(ie_key key)
{
    for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++)
        if (hot[i] == key)
            return true;
    return false;
}

const ie_key *column_bases(ie_key key)
{
    static const ie_key none[1] = {0};
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++)
        if (relations[i].key == key)
            return relations[i].bases;
    return none;
}

unsigned column_height(ie_key key)
{
    unsigned height = 0;
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++)
        for (const ie_key *base = relations[i].bases; *base; base++)
            if (*base == key) {
                unsigned above = 1 + column_height(relations[i].key);
                height = above > height ? above : height;
            }
    return height;
}

static const ie_key deciders[DECIDERS_MOST] = {IANA(8), IANA(12), IANA(27), IANA(28)};

/* What routing says of an address: the same for all flows of a block, unless routing changed in it.
 */
static const struct {
    ie_key key;
    uint8_t decider;
} decided[] = {
    {IANA(9), 0},   /* sourceIPv4PrefixLength */
    {IANA(10), 0},  /* ingressInterface */
    {IANA(13), 1},  /* destinationIPv4PrefixLength */
    {IANA(14), 1},  /* egressInterface */
    {IANA(15), 1},  /* ipNextHopIPv4Address */
    {IANA(16), 0},  /* bgpSourceAsNumber */
    {IANA(17), 1},  /* bgpDestinationAsNumber */
    {IANA(18), 1},  /* bgpNextHopIPv4Address */
    {IANA(29), 2},  /* sourceIPv6PrefixLength */
    {IANA(30), 3},  /* destinationIPv6PrefixLength */
    {IANA(44), 0},  /* sourceIPv4Prefix */
    {IANA(45), 1},  /* destinationIPv4Prefix */
    {IANA(128), 1}, /* bgpNextAdjacentAsNumber */
    {IANA(129), 0}, /* bgpPrevAdjacentAsNumber */
};

ie_key column_decider(ie_key key)
{
    for (size_t i = 0; i < sizeof decided / sizeof decided[0]; i++)
        if (decided[i].key == key)
            return deciders[decided[i].decider];
    return 0;
}

int column_decides(ie_key key)
{
    for (int i = 0; i < DECIDERS_MOST; i++)
        if (deciders[i] == key)
            return i;
    return -1;
}
