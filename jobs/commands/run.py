"""``sq run``: deploy a stream job on a Kafka cluster."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from jobs.commands.backtest import FILL_MODEL_HELP, MICROSTRUCTURE_HELP, VENUE_MODEL_HELP
from jobs.helping import HelpFormatter
from schemas.errors import WrongUse

HELP = """\
Runs a topology on a Kafka cluster: every stage fused in one process a shard, each batch one
transaction with the journal record that proves it. Start it again in another terminal, or on
another machine, and shards move to it; Ctrl-C drains. Whatever kills it, the next start goes on
where the journal ends, with every digest checked. With --standby it also executes what the owners
of other shards commit, compares every digest, and takes such a shard over without recovering it
first; give it to every member, for the group decides which one gets a shard.

Each shard trades an account of its own, with the whole of --cash, on that shard's instruments:
shard s trades account s + 1, or the one that --accounts names. Which, is fixed when the topology
begins. An order for another account is denied with FOREIGN_ACCOUNT.

jobs:
  pipeline   every stage: books, toxicity, the strategy, risk, routing, the simulated venue, the
             portfolio, reporting
  market     books and toxicity alone, for md.quotes, md.bars, md.marks, md.features, md.toxicity
             and, with --microstructure, md.microstructure
"""
EXAMPLES = """\
examples:
  sq run pipeline --clock event --strategy ema-cross       # recorded data, fed with 'sq feed'
  sq run pipeline --strategy my_file.py:MyStrategy          # live data, by the wall clock
  sq run pipeline --strategy my_file.py:MyStrategy --standby   # the same on a second machine: takes
  over when the first dies
  sq run pipeline --strategy ema-cross --accounts 101,102   # two shards, two accounts
  sq run market --clock event --publish all
  sq run pipeline --name study --publish fills,pnl --strategy ema-cross --clock event

the file of --config is the one of 'sq backtest' (docs/commands.md)
"""


EVENT_LINGER = "1s"
"""Fewer and larger transactions, and readers of committed records reach the end between two of
them. The freshness objective leaves it out.
"""
TICKER_HELP = (
    "cap: no order takes better than the best bid and ask in md.book_tickers; auto "
    "(default): cap where the cluster has the topic"
)
DEAD_LETTERS_HELP = (
    "halt before more than N of the last M records of an input partition are dead "
    "letters, or off (default 100/10000)"
)


def add(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "run",
        help="deploy a stream job on Kafka",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
    )
    command.add_argument("job", choices=("pipeline", "market"), help="which stages")
    command.add_argument(
        "--clock",
        choices=("event", "wall"),
        default="wall",
        help="event for recorded data, wall for live data (default)",
    )
    command.add_argument(
        "--start",
        choices=("earliest", "end"),
        help="where to begin reading market data (event: earliest, wall: end)",
    )
    command.add_argument(
        "--linger",
        metavar="DURATION",
        help="least time between batches, for fewer transactions (event: 1s, wall: 0s)",
    )
    command.add_argument(
        "--dead-letters", default="100/10000", metavar="N/M", help=DEAD_LETTERS_HELP
    )
    command.add_argument(
        "--publish",
        default="orders",
        metavar="TOPICS",
        help="orders (default), all, or names separated by commas",
    )
    command.add_argument(
        "--name",
        metavar="TOPOLOGY",
        help="name of the topology on the cluster (default: the job's)",
    )
    command.add_argument(
        "--standby",
        action="store_true",
        help="also follow the shards that this process does not own, ready to take them over",
    )
    command.add_argument(
        "--cluster",
        default="",
        metavar="URL",
        help="kafka://HOST:PORT (default: the configured cluster)",
    )
    command.add_argument("--strategy", metavar="NAME", help="name, or FILE.py:CLASS")
    command.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="FILE.py:CLASS",
        help="a stage of your own; repeat for more",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a strategy parameter; repeat for more",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file; flags win over it")
    command.add_argument(
        "--cash",
        metavar="MONEY",
        help="starting cash of each account, for example 1000000USDT (the default)",
    )
    command.add_argument(
        "--accounts",
        metavar="LIST",
        help="account of each shard, separated by commas (default: shard s trades account s + 1)",
    )
    command.add_argument("--symbols", metavar="LIST", help="trade only these, separated by commas")
    command.add_argument(
        "--warmup", metavar="DURATION", help="note signals but do not trade for this long"
    )
    command.add_argument("--fees", metavar="RATES", help="maker=1bp,taker=4bp (the default)")
    command.add_argument(
        "--latency", metavar="LEGS", help="feed=2ms,entry=5ms,response=5ms (the default)"
    )
    command.add_argument(
        "--short",
        choices=("on", "off"),
        help="allow short positions where the instrument does (default on)",
    )
    command.add_argument(
        "--leverage",
        metavar="N",
        help="positions of at most N times the account's money (default 1)",
    )
    command.add_argument(
        "--batch", type=int, metavar="N", help="at most N input records a batch (default 65,536)"
    )
    command.add_argument("--microstructure", action="store_true", help=MICROSTRUCTURE_HELP)
    command.add_argument("--ticker", choices=("auto", "cap", "off"), help=TICKER_HELP)
    command.add_argument("--fill-model", metavar="NAME", help=FILL_MODEL_HELP)
    command.add_argument("--venue-model", metavar="NAME", help=VENUE_MODEL_HELP)
    of_backtests = dict.fromkeys(("from_", "to", "data", "spread", "charges", "charges_on"))
    command.set_defaults(run=run, **of_backtests)


def run(arguments: argparse.Namespace) -> int:
    """Deploy, and stay until stopped."""
    from jobs.commands.backtest import configuration_of
    from jobs.granularity import on_a_cluster
    from jobs.indian_charges import not_on_a_cluster
    from jobs.live.deployment import Deployment, prepared, published
    from jobs.live.parent import Parent
    from jobs.quantities import duration, share
    from streams.log.kafka.errors import reached_cluster
    from streams.runtime.order.flood import FloodLimit

    if arguments.strategy is None and arguments.config is None:
        if arguments.job == "pipeline":
            raise WrongUse("name a strategy: --strategy ema-cross, or FILE.py:CLASS")
        arguments.strategy = "ema-cross"
    configuration = on_a_cluster(configuration_of(arguments))
    not_on_a_cluster(configuration)
    deployment = Deployment(
        job=arguments.job,
        topology=arguments.name or arguments.job,
        configuration=configuration,
        cluster=reached_cluster(arguments.cluster),
        clock=arguments.clock,
        start=arguments.start or ("earliest" if arguments.clock == "event" else "end"),
        linger=duration(arguments.linger or (EVENT_LINGER if arguments.clock == "event" else "0s")),
        flood=FloodLimit(*share(arguments.dead_letters)),
    )
    deployment.publish = published(deployment.outputs(), arguments.publish, arguments.job)

    return Parent(
        prepared(deployment, lambda text: print(f"sq: {text}", file=sys.stderr)), arguments.standby
    ).run()
