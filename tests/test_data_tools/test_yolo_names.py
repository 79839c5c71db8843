"""Descriptions of YOLO data sets: names as they are written, and files that are something else."""

import os

import pytest

from expalign.data_tools.yolo_names import class_names
from expalign.data_tools.yolo_yaml import read_description


def names_of(folder, text, encoding='utf-8', **options):
    folder.mkdir(exist_ok=True)
    path = folder / 'data.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return class_names(read_description(path), folder, path, **options)


# What YAML takes for booleans, octals, dates, numbers, sexagesimals and null.
WORDS = ['yes', 'on', 'No', 'off', 'y', 'true', '02146', '0o17', '0x1F', '2020-01-02', '1.0', '1e3',
         '.5', '12:30:45', '1_000', 'null', '~', '.inf', '.NaN', '=', '<<', '007']


@pytest.mark.parametrize('form', ['- {}\n', '{i}: {}\n', "- '{}'\n"])
def test_names_are_as_written(tmp_path, form):
    lines = ''.join('  ' + form.format(word, i=i) for i, word in enumerate(WORDS))
    assert names_of(tmp_path, f'nc: {len(WORDS)}\nnames:\n{lines}') == dict(enumerate(WORDS))


def test_a_byte_order_mark_and_white_space(tmp_path):
    text = "names: [' red  cup ', 猫]\n"
    assert names_of(tmp_path, text, 'utf-8-sig') == {0: 'red  cup', 1: '猫'}


def test_numbers_may_start_elsewhere(tmp_path):
    assert names_of(tmp_path, "names: {3: b, '1': a}\n") == {3: 'b', 1: 'a'}


@pytest.mark.parametrize(('text', 'message'), [
    ('names: cat', r"must be a list of names, or names by number; it is the text 'cat'"),
    ('names: cat, dog', r"it is the text 'cat, dog': write \[cat, dog\]"),
    ('nc: 3\nnames: [a, b]', r"data\.yaml' says that there are '3' classes, .* has 2 names"),
    ('nc: two\nnames: [a, b]', r"there are 'two' classes"),
    ('nc: [1]\nnames: [a]', 'there are a list classes'),
    ('names: {a: 0}', "'a' is no class number"),
    ('names: {-1: a}', "'-1' is no class number"),
    ('names: {0: a, 00: b}', 'a class number is there twice'),
    ('names: {0: a, 0: b}', r"data\.yaml', line 1: not YAML: the key '0' is there twice"),
    ('names: [a]\nnames: [b]', r"line 2|line 1.*'names' is there twice"),
    ('names: [a, [b]]', 'the name of class 1 must be text, it is a list'),
    ('names: [a, {b: c}]', 'the name of class 1 must be text, it is a dict'),
    ('names: [a, b, a]', r"has the class name 'a' for more than one number \(0, 2\)"),
    ("names: ['', ' ']", 'all names are empty'),
    ('names:\n\t- a', r"data\.yaml', line 2: not YAML"),
    ('names: [a', r"data\.yaml', line \d: not YAML"),
    ('hello', r"must hold keys such as 'train' and 'names'; it is a text file that starts with"),
    ('', r"it is an empty file"),
    ('version https://git-lfs.github.com/spec/v1\noid sha256:1\n', 'a Git LFS pointer'),
    ('<!DOCTYPE html><html>\n<b>: [</html>', 'an HTML page'),
    ('\ufeffnames: [a]'.encode('utf-16'), r"line 1: byte 0xff is not UTF-8; .* text in UTF-16"),
    ('names: [a]'.encode('utf-16-le'), r"data\.yaml', line 1: a zero byte"),
    (b'train: x\nnames: [caf\xe9]', r"data\.yaml', line 2: byte 0xe9 is not UTF-8"),
    ('names: ' + '[' * 20_000 + ']' * 20_000, r'line 1: 51 lists and keys .* EXPALIGN_MAX_YAML_D'),
])
def test_what_is_no_list_of_names_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        names_of(tmp_path, text)


def test_aliases_do_not_multiply(tmp_path):
    """Nine levels of ten aliases each stand for a thousand million names."""
    levels = ['a0: &a0 [lol]'] + [
        f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 10)]
    with pytest.raises(ValueError, match='the name of class 0 must be text, it is a list'):
        names_of(tmp_path, '\n'.join([*levels, 'names: *a9']))
    with pytest.raises(ValueError, match='there are a list classes'):
        names_of(tmp_path, '\n'.join([*levels, 'nc: *a9', 'names: [a]']))
    with pytest.raises(ValueError, match='not YAML'):
        names_of(tmp_path, 'names: &a [*a]')


def test_size_is_limited_and_settable(tmp_path, monkeypatch):
    monkeypatch.setenv('EXPALIGN_MAX_YAML_BYTES', '20')
    assert names_of(tmp_path, 'names: [a]') == {0: 'a'}
    with pytest.raises(ValueError, match=r'data.yaml.: 21 bytes of YAML, more than .* 20'):
        names_of(tmp_path, 'names: [a]' + ' ' * 11)


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / 'data.yaml')
    (tmp_path / 'zero.yaml').symlink_to('/dev/zero')
    for name, kind in (('data', 'a pipe'), ('zero', 'a device')):
        with pytest.raises(ValueError, match=kind):
            read_description(tmp_path / f'{name}.yaml')


def test_files_of_names(tmp_path):
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train/_darknet.labels').write_bytes(b'\xef\xbb\xbfcat\r\n\r\n02146\r\n\r\n')
    assert class_names({}, tmp_path, tmp_path) == {0: 'cat', 2: '02146'}
    (tmp_path / 'classes.txt').write_text('cat\ndog\n')
    with pytest.raises(ValueError, match=r'classes\.txt. and .*darknet\.labels. have different'):
        class_names({}, tmp_path, tmp_path)
    assert class_names({}, tmp_path, tmp_path, given=['x']) == {0: 'x'}


def test_darknet(tmp_path):
    (tmp_path / 'obj.names').write_text('yes\nno\n')
    path = tmp_path / 'obj.data'
    path.write_text('classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n')
    content = read_description(path)
    assert content['train'] == 'data/train.txt'
    assert class_names(content, tmp_path, path) == {0: 'yes', 1: 'no'}
    path.write_text('classes = 3\nnames = obj.names\n')
    with pytest.raises(ValueError, match="there are '3' classes, .* has 2 names"):
        class_names(read_description(path), tmp_path, path)
    path.write_text('hello\n')
    with pytest.raises(ValueError, match="line 1: 'hello' is not 'key = value'"):
        read_description(path)
