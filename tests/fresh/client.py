#!/usr/bin/env python
"""In the place of an interpreter: asks for a fork of one that runs, and ends as the fork ends.

The fork gets the signals that this process gets; if this process is killed, so is the fork.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

ADDRESS = "FTKIT_TEST_FRESH"
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)


def main() -> int:
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ[ADDRESS])
        ignored = [number for number in FORWARDED if signal.getsignal(number) == signal.SIG_IGN]
        asked = {"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "ignored": ignored}
        text = json.dumps(asked).encode()
        socket.send_fds(server, [len(text).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(text)
        for number in set(FORWARDED) - {*ignored}:
            signal.signal(number, lambda number, _: server.sendall(bytes([number])))
        code = int(server.recv(16) or 1)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
