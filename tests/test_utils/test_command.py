"""Commands end with one line where the input is at fault, with a traceback where the program is."""

import io
import warnings

import pytest

from expalign.utils import run_command, without_lines


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


@pytest.mark.parametrize('encoding', ['cp1252', 'ascii', 'utf-8'])
def test_names_in_every_script_can_be_printed(monkeypatch, encoding):
    """As on Windows, where what is no terminal takes Western letters alone."""
    stream = io.TextIOWrapper(content := io.BytesIO(), encoding=encoding, newline='')
    monkeypatch.setattr('sys.stdout', stream)
    run_command(lambda: print('1 \u72d7, 1 caf\xe9; \udcff.jpg'))
    stream.flush()
    assert content.getvalue().decode() == '1 \u72d7, 1 caf\xe9; \\udcff.jpg\n'


def test_no_error():
    run_command(list)


def test_warnings_of_others_are_not_shown(capsys, monkeypatch):
    monkeypatch.setattr(warnings, 'showwarning', warnings.showwarning)

    def warn():
        warnings.warn('ours', stacklevel=1)
        warnings.warn_explicit('theirs', UserWarning, '/venv/lib/site-packages/torch/a.py', 1)
        warnings.warn_explicit('too', UserWarning, '/v/lib/site-packages/expalign/a.py', 1)

    with warnings.catch_warnings():
        warnings.simplefilter('always')
        run_command(warn)
    assert capsys.readouterr().err == 'note: ours\nnote: too\n'


def test_lines_that_a_package_prints(capsys):
    with without_lines('Loads '):
        print('Loads a file')
        print('a', 'b')
        print('Loads', end=' ')
        print('another')
    print('Loads a third')
    assert capsys.readouterr().out == 'a b\nLoads a third\n'
