/* time_encoding.h - the ways in which elements hold times (RFC 7012; RFC 7011 section 6.1). */
#ifndef WEIR_COLLECTOR_TIME_ENCODING_H
#define WEIR_COLLECTOR_TIME_ENCODING_H

enum time_encoding {
    TIME_MILLISECONDS,
    TIME_SECONDS,
    TIME_NTP,                /* dateTimeMicroseconds, dateTimeNanoseconds */
    TIME_DELTA_MICROSECONDS, /* before the export time */
    TIME_UP_TIME,            /* milliseconds since the device started, modulo 2^32 */
};

#endif
