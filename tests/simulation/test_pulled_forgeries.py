"""Forgeries of pulled folders: the log of a cluster is changed and pulled, or the folder is, and
everything around the change is made again.

Oracle: the fault that was planted. Each is found, called by its kind, and named. ``proving.py`` has
the same acts on clusters, ``tests/runtime/test_forgeries.py`` those on local runs.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from jobs.strangers import remember
from jobs.strategies import strategy_sources
from jobs.verification import verify_run
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.records import PnL, SnapshotChunk, Trade
from streams.log.kafka.framing import HEADER_BYTES
from streams.runtime.journal.journal import BATCH, CLOSE, JournalEntry, OutputEntry
from tests.simulation.broker import SimulatedBroker
from tests.simulation.pipeline_stage import PipelineStage
from tests.simulation.proving import ACTS, Entries, entries_of, rewritten
from tests.simulation.pulled import closed_again, pulled
from tests.turns import long_but_every

TRADES = 80
JOURNAL = ("pipeline.journal", 0)


@pytest.fixture(scope="module")
def stage() -> PipelineStage:
    """A topology that traded and was closed for good; its folder verifies."""
    stage = PipelineStage()
    remember(strategy_sources(stage.subject.deployment.configuration))
    task = stage.task(state_digest_records=64)
    task.prepare()
    for topic in ("md.depth", "md.trades", "md.book_tickers"):
        stage.feed(topic, TRADES)
    while task.step(0.1):
        pass
    task.drain()
    task.end()
    task.close()
    assert stage.broker.committed("fills")
    return stage


@pytest.fixture(scope="module")
def honest(stage: PipelineStage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = pulled(stage.broker, tmp_path_factory.mktemp("pulled") / "honest")
    verdict = verify_run(folder)
    assert (verdict.findings, verdict.closed, verdict.scope) == ([], True, "order: as journaled")
    return folder


class Forgery(NamedTuple):
    """A forgery. ``log``: what is done to the cluster before it is pulled; ``folder``: what to the
    folder after.
    """

    kinds: tuple[str, ...]
    named: str
    log: Callable[[SimulatedBroker, Any], object] | None = None
    folder: Callable[[Path], object] = lambda _: None


def journal_with(named: str, change: Callable[[Entries], object], kind: str = "journal") -> Forgery:
    """The journal's records changed, chained again, and pulled."""

    def act(broker: SimulatedBroker, _: Any) -> None:
        entries = entries_of(broker, JOURNAL)
        change(entries)
        rewritten(broker, JOURNAL, entries)

    return Forgery((kind,), named, log=act)


def genesis_with(
    named: str, change: Callable[[dict[str, Any]], object], kind: str = "journal"
) -> Forgery:
    """Another fact in the genesis record."""
    return journal_with(named, lambda entries: change(entries[0].facts), kind)


def manifest_with(
    named: str, change: Callable[[dict[str, Any]], object], kind: str = "file"
) -> Forgery:
    """A ``run.json`` that says something else, with its own digest."""
    return Forgery((kind,), named, folder=lambda folder: closed_again(folder, change))


def record_more(kind: str, topic: str, record: type[Any], distance: int = 0) -> Forgery:
    """A record behind a topic's last, and a ``run.json`` that counts it."""
    made = record(*(b"" if each.type is bytes else 1 for each in msgspec.structs.fields(record)))
    return Forgery(
        (kind,), topic, folder=lambda folder: closed_again(folder, more=(topic, distance, made))
    )


def changed_record(
    topic: str, **changes: Callable[[Any], Any]
) -> Callable[[SimulatedBroker, Any], None]:
    """The first record of a topic with other values."""

    def act(broker: SimulatedBroker, _: Any) -> None:
        place = broker.committed(topic)[0]
        assert place.value is not None
        coder = codec(topic_of(topic).record)
        record = coder.decode_records(place.value[HEADER_BYTES:], 1)[0]
        new = msgspec.structs.replace(
            record, **{name: change(record) for name, change in changes.items()}
        )
        value = place.value[:HEADER_BYTES] + coder.encode_records([new])
        broker.partition((topic, 0)).records[place.offset] = place._replace(value=value)

    return act


def _first_output(entries: Entries, **changes: Any) -> None:
    entry = next(each for each in entries if each.kind == BATCH and each.outputs)
    item = entry.outputs[0]
    entry.outputs[0] = OutputEntry(
        *(changes.get(name, getattr(item, name)) for name in item.__struct_fields__)
    )


def _last_states(entries: Entries) -> None:
    entry = [each for each in entries if each.states][-1]
    entry.states = [(number, b"\7" * 32) for number, _ in entry.states]


def _reopened(broker: SimulatedBroker, _: Any) -> None:
    """The Close taken away: the topology seems to run on."""
    del broker.partition(JOURNAL).records[broker.committed(*JOURNAL)[-1].offset :]


def _forked(broker: SimulatedBroker, subject: Any) -> None:
    """A second owner's record in the place of the Close."""
    _reopened(broker, subject)
    assert BY_NAME[FORK].is_done(broker, subject)


def _closed_early(broker: SimulatedBroker, _: Any) -> None:
    """The last batch that published anything is not there, nor what follows it: the Close comes in
    its place.
    """
    entries, places = entries_of(broker, JOURNAL), broker.committed(*JOURNAL)
    cut = max(number for number, entry in enumerate(entries) if entry.outputs)
    facts = entries[-1].facts
    entries[cut] = JournalEntry(
        sequence=cut, kind=CLOSE, input_sequence=entries[cut - 1].input_sequence, facts=facts
    )
    del broker.partition(JOURNAL).records[places[cut].offset + 1 :]
    rewritten(broker, JOURNAL, entries[: cut + 1])


def _without_ticker(facts: dict[str, Any]) -> None:
    """The rule is gone from all that says it, and not from what was read."""
    for said in (facts["configuration"], facts["identity"]):
        said["stages"].pop("venue")


BY_NAME = {act.name: act for act in ACTS}
FORK = "a fork of the journal"
CORPUS: dict[str, Forgery] = {
    act.name: Forgery(act.found_as, "", log=act.is_done)
    for act in ACTS
    if not act.name.startswith("retention")
}
CORPUS |= {
    FORK: Forgery(BY_NAME[FORK].found_as, "", log=_forked),
    "output digest": journal_with("md.quotes", lambda entries: _first_output(entries,
    digest=b"\7" * 32)),
    "state digests": journal_with("", _last_states, "code"),
    "close: left out, run.json says closed": Forgery(
        ("file",), "status", _reopened, lambda folder: closed_again(folder,
        lambda facts: facts.__setitem__("status", "closed"))
    ),
    "close: before the last batch": Forgery(("output",), "another writer", log=_closed_early),
    "close: input sequence": journal_with("Close", lambda entries: setattr(entries[-1],
    "input_sequence", 7)),
    "close: no ends": journal_with("Close", lambda entries: setattr(entries[-1], "facts", {})),
    "close: an end left out": journal_with("Close",
    lambda entries: entries[-1].facts["ends"].pop("fills")),
    "close: a fact more": journal_with("Close",
    lambda entries: entries[-1].facts.__setitem__("profit", 9)),
    "genesis: identity's cash": genesis_with("cash",
    lambda facts: facts["identity"].__setitem__("cash", "7USDT")),
    "genesis: identity's strategy": genesis_with("strategy",
    lambda facts: facts["identity"].__setitem__("strategy", "ema")),
    "genesis: identity's topics": genesis_with("publish",
    lambda facts: facts["identity"]["publish"].pop()),
    "genesis: configuration's cash": genesis_with("",
    lambda facts: facts["configuration"].__setitem__("cash", "7"), "code"),
    "genesis: a strategy of another folder": genesis_with(
        "strategy is /official/", lambda facts: facts["configuration"].__setitem__("strategy",
        f"/official/{facts['configuration']['strategy']}")
    ),
    "genesis: identity's ticker": genesis_with("stages",
    lambda facts: facts["identity"]["stages"].clear()),
    "genesis: ticker off": genesis_with("the topology reads", _without_ticker),
    "genesis: an input less": genesis_with("the topology reads",
    lambda facts: facts["inputs"].pop()),
    "genesis: code digest": genesis_with("code digest", lambda facts: facts.__setitem__("code",
    "0" * 64)),
    "genesis: journal id": genesis_with("journal_id", lambda facts: facts.__setitem__("journal_id",
    6)),
    "a trade's price": Forgery(("input",), "md.trades", log=changed_record("md.trades",
    price=lambda r: r.price + 10)),
    "a fill's price": Forgery(("output",), "fills offset", log=changed_record("fills",
    price=lambda r: r.price + 10)),
    "a record where a marker lay": record_more("output", "pnl", PnL),
    "a record behind the Close": record_more("output", "pnl", PnL, 5),
    "a record behind the last that was consumed": record_more("input", "md.trades", Trade),
    "a snapshot": record_more("output", "pipeline.snapshots", SnapshotChunk),
    "run.json: status": manifest_with("status", lambda facts: facts.__setitem__("status",
    "not closed")),
    "run.json: batches": manifest_with("batches", lambda facts: facts.__setitem__("batches", 9)),
    "run.json: records": manifest_with("records", lambda facts: facts.__setitem__("records", 9)),
    "run.json: clock_end": manifest_with("clock_end", lambda facts: facts.__setitem__("clock_end",
    9)),
    "run.json: command": manifest_with("command", lambda facts: facts.__setitem__("command",
    "backtest")),
    "run.json: identity": manifest_with("identity",
    lambda facts: facts["identity"].__setitem__("cash", "7USDT")),
    "run.json: topology": manifest_with("topology", lambda facts: facts.__setitem__("topology",
    "other")),
    "run.json: a claim of its own": manifest_with("sharpe",
    lambda facts: facts.__setitem__("sharpe", "9.9")),
    "run.json: a topic's count": manifest_with("fills",
    lambda facts: facts["topics"]["fills"].__setitem__("count", 9)),
    "run.json: a topic's digest": manifest_with("pnl",
    lambda facts: facts["topics"]["pnl"].__setitem__("digest", "0" * 64)),
    "run.json: a topic's offsets": manifest_with("pnl",
    lambda facts: facts["topics"]["pnl"].__setitem__("end_offset", 9)),
    "run.json: a topic less": manifest_with("pnl", lambda facts: facts["topics"].pop("pnl")),
    "run.json: records left out": manifest_with(
        "do not decode", lambda facts: facts.__setitem__("undecodable", {"fills": [9]}), "output"
    ),
    "run.json: taken away": Forgery(("file",), "there is no run.json",
    folder=lambda folder: (folder / "run.json").unlink()),
}  # fmt: skip


@pytest.mark.parametrize("name", long_but_every(2, CORPUS))
def test_a_forgery_of_a_pulled_folder_is_found_and_named(
    stage: PipelineStage, honest: Path, tmp_path: Path, name: str
) -> None:
    forgery = CORPUS[name]
    folder = tmp_path / "forged"
    if forgery.log is None:
        shutil.copytree(honest, folder)
    else:
        broker = copy.deepcopy(stage.broker)
        assert forgery.log(broker, stage.subject) is not False, "there is nothing to change"
        pulled(broker, folder)
    forgery.folder(folder)
    verdict = verify_run(folder)
    text = " | ".join(finding.text for finding in verdict.findings)
    assert {finding.kind for finding in verdict.findings} & set(forgery.kinds), text
    assert forgery.named in text
