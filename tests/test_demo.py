"""The demo ends by itself, and however it ends, it leaves no process and no folder behind."""

import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from streams.log.embedded import SAVE_SECONDS
from tests.command import PROGRAM, environment
from tests.live import wait_until


class Demo:
    """A demo whose temporary folder is inside `folder`, by which its processes are known, too."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder / "tmp"
        self._folder.mkdir()
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [PROGRAM, "demo", *arguments],
                env=environment(TMPDIR=str(self._folder)),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.said() or self.process.poll() is not None, 60, text)
        assert text in self.said()

    def running(self) -> list[str]:
        """Command lines of processes of its parts."""
        lines = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self._folder) in line:
                lines.append(line)
        return lines

    def stop(self) -> None:
        """Without a word, if it still runs; its parts end by themselves."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def left(self) -> list[Path]:
        return list(self._folder.iterdir())


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.stop()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    """One that ends by itself and one that is kept, side by side: each waits most of its time."""
    demos = Demo(tmp_path_factory.mktemp("plain")), Demo(tmp_path_factory.mktemp("kept"), "--keep")
    yield demos
    for demo in demos:
        demo.stop()


def test_it_tells_its_stories_within_a_minute_and_ends_by_itself(both: tuple[Demo, Demo]) -> None:
    running = both[0]
    assert running.process.wait(60) == 0, running.said()
    assert running.running() == []
    assert running.left() == []
    said = running.said()
    escalations = re.findall(r"^2\S+  ([A-Z ]+?)  (\S+):(?= )", said, re.MULTILINE)
    assert sorted(escalations) == sorted(
        [
            ("ESCALATED", "ticket:4711"),
            ("ESCALATED FURTHER", "ticket:4711"),
            ("RESOLVED", "ticket:4711"),
            ("ESCALATED", "deal:88"),
            ("RESOLVED", "deal:88"),
            ("ESCALATED", "ticket:4712"),
            ("RESOLVED", "ticket:4712"),
        ]
    )
    assert "anna is on leave" in said
    assert "Traceback" not in said


def test_kept_it_stays_for_the_other_commands_until_ctrl_c(both: tuple[Demo, Demo]) -> None:
    running = both[1]
    running.wait_for("Staying up")
    running.wait_for("--topic")
    time.sleep(1)
    assert running.process.poll() is None
    commands = re.findall(r"^  escalations (.*)$", running.said(), re.MULTILINE)
    told = {}
    for command in commands:
        name = command.split()[0]
        process = subprocess.Popen(
            [PROGRAM, *shlex.split(command)], stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert process.stdout is not None
        if name == "notify":
            assert any("ticket:4712" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
        told[name] = process.stdout.read()
        assert process.wait(30) == 0, name
    assert told.keys() == {"open", "notify", "backtest"}
    assert told["open"] == "Nothing is open.\n"
    assert "ticket-untouched" in told["backtest"]
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 0
    assert running.running() == []
    assert running.left() == []


@pytest.mark.parametrize(
    ("number", "text", "seconds"),
    [
        (signal.SIGINT, "Starting", 0.0),
        (signal.SIGINT, "Starting", 0.7),
        (signal.SIGINT, "Two stories", 1.5),
        (signal.SIGTERM, "ESCALATED", 0.0),
        (signal.SIGHUP, "Two stories", 0.0),
    ],
)
def test_told_to_end_it_puts_everything_away(
    running: Demo, number: signal.Signals, text: str, seconds: float
) -> None:
    running.wait_for(text)
    time.sleep(seconds)
    running.process.send_signal(number)
    # Somebody impatient.
    time.sleep(0.1)
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 128 + number, running.said()
    assert running.running() == []
    assert running.left() == []
    assert running.said().endswith("\nStopped; nothing is left running.\n")
    assert "Traceback" not in running.said()


def test_killed_it_leaves_no_process(running: Demo) -> None:
    running.wait_for("ESCALATED")
    running.process.kill()
    running.process.wait()
    wait_until(lambda: not running.running(), SAVE_SECONDS + 10, f"gone: {running.running()}")
