"""The play: two stories out of the past and one that happens while one watches."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files as resources
from pathlib import Path
from typing import NoReturn

import click

from streams.config import load
from streams.demo.crm import STORIES, TICKETS, Row, debezium, live_ticket
from streams.log.connection import Connection
from streams.log.embedded import BrokerError, EmbeddedBroker, SupervisedProcess
from streams.log.producer import PlainProducer
from streams.log.topics import Topic, Topics, create, ensure

PATIENCE_SECONDS = 40.0

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

NEXT = """
That was all of it: a change feed, a worker, a notifier. Nothing is left running. Next:

  escalations init           write an escalations.yaml of your own
  escalations check          look for mistakes in it
  escalations backtest       see what it would have done on your history
  escalations run            let it watch

  escalations demo --keep    this again, and stay up to try the other commands on it
"""


class _Interrupted(BaseException):
    """A signal to end came. No Exception, so that nothing on the way takes it for a failure."""


def play(keep: bool) -> None:
    """Run the demo; with `keep`, stay up until Ctrl-C. Raises BrokerError when it gets stuck."""
    # By itself, only Ctrl-C would put everything away.
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    staying = False
    try:
        with _stage() as stage:
            stage.stories()
            stage.live()
            if keep:
                staying = True
                stage.stay()
    except _Interrupted as interrupted:
        with suppress(OSError):
            click.echo("\nStopped; nothing is left running.")
        sys.exit(0 if staying else 128 + interrupted.args[0])
    click.echo(NEXT)


def _interrupt(number: int, _: object) -> NoReturn:
    # Putting everything away takes a few seconds, in which impatience would leave something behind.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise _Interrupted(number)


@contextmanager
def _stage() -> Iterator["Stage"]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="escalations-demo-")))
        click.echo("Starting a broker, a worker and a notifier in a temporary folder ...")
        broker = stack.enter_context(EmbeddedBroker(folder / "broker", keep=False))
        yield Stage(folder, broker.address, stack)


class Stage:
    """The running parts. `address`: the broker's; `folder`: everything on disk, gone afterwards."""

    def __init__(self, folder: Path, address: str, stack: ExitStack) -> None:
        self._folder = folder
        self._address = address
        self._connection = Connection(address)
        self._producer = PlainProducer(self._connection)
        self._lsn = 0
        self._shown = 0
        self.config = folder / "escalations.yaml"
        self.config.write_bytes((resources("streams") / "demo" / "escalations.yaml").read_bytes())
        config = load(self.config)
        topics = Topics(config.live.prefix, config.live.app, config.live.partitions)
        admin = self._connection.admin()
        create(
            admin, [Topic(feed.topic, None, "a feed") for feed in config.feeds.values()], topics.partitions, 1
        )
        ensure(admin, topics, (), replication=1)
        self._worker = self._start(stack, "run", "--data", str(folder / "data"))
        self._notifier = self._start(stack, "notify")

    def _start(self, stack: ExitStack, command: str, *arguments: str) -> SupervisedProcess:
        where = ["-c", str(self.config), "--broker", self._address]
        program = [sys.executable, "-m", "streams", command, *where, *arguments]
        process = SupervisedProcess(program, self._folder / f"{command}.log")
        stack.callback(process.stop, 5.0)
        return process

    def stories(self) -> None:
        click.echo(
            "\nTwo stories out of the past. A ticket is assigned on the first day of its owner's leave, and\n"
            "found eight days later. A deal sits in one stage for nine weeks. Who would have known?\n"
        )
        self._write(STORIES)
        self._show(5)

    def live(self) -> None:
        click.echo(
            "\nAnd live: ticket 4712 comes in now, and is to be solved within 6 seconds. Nobody does.\n"
        )
        self._write([live_ticket("open")])
        self._show(1)
        click.echo("\nNow somebody solves it.\n")
        self._write([live_ticket("solved")])
        self._show(1)

    def stay(self) -> None:
        click.echo(
            f"\nStaying up until Ctrl-C. From another terminal, for example:\n\n"
            f"  escalations open -c {self.config} --broker {self._address}\n"
            f"  escalations notify -c {self.config} --broker {self._address} console\n"
            f"  escalations backtest -c {self.config} --broker {self._address} --topic {TICKETS}\n"
        )
        while True:
            self._print_news()
            time.sleep(0.2)

    def _write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._lsn += 1
            self._producer.write(row.topic, [debezium(row, self._lsn)])

    def _show(self, escalations: int) -> None:
        """Print what the notifier gets until there have been so many more escalations."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while escalations > 0:
            escalations -= self._print_news()
            for name, process in (("worker", self._worker), ("notifier", self._notifier)):
                if not process.running:
                    raise BrokerError(f"the demo's {name} has ended; it said:\n{process.said()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"the demo got stuck; its worker said:\n{self._worker.said()}")
            time.sleep(0.1)

    def _print_news(self) -> int:
        """Print what the notifier has printed since; how many escalations that were."""
        said = self._notifier.said()
        news, self._shown = said[self._shown :], len(said)
        click.echo(news, nl=False)
        return sum(line.startswith("2") for line in news.splitlines())
