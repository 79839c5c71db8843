"""Whether checkpoints may run code: a decision of the user, for this process."""

import argparse

FLAG = '--trust-checkpoint'
_trusted = False


def trust_checkpoints(trusted: bool = True) -> None:
    """Let checkpoints run code when they are loaded, as pickles can; or no longer.

    Without it a checkpoint is loaded only if it holds nothing but tensors and plain data. Trust
    files alone that you made yourself, or whose author you trust as you trust a program's.

    Args:
        trusted: False to take the trust back.
    """
    global _trusted
    _trusted = trusted


def checkpoints_are_trusted() -> bool:
    """Whether :func:`trust_checkpoints` was called."""
    return _trusted


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust-checkpoint``, which calls :func:`trust_checkpoints`."""
    parser.add_argument(
        FLAG, action=_TrustAction, nargs=0, default=False,
        help='load checkpoints that can run code, too; only for files whose author you trust')


class _TrustAction(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None) -> None:
        setattr(namespace, self.dest, True)
        trust_checkpoints()
