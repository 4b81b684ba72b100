"""Help texts that fit the terminal: paragraphs are filled to its width, indented lines stay as they are."""

from __future__ import annotations

import argparse
import textwrap


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
