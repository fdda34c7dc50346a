"""What a pooler of PostgreSQL's connections does to a program, as far as the program can see it."""

import re
import socket
import threading
from typing import Self

# BackendKeyData: 12 bytes, of which the process id comes first
KEY = re.compile(rb"K\x00\x00\x00\x0c(.{4})", re.DOTALL)
NOBODY = b"\x7f\xff\xff\xff"
SECONDS = 30


class Pooler:
    """Leads connections on to a server while `with` lasts, under a process id of its own making."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.server_port), SECONDS)
            threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=pass_on, args=(server, client), kwargs={"hides": True}, daemon=True).start()


def pass_on(source: socket.socket, target: socket.socket, *, hides: bool = False) -> None:
    """Pass on what comes, until it ends; `hides`: with another process id, once."""
    try:
        while data := source.recv(1 << 16):
            if hides:
                data, found = KEY.subn(lambda key: key[0].replace(key[1], NOBODY), data, count=1)
                hides = not found
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()
