"""Commands end with one line where the input is at fault, with a traceback where the program is."""

import pytest

from expalign.utils import run_command


def failing(error):
    def main():
        raise error
    return main


@pytest.mark.parametrize(('error', 'line'), [
    (ValueError("'a.json' is a pipe"), "error: 'a.json' is a pipe"),
    (FileNotFoundError(2, 'No such file', 'a'), "error: [Errno 2] No such file: 'a'"),
    (RuntimeError('more than 1:\n   3 missing'), 'error: more than 1:; 3 missing'),
    (ValueError('caf\udce9'), r'error: caf\udce9'),
    (ValueError(), 'error: ValueError'),
])
def test_errors_for_people_are_one_line(error, line):
    with pytest.raises(SystemExit) as caught:
        run_command(failing(error))
    assert caught.value.code == line


@pytest.mark.parametrize('kind', [KeyError, TypeError, RecursionError, KeyboardInterrupt])
def test_other_errors_stay(kind):
    with pytest.raises(kind):
        run_command(failing(kind('x')))


def test_no_error():
    run_command(list)
