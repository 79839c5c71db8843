"""What a pickle would do, step by step, before any of it is done.

A few bytes of a pickle can ask for gigabytes: a place in the memo, a length, a frame. Here the
steps are read and none is taken, and lengths are compared with what is there.
"""

import pickle
import pickletools
from typing import IO

from expalign.limits import PICKLE_STEPS, Limit, LimitExceeded

# The steps that torch.save writes (protocol 2) and torch.load(weights_only=True) takes.
TORCH_STEPS = frozenset((
    'PROTO', 'STOP', 'GLOBAL', 'NEWOBJ', 'REDUCE', 'BUILD', 'BINPERSID', 'MARK', 'APPEND',
    'APPENDS', 'SETITEM', 'SETITEMS', 'TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3', 'NONE', 'NEWFALSE',
    'NEWTRUE', 'EMPTY_TUPLE', 'EMPTY_LIST', 'EMPTY_DICT', 'EMPTY_SET', 'BININT', 'BININT1',
    'BININT2', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINSTRING', 'LONG1', 'BINGET', 'LONG_BINGET',
    'BINPUT', 'LONG_BINPUT'))
ALL_STEPS = frozenset(step.name for step in pickletools.opcodes)
OTHER_CALLS = frozenset(('STACK_GLOBAL', 'INST', 'OBJ', 'EXT1', 'EXT2', 'EXT4'))
MEMO_STEPS = frozenset(('PUT', 'BINPUT', 'LONG_BINPUT', 'GET', 'BINGET', 'LONG_BINGET'))
LONG_NUMBER = 2**64  # numbers beyond are for random states
LONG_NUMBERS = 1000  # of them in a file: their hashes can be chosen to be equal


class BoundedReader:
    """A file whose reads ask for no more than it has, whatever length is asked for."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def tell(self) -> int:
        """Where the file stands."""
        return self.file.tell()

    def read(self, length: int = -1) -> bytes:
        """At most ``length`` bytes."""
        left = max(self.size - self.file.tell(), 0)
        return self.file.read(left if length < 0 else min(length, left))

    def readline(self, length: int = 2**20) -> bytes:
        """A line; of a long one the beginning."""
        return self.file.readline(length)


def check_pickle(
    file: BoundedReader, name: str, steps: frozenset[str] = TORCH_STEPS,
    limit: Limit = PICKLE_STEPS,
) -> list[str]:
    """Read the pickle that begins where the file stands, to its end.

    Args:
        file: it stands behind the pickle afterwards.
        name: of the file, for messages.
        steps: which it may have, by names of :mod:`pickletools`.
        limit: of their number.

    Returns:
        The classes and functions that it names, as ``'module.name'``; or '' where the name is made
        in the course of it.

    Raises:
        pickle.UnpicklingError: it is no pickle, is cut off, or has other steps.
        LimitExceeded: it has too many.
    """
    found, long_numbers, most = [], 0, limit.value
    try:
        for number, (step, argument, _) in enumerate(pickletools.genops(file), 1):
            if number > most:
                limit.check(number, name)
            if step.name not in steps:
                raise pickle.UnpicklingError(f'it has the step {step.name}')
            # Places of the memo are given one after the other, and all up to one are allocated.
            if step.name in MEMO_STEPS and not 0 <= argument <= number:
                raise pickle.UnpicklingError(f'it has a memo with the number {argument}')
            if step.name == 'GLOBAL':
                found.append(argument.replace(' ', '.', 1))
            elif step.name in OTHER_CALLS:
                found.append('')
            long_numbers += step.name == 'LONG1' and abs(argument) > LONG_NUMBER
            if long_numbers > LONG_NUMBERS:
                raise pickle.UnpicklingError('it has thousands of numbers beyond 64 bits')
    except LimitExceeded:
        raise
    except (ValueError, IndexError) as error:
        raise pickle.UnpicklingError(str(error)) from error
    return found
