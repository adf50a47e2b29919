"""The command `escalations`: its commands, and what becomes of their errors."""

import io
import sys
from importlib import import_module
from typing import Any

import click

from streams import __version__
from streams.commands.exit_codes import INTERRUPTED, NO, REFUSED, UNAVAILABLE, WRONG_USE
from streams.commands.options import reason

COMMANDS = (
    "init",
    "check",
    "test",
    "calendar",
    "decode",
    "backtest",
    "explain",
    "run",
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
            click.echo(_in_words(error), err=True)
            sys.exit(code)


def _exit_code(error: Exception) -> int | None:
    from confluent_kafka import KafkaError, KafkaException

    from streams.agents.commands import CommandRefused, NoAnswer
    from streams.config import ConfigError
    from streams.feeds.files import FileProblem
    from streams.log.connection import BrokerUnavailable
    from streams.log.embedded import BrokerError
    from streams.log.producer import WriteRefused
    from streams.log.reader import NoSuchTopic
    from streams.log.store import StoreInUse
    from streams.log.topics import TopicMismatch
    from streams.notify.webhook import Unreachable

    silence = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)
    match error:
        case CommandRefused() | FileProblem() | NoSuchTopic():
            return NO
        case ConfigError() | StoreInUse() | TopicMismatch():
            return WRONG_USE
        case BrokerError() | BrokerUnavailable() | NoAnswer() | Unreachable():
            return UNAVAILABLE
        case KafkaException():
            cause = error.args[0]
            return UNAVAILABLE if cause.retriable() or cause.code() in silence else REFUSED
        case WriteRefused() | OSError():
            return REFUSED
    return None


def _in_words(error: Exception) -> str:
    from confluent_kafka import KafkaException

    from streams.config import ConfigError

    match error:
        case ConfigError():
            return str(error)
        case KafkaException():
            return f"escalations: Kafka says: {error.args[0].str()}"
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
                    70 a write was refused or the state cannot be used
    """
