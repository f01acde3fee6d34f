-- 0005: upkeep. Blocks are merged, leave when they are old, and roll-ups get coarser ones.
--
-- The rows of a block come from deliveries, but which ones is no longer kept when blocks are merged:
-- column `block` of table delivery says as what a delivery came. What is kept is the sum: the rows of
-- all deliveries are those of all blocks and of all that was removed.
--
-- Table rollup has more kinds of rows than before:
--     resolution_ms 60000, tier 0-60   minutes, of the blocks that are here; segments of an hour
--     resolution_ms 60000, tier 100    minutes, of the blocks that were removed; one segment an hour
--     resolution_ms 3600000, 86400000, 2764800000 (32 days), tier 0
--                                      the sum of both over one hour, day, 32 days since 1970 that starts
--                                      at period_ms. Made when time has passed, taken away when
--                                      something in it changes: a row that is here is exact.

-- What waits to be merged. The number is BLOCK_SMALL of store/sql.h.
CREATE INDEX block_small ON block (kind, last_ms, id, rows, first_ms) WHERE rows < 131072;

-- What retention took away, `kind` by kind: 0 flow records, 1 options data, 2 flows that even the
-- roll-ups no longer count (these are among those of kind 0). `newest`: the highest id of a removed block;
-- ids are
-- never used again. `flows`: what the roll-ups counted; a record may stand for several flows.
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

-- Deliveries that came long ago, consecutive ones of a collector together: sequences `first` to `last` have
-- all been stored. `account` is the sum of their accounts; the positions in it are those after `last`.
CREATE TABLE delivered (
    collector INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    rows      INTEGER NOT NULL,
    account   BLOB NOT NULL,
    seal      INTEGER NOT NULL,
    PRIMARY KEY (collector, first)
) WITHOUT ROWID;
