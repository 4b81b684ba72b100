"""Records to rows on a real PostgreSQL: exactly once, exact, and the same however they arrive.

Oracles: ``decimal`` at 80 digits; PostgreSQL's own constraints; values written out by hand; the
rows themselves before and after a replay.
"""

from __future__ import annotations

import decimal
import random
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from connectors.framed import FramedDecoder, UnreadableRecord
from connectors.postgres.database import (
    DatabaseFailed,
    NoDatabase,
    connect,
    find_database,
    schema_name,
)
from connectors.postgres.digest import digests
from connectors.postgres.marks import RowsReplaced, TopicReplaced
from connectors.postgres.migrations import migrate
from connectors.postgres.projection import GapFound, LoggedRecord, PrecisionChanged, Projection
from connectors.postgres.tables import TOPICS
from schemas.codec import codec
from schemas.records import Fill, Instrument, OrderEvent, OrderRequest, PnL, Position
from schemas.vocabulary import (
    Liquidity,
    NullReason,
    OrderReason,
    OrderStatus,
    OrderType,
    RequestKind,
    Side,
    TimeInForce,
)
from streams.log.kafka.framing import header

IDS = {name: f"uuid-of-{name}" for name in TOPICS}
DIGITS = decimal.Context(prec=80)
SECOND = 10**9
NEW, CANCEL = int(RequestKind.NEW), int(RequestKind.CANCEL)
FILLED, DENIED, ACCEPTED = (
    int(OrderStatus.FILLED),
    int(OrderStatus.DENIED),
    int(OrderStatus.ACCEPTED),
)
NONE, REFUSED = int(OrderReason.NONE), int(OrderReason.REFUSED_TRANSITION)


def instrument(
    number: int = 1, price_precision: int = 2, quantity_precision: int = 8
) -> Instrument:
    precision = price_precision, quantity_precision
    return Instrument(
        number,
        "test",
        f"T{number}USDT",
        2,
        f"T{number}",
        "USDT",
        *precision,
        1,
        1,
        1,
        9,
        0,
        1,
        True,
        0,
        None,
        5,
        5,
        0,
    )


def order(number: int) -> str:
    return f"{number:020}"


def request(number: int, kind: int = NEW, at: int = SECOND, line: int = 1) -> OrderRequest:
    quantity, price = (0, 0) if kind == CANCEL else (123_456_789, 4_200_001)
    return OrderRequest(
        order(number),
        1,
        2,
        line,
        at,
        kind,
        int(Side.BUY),
        int(OrderType.LIMIT),
        int(TimeInForce.GTC),
        False,
        quantity,
        price,
    )


def event(
    number: int,
    status: int,
    filled: int = 0,
    refused: bool = False,
    at: int = 2 * SECOND,
    line: int = 1,
) -> OrderEvent:
    return OrderEvent(
        order(number),
        1,
        2,
        line,
        at,
        status,
        REFUSED if refused else NONE,
        int(Side.BUY),
        123_456_789,
        4_200_001,
        filled,
        refused,
    )


def fill(
    number: int, price: int = 4_200_001, quantity: int = 50, fee: int = -7, line: int = 1
) -> Fill:
    return Fill(
        order(number),
        1,
        2,
        line,
        3 * SECOND,
        int(Side.BUY),
        price,
        quantity,
        int(Liquidity.MAKER),
        fee,
        99,
    )


def position(quantity: int, cost: int, line: int = 1) -> Position:
    return Position(1, 2, line, 3 * SECOND, order(1), quantity, cost, -cost, 5)


def pnl(realized: int, equity: int | None) -> PnL:
    return PnL(
        1,
        4 * SECOND,
        10,
        realized,
        equity,
        3,
        10**30,
        equity,
        int(NullReason.NONE if equity is not None else NullReason.NO_MARK),
        0,
    )


def logged(topic: str, offset: int, record: Any, partition: int = 0) -> LoggedRecord:
    return LoggedRecord(
        topic, partition, offset, header(1) + codec(type(record).__name__).encode_records([record])
    )


DAY = [
    logged("ref.instruments", 0, instrument()),
    logged("orders.requests", 0, request(1)),
    logged("orders.requests", 2, request(2)),
    logged("orders.requests", 4, request(2, CANCEL, 5 * SECOND)),
    logged("orders.requests", 5, request(3, line=77)),
    logged("orders.events", 1, event(1, ACCEPTED)),
    logged("orders.events", 3, event(1, FILLED, 123_456_789)),
    logged("orders.events", 4, event(1, FILLED, refused=True)),
    logged("orders.events", 6, event(2, ACCEPTED)),
    logged("orders.events", 7, event(3, DENIED, line=77)),
    logged("orders.events", 9, event(4, FILLED, refused=True)),
    logged("fills", 0, fill(1)),
    logged("fills", 1, fill(1, price=-(2**63), quantity=2**63 - 1, fee=10**38 - 1)),
    logged("positions", 0, position(50, 210_000_050)),
    logged("positions", 2, position(-(2**63), -(10**38) + 1)),
    logged("pnl", 0, pnl(-1, None)),
    logged("pnl", 3, pnl(10**38 - 1, -(10**38) + 1)),
]


@pytest.fixture
def session(database: str) -> Iterator[Any]:
    with connect(database, "shrivenquant") as found:
        migrate(found, "shrivenquant")
        yield found


def projection(session: Any, ids: dict[str, str] = IDS) -> Projection:
    return Projection(session, FramedDecoder(None), ids)


def rows(session: Any, query: str) -> list[Any]:
    return list(session.execute(query.encode()).fetchall())


def exact(raw: int, decimals: int) -> decimal.Decimal:
    return decimal.Decimal(raw).scaleb(-decimals, DIGITS)


def test_a_record_is_applied_once_however_often_it_is_delivered(session: Any) -> None:
    found = projection(session)
    assert found.apply(DAY) == len(DAY)
    before = digests(session, "shrivenquant")
    assert found.apply(DAY) == 0
    assert projection(session).apply(DAY[3:]) == 0
    assert projection(session).apply([*DAY, *DAY]) == 0
    assert digests(session, "shrivenquant") == before
    assert projection(session).marks() == {
        ("fills", 0): 2, ("orders.events", 0): 10, ("orders.requests", 0): 6, ("pnl", 0): 4,
        ("positions", 0): 3, ("ref.instruments", 0): 1,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_rows_do_not_depend_on_how_topics_are_cut_and_interleaved(database: str, seed: int) -> None:
    """Each topic in its own order, batches and topics in any; delivered again in between, as a
    rebalance does.
    """
    with connect(database, "straight") as straight, connect(database, "shuffled") as shuffled:
        migrate(straight, "straight")
        migrate(shuffled, "shuffled")
        projection(straight).apply(DAY)
        draw = random.Random(seed)
        waiting = {name: [each for each in DAY if each.topic == name] for name in TOPICS}
        delivered: list[LoggedRecord] = []
        worker = projection(shuffled)
        while any(waiting.values()):
            batch = list(draw.sample(delivered, min(len(delivered), draw.randrange(3))))
            for _ in range(draw.randrange(1, 5)):
                name = draw.choice([name for name in TOPICS if waiting[name]] or ["fills"])
                if waiting[name]:
                    batch.append(waiting[name].pop(0))
            draw.shuffle(batch)
            worker.apply(batch)
            delivered += batch
        assert digests(shuffled, "shuffled") == digests(straight, "straight")


def test_decimals_are_the_integers_at_the_instruments_precision_to_the_last_digit(
    session: Any,
) -> None:
    projection(session).apply(DAY)
    for price_raw, price, quantity_raw, quantity, fee_raw, fee in rows(
        session, "SELECT price_raw, price, quantity_raw, quantity, fee_raw, fee FROM fills"
    ):
        assert (price, quantity, fee) == (
            exact(price_raw, 2),
            exact(quantity_raw, 8),
            exact(int(fee_raw), 10),
        )
    assert rows(
        session, "SELECT price_raw, quantity_raw, fee_raw FROM fills ORDER BY log_offset"
    ) == [
        (4_200_001, 50, -7),
        (-(2**63), 2**63 - 1, 10**38 - 1),
    ]
    assert [str(each[0]) for each in rows(session, "SELECT cost FROM positions")] == [
        "-" + "9" * 28 + "." + "9" * 10
    ]
    found = rows(
        session, "SELECT realized, unrealized, cash, equity, reason FROM pnl ORDER BY log_offset"
    )
    assert found[0] == (exact(-1, 10), None, exact(10**30, 10), None, "NO_MARK")
    assert found[1] == (
        exact(10**38 - 1, 10),
        exact(-(10**38) + 1, 10),
        exact(10**30, 10),
        exact(-(10**38) + 1, 10),
        "NONE",
    )


def test_an_order_holds_what_was_asked_and_what_became_of_it(session: Any) -> None:
    projection(session).apply(DAY)
    columns = (
        "order_id, side, order_type, requested_price, cancel_requested_time_ns, status, "
        "filled_quantity, events, refused_events"
    )
    price = exact(4_200_001, 2)
    assert rows(session, f"SELECT {columns} FROM orders ORDER BY order_id") == [
        (order(1), "BUY", "LIMIT", price, None, "FILLED", exact(123_456_789, 8), 2, 1),
        (order(2), "BUY", "LIMIT", price, 5 * SECOND, "ACCEPTED", exact(0, 8), 1, 0),
        # an instrument nobody knows: integers, and no decimals
        (order(3), "BUY", "LIMIT", None, None, "DENIED", None, 1, 0),
        (order(4), None, None, None, None, None, None, 0, 1),  # only a refusal was ever heard of it
    ]
    assert (
        str(
            rows(
                session,
                "SELECT instant(event_time_ns) FROM orders WHERE order_id = '" + order(1) + "'",
            )[0][0]
        )
        == "1970-01-01 00:00:02+00:00"
    )


def test_an_instrument_that_comes_late_gives_its_decimals_to_the_rows_before(session: Any) -> None:
    worker = projection(session)
    worker.apply(DAY[1:])
    assert rows(session, "SELECT count(*) FROM fills WHERE price IS NULL") == [(2,)]
    worker.apply(DAY[:1])
    worker.apply([logged("ref.instruments", 1, instrument(77, 0, 0))])
    assert rows(session, "SELECT count(*) FROM fills WHERE price IS NULL OR fee IS NULL") == [(0,)]
    assert rows(session, "SELECT requested_price, quantity FROM orders WHERE instrument = 77") == [
        (4_200_001, 123_456_789)
    ]


def test_an_instrument_and_a_fill_in_two_transactions_at_once_both_get_their_decimals(
    database: str,
) -> None:
    """A worker that adds the instrument and one that adds fills, neither seeing the other's open
    transaction: no fill is without a price.
    """
    for round_ in range(8):
        schema = f"race{round_}"
        with connect(database, schema) as one, connect(database, schema) as other:
            migrate(one, schema)
            gate = threading.Barrier(2)

            def run(
                session: Any, batch: list[LoggedRecord], gate: threading.Barrier = gate
            ) -> None:
                worker = projection(session)
                gate.wait()
                worker.apply(batch)

            both = [
                threading.Thread(target=run, args=each)
                for each in (
                    (one, DAY[:1]),
                    (other, [logged("fills", n, fill(n)) for n in range(50)]),
                )
            ]
            for each in both:
                each.start()
            for each in both:
                each.join()
            assert rows(one, "SELECT count(*), count(price) FROM fills") == [(50, 50)]


def test_two_workers_with_the_same_records_apply_each_once(database: str) -> None:
    """A zombie after a rebalance: both hold the same batch."""
    with connect(database, "zombie") as one, connect(database, "zombie") as other:
        migrate(one, "zombie")
        counts: list[int] = []
        both = [
            threading.Thread(target=lambda s=each: counts.append(projection(s).apply(DAY)))
            for each in (one, other)
        ]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert sorted(counts) == [0, len(DAY)]
        assert rows(
            one, "SELECT events, refused_events FROM orders WHERE order_id = '" + order(1) + "'"
        ) == [(2, 1)]


def test_a_batch_with_an_unreadable_record_leaves_nothing(session: Any) -> None:
    before = digests(session, "shrivenquant")
    with pytest.raises(UnreadableRecord, match="pnl/0/5"):
        projection(session).apply([*DAY, LoggedRecord("pnl", 0, 5, b"\0\0\0\0\1\2")])
    assert digests(session, "shrivenquant") == before
    assert projection(session).marks() == {}


def test_a_changed_precision_is_refused(session: Any) -> None:
    worker = projection(session)
    worker.apply(DAY)
    worker.apply([logged("ref.instruments", 1, instrument())])  # the same specification, fed again
    with pytest.raises(PrecisionChanged, match="ref.instruments/0/2: instrument 1"):
        worker.apply([logged("ref.instruments", 2, instrument(1, 3, 8))])


def test_a_record_that_skips_others_is_refused_until_they_came(session: Any) -> None:
    """Faust lost 1 to 3 when partitions moved, and hands on 4: offsets have holes, so only what the
    reader saw before it tells.
    """
    worker = projection(session)
    first, lost, late = (logged("fills", offset, fill(offset)) for offset in (0, 2, 4))
    worker.apply([first._replace(after=0)])
    with pytest.raises(GapFound, match="fills/0: offset 4 came, and what lies from 1 to 3 did not"):
        worker.apply([late._replace(after=3)])
    assert (
        worker.apply([late._replace(after=3), lost._replace(after=1), late._replace(after=4)]) == 2
    )
    assert rows(session, "SELECT log_offset FROM fills ORDER BY 1") == [(0,), (2,), (4,)]


def test_a_topic_made_anew_is_not_read_on(session: Any) -> None:
    projection(session).apply(DAY)
    other = projection(session, {**IDS, "fills": "another"})
    with pytest.raises(TopicReplaced, match="fills is not the topic"):
        other.marks()
    with pytest.raises(TopicReplaced, match="sq project rebuild"):
        other.apply([logged("fills", 9, fill(1))])


def test_a_worker_whose_rows_were_replaced_ends(session: Any) -> None:
    worker = projection(session)
    worker.apply(DAY)
    session.execute("DELETE FROM marks")
    with pytest.raises(RowsReplaced, match="start again"):
        worker.apply([logged("fills", 9, fill(1))])


def test_a_lost_connection_is_a_typed_error(session: Any, database: str) -> None:
    worker = projection(session)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (session.info.backend_pid,))
    with pytest.raises(DatabaseFailed, match="nothing of it was kept"):
        worker.apply(DAY)


def test_a_database_is_named_or_asked_for() -> None:
    assert (
        find_database("postgresql://here/db", {"SQ_POSTGRES_URL": "there"})
        == "postgresql://here/db"
    )
    assert find_database("", {"SQ_POSTGRES_URL": "there"}) == "there"
    with pytest.raises(NoDatabase, match="SQ_POSTGRES_URL"):
        find_database("", {})
    with pytest.raises(NoDatabase, match="cannot be read"):
        connect("nonsense", "shrivenquant")
    with pytest.raises(DatabaseFailed, match="cannot connect"):
        connect("host=/nowhere dbname=none", "shrivenquant")
    assert [schema_name(""), schema_name("uat-2"), schema_name("uat", "mine")] == [
        "shrivenquant",
        "shrivenquant_uat_2",
        "mine",
    ]
    with pytest.raises(NoDatabase, match="no schema name"):
        schema_name("", "x; DROP")
