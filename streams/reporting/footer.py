"""The end of the page: the checks, the digests, and how to prove that the run is what it says."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from streams.reporting.wording import count

if TYPE_CHECKING:
    from streams.reporting.document import Report


def verification(report: Report) -> str:
    """Checks against the ledger, then what `sq verify` will re-execute and compare."""
    facts = report.model["run"]
    rows = []
    if facts.get("journal_id") is not None:
        rows.append(("Journal", str(facts["journal_id"])))
    for name, title in (("batches", "Batches"), ("records", "Records")):
        if facts.get(name) is not None:
            rows.append((title, count(int(facts[name]))))
    for name, title in (("code_digest", "Code"), ("run_digest", "Identity of the run")):
        if facts.get(name):
            rows.append((title, f"<code>{escape(str(facts[name]))}</code>"))
    versions = facts.get("versions")
    if isinstance(versions, dict) and versions:
        rows.append(
            (
                "Versions",
                escape(", ".join(f"{name} {version}" for name, version in versions.items())),
            )
        )
    body = "".join(
        f"<tr><th scope=row>{title}</th><td class=wrap>{text}</td></tr>" for title, text in rows
    )
    parts = [
        "<section class=long><h2>Can this be trusted?</h2><p class=lead>Every record of the run is "
        "in its folder, in the order it happened. This command re-executes all of it with this "
        "code and compares every digest; the same run gives this page byte for byte.</p><code "
        "class=command>sq verify RUN</code>",
        checks(report.model["checks"]),
        f"<table style='margin-top:10px'><tbody>{body}</tbody></table>" if body else "",
        digests("Topics of the run", facts.get("topic_digests")),
        digests("Inputs", facts.get("input_digests")),
        "</section>",
    ]
    return "".join(parts)


def checks(rows: list[dict[str, Any]]) -> str:
    """Each identity with its verdict."""
    if not rows:
        return ""
    verdicts = {True: "<td class='n ok'>✓ equal</td>", False: "<td class='n bad'>✗ differs</td>"}
    body = "".join(f"<tr><td>{escape(row['name'])}</td>{verdicts[row['ok']]}</tr>" for row in rows)
    verdict = (
        "The books agree to the last digit"
        if all(row["ok"] for row in rows)
        else "The books do not agree"
    )
    return f"<table><caption>{verdict}</caption><tbody>{body}</tbody></table>"


def digests(title: str, found: Any) -> str:
    """SHA-256 by topic."""
    if not isinstance(found, dict) or not found:
        return ""
    rows = [(escape(str(name)), escape(str(digest))) for name, digest in found.items()]
    body = "".join(
        f"<tr><td>{name}</td><td class=wrap><code class=digest>{digest}</code></td></tr>"
        for name, digest in rows
    )
    return f"<table style='margin-top:10px'><caption>{title}</caption><tbody>{body}</tbody></table>"
