"""A job that switches the stage on, one that does not, and what is refused.

Oracles: the same run without the stage; a run that is not interrupted; the readme of the topic,
docs/microstructure.md, whose files are run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobs.configuration import BadConfiguration, build, read_file
from jobs.runs import Backtest, Run
from jobs.verification import verify_run
from schemas.vocabulary import MeasureReason
from streams.runtime.tools.strategy_lint import lint_strategy
from tests.microstructure.searched import records_of
from tests.scenario import Killed, backtest, configuration, digests, make_recording
from tests.test_documents import blocks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "microstructure.md"
FILES = {
    block.splitlines()[0].removeprefix("# "): block
    for block in blocks(PAGE, "python")
    if block.startswith("# ")
}
ON: dict[str, Any] = {"microstructure": {"window": 11, "trades": 20}}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("switch") / "market", 1_500, 2_500, seed=5)


@pytest.fixture(scope="module")
def run(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return backtest(market, tmp_path_factory.mktemp("switch") / "run", **ON)


def test_every_other_topic_is_that_of_a_run_without_it(
    market: Path, run: Run, tmp_path: Path
) -> None:
    plain, found = digests(backtest(market, tmp_path / "plain")), digests(run)
    assert found.keys() - plain.keys() == {"md.microstructure"}
    ours = {name for name in plain if name.startswith("md.") or name == "signals"}
    assert {name: found[name] for name in ours} == {name: plain[name] for name in ours}
    assert len(ours) == 6


def test_a_job_without_it_does_not_even_import_it() -> None:
    code = (
        "import sys; from jobs.pipeline import stages_of; from jobs.configuration import build;"
        "stages_of(build({'strategy': 'ema-cross', 'ticker': 'off'}));"
        "print([each for each in sys.modules if 'microstructure.s' in each])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize("batch", [1, 13, 65_536])
def test_every_batch_size_gives_the_same_records(
    market: Path, run: Run, tmp_path: Path, batch: int
) -> None:
    assert digests(backtest(market, tmp_path / "run", batch=batch, **ON)) == digests(run)


def test_a_run_that_is_killed_goes_on_from_a_snapshot_to_the_same_records(
    market: Path, run: Run, tmp_path: Path
) -> None:
    seen: list[str] = []

    def watch(step: str) -> None:
        seen.append(step)
        if seen.count("snapshot written") == 2:
            raise Killed

    chosen = configuration(batch=500, state_digest_records=1_000, **ON)
    with pytest.raises(Killed):
        Backtest(chosen, market, tmp_path / "run", on_step=watch).run()
    resumed = Backtest(chosen, market, tmp_path / "run").run()
    assert resumed.resumed_at is not None and digests(resumed) == digests(run)
    assert verify_run(resumed.folder).is_good


@pytest.mark.parametrize("job", ["market", "pipeline"])
def test_a_stream_job_writes_it_where_the_option_says_so(job: str) -> None:
    """From the words of the command to the topics of the deployment, without a cluster."""
    from jobs.commands.backtest import configuration_of
    from jobs.live.deployment import Deployment
    from jobs.sq import parser
    from streams.log.kafka.cluster import Cluster

    found = []
    for more in ([], ["--microstructure"]):
        words = ["run", job, "--strategy", "ema-cross", "--ticker", "off", *more]
        chosen = configuration_of(parser("run").parse_args(words))
        cluster = Cluster(bootstrap="nowhere:9092")
        deployment = Deployment(job=job, topology=job, configuration=chosen, cluster=cluster)
        found.append(deployment.outputs())
    assert set(found[1]) - set(found[0]) == {"md.microstructure"}
    assert set(found[0]) <= set(found[1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's strategies."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def test_a_strategy_wakes_on_it_in_python_and_compiled(
    market: Path, files: Path, tmp_path: Path
) -> None:
    """Both kinds say the same; strangers may have both."""
    found = {}
    for name in FILES:
        assert lint_strategy({"mine": files / name}, is_strange=True) == []
        run = backtest(market, tmp_path / name.partition(".")[0], str(files / name), **ON)
        assert verify_run(run.folder).is_good
        found[name] = digests(run)["signals"]
        assert run.manifest["topics"]["signals"]["count"] > 10
    assert len(found) == 2 and len(set(found.values())) == 1


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_strategy_that_waits_for_a_topic_nobody_writes_is_refused(
    market: Path, files: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BadConfiguration, match="switch it on by --microstructure"):
        backtest(market, tmp_path / "run", str(files / name))


def test_the_settings_of_the_page_are_the_defaults_and_what_else_can_be_given(
    market: Path, tmp_path: Path
) -> None:
    """The page's own table, through the file of --config; measures that need parameters are there.
    """
    from streams.microstructure.state import Settings

    (text,) = blocks(PAGE, "toml")
    table = tomllib.loads(text)["microstructure"]
    given = {name: table.pop(name) for name in ("hawkes", "microprice")}
    for name, value in table.items():
        default = getattr(Settings(), name)
        assert value == (list(default) if isinstance(default, tuple) else default), name
    assert table.keys() | given.keys() == set(Settings.__struct_fields__)
    file = tmp_path / "run.toml"
    file.write_text(text.replace("BTCUSDT", "default").replace("spreads = 1", "spreads = 3"))
    options = {**read_file(file), "strategy": "noop-python"}
    options["microstructure"]["microprice"]["default"]["adjustments"] *= 3
    run = Backtest(build(options), market, tmp_path / "run").run()
    records = records_of(run.folder, "md.microstructure")
    assert all(each.hawkes_reason == MeasureReason.NONE for each in records)
    moved = [each.microprice for each in records if each.microprice is not None]
    assert len(moved) > 50 and all(
        each.microprice is not None or each.microprice_reason == MeasureReason.UNDEFINED
        for each in records
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"interval": 1}, "1 ms"),
        ({"window": 10}, "window: from 11"),
        ({"trades": 2}, "trades: from 3"),
        ({"waiting": 0}, "waiting: from 1"),
        ({"flow_weights": [1, 2]}, "5 numbers"),
        ({"hawkes": {"default": {"mu": 1, "same": 3, "other": 0, "beta": 2}}}, "explodes"),
        ({"hawkes": {"default": {"mu": 1}}}, "missing required field `same`"),
        ({"microprice": {"default": {"spreads": 2, "adjustments": [0.0] * 3}}}, "as many"),
        ({"speed": 1}, "its settings are interval"),
    ],
)
def test_a_bad_setting_is_named(
    market: Path, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadConfiguration, match=re.escape(words)):
        backtest(market, tmp_path / "run", microstructure=settings)


def test_a_users_stage_may_have_its_name_where_it_is_off_and_not_beside_it() -> None:
    tables = {"strategy": "ema-cross", "stages": {"microstructure": {"file": "mine.py:Mine"}}}
    assert build(tables).user_stages.keys() == {"microstructure"}
    with pytest.raises(BadConfiguration, match="is reserved"):
        build({**tables, "microstructure": {}})


def test_trades_that_have_no_room_to_wait_are_counted(market: Path, tmp_path: Path) -> None:
    run = backtest(market, tmp_path / "run", "noop-python", microstructure={"waiting": 8})
    whole = backtest(market, tmp_path / "whole", "noop-python", microstructure={})
    few, all_ = (
        list(records_of(one.folder, "md.microstructure")) for one in (run, whole)
    )
    assert sum(each.refused_trades for each in few) > 1_000
    assert sum(each.refused_trades for each in all_) == 0
    assert 0 < sum(each.spread_trades_1s for each in few) < sum(e.spread_trades_1s for e in all_)
