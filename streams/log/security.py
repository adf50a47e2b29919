"""What protects a connection to the broker: TLS, certificates, and a name with a password."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streams.core.document import Node
from streams.secret import Secret, SecurityProblem, read_secret

Protocol = Literal["plaintext", "tls", "sasl_plaintext"]
Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]


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
