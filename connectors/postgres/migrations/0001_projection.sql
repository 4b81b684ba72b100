-- Orders, fills, positions and P&L as they lie on the topics.
--
-- Columns named *_raw are the log's own integers; the column beside each is the same number as an exact decimal, null while the instrument is not in
-- ref.instruments. Times are the log's nanoseconds; instant(ns) reads them. No column holds a wall-clock time of the projection's own: a rebuilt
-- table is equal to the one it replaces, byte for byte.

CREATE FUNCTION scaled(raw numeric, decimals integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN raw * ('1e-' || decimals)::numeric;  -- exact: numeric multiplication adds the scales, division would round

CREATE FUNCTION instant(ns bigint) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN timestamptz '1970-01-01 00:00:00+00' + (ns / 1000) * interval '1 microsecond';

CREATE TABLE marks (
    topic       text COLLATE "C" NOT NULL,
    partition   integer NOT NULL,
    topic_id    text NOT NULL,          -- UUID of the topic: one made anew counts its offsets from 0 again
    next_offset bigint NOT NULL,        -- every record before it is in the tables, none from it on
    PRIMARY KEY (topic, partition)
);

CREATE TABLE instruments (
    instrument         integer PRIMARY KEY,
    venue              text NOT NULL,
    symbol             text NOT NULL,
    kind               text NOT NULL,
    base               text NOT NULL,
    quote              text NOT NULL,
    price_precision    integer NOT NULL CHECK (price_precision BETWEEN 0 AND 38),
    quantity_precision integer NOT NULL CHECK (quantity_precision BETWEEN 0 AND 38),
    expiry_ns          bigint,
    valid_from_ns      bigint NOT NULL
);

-- One row per order: what was asked comes from orders.requests, what became of it from orders.events. The two topics have no order between them, so
-- each writes columns of its own, and the row is the same whichever came first.
CREATE TABLE orders (
    order_id                 text COLLATE "C" PRIMARY KEY,
    account                  integer,
    strategy                 integer,
    instrument               integer,
    side                     text,
    order_type               text,
    time_in_force            text,
    post_only                boolean,
    requested_time_ns        bigint,
    requested_quantity_raw   bigint,
    requested_quantity       numeric,
    requested_price_raw      bigint,
    requested_price          numeric,
    cancel_requested_time_ns bigint,
    status                   text,
    reason                   text,
    event_time_ns            bigint,
    quantity_raw             bigint,
    quantity                 numeric,
    price_raw                bigint,
    price                    numeric,
    filled_quantity_raw      bigint,
    filled_quantity          numeric,
    events                   integer NOT NULL DEFAULT 0,
    refused_events           integer NOT NULL DEFAULT 0,
    refused_reason           text
);
CREATE INDEX orders_by_account ON orders (account, event_time_ns);

CREATE TABLE fills (
    log_partition  integer NOT NULL,
    log_offset     bigint NOT NULL,
    order_id       text COLLATE "C" NOT NULL,
    account        integer NOT NULL,
    strategy       integer NOT NULL,
    instrument     integer NOT NULL,
    event_time_ns  bigint NOT NULL,
    side           text NOT NULL,
    price_raw      bigint NOT NULL,
    price          numeric,
    quantity_raw   bigint NOT NULL,
    quantity       numeric,
    liquidity      text NOT NULL,
    fee_raw        numeric(38, 0) NOT NULL,
    fee            numeric,
    venue_trade_id bigint NOT NULL,
    PRIMARY KEY (log_partition, log_offset)
);
CREATE INDEX fills_by_order ON fills (order_id);
CREATE INDEX fills_by_account ON fills (account, event_time_ns);

-- The present position; its history is what the fills add up to.
CREATE TABLE positions (
    account       integer NOT NULL,
    strategy      integer NOT NULL,
    instrument    integer NOT NULL,
    event_time_ns bigint NOT NULL,
    order_id      text COLLATE "C" NOT NULL,
    quantity_raw  bigint NOT NULL,
    quantity      numeric,
    cost_raw      numeric(38, 0) NOT NULL,
    cost          numeric,
    realized_raw  numeric(38, 0) NOT NULL,
    realized      numeric,
    fees_raw      numeric(38, 0) NOT NULL,
    fees          numeric,
    PRIMARY KEY (account, strategy, instrument)
);

CREATE TABLE pnl (
    log_partition    integer NOT NULL,
    log_offset       bigint NOT NULL,
    account          integer NOT NULL,
    event_time_ns    bigint NOT NULL,
    amount_precision integer NOT NULL,
    realized_raw     numeric(38, 0) NOT NULL,
    realized         numeric NOT NULL,
    unrealized_raw   numeric(38, 0),
    unrealized       numeric,
    fees_raw         numeric(38, 0) NOT NULL,
    fees             numeric NOT NULL,
    cash_raw         numeric(38, 0) NOT NULL,
    cash             numeric NOT NULL,
    equity_raw       numeric(38, 0),
    equity           numeric,
    reason           text NOT NULL,
    flags            integer NOT NULL,
    PRIMARY KEY (log_partition, log_offset)
);
CREATE INDEX pnl_by_account ON pnl (account, event_time_ns);
