"""The command ``expalign``."""

import subprocess
import sys

import pytest

from expalign import cli
from expalign.utils.model_table import FOLDER


@pytest.fixture(autouse=True)
def own_command_line(monkeypatch):
    """Sub-commands replace these."""
    monkeypatch.setattr(sys, 'argv', list(sys.argv))
    monkeypatch.setattr(sys, 'path', list(sys.path))


def test_every_script_is_there():
    for path in (*(script.path for script in cli.SCRIPTS.values()), *cli.CONVERTERS.values()):
        assert '\ndef main() -> None:' in (FOLDER / path).read_text(encoding='utf-8'), path


def test_help_and_models(capsys):
    cli.main(['--help'])
    shown = capsys.readouterr().out
    for name, script in cli.SCRIPTS.items():
        assert f'  {name:<8} {script.summary}' in shown and script.example in shown
    cli.main(['models'])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        'expalign-s', 'expalign-s-boxes', *(f'expalign-{size}' for size in 'mlx'),
        *(f'expalign-{size}-clip' for size in 'smlx')]
    cli.main(['models', '--all'])
    assert 'expalign_cnxt_o365 ' in capsys.readouterr().out


@pytest.mark.parametrize(('arguments', 'message'), [
    (['modles'], "expalign: 'modles' is no command; did you mean models?"),
    (['models', '-x'], 'models takes no argument but --all'),
    (['convert', 'yolo'], 'convert needs one of yolo2coco, '),
    (['run'], "run needs a Python script, such as mmdet's tools/test.py"),
    (['run', 'nothing.py'], 'run needs a Python script'),
    (['completion', 'tcsh'], 'completion needs the shell, one of bash, zsh, fish')])
def test_mistakes_are_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_a_sub_command_is_the_script_under_its_own_name(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(['convert', 'yolo2coco', '--help'])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith('usage: expalign convert yolo2coco')


def test_a_script_of_somebody_else(tmp_path, capsys):
    (tmp_path / 'other.py').write_text(
        "import sys, mmcv.ops\nprint(sys.argv[1:], __name__, mmcv.ops.nms.__name__)\n")
    cli.main(['run', str(tmp_path / 'other.py'), '--flag', 'x'])
    assert capsys.readouterr().out == "['--flag', 'x'] __main__ nms\n"


def test_errors_of_a_sub_command_are_one_line(tmp_path):
    with pytest.raises(SystemExit) as stop:
        cli.main(['convert', 'yolo2coco', str(tmp_path / 'nothing'), str(tmp_path / 'out')])
    assert str(stop.value.code).startswith('error: ') and '\n' not in str(stop.value.code)


def test_help_is_at_once():
    """No --help and no mistake waits for torch or mmdet; each help has an example."""
    code = """
import contextlib, io, sys
from expalign import cli
commands = [[name] for name in (*cli.SCRIPTS, *cli.OWN)]
commands += [['convert', name] for name in cli.CONVERTERS]
for command in [*commands, ['train', 'x.py']]:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        cli.main([*command, '--help'])
    name = 'expalign ' + ' '.join(command[:1] if command[0] == 'train' else command)
    assert 'example:' in shown.getvalue() and name in shown.getvalue(), (command, shown)
for wrong in (['detect', 'absent.jpg', 'a cat'], ['detect', 'a'], ['test', 'a.py', 'b.pth'],
              ['video', 'absent.mp4', 'a dog'], ['completion', 'bash']):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main(wrong)
print(sorted({'torch', 'mmdet', 'transformers', 'matplotlib'} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout == '[]\n', done.stderr
    assert [line.split(': error: ')[0] for line in done.stderr.splitlines()] == [
        'expalign detect', 'expalign detect', 'expalign test', 'expalign video']


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'fish'])
def test_completion(shell, capsys):
    cli.main(['completion', shell])
    script = capsys.readouterr().out
    for word in ('detect', '--score-thr', 'yolo2coco', 'expalign-s', 'completion', '--cfg-options'):
        assert word in script
    if shell == 'bash':
        asked = ('COMP_WORDS=(expalign detect --score); COMP_CWORD=2; _expalign; '
                 'echo ${COMPREPLY[@]}')
        done = subprocess.run(['bash', '-c', f'{script}\n{asked}'], capture_output=True, text=True)
        assert done.stdout == '--score-thr\n', done.stderr


@pytest.mark.parametrize(('arguments', 'script'), [
    (['photos'], 'tools/train_own_data.py'),
    (['data.zip', '--batch', '2'], 'tools/train_own_data.py'),
    (['my_data.py'], 'tools/train.py'), (['--amp', 'bf16', 'my_data.py'], 'tools/train.py')])
def test_train_takes_a_folder_or_a_config(monkeypatch, arguments, script):
    calls = []
    monkeypatch.setattr(cli, '_run', lambda *call: calls.append(call))
    cli.main(['train', *arguments])
    assert calls == [(script, 'expalign train', arguments)]
