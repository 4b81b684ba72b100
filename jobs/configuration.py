"""What a backtest is: strategy, money, market and stage settings, from flags and a TOML file; and
what of it makes up its identity.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from jobs.quantities import duration, duration_text, instant, money, pairs, rate, rate_text
from jobs.venue_models import SETTINGS as VENUE_MODELS
from jobs.venue_models import choose as choose_venue_models
from schemas.errors import WrongUse

ALWAYS = ("aggregation", "toxicity", "sizing", "risk", "routing", "venue", "portfolio", "reporting")
CHOSEN = ("microstructure",)
"""Stages that run where a configuration names them: by their table, which may be empty."""
STAGES = (*ALWAYS, *CHOSEN)
RESERVED = (
    *ALWAYS,
    *("pipeline", "strategy", "strategy-view", "replacements", "books", "venue-books", "driver"),
)
"""Names that a user's own stage cannot have; nor can it have that of a chosen stage beside it."""
USER_STAGE = re.compile("[a-z][a-z0-9_-]{0,40}")
FEES = ("maker", "taker")
LEGS = ("feed", "entry", "response")
LEVERAGE_MAX = 125
AUTO, CAP, OFF = "auto", "cap", "off"
"""Rules of ``--ticker``; ``auto`` is answered when a run begins (``jobs/ticker.py``)."""
DATA = (AUTO, "book", "quotes", "trades", "bars")
"""What ``--data`` takes; ``auto`` is answered when a run begins (``jobs/granularity.py``)."""
CHARGES = re.compile(r"([a-z]+)(?:@([a-z]+))?(?: on (\d{4}-\d{2}-\d{2}))?")
"""Charges on orders in India: product, exchange, day (``jobs/indian_charges.py``)."""
OWN_FEES = "--charges are the fees of a venue of their own: leave --fees and --venue-model out"
ACCOUNTS_MAX = 1 << 10
"""Shards there can be: as many as built ids have bits for."""
ACCOUNT_MAX = (1 << 31) - 1
"""Account numbers are Avro ints; 0 is nobody."""


class BadConfiguration(WrongUse):
    """A configuration that cannot be used; the text names the key."""

    code = "bad_configuration"


class UserStage(msgspec.Struct, forbid_unknown_fields=True):
    """A user's own stage: ``FILE.py:CLASS`` and its parameters as text."""

    file: str
    parameters: dict[str, str] = {}


class Configuration(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A backtest, or what each shard of a live topology computes. Times ns, rates 1e-8, cash
    decimal text, of each account.

    ``accounts``: the account of each shard; where none are named, shard s trades account s + 1.

    ``batch``, ``book_window`` and ``sync`` change how it is computed and never what comes out; they
    are no part of the identity.
    """

    strategy: str
    parameters: dict[str, str] = {}
    cash: str = "1000000"
    currency: str = "USDT"
    accounts: list[int] = []
    symbols: list[str] = []
    from_time: int | None = None
    to_time: int | None = None
    warmup: int = 0
    maker_rate: int = 1 * 10_000
    taker_rate: int = 4 * 10_000
    feed_latency: int = 2_000_000
    entry_latency: int = 5_000_000
    response_latency: int = 5_000_000
    short: bool = True
    leverage: int = 1
    stages: dict[str, dict[str, Any]] = {}
    user_stages: dict[str, UserStage] = {}
    batch: int = 65_536
    book_window: int = 1 << 16
    tail_capacity: int = 1 << 16
    state_digest_records: int = 1_000_000
    clock_jump_max: int = 3_600_000_000_000
    sync: Literal["commit", "close", "never"] = "never"

    def check(self) -> Configuration:
        """The configuration, if its bounds hold.

        Raises:
            BadConfiguration: names the key and what it takes.
        """
        if not 1 <= self.batch <= 1 << 22:
            raise BadConfiguration(f"batch is {self.batch}; give 1 to {1 << 22} records")
        if not 64 <= self.book_window <= 1 << 22 or self.book_window & (self.book_window - 1):
            raise BadConfiguration(
                f"book_window is {self.book_window}; give a power of two from 64 to {1 << 22} ticks"
            )
        if not 16 <= self.tail_capacity <= 1 << 22 or self.tail_capacity & (self.tail_capacity - 1):
            raise BadConfiguration(
                f"tail_capacity is {self.tail_capacity}; give a power of two from 16 to {1 << 22} "
                "levels"
            )
        if self.state_digest_records < 1:
            raise BadConfiguration("state_digest_records must be at least 1")
        if self.clock_jump_max < 0:
            raise BadConfiguration(f"clock_jump_max is {self.clock_jump_max} ns; give 0 or more")
        if (
            self.from_time is not None
            and self.to_time is not None
            and self.to_time <= self.from_time
        ):
            raise BadConfiguration("--to must be later than --from")
        if self.response_latency < self.feed_latency:
            raise BadConfiguration(
                f"latency response is {duration_text(self.response_latency)}, feed "
                f"{duration_text(self.feed_latency)}; response must be at least feed"
            )
        if not 1 <= self.leverage <= LEVERAGE_MAX:
            raise BadConfiguration(
                f"leverage is {self.leverage}; give a whole number from 1 to {LEVERAGE_MAX}"
            )
        self._check_tables()
        self._check_accounts()
        return self

    def _check_tables(self) -> None:
        """Tables of stages there are not, and settings that stand elsewhere. Raises
        BadConfiguration.
        """
        for name in self.stages:
            if name not in STAGES:
                raise BadConfiguration(
                    f"there is no stage {name!r}; stages with settings are {', '.join(STAGES)}"
                )
        for name in self.user_stages:
            is_reserved = name in RESERVED or name in self.stages
            if is_reserved or not USER_STAGE.fullmatch(name):
                what = (
                    "is reserved" if is_reserved else "is no name: use lower-case letters, "
                    "digits, - and _"
                )
                raise BadConfiguration(
                    f"[stages.{name}]: {name!r} {what}; call the stage otherwise, for example "
                    "spread"
                )
        for name in ("data", "spread", "unsized"):
            if name in self.stages.get("venue", {}):
                raise BadConfiguration(
                    f"[venue] sets {name}, which --data and --spread do, or data and spread at the "
                    "top of the file; leave it out there"
                )
        for name in ("leverage", "trade_from", "trade_to", "warmup", "maker_rate", "taker_rate"):
            if name in self.stages.get("risk", {}):
                raise BadConfiguration(
                    f"[risk] sets {name}, which the top of the file and the options do; leave it "
                    "out there"
                )

    def _check_accounts(self) -> None:
        """Raises BadConfiguration."""
        if len(self.accounts) > ACCOUNTS_MAX:
            raise BadConfiguration(
                f"accounts names {len(self.accounts)} accounts; a topology has at most "
                f"{ACCOUNTS_MAX} shards"
            )
        for account in self.accounts:
            if not 1 <= account <= ACCOUNT_MAX:
                raise BadConfiguration(
                    f"accounts names {account}; give numbers from 1 to {ACCOUNT_MAX}"
                )
            if self.accounts.count(account) > 1:
                raise BadConfiguration(
                    f"accounts names {account} twice; give each shard an account of its own"
                )
        for name, settings in self.stages.items():
            if self.accounts and "account" in settings:
                raise BadConfiguration(
                    f"[{name}] sets account, which accounts does for every stage; leave it out "
                    "there"
                )

    def facts(self) -> dict[str, Any]:
        """As a genesis record holds it: of a user's strategy the file's name. Where it lay proves
        nothing; its digests are the identity's.
        """
        named = {
            name: msgspec.structs.replace(each, file=Path(each.file).name)
            for name, each in self.user_stages.items()
        }
        as_begun = msgspec.structs.replace(
            self, strategy=Path(self.strategy).name, user_stages=named
        )
        found: dict[str, Any] = msgspec.to_builtins(as_begun)
        if not named:  # as the versions before had it
            del found["user_stages"]
        return found

    def account_of(self, shard: int) -> int:
        """The account that a shard trades."""
        return self.accounts[shard] if self.accounts else shard + 1

    def identity(
        self,
        instruments: list[Any],
        inputs: dict[str, str],
        strategy_digest: str,
        strategy_files: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """What makes this run this run: never batch size, capacities, windows, paths, code, threads
        or CPU.

        ``strategy_files``: digest of every helper and artefact of a user's strategy; one that has
        none has no key.
        """
        # without the key: account 1
        named: dict[str, Any] = {} if self.accounts in ([], [1]) else {"accounts": self.accounts}
        if self.leverage != 1:  # without the key: 1
            named["leverage"] = self.leverage
        if strategy_files:
            named["strategy_files"] = dict(sorted(strategy_files.items()))
        return named | {
            "strategy": f"{Path(self.strategy).name}@{strategy_digest}"
            if strategy_digest
            else self.strategy,
            "parameters": dict(sorted(self.parameters.items())),
            "cash": f"{self.cash}{self.currency}",
            "symbols": sorted(self.symbols),
            "from": self.from_time,
            "to": self.to_time,
            "warmup": duration_text(self.warmup),
            "fees": f"maker={rate_text(self.maker_rate)},taker={rate_text(self.taker_rate)}",
            "latency": ",".join(
                f"{leg}={duration_text(getattr(self, f'{leg}_latency'))}" for leg in LEGS
            ),
            "short": self.short,
            "stages": {
                name: dict(sorted(values.items())) for name, values in sorted(self.stages.items())
            },
            "clock_jump_max": duration_text(self.clock_jump_max),
            "instruments": instruments,
            "inputs": dict(sorted(inputs.items())),
        }


def journal_id(identity: dict[str, Any]) -> int:
    """24 bits of SHA-256 over the identity."""
    content = json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:3], "big")


def read_file(path: Path) -> dict[str, Any]:
    """A run's TOML file: the long flags' names as keys, ``[set]`` for strategy parameters, one
    table per stage for its settings.

    Raises:
        BadConfiguration: the file is missing, is no TOML, or has an unknown key.
    """
    try:
        text = path.read_text()
        content = tomllib.loads(text)
    except OSError as problem:
        raise BadConfiguration(
            f"cannot read {path}: {problem.strerror}; give the path of a TOML file"
        ) from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise BadConfiguration(f"{path} is no TOML: {problem}") from problem
    cut = re.search(r"^\s*(from|to)\s*=\s*[\d-]+[Tt ][\d:]+\.\d{7,}", text, re.MULTILINE)
    if cut is not None:  # TOML's own times end at microseconds
        raise BadConfiguration(
            f"{path}: {cut[1]} has more than six digits of a second; write it in quotes, as text, "
            "to keep them all"
        )
    return content


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices. Raises BadConfiguration."""
    if value not in choices:
        raise BadConfiguration(f"{name} is {value!r}; give {' or '.join(choices)}")
    return str(value)


def _choose_ticker(stages: Any) -> None:
    """The rule as settings have it: auto unless another is named; off is no setting, for it is what
    a run without one means.

    Raises:
        BadConfiguration: there is no such rule.
    """
    if not isinstance(stages, dict) or not isinstance(stages.get("venue", {}), dict):
        return  # and refused with the rest
    venue = dict(stages.get("venue", {}))
    rule = _choice("ticker", venue.pop("ticker", AUTO), (AUTO, CAP, OFF))
    stages["venue"] = venue if rule == OFF else {**venue, "ticker": rule}
    if not stages["venue"]:
        del stages["venue"]


def _accounts(value: Any) -> list[int]:
    """``"3,4"`` or ``[3, 4]`` -> [3, 4]. Raises BadConfiguration."""
    given = value.split(",") if isinstance(value, str) else value
    try:
        return msgspec.convert(given, list[int], strict=not isinstance(value, str))
    except msgspec.ValidationError as problem:
        raise BadConfiguration(
            f"accounts is {value!r}; give numbers separated by commas, or a list of numbers, one "
            "for each shard"
        ) from problem


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """Parameters as they are typed on a command line."""
    return {
        key: str(item).lower() if isinstance(item, bool) else str(item)
        for key, item in values.items()
    }


def _user_stages(value: Any) -> dict[str, Any]:
    """``[stages.spread]`` with ``file`` and perhaps ``set``. Raises BadConfiguration."""
    found: dict[str, Any] = {}
    for name, entry in value.items() if isinstance(value, dict) else [("", value)]:
        is_table = isinstance(entry, dict) and not entry.keys() - {"file", "set"}
        if not is_table or not isinstance(entry.get("file"), str):
            what = f'[stages{f".{name}" if name else ""}] is {entry!r:.80}'
            raise BadConfiguration(
                f'{what}; write a table for each stage: [stages.spread] with file = '
                f'"spread.py:Spread", and perhaps set = {{...}}'
            )
        if not isinstance(entry.get("set", {}), dict):
            raise BadConfiguration(
                f"[stages.{name}] set must be a table of parameters, for example set = "
                f"{{ window = 20 }}"
            )
        found[name] = {"file": entry["file"], "parameters": _texts(entry.get("set", {}))}
    return found


def _charges(charges: Any, day: Any) -> str:
    """``intraday@nse`` and perhaps a day, as the setting has them. Raises BadConfiguration."""
    text = f"{charges} on {day}" if day else f"{charges}"
    if not charges or not CHARGES.fullmatch(text):
        raise BadConfiguration(
            f"charges is {charges!r}, charges-on {day!r}; give delivery, intraday or future, with "
            "@nse or @bse, and a day like 2025-06-02"
        )
    return text


def _spread(value: Any) -> int:
    """``"2"`` or 2 -> 2. Raises BadConfiguration."""
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise BadConfiguration(f"spread is {value!r}; give a whole number of ticks, for example 2")
    return int(text)


def _leverage(value: Any) -> int:
    """``"5"``, ``"5x"`` or 5 -> 5. Raises BadConfiguration."""
    text = str(value).strip().removesuffix("x")
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise BadConfiguration(
            f"leverage is {value!r}; give a whole number from 1 to {LEVERAGE_MAX}, for example 5"
        )
    return int(text)


def build(options: dict[str, Any]) -> Configuration:
    """A configuration from options as typed (text, or TOML values): ``strategy, set, cash, symbols,
    from, to, warmup, fees, latency, short, ...``.
    """
    found: dict[str, Any] = {"stages": {}}
    for name, value in options.items():
        if value is None:
            continue
        if name in STAGES:
            if not isinstance(value, dict):
                raise BadConfiguration(f"[{name}] must be a table of settings")
            found["stages"][name] = value | found["stages"].get(name, {})
        elif name == "set":
            if not isinstance(value, dict):
                raise BadConfiguration(
                    "[set] must be a table of strategy parameters, for example fast = 20"
                )
            found["parameters"] = _texts(value)
        elif name == "stages":
            found["user_stages"] = _user_stages(value)
        elif name == "cash":
            found["cash"], found["currency"] = money(str(value))
        elif name in ("from", "to"):
            found[f"{name}_time"] = instant(
                value.isoformat() if hasattr(value, "isoformat") else str(value)
            )
        elif name == "warmup":
            found["warmup"] = duration(str(value))
        elif name == "fees":
            found |= {
                f"{leg}_rate": rate(text) for leg, text in pairs(str(value), FEES, "--fees").items()
            }
        elif name == "latency":
            found |= {
                f"{leg}_latency": duration(text)
                for leg, text in pairs(str(value), LEGS, "--latency").items()
            }
        elif name == "short":
            if value not in ("on", "off", True, False):
                raise BadConfiguration(f"short is {value!r}; give on or off")
            found["short"] = value in ("on", True)
        elif name == "leverage":
            found["leverage"] = _leverage(value)
        elif name == "symbols":
            if not isinstance(value, str | list):
                raise BadConfiguration(
                    f"symbols is {value!r}; give names separated by commas, or a list of names"
                )
            names = value.split(",") if isinstance(value, str) else [str(each) for each in value]
            found["symbols"] = [each.strip().upper() for each in names if each.strip()]
        elif name == "ticker":
            found["stages"].setdefault("venue", {})["ticker"] = value
        elif name in ("data", "spread"):
            settings = found["stages"].setdefault("aggregation", {})
            settings[name] = _spread(value) if name == "spread" else _choice(name, value, DATA)
        elif name in ("charges", "charges_on", *VENUE_MODELS):
            continue  # below, when [venue] is known
        elif name == "accounts":
            found["accounts"] = _accounts(value)
        else:
            found[name] = value
    _choose_ticker(found["stages"])
    choose_venue_models(found["stages"], options)
    charges, day = options.get("charges"), options.get("charges_on")
    if charges is not None or day is not None:
        if options.get("fees") is not None:
            raise BadConfiguration(OWN_FEES)
        found["stages"].setdefault("venue", {})["charges"] = _charges(charges, day)
    try:
        return msgspec.convert(found, Configuration).check()
    except msgspec.ValidationError as problem:
        raise BadConfiguration(
            f"configuration: {problem}; 'sq backtest --help' lists what there is"
        ) from problem
