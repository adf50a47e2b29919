"""The command `escalations`: its commands, and what becomes of their errors."""

import io
import logging
import sys
from importlib import import_module
from typing import Any

import click

from streams import __version__
from streams.commands.exit_codes import DENIED, IN_USE, INTERRUPTED, NO, REFUSED, UNAVAILABLE, WRONG_USE
from streams.commands.options import LOGS, reason

COMMANDS = (
    "init",
    "check",
    "test",
    "calendar",
    "decode",
    "backtest",
    "tune",
    "compare",
    "audit",
    "explain",
    "topics",
    "run",
    "ingest",
    "play",
    "open",
    "ack",
    "snooze",
    "noise",
    "reopen",
    "notify",
    "demo",
)


class _Main(click.Group):
    """Turns the errors that people can do something about into a line and an exit code.

    Any other error is a mistake in this program, and its traceback is what a report of it needs.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"streams.commands.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # A standard output that was closed from outside is no file at all to Python.
        sys.stdout = sys.stdout or io.TextIOWrapper(io.BytesIO())
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            # Whoever read the output has enough of it; click ends quietly.
            raise
        except Exception as error:
            code = _exit_code(error)
            if code is None:
                raise
            if ctx.meta.get(LOGS):
                logging.getLogger("escalations").error("%s", _in_words(error))
            else:
                click.echo(_in_words(error), err=True)
            sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    from confluent_kafka import KafkaException

    from streams.agents.commands import CommandRefused, NoAnswer
    from streams.backtest.jobs import JobFailed
    from streams.backtest.log import NotFromHere
    from streams.backtest.sorting import Unordered
    from streams.config import ConfigError
    from streams.feeds import Unavailable
    from streams.feeds.files import FileProblem
    from streams.log.connection import FORBIDDEN, BrokerUnavailable, Denied, is_silence
    from streams.log.embedded import BrokerError
    from streams.log.producer import WriteRefused
    from streams.log.reader import NoSuchTopic
    from streams.log.store import StoreInUse
    from streams.log.topics import TopicMismatch
    from streams.notify.webhook import Unreachable
    from streams.secret import SecurityProblem

    match error:
        case CommandRefused() | FileProblem() | NoSuchTopic() | NotFromHere() | Unordered():
            return NO
        case ConfigError() | SecurityProblem() | TopicMismatch():
            return WRONG_USE
        case StoreInUse():
            return IN_USE
        case Denied():
            return DENIED
        case BrokerError() | BrokerUnavailable() | NoAnswer() | TimeoutError() | Unreachable():
            return UNAVAILABLE
        case Unavailable():
            return UNAVAILABLE
        case KafkaException():
            cause = error.args[0]
            if cause.code() in FORBIDDEN:
                return DENIED
            return UNAVAILABLE if is_silence(cause) else REFUSED
        case JobFailed() | WriteRefused() | OSError():
            return REFUSED
    return None


def _in_words(error: Exception) -> str:
    from confluent_kafka import KafkaException

    from streams.config import ConfigError
    from streams.log.connection import in_words

    match error:
        case ConfigError():
            return str(error)
        case KafkaException():
            return f"escalations: Kafka says: {in_words(error.args[0])}"
        case TimeoutError():
            # Of a future of the client library, which says nothing.
            return "escalations: the broker has not answered in time"
        case OSError():
            return f"escalations: {reason(error)}"
    return f"escalations: {error}"


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="escalations")
def main() -> None:
    """Who finds out, in time, when a ticket, a deal or an account is quietly going wrong.

    Escalation paths watch a CRM's change feed and route a record to somebody the moment it meets
    a risk condition.

    \b
    See it:         escalations demo
    Start:          escalations init, then check, backtest, run
    One command:    escalations COMMAND --help

    \b
    Exit codes:     0 done, 1 the answer is no, 2 wrong use,
                    69 something outside does not answer,
                    70 a write was refused or the state cannot be used,
                    75 the data folder is in use, 77 the broker refuses us
    """
