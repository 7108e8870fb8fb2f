"""Where the command begins, `precip-sae` or `python -m precip_sae`, before anything is imported that takes time."""

import signal
import sys


def main() -> int:
    """Runs the command; an interrupt that comes while it is being imported ends it as it would end any command."""
    heard = signal.getsignal(signal.SIGINT)
    # one that a shell started to ignore interrupts goes on ignoring them
    if heard is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from precip_sae.cli import main as command

    signal.signal(signal.SIGINT, heard)
    return command()


if __name__ == "__main__":
    sys.exit(main())
