-- 0002: selection and privacy. What the collector does with records (flow types), where they were
-- metered (observation domains and points), how their addresses are anonymised; two counters more.
--
-- Keys of anonymisation are never in here: `key` is a name, the key itself is in a file beside.

-- `priority` orders the rules, the least first; the first whose filter matches decides.
-- `action`: keep, drop, aggregate (onto `keys`, element names with commas), anonymise.
-- `method` and what follows: as in table anonymisation; '' where the rule has none of its own.
CREATE TABLE flow_type (
    name        TEXT NOT NULL PRIMARY KEY,
    priority    INTEGER NOT NULL UNIQUE,
    filter      TEXT NOT NULL,
    action      TEXT NOT NULL,
    keys        TEXT NOT NULL,
    method      TEXT NOT NULL,
    ipv4_length INTEGER NOT NULL,
    ipv6_length INTEGER NOT NULL,
    fields      TEXT NOT NULL,
    macs        INTEGER NOT NULL,
    key         TEXT NOT NULL,
    seal        INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE observation_domain (
    device      BLOB NOT NULL,
    domain      INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    seal        INTEGER NOT NULL,
    PRIMARY KEY (device, domain)
) WITHOUT ROWID;

-- `interface` is ingressInterface; `role` is edge-in, edge-out or core.
CREATE TABLE observation_point (
    device    BLOB NOT NULL,
    domain    INTEGER NOT NULL,
    interface INTEGER NOT NULL,
    name      TEXT NOT NULL,
    role      TEXT NOT NULL,
    seal      INTEGER NOT NULL,
    PRIMARY KEY (device, domain, interface)
) WITHOUT ROWID;

-- `method`: crypto-pan, truncate (to so many bits), remove. `fields`, element names with commas, are
-- removed whatever the method is; `macs`: MAC addresses too.
CREATE TABLE anonymisation (
    device      BLOB NOT NULL,
    domain      INTEGER NOT NULL,
    method      TEXT NOT NULL,
    ipv4_length INTEGER NOT NULL,
    ipv6_length INTEGER NOT NULL,
    fields      TEXT NOT NULL,
    macs        INTEGER NOT NULL,
    key         TEXT NOT NULL,
    seal        INTEGER NOT NULL,
    PRIMARY KEY (device, domain)
) WITHOUT ROWID;

-- The account with deselected_records and refused_datagrams behind the older counters. Rows are
-- sealed anew, but only when every old seal is right: damage must not be made to look sound.
CREATE TEMP TABLE sound (ok INTEGER NOT NULL CHECK (ok = 1));
INSERT INTO sound SELECT DISTINCT seal = seal(
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops)
    FROM account;
DROP TABLE sound;
ALTER TABLE account RENAME TO account_0001;
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
    seal                 INTEGER NOT NULL,
    PRIMARY KEY (minute_ms, exporter, domain, port, protocol)
) WITHOUT ROWID;
INSERT INTO account SELECT
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops,
    0, 0, seal(
    minute_ms, exporter, domain, port, protocol, first_heard_ms, last_heard_ms, datagrams, wire_octets,
    records, option_records, missing_records, recovered_records, missing_datagrams,
    recovered_datagrams, reordered, duplicates, restarts, unknown_gaps, no_template_sets, parked_sets,
    unparked_sets, expired_sets, undecodable_octets, undecodable_datagrams, kernel_drops, spool_drops,
    0, 0)
    FROM account_0001;
DROP TABLE account_0001;
