"""Changed, damaged and missing inputs are called inputs; runs without an end verify what they
committed. Oracle: the fault that was planted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forgery import forge_recording, forge_run, kinds, replaced, text

from jobs.configuration import Configuration, UserStage
from jobs.runs import Backtest, MissingInput, Run
from jobs.sq import main
from jobs.verification import verify_run
from schemas.errors import WrongUse
from streams.runtime.failures import InputChanged
from streams.runtime.journal.input_digests import InputDigests
from tests.scenario import INSTRUMENT, START, backtest, configuration

OPTIONS: dict[str, Any] = {"batch": 1500, "state_digest_records": 2000}
TRADES = 3_000


# -- the input


def changed_at(place: int, **changes: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda records: [
        *records[:place],
        replaced(records[place], **changes),
        *records[place + 1 :],
    ]


@pytest.mark.parametrize(
    ("topic", "edit"),
    [
        ("md.trades", changed_at(700, quantity=999_999)),
        ("md.trades", changed_at(700, receive_time=1)),
        ("md.trades", changed_at(TRADES - 1, price=1)),
        ("md.depth", changed_at(900, bids=[(4_999_990, 5)])),
        ("md.depth", changed_at(900, final_update_id=1)),
        ("md.trades", lambda records: records[:-1]),
        ("md.depth", lambda records: [*records[:500], *records[501:]]),
        ("md.trades", lambda records: [records[1], records[0], *records[2:]]),
    ],
)
def test_a_changed_input_is_called_input_and_not_code(
    proof_run: Run, proof_market: Path, tmp_path: Path, topic: str, edit: Any
) -> None:
    """log.json is made again, so that the recording is consistent in itself."""
    forged = forge_recording(proof_market, tmp_path / "market", topic, edit)
    verdict = verify_run(proof_run.folder, forged)
    assert set(kinds(verdict)) == {"input"}
    assert topic in text(verdict)
    assert "batch" in text(verdict)


def test_other_instruments_are_an_input_too(
    proof_run: Run, proof_market: Path, tmp_path: Path
) -> None:
    forged = forge_recording(
        proof_market,
        tmp_path / "market",
        "ref.instruments",
        lambda _: [replaced(INSTRUMENT, lot_size=5)],
    )
    verdict = verify_run(proof_run.folder, forged)
    assert set(kinds(verdict)) == {"input"}


def test_input_that_was_never_read_is_still_the_run_s_input(
    proof_market: Path, tmp_path: Path
) -> None:
    end = "2024-01-01T00:00:20"
    run = backtest(proof_market, tmp_path / "run", to=end)
    assert verify_run(run.folder).is_good
    verdict = verify_run(
        run.folder,
        forge_recording(
            proof_market, tmp_path / "market", "md.trades", changed_at(TRADES - 1, price=1)
        ),
    )
    assert kinds(verdict) == ["input"]
    assert "md.trades of the recording" in text(verdict)


@pytest.mark.parametrize(
    "file", [f"md.depth/0/{0:020d}.avro", f"md.trades/0/{0:020d}.avro", "log.json"]
)
def test_a_damaged_recording_is_named(
    proof_run: Run, proof_market: Path, tmp_path: Path, file: str
) -> None:
    shutil.copytree(proof_market, tmp_path / "market")
    path = tmp_path / "market" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    verdict = verify_run(proof_run.folder, tmp_path / "market")
    assert set(kinds(verdict)) == {"input"}
    assert str(path) in text(verdict)


def test_a_recording_that_has_moved_is_asked_for(
    proof_run: Run, proof_market: Path, tmp_path: Path
) -> None:
    shutil.copytree(proof_market, tmp_path / "market")
    own = backtest(tmp_path / "market", tmp_path / "run")
    (tmp_path / "market").rename(tmp_path / "elsewhere")
    with pytest.raises(MissingInput, match="--input"):
        verify_run(own.folder)
    assert verify_run(own.folder, tmp_path / "elsewhere").is_good


# -- bytes that are not those of the manifest


def exchanged(market: Path, out: Path, place: int = 700) -> Path:
    """The recording with other trades in files of the same lengths; its log.json is the honest one.
    """
    forged = forge_recording(
        market,
        out.with_name("forged"),
        "md.trades",
        lambda r: changed_at(place, quantity=r[place].quantity ^ 1)(r),
    )
    shutil.copytree(market, out)
    for path in (forged / "md.trades" / "0").iterdir():
        own = out / "md.trades" / "0" / path.name
        assert own.stat().st_size == path.stat().st_size
        shutil.copyfile(path, own)
    return out


@pytest.mark.parametrize("options", [{}, {"to": "2024-01-01T00:00:10"}, {"batch": 65_536}])
def test_a_recording_with_exchanged_trades_is_refused_by_name(
    proof_market: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """F1: the digests of the inputs were copied from log.json and never made; also where the trade
    lies behind --to, on both threads.
    """
    market = exchanged(proof_market, tmp_path / "market", TRADES - 2)
    with pytest.raises(
        InputChanged,
        match=r"input changed: the records of md\.trades in .*market are not those its log\.json "
        r"speaks of",
    ):
        backtest(market, tmp_path / "run", **options)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_resumed_run_answers_for_what_it_read_before(proof_market: Path, tmp_path: Path) -> None:
    """F1: the trades are exchanged before the snapshot that the run resumes from."""
    market = shutil.copytree(proof_market, tmp_path / "honest")
    folder = stopped(market, tmp_path / "run", "committed", 3)
    market.rename(tmp_path / "moved")
    exchanged(proof_market, market, 1)
    with pytest.raises(InputChanged, match=r"md\.trades"):
        Backtest(configuration(**OPTIONS), market, folder).run()


def test_verify_and_replay_read_what_they_prove(
    proof_market: Path, proof_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F1: a run that cheated, over the exchanged recording, names the honest inputs; verify digests
    what it reads, and so does replay.
    """
    market = exchanged(proof_market, tmp_path / "market")
    with monkeypatch.context() as patched:
        patched.setattr(InputDigests, "differing", lambda *_: [])
        forged = Backtest(configuration(**OPTIONS), market, tmp_path / "run").run()
    assert forged.manifest["identity"]["inputs"] == proof_run.manifest["identity"]["inputs"]
    verdict = verify_run(forged.folder)
    assert kinds(verdict) == ["input"]
    assert "md.trades of the recording is not what it was" in text(verdict)
    with pytest.raises(InputChanged, match=r"md\.trades"):
        Backtest(
            configuration(**OPTIONS), market, tmp_path / "again", script_of=proof_run.folder
        ).run()


def test_a_page_from_exchanged_fills_is_refused(
    proof_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F1: the fills of another run, in files of the same lengths, with checksums of their own."""
    edit = {"fills": lambda records: [replaced(each, price=each.price ^ 1) for each in records]}
    forged = forge_run(proof_run.folder, tmp_path / "forged", edit)
    folder = shutil.copytree(proof_run.folder, tmp_path / "run")
    for path in (forged / "fills" / "0").iterdir():
        assert path.stat().st_size == (folder / "fills" / "0" / path.name).stat().st_size
        shutil.copyfile(path, folder / "fills" / "0" / path.name)
    assert main(["report", str(folder), "--out", str(tmp_path / "page")]) == 1
    assert "the records of fills in" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


# -- runs without an end


class Stopped(BaseException):
    """Ends a run as a kill would."""


def stopped(recording: Path, folder: Path, at: str, times: int) -> Path:
    seen: list[str] = []

    def watch(name: str) -> None:
        seen.append(name)
        if seen.count(at) == times and name == at:
            raise Stopped

    with pytest.raises(Stopped):
        Backtest(configuration(**OPTIONS), recording, folder, on_step=watch).run()
    return folder


@pytest.mark.parametrize(
    ("at", "times", "verified"),
    [("committed", 2, 2), ("executed", 3, 2), ("output appended", 30, 2)],
)
def test_an_unfinished_run_verifies_what_it_committed(
    proof_market: Path, tmp_path: Path, at: str, times: int, verified: int
) -> None:
    verdict = verify_run(stopped(proof_market, tmp_path / "run", at, times))
    assert verdict.findings == []
    assert verdict.batches >= verified
    assert not verdict.closed
    if at == "output appended":
        assert "were not committed" in " ".join(verdict.notes)


def test_a_closed_journal_without_run_json_is_found(proof_market: Path, tmp_path: Path) -> None:
    """E10: killed at the very end, or the manifest was taken away: nobody can tell, and it is said.
    """
    verdict = verify_run(stopped(proof_market, tmp_path / "run", "closed", 1))
    assert kinds(verdict) == ["file"]
    assert "the journal is closed and there is no run.json" in text(verdict)
    assert verdict.batches >= 4


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_torn_journal_verifies_up_to_the_tear(
    proof_market: Path, tmp_path: Path, cut: int
) -> None:
    folder = stopped(proof_market, tmp_path / "run", "committed", 3)
    path = folder / "pipeline.journal" / "0" / f"{0:020d}.avro"
    path.write_bytes(path.read_bytes()[:-cut])
    verdict = verify_run(folder)
    assert verdict.findings == []
    assert verdict.batches == 2


def test_a_torn_output_of_a_committed_batch_is_found(proof_market: Path, tmp_path: Path) -> None:
    folder = stopped(proof_market, tmp_path / "run", "committed", 3)
    path = folder / "md.quotes" / "0" / f"{0:020d}.avro"
    path.write_bytes(path.read_bytes()[:-30])
    verdict = verify_run(folder)
    assert not verdict.is_good
    assert "md.quotes" in text(verdict)


def test_zero_batches_are_no_proof(proof_market: Path, tmp_path: Path) -> None:
    verdict = verify_run(stopped(proof_market, tmp_path / "run", "taking", 1))
    assert not verdict.is_good
    assert "nothing was verified" in text(verdict)


# -- runs that go on with other settings

OTHERS: dict[str, Any] = {
    "strategy": "noop-python",
    "parameters": {"fast": "6"},
    "cash": "999999",
    "currency": "BUSD",
    "accounts": [3],
    "symbols": ["TESTUSDT"],
    "from_time": START + 5_000_000_000,
    "to_time": START + 30_000_000_000,
    "warmup": 1_000_000_000,
    "maker_rate": 20_000,
    "taker_rate": 20_000,
    "feed_latency": 1_000_000,
    "entry_latency": 1_000_000,
    "response_latency": 9_000_000,
    "short": False,
    "leverage": 2,
    "stages": {"risk": {"max_position": "0.5"}},
    "user_stages": {"spread": UserStage(file="spread.py:Spread")},
    "batch": 700,
    "book_window": 1 << 12,
    "tail_capacity": 1 << 15,
    "state_digest_records": 500,
    "clock_jump_max": 1_000_000_000,
    "sync": "commit",
}
FREE = ("batch", "sync", "book_window", "tail_capacity", "state_digest_records")
"""What is no part of the identity."""


@pytest.fixture(scope="module")
def unfinished(proof_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its second batch, behind a snapshot."""
    return stopped(proof_market, tmp_path_factory.mktemp("resumed") / "run", "committed", 3)


@pytest.mark.parametrize("key", Configuration.__struct_fields__)
def test_a_run_goes_on_as_it_was_begun_or_is_refused(
    proof_market: Path, unfinished: Path, stage_files: Path, key: str
) -> None:
    """F3: every key of a configuration. What is in the identity is refused; with any other the
    resumed run verifies, and says what it kept.
    """
    folder = shutil.copytree(unfinished, stage_files / "run")
    other = msgspec.structs.replace(configuration(**OPTIONS), **{key: OTHERS[key]})
    if key not in FREE:
        with pytest.raises(WrongUse):
            Backtest(other, proof_market, folder).run()
        return
    resumed = Backtest(other, proof_market, folder).run()
    assert resumed.resumed_at is not None
    assert verify_run(folder).findings == []
    assert [
        text for text in resumed.reports if "with which the run was begun" in text
    ] != [] or key in ("batch", "sync")


def test_a_run_goes_on_with_no_larger_batches_than_it_was_begun_with(
    proof_market: Path, unfinished: Path, tmp_path: Path
) -> None:
    """Its genesis record says how large they are, and verify holds the journal to it."""
    folder = shutil.copytree(unfinished, tmp_path / "run")
    begun = configuration(**OPTIONS)
    resumed = Backtest(msgspec.structs.replace(begun, batch=50_000), proof_market, folder).run()
    assert f"batch is {begun.batch}, with which the run was begun, and not 50000" in " ".join(
        resumed.reports
    )
    assert verify_run(folder).findings == []
