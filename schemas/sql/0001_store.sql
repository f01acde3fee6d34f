-- 0001: the store. Blocks of flow records as columns, their roll-ups and account, the catalogue.
--
-- Numbers that are unsigned 64 bits in Weir are kept as their bit patterns (SQLite's integers are
-- signed). Addresses are 16 octets in network order, IPv4 as mapped. Times are milliseconds since 1970.
--
-- Every row ends in a seal: the CRC-32C of the row's other columns (store/seal.c says over which
-- octets). SQLite has no checksums of its own; with seals a flipped bit in the file is an error when
-- the row is met, never a wrong number. Whoever changes a row by hand makes it invalid, on purpose.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    seal  INTEGER NOT NULL
) WITHOUT ROWID;

-- Who made blocks: 16 random octets a collector.
CREATE TABLE collector (
    id       INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,
    seal     INTEGER NOT NULL
);

-- Every block ever acknowledged: what makes delivery idempotent. Kept when its block is merged with
-- others or leaves. `digest` is of the block as it came; `account` is the account as it came, from
-- which the tables account and checkpoint can be made anew. `block` is 0 when the delivery brought
-- no records.
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

-- A block's head, and in `directory` its columns' heads (block_column_write(), 96 octets each, in
-- the order of their keys). `head_seal` covers the columns of the index, `seal` all.
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

-- The octets of a column; id is block * 1024 + place in the directory. Empty columns have no row.
-- Their checksum is in the directory.
CREATE TABLE block_column (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- Sums per minute, exporter, domain, tags, protocol and sampling: segments (store/segment.h) of the
-- groups whose minute is in [period_ms, period_ms + an hour). Segments of one tier are merged into
-- one of the next when there are enough of them, so that an appended block costs a write and not a
-- search a group.
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

-- The account: one column a counter of flow/account.h, in its order.
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
    seal                 INTEGER NOT NULL,
    PRIMARY KEY (minute_ms, exporter, domain, port, protocol)
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

CREATE TABLE device (
    address       BLOB NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL,
    sampling_rate REAL NOT NULL,
    seal          INTEGER NOT NULL
) WITHOUT ROWID;

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
