"""What only one system has must not be in code that users of every system run."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ('projects/expalign', 'tools', 'demo')  # research that stays in the checkout aside
RESEARCH = re.compile(r'tools/(distillation|misc)/|/benchmarks?[_/]')

POSIX_MODULES = {'fcntl', 'resource', 'pwd', 'grp', 'termios', 'tty', 'pty', 'posix', 'syslog'}
POSIX_NAMES = {
    'os': {'fork', 'forkpty', 'getuid', 'geteuid', 'getgid', 'getegid', 'setsid', 'getpgid',
           'killpg', 'mkfifo', 'mknod', 'uname', 'statvfs', 'chown', 'nice', 'sysconf', 'wait',
           'sched_getaffinity', 'getloadavg', 'chroot', 'pread', 'pwrite', 'posix_fadvise',
           'O_NONBLOCK', 'O_NOFOLLOW', 'O_DIRECTORY', 'O_CLOEXEC', 'O_SYNC', 'WNOHANG'},
    'signal': {'SIGHUP', 'SIGKILL', 'SIGALRM', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGCHLD',
               'SIGPIPE', 'alarm', 'setitimer', 'pause', 'sigwait', 'pthread_sigmask'},
    'time': {'tzset', 'pthread_getcpuclockid'}, 'socket': {'AF_UNIX', 'socketpair'},
}
# What differs between systems, with the reason why it is right there.
ALLOWED = {
    ('utils/file_lock.py', 'import fcntl'): 'Windows has another module, see the test of locks',
    ('utils/file_lock.py', 'os.open'): 'a folder, where fcntl is',
    ('utils/finished_file.py', 'os.open'): 'to flush: nothing is read or written',
    ('apis/web/photographs.py', 'os.open'): 'with O_BINARY where there is one',
    ('utils/processes.py', 'os.kill'): 'not on Windows',
    ('utils/processes.py', "'/proc"): 'where there is none nothing is known of starts',
    ('utils/termination.py', 'os.kill'): 'this process, which has been forked',
    ('utils/links.py', 'os.symlink'): 'with other links where it is forbidden',
    ('preflight/resources.py', 'os.sysconf'): 'without it the memory is not known',
    ('utils/label_fonts.py', "'/usr"): 'where other systems have their fonts stands beside it',
    ('data_tools/own_data.py', 'os.rename'): 'a new folder to a name that is free',
    ('labelling/assemble.py', 'os.rename'): 'a new folder to a name that is free',
    ('labelling/devices.py', 'os.sched_getaffinity'): 'where there is one',
    ('data_tools/archive.py', 'os.rename'): 'a new folder to a name that is free',
    ('data_tools/coco_folder.py', '.rename'): 'a new folder to a name that is free',
}
TEXT_CALLS = {'read_text': 0, 'write_text': 1}  # with the number of arguments before encoding
SPLITS = {'split', 'rsplit', 'partition', 'rpartition'}
PLACE = re.compile(r'path|file|folder|dir\b|root|place|target|out\b')
# Texts of such names with '/' that are no paths of this machine: addresses, names in archives.
SLASHES = {'checkpoints/torch_archive.py', 'data_tools/lvis_minival.py', 'apis/web/guard.py'}


def sources() -> list[Path]:
    files = [path for folder in SHIPPED for path in sorted((ROOT / folder).rglob('*.py'))
             if '.mim' not in path.parts]
    return [path for path in files if not RESEARCH.search(path.relative_to(ROOT).as_posix())]


def guarded(tree: ast.AST) -> set[ast.AST]:
    """Imports of a ``try`` that goes on where there is no such module."""
    return {inner for node in ast.walk(tree) if isinstance(node, ast.Try)
            and any('ImportError' in ast.unparse(handler.type or ast.Constant(''))
                    for handler in node.handlers)
            for statement in node.body for inner in ast.walk(statement)}


def names_of_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split('.')[0] for alias in node.names]
    return [(node.module or '').split('.')[0]] if isinstance(node, ast.ImportFrom) else []


@cache
def trees() -> dict[str, ast.Module]:
    """The sources by their names from the root."""
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding='utf-8'))
            for path in sources()}


def faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and what is wrong in them."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    tried = guarded(tree)
    for node in ast.walk(tree):
        line = getattr(node, 'lineno', 0)
        for name in POSIX_MODULES.intersection(names_of_modules(node)) - (
                POSIX_MODULES if node in tried else set()):
            yield line, f'import {name}'
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) \
                and node.attr in POSIX_NAMES.get(node.value.id, ()):
            yield line, f'{node.value.id}.{node.attr}'
        if isinstance(node, ast.Constant) and isinstance(node.value, str) \
                and id(node) not in docstrings \
                and re.match(r'/(tmp|dev|proc|usr|home|etc|var|root|bin)\b', node.value):
            yield line, repr(node.value)
        if isinstance(node, ast.Call):
            yield from ((line, fault) for fault in faults_of_call(node))


def faults_of_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    name = called.rsplit('.', 1)[-1]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if given.get('shell') == 'True' or called in ('os.system', 'os.popen'):
        yield 'a shell'
    if called in ('os.open', 'os.kill', 'os.symlink', 'os.rename'):
        yield called
    if name in ('rename', 'symlink_to', 'hardlink_to') and called not in ('os.rename', 'rename'):
        yield f'.{name}'
    if name in ('get_context', 'set_start_method') and 'fork' in ast.unparse(node):
        yield 'fork'
    if 'encoding' in given:
        return
    if TEXT_CALLS.get(name) == len(node.args) and '.' in called:
        yield f'{name} without encoding'
    if called.startswith('subprocess.') and {'text', 'universal_newlines'} & set(given):
        yield 'subprocess without encoding'
    if is_text_open(node, called, given):
        yield 'open without encoding'


def is_text_open(node: ast.Call, called: str, given: dict[str, str]) -> bool:
    """Whether a call opens a file as text: of the function or of a path."""
    if called != 'open' and not (called.endswith('.open') and len(node.args) <= 1):
        return False
    if called.split('.')[0] in ('os', 'PIL', 'Image', 'av', 'archive', 'webbrowser', 'tarfile'):
        return False
    if called != 'open' and node.args and not re.fullmatch(
            r"'[rwaxbt+]+'", ast.unparse(node.args[0])):
        return False  # not the mode: a member of an archive, say
    mode = ast.unparse(node.args[called == 'open']) if len(node.args) > (called == 'open') else (
        given.get('mode', "'r'"))
    return 'b' not in mode


def test_sources():
    found = []
    for name, tree in trees().items():
        found += [f'{name}:{line}: {fault}' for line, fault in faults(tree) if not any(
            name.endswith(file) and fault.startswith(allowed) for file, allowed in ALLOWED)]
    assert not found, '\n'.join(found)


def test_paths_are_not_split_at_slashes():
    found = []
    for name, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) \
                    and node.func.attr in SPLITS and node.args \
                    and ast.unparse(node.args[0]) in ("'/'", 'os.sep') \
                    and '\\\\' not in ast.unparse(node.func) \
                    and (PLACE.search(ast.unparse(node.func.value)) or 'sep' in ast.unparse(node)) \
                    and not name.endswith(tuple(SLASHES)):
                found.append(f'{name}:{node.lineno}: {ast.unparse(node)}')
    assert not found, '\n'.join(found)


@pytest.mark.parametrize(('source', 'fault'), [
    ('import fcntl', 'import fcntl'), ('from resource import getrusage', 'import resource'),
    ('signal.signal(signal.SIGHUP, f)', 'signal.SIGHUP'), ('os.fork()', 'os.fork'),
    ('flags = os.O_NOFOLLOW', 'os.O_NOFOLLOW'), ("open('/tmp/a', 'rb')", "'/tmp/a'"),
    ("subprocess.run('ls', shell=True)", 'a shell'), ("os.system('ls')", 'a shell'),
    ('open(path)', 'open without encoding'), ("path.open('w')", 'open without encoding'),
    ("open(path, mode='a')", 'open without encoding'), ('p.read_text()', 'read_text without'),
    ("p.write_text('a')", 'write_text without'), ("os.rename('a', 'b')", 'os.rename'),
    ('subprocess.run(a, text=True)', 'subprocess without'), ('os.kill(1, 0)', 'os.kill'),
    ("get_context('fork')", 'fork'), ('a.symlink_to(b)', '.symlink_to'),
])
def test_the_rules_find_what_they_are_for(source, fault):
    assert any(text.startswith(fault) for _, text in faults(ast.parse(source)))


@pytest.mark.parametrize('source', [
    "open(path, 'rb')", "open(path, encoding='utf-8')", "path.open('wb')", 'zipped.open(entry)',
    'try:\n    import fcntl\nexcept ImportError:\n    fcntl = None', "getattr(os, 'O_NOFOLLOW', 0)",
    "'''/tmp is no place'''", "os.replace('a', 'b')", 'p.read_bytes()',
])
def test_the_rules_find_nothing_else(source):
    assert list(faults(ast.parse(source))) == []


RESERVED = re.compile(r'(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def test_names_of_files():
    """Every system can check the project out: its names, and no two that differ by case alone."""
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, encoding='utf-8',
                            check=False).stdout.splitlines()
    if not listed:
        pytest.skip('needs a checkout')
    parts = {part for name in listed for part in name.split('/')}
    wrong = [part for part in parts if re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part)
             or RESERVED.match(part)]
    assert not wrong
    assert max(map(len, listed)) < 160  # of the 260 letters that Windows takes
    folders = {'/'.join(name.split('/')[:end]) for name in listed for end in range(1, 12)}
    assert len({name.casefold() for name in folders}) == len(folders)


# What Windows has not, taken away in a new process.
AS_ON_WINDOWS = """
import os, signal, sys
import av, cv2, numpy, PIL.Image, pycocotools.mask, tqdm, urllib.request  # they know the system
for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios'):
    sys.modules[name] = None
sys.modules['msvcrt'] = type(sys)('msvcrt')
for module, names in ((os, ('fork', 'getuid', 'geteuid', 'O_NONBLOCK', 'O_NOFOLLOW', 'mkfifo',
                            'O_DIRECTORY', 'uname')),
                      (signal, ('SIGHUP', 'SIGKILL', 'SIGALRM', 'SIGUSR1', 'SIGUSR2'))):
    for name in names:
        delattr(module, name)
import importlib, pathlib, re
root = pathlib.Path(sys.argv[1])
for folder in ('utils', 'structures', 'apis/films'):
    for path in sorted((root / folder).rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        if not set(re.findall(r'^(?:import|from) (\\w+)', text, re.M)) & {
                'torch', 'mmengine', 'mmdet', 'mmcv', 'numba', 'tokenizers'}:
            name = '.'.join(('expalign', *path.relative_to(root).with_suffix('').parts))
            importlib.import_module(name.removesuffix('.__init__'))
import expalign.cli, expalign.apis.web.photographs, expalign.data_tools.sam_journal
assert 'torch' not in sys.modules and 'expalign.utils.download' in sys.modules
from expalign.utils import finished_file
with finished_file('a.txt') as file:
    file.write_text('ä', encoding='utf-8')
expalign.cli.main(['--help'])
"""


def test_modules_can_be_imported_where_posix_is_not(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', AS_ON_WINDOWS, ROOT / 'projects' / 'expalign'], cwd=tmp_path,
        capture_output=True, encoding='utf-8', check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'Commands:' in done.stdout
    assert (tmp_path / 'a.txt').read_text(encoding='utf-8') == 'ä'
