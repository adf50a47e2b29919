"""Secrets: the configuration says where they are and never what they are, so that neither it nor anything
printed of it is one. They are read anew for each use.

    env:NAME                                  # an environment variable
    file:PATH                                 # a file, as seen from the configuration
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from streams.core.document import Node

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecurityProblem(Exception):
    """A file or variable that the configuration names cannot be used; the text says which, and why."""


@dataclass(frozen=True)
class Secret:
    """Where a text is kept: the environment variable `env`, or the file `path`."""

    env: str | None = None
    path: Path | None = None

    def __str__(self) -> str:
        return f"env:{self.env}" if self.path is None else f"file:{self.path}"

    def read(self) -> str:
        """The text, without the line's end of a file. Raises SecurityProblem without naming it."""
        if self.path is None:
            assert self.env is not None
            text = os.environ.get(self.env)
            if not text:
                raise SecurityProblem(f"the environment variable {self.env} is not set, or empty")
            return text
        try:
            text = self.path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            raise SecurityProblem(f"the file {self.path} cannot be read") from None
        if not text:
            raise SecurityProblem(f"the file {self.path} is empty")
        return text


def read_secret(node: Node, folder: Path) -> Secret:
    """A path is one as seen from `folder`. Raises Problem."""
    # No message names the value: it may be a secret, and messages end in build logs.
    kind, _, name = node.value.partition(":") if isinstance(node.value, str) else ("", "", "")
    if kind == "file":
        if not name:
            node.fail("the path of the file is missing", f"Write for example {node.name}: file:/run/secret")
        return Secret(path=folder / name)
    if kind != "env":
        node.fail(
            f"the {node.name} does not belong into this file",
            f"Say where it is: `{node.name}: env:NAME` or `{node.name}: file:PATH`",
        )
    if not _VARIABLE.fullmatch(name):
        node.fail("this is no name of an environment variable", f"Write for example {node.name}: env:SECRET")
    return Secret(env=name)
