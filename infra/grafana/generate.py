"""``python -m infra.grafana.generate`` writes ``dashboards/<uid>.json``."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from infra.grafana.board import Board, dashboard_of
from infra.grafana.boards import BOARDS

FOLDER = Path(__file__).resolve().parent / "dashboards"


def document(board: Board) -> str:
    """The dashboard as JSON, keys sorted."""
    content = json.loads(JSONEncoder(sort_keys=True).encode(dashboard_of(board)))
    for each in (*content["links"], *content["annotations"]["list"]):
        each.pop("placement", None)  # the builder's default hides them in a menu
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def files() -> dict[Path, str]:
    """Every generated file with its content."""
    return {FOLDER / f"{board.uid}.json": document(board) for board in BOARDS}


def main() -> None:
    """Write them, and remove what no board makes any more."""
    made = files()
    for path in FOLDER.glob("*.json"):
        if path not in made:
            path.unlink()
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
