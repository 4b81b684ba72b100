"""Help texts that fit the terminal, and wrong use in one line that says what was meant."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from typing import NoReturn

COMMAND_WIDTH = 15
"""Columns of the longest command's name and its indent."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest option or command there is."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        self.exit(
            2,
            f"{self.prog}: {self._with_nearest(message)}; '{self.prog} --help' says what there "
            "is\n",
        )

    def _with_nearest(self, message: str) -> str:
        wrong = re.match(
            r"unrecognized arguments: (--[^\s=]+)|argument COMMAND: invalid choice: '([^']*)'",
            message,
        )
        if wrong is None:
            return message
        what = "option" if wrong[1] else "command"
        near = difflib.get_close_matches(
            wrong[1] or wrong[2], self._options() if wrong[1] else self.commands(), 1, 0.5
        )
        return f"there is no {what} {wrong[1] or wrong[2]}" + (
            f"; did you mean {near[0]}?" if near else ""
        )

    def commands(self) -> dict[str, argparse.ArgumentParser]:
        """Parsers by the name of their command."""
        actions = [
            action for action in self._actions if isinstance(action, argparse._SubParsersAction)
        ]  # noqa: SLF001 - argparse has no other way
        return dict(actions[0].choices) if actions else {}

    def _options(self) -> list[str]:
        """Every option of this command and of those under it: with a command given, the parser
        holds no other.
        """
        own = [option for action in self._actions for option in action.option_strings]
        return own + [
            option
            for parser in self.commands().values()
            for action in parser._actions
            for option in action.option_strings  # noqa: SLF001
        ]


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fills paragraphs; a line that is indented, or ends with a colon, is left alone."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        paragraph: list[str] = []

        def flush() -> None:
            lines.extend(textwrap.wrap(" ".join(paragraph), width) if paragraph else [])
            paragraph.clear()

        for line in text.splitlines():
            if line and not line[0].isspace() and not line.endswith(":"):
                paragraph.append(line)
            else:
                flush()
                lines.append(line)
        flush()
        return "\n".join(indent + line for line in lines)


class CommandsFormatter(HelpFormatter):
    """The same for a list of commands: argparse leaves their indent out of the column's width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = COMMAND_WIDTH
