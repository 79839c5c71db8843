"""Where images come from: folders, lists, patterns, archives, addresses, and their faults."""

import importlib.util
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from expalign.apis.labelling.archives import RowGroup, Shard, units_of_archive
from expalign.apis.labelling.reading import Reader
from expalign.apis.labelling.sources import Sources
from expalign.apis.labelling.units import MARK, Broken
from expalign.utils.tally import Tally
from tests.helpers.file_server import file_server
from tests.helpers.stub_labeller import StubLabeller, box_of, encoded, write_pictures


def rows_of(sources, out='nowhere', tally=None) -> dict[str, dict]:
    """The rows of all images, as a worker makes them, by key."""
    reader = Reader(StubLabeller(), 4, 2)
    sources = [sources] if isinstance(sources, str | Path) else sources
    rows = [row for unit in Sources(sources, out).units(Tally() if tally is None else tally)
            for row in reader.rows(unit.items())]
    assert len({row['image'] for row in rows}) == len(rows)
    reader.close()
    return {row['image']: row for row in rows}


def names_of(sources, out='nowhere', tally=None) -> list[str]:
    return sorted(Path(key).name for key in rows_of(sources, out, tally))


def write_tar(path: Path, names: list[str], mode: str = 'w') -> None:
    """Images 0, 1, ... under these names, with a file of text behind each."""
    with tarfile.open(path, mode) as archive:
        for number, name in enumerate(names):
            for member, content in ((name, encoded(number)), (f'{name}.json', b'{}')):
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def check_numbered(rows: dict[str, dict], keys: list[str]) -> None:
    """Image n is the picture of n."""
    assert sorted(rows) == sorted(keys)
    for number, key in enumerate(keys):
        assert rows[key]['detections'][0]['box'] == list(box_of(number)), key


def test_a_folder(tmp_path, monkeypatch):
    write_pictures(tmp_path / 'a/deep', 2)
    write_pictures(tmp_path / 'b', 2)
    (tmp_path / 'a/loop').symlink_to(tmp_path / 'a')
    (tmp_path / 'b/other').symlink_to(tmp_path / 'a/deep')
    (tmp_path / 'b/gone.jpg').symlink_to(tmp_path / 'nothing.jpg')
    (tmp_path / 'b/empty.jpg').touch()
    (tmp_path / 'b/text.txt').write_text('a')
    (tmp_path / 'b/._x.jpg').write_text('a')
    (tmp_path / 'b/upper.JPG').write_bytes(b'no image at all')
    os.mkfifo(tmp_path / 'b/pipe.png')
    os.mkdir(tmp_path / 'b/folder.png')
    (tmp_path / 'locked').mkdir()
    write_pictures(tmp_path / 'labels/yolo/images', 3)
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith('locked'):
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refusing)
    tally = Tally()
    rows = rows_of(tmp_path, tmp_path / 'labels', tally)
    assert len(rows) == 8 and sum('detections' in row for row in rows.values()) == 4
    reasons = {Path(key).name: row['error'] for key, row in rows.items() if 'error' in row}
    assert reasons == {
        'gone.jpg': 'there is no such file', 'empty.jpg': 'the file is empty',
        'upper.JPG': "it is damaged, incomplete or not an image (a text file that starts with "
                     "'no image at all')",
        'pipe.png': 'it is a pipe (FIFO), not a file'}
    assert dict(tally) == {
        'folders left out: searched already, behind a link': 2, 'files left out: hidden': 1,
        'files left out: no images': 1, 'folders left out: not readable': 1,
        'folders left out: of the results': 1}


@pytest.mark.parametrize('packed', [False, True])
def test_units_grow_with_what_came_before(tmp_path, packed):
    """Few images are work for several workers, many are not handed out one by one."""
    folder = tmp_path / 'in'
    folder.mkdir()
    for number in range(700):
        (folder / f'{number:03}.jpg').touch()
    if packed:
        with tarfile.open(tmp_path / 'in.tar', 'w') as archive:
            archive.add(folder, 'in')
    source = tmp_path / 'in.tar' if packed else folder
    units = list(Sources([source], tmp_path / 'out').units(Tally()))
    sizes = [len(unit.keys) for unit in units]
    assert sum(sizes) == len({key for unit in units for key in unit.keys}) == 700
    assert sizes[:10] == [4] * 10 and sizes[-2] == 64  # 4 until 40 came before: 40 // 8 = 5
    assert all(size <= max(4, sum(sizes[:index]) // 8) for index, size in enumerate(sizes))


def test_names_of_one_kind_in_many_folders(tmp_path):
    write_pictures(tmp_path / 'a', 1)
    write_pictures(tmp_path / 'b', 1)
    undecodable = os.path.join(os.fsencode(tmp_path), b'c\xff.png')
    with open(undecodable, 'wb') as file:
        file.write(encoded(3))
    rows = rows_of(tmp_path)
    assert len(rows) == 3
    assert rows[os.fsdecode(undecodable)]['detections'][0]['box'] == list(box_of(3))


def test_lists(tmp_path, monkeypatch):
    write_pictures(tmp_path / 'a', 3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a/list.txt').write_text(
        f'00000.png\n\na/00001.png \r\n{tmp_path}/a/00002.png\nabsent.png\n')
    (tmp_path / 'list.jsonl').write_text(
        '"a/00000.png"\n{"image": "a/00001.png", "x": 1}\n{"x": 1}\nno json\n'
        f'{{"url": "file://{tmp_path}/a/00002.png"}}\n')
    a = str(tmp_path / 'a')
    rows = rows_of('a/list.txt')
    check_numbered({key: row for key, row in rows.items() if 'error' not in row},
                   [f'{a}/0000{number}.png' for number in range(3)])
    assert rows[f'{a}/absent.png']['error'] == 'there is no such file'
    rows = rows_of('list.jsonl')
    bad = [key for key, row in rows.items() if 'error' in row]
    assert bad == [f'{tmp_path}/list.jsonl{MARK}line 3', f'{tmp_path}/list.jsonl{MARK}line 4']
    assert 'names no image' in rows[bad[0]]['error']
    check_numbered({key: row for key, row in rows.items() if key not in bad},
                   [f'{a}/00000.png', f'{a}/00001.png', f'file://{a}/00002.png'])


def test_patterns_and_numbers(tmp_path):
    write_pictures(tmp_path / 'set [1]/x', 2)
    write_pictures(tmp_path / 'set2', 2, first=2)
    assert names_of(tmp_path / 'set*' / '*2.png') == ['00002.png']
    assert names_of(tmp_path / 'set [1]') == ['00000.png', '00001.png']
    assert names_of(f'{tmp_path}/**/0*.png') == [f'0000{number}.png' for number in range(4)]
    assert names_of(f'{tmp_path}/set2/{{00002..00003}}.png') == ['00002.png', '00003.png']
    with pytest.raises(FileNotFoundError, match='no file fits the pattern'):
        Sources([tmp_path / 'x*'], 'out')
    with pytest.raises(ValueError, match='must go from a number to a higher one'):
        Sources([f'{tmp_path}/{{3..1}}.png'], 'out')


@pytest.mark.parametrize('suffix', ['tar', 'tar.gz', 'tgz', 'tar.xz'])
def test_tar_archives(suffix, tmp_path):
    names = ['a.png', 'deep/b.left.png', 'ä c.png', 'd::e.png']
    path = tmp_path / f'shard-000.{suffix}'
    write_tar(path, [*names, '__MACOSX/._a.png'], f'w:{ {"tgz": "gz"}.get(suffix, suffix[4:])}')
    rows = rows_of(path)
    check_numbered(rows, [f'{path}{MARK}{name}' for name in names])
    assert {row['within'] for row in rows.values()} == {str(path)}
    (unit,) = units_of_archive(str(path))
    assert isinstance(unit, Shard) == (suffix != 'tar')


@pytest.mark.parametrize('suffix', ['tar', 'tar.gz'])
def test_an_archive_that_breaks_off(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    write_tar(path, [f'{number:03d}.png' for number in range(80)], f'w:{suffix[4:]}')
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])
    rows = rows_of(path)
    good = [key for key, row in rows.items() if 'error' not in row]
    assert 20 < len(good) < 60
    assert 'damaged or ends early' in rows[str(path)]['error']
    check_numbered({key: rows[key] for key in good},
                   [f'{path}{MARK}{number:03d}.png' for number in range(len(good))])
    path.write_bytes(b'nothing of the kind' * 100)
    ((key, row),) = rows_of(path).items()
    assert key == str(path) and 'damaged' in row['error']
    if suffix == 'tar':  # garbage behind good members is no end
        path.write_bytes(b''.join((content[:1024], b'x' * 4096)))
        assert 'damaged' in rows_of(path)[str(path)]['error']


def test_parquet_tables(tmp_path):
    pa = pytest.importorskip('pyarrow')
    from pyarrow import parquet
    plain = tmp_path / 'plain.parquet'
    parquet.write_table(pa.table(dict(
        id=[1, 2, 3], image=[encoded(0), encoded(1), None])), plain, row_group_size=2)
    rows = rows_of(plain)
    assert rows.pop(f'{plain}{MARK}000000002')['error'] == 'the row has no bytes of an image'
    check_numbered(rows, [f'{plain}{MARK}{row:09d}' for row in range(2)])
    assert {row['suffix'] for row in rows.values()} == {'.png'}
    assert [unit.count for unit in units_of_archive(str(plain))] == [2, 1]
    nested = tmp_path / 'nested.parquet'
    parquet.write_table(pa.table(dict(
        mask=[b'x'] * 2, image=[dict(bytes=encoded(n), path='a.png') for n in range(2)])), nested)
    check_numbered(rows_of(nested), [f'{nested}{MARK}{row:09d}' for row in range(2)])
    other = tmp_path / 'other.parquet'
    parquet.write_table(pa.table(dict(url=['a', 'b'])), other)
    with pytest.raises(ValueError, match='no column with the bytes of images; .* url'):
        rows_of(other)
    other.write_bytes(b'PAR1 and no more')
    assert 'damaged or no Parquet' in rows_of(other)[str(other)]['error']
    assert isinstance(next(units_of_archive(str(other))), Broken)
    assert isinstance(next(units_of_archive(str(nested))), RowGroup)


def test_addresses(tmp_path):
    write_pictures(tmp_path / 'a b', 2)
    write_tar(tmp_path / 'x.tar', ['0.png', '1.png'])
    address = f'file://{tmp_path}'
    assert names_of(f'{address}/a b') == ['00000.png', '00001.png']
    assert names_of(f'{address}/a b/*1.png') == ['00001.png']
    check_numbered(rows_of(f'{address}/x.tar'), [f'{address}/x.tar{MARK}{n}.png' for n in (0, 1)])
    rows = rows_of(f'{address}/absent.png')
    assert rows[f'{address}/absent.png']['error'] == 'there is no such file'
    assert 'no image' in rows_of(f'{address}/absent/')[f'{address}/absent/']['error']
    with pytest.raises(ValueError, match=r'nothing:// cannot be read: .*expalign\[label\]'):
        Sources(['nothing://a/b.png'], 'out')


@pytest.mark.skipif(importlib.util.find_spec('aiohttp') is None, reason='needs aiohttp')
def test_the_web(tmp_path, monkeypatch):
    monkeypatch.setattr('expalign.apis.labelling.addresses.PAUSE', 0.01)
    write_tar(tmp_path / 's.tar', ['0.png', '1.png'])
    with file_server() as server:
        server.files |= {'/0.png': encoded(0), '/1.png': encoded(1), '/flaky.png': encoded(2),
                         '/s.tar': (tmp_path / 's.tar').read_bytes()}
        server.refusals['/broken.png'] = [500]
        web = server.address
        listed = tmp_path / 'list.txt'
        listed.write_text(''.join(f'{web}/{name}\n' for name in (
            '0.png', '1.png', 'absent.png', 'broken.png')))
        rows = rows_of([listed, f'{web}/s.tar'])
        assert rows.pop(f'{web}/absent.png')['error'] == 'there is no such file'
        assert rows.pop(f'{web}/broken.png')['error'].startswith('cannot be fetched: ')
        assert len(rows) == 4 and all('detections' in row for row in rows.values())


@pytest.mark.skipif(importlib.util.find_spec('aiohttp') is not None, reason='aiohttp is there')
def test_without_the_package_for_the_web():
    with pytest.raises(ValueError, match=r'https:// cannot be read: .*expalign\[label\]'):
        Sources(['https://a/b.png'], 'out')


def test_what_is_no_source(tmp_path):
    with pytest.raises(FileNotFoundError, match='the source .*absent does not exist'):
        Sources([tmp_path / 'absent'], 'out')
    with pytest.raises(ValueError, match='the folder of results is the source'):
        Sources([tmp_path], tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(ValueError, match=r'is a pipe \(FIFO\)'):
        Sources([tmp_path / 'pipe'], 'out')
    with pytest.raises(ValueError, match='there is no source'):
        Sources([], 'out')


def test_counts(tmp_path):
    write_pictures(tmp_path / 'a', 70)
    write_tar(tmp_path / 'x.tar', ['0.png', '1.png'])
    assert Sources([tmp_path], 'out').count() == 72
    write_tar(tmp_path / 'y.tar.gz', ['0.png'], 'w:gz')
    assert Sources([tmp_path], 'out').count() is None
    lines = [json.dumps(str(tmp_path / 'x.tar')), json.dumps(str(tmp_path / 'a'))]
    (tmp_path / 'list.jsonl').write_text('\n'.join(lines))
    assert Sources([tmp_path / 'list.jsonl'], 'out').count() == 72
