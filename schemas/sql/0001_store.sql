-- 0001: the store of one Weir. Subjects, in this order: the file itself, deliveries, blocks,
-- roll-ups, the account, tags, the metered network, selection and privacy, components, the audit.
--
-- Numbers that are unsigned 64 bits in Weir are kept as their bit patterns (SQLite's integers are
-- signed). Addresses are 16 octets in network order, IPv4 as mapped. Times are milliseconds since
-- 1970. Text that lists names has commas between them.
--
-- Every row ends in a seal: the CRC-32C of the row's other columns (store/seal.h says over which
-- octets). SQLite has no checksums of its own; with seals a flipped bit in the file is an error
-- when the row is met, never a wrong number. That no row is passed over, the checksums of pages
-- tell (store/page_sum.h). Whoever changes a row by hand makes it invalid, on purpose. Zeros at a
-- row's end are not in its seal, so a later release may append columns that start at 0: ALTER TABLE
-- account ADD COLUMN more INTEGER NOT NULL DEFAULT 0 is a whole migration.
--
-- Stores have this text without comments, line breaks and further space (store/migrate.c): no
-- string in it may have two dashes or spaces in a row.
--
-- A released file of this folder is never changed: what comes after the release is 0002.

-- ---- the file itself ------------------------------------------------------------------------

-- identity: 16 random octets. incarnation: how often it was opened to be written. schema: the
-- digest of the text of these tables. changes: the hours of which roll-ups or account changed last
-- (store/changes.h). compacted: blocks up to this id are not made anew alone (store/compact.c).
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    seal  INTEGER NOT NULL
) WITHOUT ROWID;

-- ---- deliveries -----------------------------------------------------------------------------

-- Who made blocks: 16 random octets a collector.
CREATE TABLE collector (
    id       INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,
    seal     INTEGER NOT NULL
);

-- Blocks acknowledged lately, one row each: what makes delivery idempotent. Kept when its block is
-- merged with others or leaves. `block` is the block it came as, 0 when it brought no records.
-- `digest` is of the block as it came; `account` is the account as it came, from which the tables
-- account and checkpoint can be made anew.
CREATE TABLE delivery (
    collector   INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    block       INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    digest      INTEGER NOT NULL,
    account     BLOB NOT NULL,
    seal        INTEGER NOT NULL,
    PRIMARY KEY (collector, sequence)
) WITHOUT ROWID;

-- Deliveries that came long ago, consecutive ones of a collector together: sequences `first` to
-- `last` have all been stored. `account` is the sum of their accounts; the positions in it are
-- those after `last`.
CREATE TABLE delivered (
    collector INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    account   BLOB NOT NULL,
    seal      INTEGER NOT NULL,
    PRIMARY KEY (collector, first)
) WITHOUT ROWID;

-- Where each transport session's sequence stood in the newest block that tells.
CREATE TABLE checkpoint (
    collector      INTEGER NOT NULL,
    exporter       BLOB NOT NULL,
    domain         INTEGER NOT NULL,
    port           INTEGER NOT NULL,
    protocol       INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    next_sequence  INTEGER NOT NULL,
    sys_up_time_ms INTEGER NOT NULL,
    export_ms      INTEGER NOT NULL,
    seal           INTEGER NOT NULL,
    PRIMARY KEY (collector, exporter, domain, port, protocol)
) WITHOUT ROWID;

-- ---- blocks ---------------------------------------------------------------------------------

-- Invariant: the rows of all deliveries are those of all blocks and of all that was removed. Blocks
-- are merged, so which delivery a row came with is not kept.

-- A block's head, and in `directory` its columns' heads (block_column_write(), 96 octets each, in
-- the order of their keys; packed, block_heads_pack(), when it is not a multiple of 96 octets).
-- `head_seal` covers the columns of the index, `seal` all.
CREATE TABLE block (
    id        INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    octets    INTEGER NOT NULL,
    head_seal INTEGER NOT NULL,
    directory BLOB NOT NULL,
    seal      INTEGER NOT NULL
);
CREATE INDEX block_time ON block (kind, first_ms, last_ms, rows, octets, head_seal);
-- What waits to be merged. The number is BLOCK_SMALL of store/sql.h.
CREATE INDEX block_small ON block (kind, last_ms, id, rows, first_ms) WHERE rows < 131072;

-- The octets of a column; id is block * 1024 + place in the directory. Empty columns have no row.
-- Their checksum is in the directory.
CREATE TABLE block_column (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- What retention took away, `kind` by kind: 0 flow records, 1 options data, 2 flows that even the
-- roll-ups no longer count (these are among those of kind 0). `newest`: the highest id of a removed
-- block; ids are never used again. `flows`: what the roll-ups counted; a record may stand for
-- several flows.
CREATE TABLE removed (
    kind     INTEGER PRIMARY KEY,
    blocks   INTEGER NOT NULL,
    rows     INTEGER NOT NULL,
    flows    INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    newest   INTEGER NOT NULL,
    seal     INTEGER NOT NULL
);

-- ---- roll-ups -------------------------------------------------------------------------------

-- Sums per minute, exporter, domain, tags, protocol and sampling, in segments (store/segment.h):
--     resolution_ms 60000, tier 0-60   minutes, of the blocks that are here; a segment holds groups
--                                      whose minute is in [period_ms, period_ms + an hour).
--                                      Segments of one tier are merged into one of the next when
--                                      there are enough of them, so that an appended block costs a
--                                      write and not a search a group
--     resolution_ms 60000, tier 100    minutes, of the blocks that were removed; a segment an hour,
--                                      or several where it has very many groups; likewise below
--     resolution_ms 3600000, 86400000, 2764800000 (32 days), tier 0
--                                      the sum of both over one hour, day, 32 days since 1970 that
--                                      starts at period_ms. Made when time has passed, taken away
--                                      when something in it changes: a row that is here is exact
CREATE TABLE rollup (
    resolution_ms INTEGER NOT NULL,
    period_ms     INTEGER NOT NULL,
    tier          INTEGER NOT NULL,
    serial        INTEGER NOT NULL,
    groups        INTEGER NOT NULL,
    segment       BLOB NOT NULL,
    seal          INTEGER NOT NULL,
    PRIMARY KEY (resolution_ms, period_ms, tier, serial)
) WITHOUT ROWID;

-- ---- the account ----------------------------------------------------------------------------

-- One column a counter of ACCOUNT_COUNTERS in lib/flow/account.h, by its name. Statements name the
-- columns, so their order here has no meaning; the seal's order is the list's.
CREATE TABLE account (
    minute_ms             INTEGER NOT NULL,
    exporter              BLOB NOT NULL,
    domain                INTEGER NOT NULL,
    port                  INTEGER NOT NULL,
    protocol              INTEGER NOT NULL,
    first_heard_ms        INTEGER NOT NULL,
    last_heard_ms         INTEGER NOT NULL,
    datagrams             INTEGER NOT NULL,
    wire_octets           INTEGER NOT NULL,
    records               INTEGER NOT NULL,
    option_records        INTEGER NOT NULL,
    missing_records       INTEGER NOT NULL,
    recovered_records     INTEGER NOT NULL,
    missing_datagrams     INTEGER NOT NULL,
    recovered_datagrams   INTEGER NOT NULL,
    reordered             INTEGER NOT NULL,
    duplicates            INTEGER NOT NULL,
    restarts              INTEGER NOT NULL,
    unknown_gaps          INTEGER NOT NULL,
    no_template_sets      INTEGER NOT NULL,
    parked_sets           INTEGER NOT NULL,
    unparked_sets         INTEGER NOT NULL,
    expired_sets          INTEGER NOT NULL,
    undecodable_octets    INTEGER NOT NULL,
    undecodable_datagrams INTEGER NOT NULL,
    kernel_drops          INTEGER NOT NULL,
    spool_drops           INTEGER NOT NULL,
    deselected_records    INTEGER NOT NULL,
    refused_datagrams     INTEGER NOT NULL,
    missing_samples       INTEGER NOT NULL,
    recovered_samples     INTEGER NOT NULL,
    dropped_samples       INTEGER NOT NULL,
    other_samples         INTEGER NOT NULL,
    undecoded_lists       INTEGER NOT NULL,
    reported_messages     INTEGER NOT NULL,
    reported_records      INTEGER NOT NULL,
    compared_messages     INTEGER NOT NULL,
    compared_records      INTEGER NOT NULL,
    unsent_records        INTEGER NOT NULL,
    ignored_packets       INTEGER NOT NULL,
    dropped_records       INTEGER NOT NULL,
    undated_records       INTEGER NOT NULL,
    seal                  INTEGER NOT NULL,
    PRIMARY KEY (minute_ms, exporter, domain, port, protocol)
) WITHOUT ROWID;

-- ---- tags -----------------------------------------------------------------------------------

CREATE TABLE tag (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    seal INTEGER NOT NULL
);
CREATE TABLE tag_prefix (
    address BLOB NOT NULL,
    length  INTEGER NOT NULL,
    tag     INTEGER NOT NULL REFERENCES tag (id),
    seal    INTEGER NOT NULL,
    PRIMARY KEY (address, length)
) WITHOUT ROWID;
CREATE INDEX tag_prefix_tag ON tag_prefix (tag);
CREATE TABLE tag_as (
    number INTEGER PRIMARY KEY,
    tag    INTEGER NOT NULL REFERENCES tag (id),
    seal   INTEGER NOT NULL
);
CREATE INDEX tag_as_tag ON tag_as (tag);

-- ---- the metered network --------------------------------------------------------------------

CREATE TABLE device (
    address       BLOB NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    sampling_rate REAL NOT NULL,
    seal          INTEGER NOT NULL
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

-- ---- selection and privacy ------------------------------------------------------------------

-- What the collector does with records. `priority` orders the rules, the least first; the first
-- whose filter matches decides. `action`: keep, drop, aggregate (onto `keys`, element names),
-- anonymise. `method` and what follows: as in table anonymisation; '' where the rule has none.
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

-- How an observation domain's addresses are hidden before they are stored. `method`: crypto-pan,
-- truncate (to so many bits), remove, or none, an exception from a wider policy. `fields`, element
-- names, are removed whatever the method is; `macs`: MAC addresses too. `key` is a name: keys of
-- anonymisation are never in here, but in a file beside. Domain -1: every domain of the device; of
-- device "::", every exporter.
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

-- ---- components and the audit ---------------------------------------------------------------

CREATE TABLE db_component (
    url  TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    seal INTEGER NOT NULL
) WITHOUT ROWID;

-- Who changed what in the catalogue, and when.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    who     TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    seal    INTEGER NOT NULL
);
