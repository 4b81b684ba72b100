"""``sq verify``: prove that a run is what its code makes of its input."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.collector import without_collector
from jobs.helping import HelpFormatter
from jobs.progress import ProgressBar

if TYPE_CHECKING:
    from streams.runtime.verify.verify import Verdict

HELP = """\
Checks every file's digest, then executes the journal again - same records, same order, same clock -
and compares every batch of every topic, byte for byte. Says what changed: the input, the code or
the output; names the first divergent batch, topic and record.

The last line of a good run:
  verified: B batches, R records, no divergence; order: recomputed from the input; reports: derived
  again
(of a cluster, whose order of arrival no input holds: order: as journaled). docs/proof.md says what
that means.

examples:
  sq verify runs/a
  sq verify runs/a --input data/elsewhere    # the recording has moved
  sq verify runs/theirs --run-strategy       # a strategy of somebody else's, in a process of its
  own
  sq verify kafka://HOST:PORT --topology pipeline    # what ran on a cluster, from the cluster alone
"""


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "verify",
        help="re-execute a run and compare every byte",
        description=HELP,
        formatter_class=HelpFormatter,
    )
    command.add_argument(
        "run_folder", metavar="RUN", help="run folder, folder of 'sq pull', or kafka://HOST:PORT"
    )
    command.add_argument(
        "--input", type=Path, metavar="FOLDER", help="the recording, where it has moved since"
    )
    command.add_argument(
        "--topology",
        default="pipeline",
        metavar="NAME",
        help="on a cluster: which topology (default pipeline)",
    )
    command.add_argument("--shard", type=int, metavar="N", help="on a cluster: only this shard")
    command.add_argument(
        "--run-strategy",
        action="store_true",
        help="execute a strategy you have not run before, in a process of its own",
    )
    command.add_argument("--json", action="store_true", help="print the verdict as JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify; exit 1 if anything was found."""
    import msgspec

    from jobs.verification import verify_run
    from streams.log.kafka.cluster import is_cluster

    with without_collector(), ProgressBar("verify", "records") as bar:
        if is_cluster(arguments.run_folder):
            verdict = _cluster(arguments, bar)
        else:
            verdict = verify_run(
                Path(arguments.run_folder), arguments.input, bar.update, arguments.run_strategy
            )
    if arguments.json:
        findings = [msgspec.structs.asdict(finding) for finding in verdict.findings]
        facts = {
            "batches": verdict.batches,
            "records": verdict.records,
            "closed": verdict.closed,
            "findings": findings,
            "notes": verdict.notes,
        }
        facts |= {"order": verdict.order, "reports": verdict.reports}
        print(json.dumps(facts, sort_keys=True))
        return 0 if verdict.is_good else 1
    for finding in verdict.findings:
        sys.stderr.write(f"sq: {finding.kind}: {finding.text}\n")
    for note in verdict.notes:
        sys.stderr.write(f"sq: {note}\n")
    if verdict.is_good:
        if not verdict.closed:
            print("the run is not finished; what it committed was verified")
        print(
            f"verified: {verdict.batches} batches, {verdict.records} records, no divergence; "
            f"{verdict.scope}"
        )
        return 0
    findings_text = (
        "1 finding" if len(verdict.findings) == 1 else f"{len(verdict.findings)} findings"
    )
    print(
        f"NOT verified: {findings_text}"
        + (f"; {verdict.batches} batches before it are good" if verdict.batches else "")
    )
    return 1


def _cluster(arguments: argparse.Namespace, bar: ProgressBar) -> Verdict:
    """One verdict over all shards."""
    from jobs.live.proof import verify_cluster
    from streams.log.kafka.errors import reached_cluster
    from streams.runtime.verify.verify import Verdict

    cluster, shard = reached_cluster(arguments.run_folder), arguments.shard
    verdicts = verify_cluster(
        cluster,
        arguments.topology,
        shard,
        lambda records: bar.update(records, 0),
        arguments.run_strategy,
    )
    if len(verdicts) == 1:
        return verdicts[0]
    whole = Verdict(closed=all(each.closed for each in verdicts), findings=[], notes=[])
    for shard, each in enumerate(verdicts):
        whole.batches += each.batches
        whole.records += each.records
        whole.findings += [
            finding.within(f"shard {shard}: {finding.text}") for finding in each.findings
        ]
        whole.notes += [f"shard {shard}: {note}" for note in each.notes]
    return whole
