"""What protects a connection to the broker: TLS, certificates, and a name with a password.

The configuration says where secrets are and never what they are, so that neither it nor anything
printed of it is one. They are read anew for each client.
"""

import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streams.core.document import Node

Protocol = Literal["plaintext", "tls", "sasl_plaintext"]
Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SecurityProblem(Exception):
    """A file or variable that the configuration names cannot be used; the text says which, and why."""


@dataclass(frozen=True)
class Secret:
    """Where a text is kept: the environment variable `env`, or the file `path`."""

    env: str | None = None
    path: Path | None = None

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


@dataclass(frozen=True)
class Sasl:
    """How this client says who it is."""

    mechanism: Mechanism
    username: Secret
    password: Secret


@dataclass(frozen=True)
class Security:
    """`ca`: whom to trust in the place of the system's authorities. `certificate`, `key`: this client's own.

    All three are PEM files.
    """

    protocol: Protocol = "plaintext"
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    sasl: Sasl | None = None

    def for_confluent(self) -> dict[str, Any]:
        """Settings of a confluent-kafka client; secrets are among them. Raises SecurityProblem."""
        tls = self.protocol == "tls"
        settings: dict[str, Any] = {
            "security.protocol": f"{'sasl_' if self.sasl else ''}{'ssl' if tls else 'plaintext'}"
        }
        if tls:
            # The client library would only say that its settings are wrong, and of what.
            self.context()
            files = {
                "ssl.ca.location": self.ca,
                "ssl.certificate.location": self.certificate,
                "ssl.key.location": self.key,
            }
            settings |= {name: str(path) for name, path in files.items() if path is not None}
        if self.sasl:
            settings["sasl.mechanism"] = self.sasl.mechanism
            settings["sasl.username"] = self.sasl.username.read()
            settings["sasl.password"] = self.sasl.password.read()
        return settings

    def context(self) -> ssl.SSLContext:
        """What Python's own TLS needs. Raises SecurityProblem."""
        for path in (self.ca, self.certificate, self.key):
            if path is not None and not os.access(path, os.R_OK):
                raise SecurityProblem(f"the file {path} cannot be read")
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError:
            raise SecurityProblem(f"the file {self.ca} holds no certificate in PEM form") from None
        if self.certificate is not None:
            try:
                # Without a password OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.certificate, self.key, password="")
            except (ssl.SSLError, ValueError):
                raise SecurityProblem(
                    f"{self.certificate} and {self.key} are no certificate and its key, in PEM form and "
                    "without a passphrase"
                ) from None
        return context


def read_security(node: Node, folder: Path) -> Security:
    """The section `kafka`; its files are named as seen from `folder`. Raises Problem."""
    node.keys("ca", "certificate", "key", "sasl", required=["protocol"])
    protocol: Any = node["protocol"].choice("tls", "plaintext", "sasl_plaintext")
    sasl = _read_sasl(each, folder) if (each := node.get("sasl")) else None
    if protocol == "plaintext" and sasl:
        node["sasl"].fail(
            "the password would travel in the clear",
            "Write `protocol: tls`, or, where nobody can listen, `protocol: sasl_plaintext`",
            key=True,
        )
    if protocol == "sasl_plaintext" and not sasl:
        node["protocol"].fail("there is no `sasl`", "Add it, or write `protocol: plaintext`")
    files = {
        name: folder / each.text(example="the path of a PEM file")
        for name in ("ca", "certificate", "key")
        if (each := node.get(name))
    }
    if files and protocol != "tls":
        name = next(iter(files))
        node[name].fail(f"{name!r} is of no use with {protocol}", "Write `protocol: tls`", key=True)
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if name in files and other not in files:
            node[name].fail(f"{name!r} is nothing without {other!r}", f"Add `{other}: FILE`", key=True)
    return Security(protocol, **files, sasl=sasl)


def _read_sasl(node: Node, folder: Path) -> Sasl:
    node.keys(required=["mechanism", "username", "password"])
    mechanism: Any = node["mechanism"].choice("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
    return Sasl(mechanism, *(read_secret(node[name], folder) for name in ("username", "password")))


def read_secret(node: Node, folder: Path) -> Secret:
    """`{env: VARIABLE}` or `{file: PATH}`, a path as seen from `folder`. Raises Problem."""
    # No message names the value: it may be a secret, and messages end in build logs.
    remedy = f"Write `{node.name}: {{env: VARIABLE}}` or `{node.name}: {{file: PATH}}`"
    if not isinstance(node.value, dict) or len(node.value) != 1:
        node.fail(f"the {node.name} does not belong into this file", remedy, key=True)
    node.keys("env", "file")
    if each := node.get("file"):
        return Secret(path=folder / each.text(example="a path"))
    if each := node.get("env"):
        name = each.text(example="the name of a variable")
        if not _VARIABLE.fullmatch(name):
            each.fail("this is no name of an environment variable", "Write for example KAFKA_PASSWORD")
        return Secret(env=name)
    node.fail(f"nothing says where the {node.name} is", remedy, key=True)
