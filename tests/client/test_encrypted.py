"""HTTPS with a certificate that must be right, and the proxy that the environment names."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.client.receiver import KEY, Receiver, Server, start_receiver

SENDING = """
import sys
from trackway.client import Client
with Client(sys.argv[1], sys.argv[2], close_timeout_s=3) as client:
    for _ in range(3):
        client.track("t")
        client.flush(1)
print(client.stats.accepted, client.stats.last_error)
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the receiver")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def encrypted(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with start_receiver(context=context) as receiver:
        yield receiver


@contextlib.contextmanager
def start_proxy() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A proxy that tunnels; its address, and what it was asked for with which login."""
    asked: list[tuple[str, str]] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append((self.path, self.headers.get("Proxy-Authorization", "")))
            host, port = self.path.split(":")
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=pass_on, args=(there, self.connection), daemon=True)
                back.start()
                pass_on(self.connection, there)
                back.join(5)

        def log_message(self, *_: object) -> None:
            """The test reads `asked`."""

    with Server(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)


def send(url: str, **environment: str) -> str:
    """What a program of its own prints: accepted events, and its last error."""
    done = subprocess.run(
        [sys.executable, "-c", SENDING, url, KEY],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    return done.stdout.strip()


def test_a_certificate_that_is_trusted(encrypted: Receiver, certificate: Path) -> None:
    assert send(encrypted.url, SSL_CERT_FILE=str(certificate)) == "3"
    assert len(encrypted.connections) == 1


def test_a_certificate_that_nobody_vouches_for(encrypted: Receiver) -> None:
    printed = send(encrypted.url)
    assert printed.startswith("0 ")
    assert "CERTIFICATE_VERIFY_FAILED" in printed
    assert encrypted.calls == []


def test_through_a_proxy_nobody_on_the_way_reads_along(encrypted: Receiver, certificate: Path) -> None:
    with start_proxy() as (proxy, asked):
        printed = send(encrypted.url, SSL_CERT_FILE=str(certificate), HTTPS_PROXY=f"http://me:s%3Acret@{proxy}")
    assert printed == "3"
    assert asked == [(encrypted.url.removeprefix("https://"), "Basic bWU6czpjcmV0")]


def test_no_proxy_for_neighbours(receiver: Receiver) -> None:
    assert send(receiver.url, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1") == "3"


def test_an_unencrypted_server_through_a_proxy(receiver: Receiver) -> None:
    with start_proxy() as (proxy, asked):
        assert send(receiver.url, http_proxy=proxy) == "3"
    assert [place for place, _ in asked] == [receiver.url.removeprefix("http://")]
    assert receiver.names == ["t", "t", "t"]


def test_a_proxy_that_refuses_is_a_passing_trouble(receiver: Receiver) -> None:
    printed = send(f"http://127.0.0.1:{receiver.url.rsplit(':', 1)[1]}", http_proxy=receiver.url)
    assert printed.startswith("0 ")
    assert "Tunnel connection failed: 501" in printed
