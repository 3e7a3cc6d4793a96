"""HTTP: a thread a connection, which reads requests, lets failures strike, and sends answers."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import traceback
from http.client import responses
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Protocol

from .exchange import Answer, Failure, Request


class Hub(Protocol):
    """What a connection needs of a Hub."""

    def take_failure(self, method: str, path: str) -> Failure | None:
        """Returns the failure that strikes a request, and counts it."""

    def receive(self, request: Request) -> None:
        """Notes a request."""

    def answer(self, request: Request) -> Answer:
        """Does what a request asks for."""


class Server(ThreadingMixIn, TCPServer):
    """Serves until `stop`, which waits for no client: it closes the connections that clients keep open."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, hub: Hub, port: int) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.hub = hub
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="local-hub", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # the client may have closed it first
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
        self._thread.join()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error; anything else is one in this server, and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class Connection(BaseHTTPRequestHandler):
    """One client's connection, for as many requests as the client sends over it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def serve(self) -> None:
        hub, failure = self.server.hub, self.server.hub.take_failure(self.command, self.path)
        if failure is None:
            self._send(hub.answer(self._receive()))
        elif failure.late:
            hub.answer(self._receive())
            self._fail(failure)
        elif failure.drop:
            self._receive(limit=0)
            self.close_connection = True
        elif failure.cut_after is not None and self._has_body():
            self._receive(limit=failure.cut_after)
            self.close_connection = True
        elif failure.cut_after is not None:
            self._send(hub.answer(self._receive()), limit=failure.cut_after)
            self.close_connection = True
        else:
            self._receive()
            self._fail(failure)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def _fail(self, failure: Failure) -> None:
        if failure.answer is None:
            self.close_connection = True
        else:
            self._send(failure.answer)

    def _has_body(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "") or self.headers.get("content-length", "0") != "0"

    def _receive(self, limit: int | None = None) -> Request:
        """Reads the body, or its first `limit` bytes, and notes the request."""
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = self._chunks(limit)
        else:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length if limit is None else min(length, limit))
            if limit is None and len(body) < length:
                self.close_connection = True
        request = Request(self.command, self.path, self.headers, body)
        self.server.hub.receive(request)
        return request

    def _chunks(self, limit: int | None) -> bytes:
        body = b""
        while limit is None or len(body) < limit:
            length = int(self.rfile.readline().split(b";")[0] or b"0", 16)
            body += self.rfile.read(length)
            self.rfile.readline()
            if length == 0:
                return body
        return body[:limit]

    def _send(self, answer: Answer, limit: int | None = None) -> None:
        """Sends an answer, or the first `limit` bytes of its body. To HEAD only the headers are sent."""
        lines = [f"{self.protocol_version} {answer.status} {responses.get(answer.status, '')}"]
        headers = {"Server": "local-hub", "Content-Length": str(len(answer.body)), **answer.headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        body = b"" if self.command == "HEAD" else answer.body[:limit]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)

    def log_message(self, *_: object) -> None:
        """The Hub is silent: what it received is in `LocalHub.requests`."""
