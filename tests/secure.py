"""A Kafka broker as companies have them: TLS, certificates, passwords, and ACLs."""

import argparse
import re
import shlex
from pathlib import Path

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.brokers import Kafka

PASSWORDS = {"boss": "b0ss-Passw0rd", "limited": "l1mited-Passw0rd"}
"""Whoever is called `boss` may do everything, `limited` what an ACL says."""

_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_LOGIN = "org.apache.kafka.common.security"


class SecureKafka:
    """Apache Kafka with four listeners: `CLIENT` (plain, may do everything), `TLS`, `MTLS`, `SASL`.

    `folder` holds `ca.pem`, `client.pem` and `client.key` (the client's, common name `boss`), and
    `stranger.pem`, an authority that has signed nothing here. Raises Unavailable without Java or jars.
    """

    def __init__(self, folder: Path) -> None:
        ca, stranger = trustme.CA(), trustme.CA()
        ca.cert_pem.write_to_path(folder / "ca.pem")
        stranger.cert_pem.write_to_path(folder / "stranger.pem")
        client = ca.issue_cert("boss@example.org", common_name="boss")
        client.private_key_pem.write_to_path(folder / "client.key")
        _chain(client, folder / "client.pem")
        # For the address alone, so that a client that calls it by name is to refuse it.
        server = ca.issue_cert("127.0.0.1")
        _chain(server, folder / "server.pem", before=_pkcs8(server))
        users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
        plain = f"{_LOGIN}.plain.PlainLoginModule required {users};"
        scram = f"{_LOGIN}.scram.ScramLoginModule required;"
        self.folder = folder
        self.kafka = Kafka(
            {"TLS": "SSL", "MTLS": "SSL", "SASL": "SASL_SSL"},
            {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(folder / "server.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(folder / "ca.pem"),
                "listener.name.mtls.ssl.client.auth": "required",
                "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                "listener.name.sasl.plain.sasl.jaas.config": plain,
                "listener.name.sasl.scram-sha-256.sasl.jaas.config": scram,
                "listener.name.sasl.scram-sha-512.sasl.jaas.config": scram,
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS;User:boss",
                "ssl.principal.mapping.rules": "RULE:^CN=([^,]+),.*$/$1/,DEFAULT",
            },
            PASSWORDS,
        )

    def address(self, listener: str = "CLIENT") -> str:
        return self.kafka.address(listener)

    def allow(self, command: str) -> None:
        """What a command line of `kafka-acls` says; that program is in none of the server's own jars."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("--add", action="store_true", required=True)
        for name in ("--bootstrap-server", "--allow-principal"):
            parser.add_argument(name, required=True)
        parser.add_argument("--operation", action="append", required=True)
        parser.add_argument("--resource-pattern-type", default="literal", choices=["literal", "prefixed"])
        resource = parser.add_mutually_exclusive_group(required=True)
        for kind in _KINDS:
            resource.add_argument(f"--{kind}")
        program, *words = shlex.split(command)
        assert program == "kafka-acls"
        said = vars(parser.parse_args(words))
        kind = next(each for each in _KINDS if said[each.replace("-", "_")])
        bindings = [
            AclBinding(
                _KINDS[kind],
                said[kind.replace("-", "_")],
                ResourcePatternType[said["resource_pattern_type"].upper()],
                said["allow_principal"],
                "*",
                AclOperation[re.sub(r"(?<!^)([A-Z])", r"_\1", operation).upper()],
                AclPermissionType.ALLOW,
            )
            for operation in said["operation"]
        ]
        # The client must outlive its futures.
        admin = AdminClient({"bootstrap.servers": self.address()})
        for future in admin.create_acls(bindings).values():
            future.result(15)

    def forbid_all(self) -> None:
        """As at the start."""
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        admin = AdminClient({"bootstrap.servers": self.address()})
        for future in admin.delete_acls([everything]).values():
            future.result(15)


def _chain(certificate: trustme.LeafCert, path: Path, before: bytes = b"") -> None:
    path.write_bytes(before + b"".join(each.bytes() for each in certificate.cert_chain_pems))


def _pkcs8(certificate: trustme.LeafCert) -> bytes:
    """The key in the only form that Kafka reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
