"""What commands share: numbers on the command line, and whether an address can be served on."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable

from ganrepro.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def whole(low: int, high: int = 10**6) -> Callable[[str], int]:
    """A type for argparse: a whole number within bounds."""

    def number(text: str) -> int:
        if not text.isdecimal() or len(text) > len(str(high)) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return number


def expect_free(host: str, port: int, what: str) -> None:
    """UserError where the address cannot be served on.  what: the command, as it is told."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(f"{what}: {host}:{port} cannot be served on ({error.strerror}); choose another --port") from None
