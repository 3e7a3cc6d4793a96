"""Runs a local Hub in the foreground: `python tests/local_hub [--port 8777] [--token hf_local_writer]`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from pathlib import Path


def main() -> int:
    """Serves until Ctrl-C, and returns the exit code."""
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # a folder that is run is not yet a package
    from local_hub import TOKENS, LocalHub, User

    parser = argparse.ArgumentParser(
        prog="local_hub", description="A Hugging Face Hub on this machine: in memory, and gone when it ends."
    )
    parser.add_argument("--port", type=int, default=8777, help="8777 if not given; 0 takes a free one")
    parser.add_argument("--token", default="hf_local_writer", help="the token of the user `me`, which may write")
    arguments = parser.parse_args()
    hub = LocalHub(tokens={**TOKENS, arguments.token: User("me")}, port=arguments.port)
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as running:
        try:
            running.enter_context(hub)
        except OSError as error:
            print(f"Port {arguments.port}: {error.strerror}. Choose another one with --port.", file=sys.stderr)
            return 1
        print(f"A local Hub listens at {hub.endpoint}, until Ctrl-C. A shell uses it after these lines:")
        print(f"export HF_ENDPOINT={hub.endpoint} HF_HUB_DISABLE_XET=1 HF_HUB_DISABLE_TELEMETRY=1")
        print(f"export HF_TOKEN={arguments.token}", flush=True)
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
