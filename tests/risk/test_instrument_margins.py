"""An instrument's own margins, from the configuration or from ``ref.instruments``. Oracle: by hand;
the properties are in ``test_account.py``.
"""

from __future__ import annotations

import msgspec
import pytest
from stage_context import mark
from test_account import BUY, PERPETUAL, SECOND, asked, done, stage

from schemas.records import RiskEvent
from schemas.vocabulary import RiskCode
from streams.risk.listing import BadMargin


@pytest.mark.parametrize(
    ("leverage", "own", "table", "most"),
    [
        (1, {}, None, 1080),
        (10, {}, None, 180),
        (10, {"TOY": "0.5"}, None, 580),
        (100, {"TOY": "0.001"}, None, 90),
        (10, {}, 50_000_000, 580),
        (100, {}, 100_000, 90),
        (10, {"TOY": "0.2"}, 50_000_000, 280),
        (10, {"test:TOY": "0.5"}, 20_000_000, 580),
    ],
)
def test_a_buy_should_need_its_margin_and_what_it_may_pay_above_the_touch(
    leverage: int, own: dict[str, str], table: int | None, most: int
) -> None:
    """Oracle: by hand: 10 at 108 at worst and 100 at the bid: margin of 1,000 and 80. What is
    configured goes before the instrument's own.
    """
    instrument = msgspec.structs.replace(PERPETUAL, venue="test", initial_margin=table)
    for cash, code in ((most, RiskCode.NONE), (most - 1, RiskCode.INSUFFICIENT_MARGIN)):
        risk, context = stage([instrument], cash=str(cash), leverage=leverage, initial_margin=own)
        decision = asked(risk, context, BUY, 10)
        assert (decision.code, decision.observed, decision.limit) == (
            (code, most, cash) if code != RiskCode.NONE else (code, 0, 0)
        )


@pytest.mark.parametrize(
    ("table", "own", "limit"),
    [
        (None, {}, 40),
        (20_000_000, {}, 160),
        (20_000_000, {"TOY": "0.1"}, 80),
        (None, {"TOY": "0.2"}, 160),
    ],
)
def test_the_maintenance_margin_should_be_the_configured_the_instruments_or_half(
    table: int | None, own: dict[str, str], limit: int
) -> None:
    """Oracle: by hand: 10 bought at 102 on 250 are worth 800 at a bid of 80; 30 are left."""
    instrument = msgspec.structs.replace(PERPETUAL, maintenance_margin=table)
    risk, context = stage([instrument], cash="250", leverage=10, maintenance_margin=own)
    done(risk, context, asked(risk, context, BUY, 10, 102), 102)
    risk.on_mark(mark(80, 82, SECOND), context)
    (event,) = context.take(RiskEvent)
    assert (RiskCode(event.code).name, event.observed, event.limit) == ("LIQUIDATION", 30, limit)


@pytest.mark.parametrize("field", ["initial_margin", "maintenance_margin"])
@pytest.mark.parametrize("rate", [0, -1, 100_000_001])
def test_a_margin_that_cannot_be_should_be_named(field: str, rate: int) -> None:
    """Whoever wrote ``ref.instruments``: no margin is guessed. What is configured needs no other.
    """
    instrument = msgspec.structs.replace(PERPETUAL, **{field: rate})
    with pytest.raises(
        BadMargin,
        match=f"TOY on .* has the {field} {rate} .*in ref.instruments; correct the instrument "
        "table",
    ):
        stage([instrument])
    stage([instrument], **{field: {"TOY": "0.3"}})
