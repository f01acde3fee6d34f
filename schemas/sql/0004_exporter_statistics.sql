-- 0004: the account with undecoded_lists (RFC 6313) and what exporters say of themselves (reported_messages,
-- reported_records, compared_messages, compared_records, unsent_records, ignored_packets) behind the
-- older counters. Rows are sealed anew, but only when every old seal is right: damage must
-- not be made to look sound.
CREATE TEMP TABLE sound (ok INTEGER NOT NULL CHECK (ok = 1));
INSERT INTO sound SELECT DISTINCT seal = seal(
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops,
    deselected_records, refused_datagrams, missing_samples, recovered_samples, dropped_samples,
    other_samples) FROM account;
DROP TABLE sound;
ALTER TABLE account RENAME TO account_0003;
CREATE TABLE account (
    minute_ms            INTEGER NOT NULL,
    exporter             BLOB NOT NULL,
    domain               INTEGER NOT NULL,
    port                 INTEGER NOT NULL,
    protocol             INTEGER NOT NULL,
    first_heard_ms       INTEGER NOT NULL,
    last_heard_ms        INTEGER NOT NULL,
    datagrams            INTEGER NOT NULL,
    wire_octets          INTEGER NOT NULL,
    records              INTEGER NOT NULL,
    option_records       INTEGER NOT NULL,
    missing_records      INTEGER NOT NULL,
    recovered_records    INTEGER NOT NULL,
    missing_datagrams    INTEGER NOT NULL,
    recovered_datagrams  INTEGER NOT NULL,
    reordered            INTEGER NOT NULL,
    duplicates           INTEGER NOT NULL,
    restarts             INTEGER NOT NULL,
    unknown_gaps         INTEGER NOT NULL,
    no_template_sets     INTEGER NOT NULL,
    parked_sets          INTEGER NOT NULL,
    unparked_sets        INTEGER NOT NULL,
    expired_sets         INTEGER NOT NULL,
    undecodable_octets   INTEGER NOT NULL,
    undecodable_datagrams INTEGER NOT NULL,
    kernel_drops         INTEGER NOT NULL,
    spool_drops          INTEGER NOT NULL,
    deselected_records   INTEGER NOT NULL,
    refused_datagrams    INTEGER NOT NULL,
    missing_samples      INTEGER NOT NULL,
    recovered_samples    INTEGER NOT NULL,
    dropped_samples      INTEGER NOT NULL,
    other_samples        INTEGER NOT NULL,
    undecoded_lists      INTEGER NOT NULL,
    reported_messages    INTEGER NOT NULL,
    reported_records     INTEGER NOT NULL,
    compared_messages    INTEGER NOT NULL,
    compared_records     INTEGER NOT NULL,
    unsent_records       INTEGER NOT NULL,
    ignored_packets      INTEGER NOT NULL,
    seal                 INTEGER NOT NULL,
    PRIMARY KEY (minute_ms, exporter, domain, port, protocol)
) WITHOUT ROWID;
INSERT INTO account SELECT
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops,
    deselected_records, refused_datagrams, missing_samples, recovered_samples, dropped_samples,
    other_samples, 0, 0, 0, 0, 0, 0, 0, seal(
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops,
    deselected_records, refused_datagrams, missing_samples, recovered_samples, dropped_samples,
    other_samples, 0, 0, 0, 0, 0, 0, 0)
    FROM account_0003;
DROP TABLE account_0003;
