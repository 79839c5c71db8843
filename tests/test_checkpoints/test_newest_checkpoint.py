"""What ``--resume`` goes on from, whatever a killed run or a copy has left."""

import zipfile

import pytest
import torch

from expalign.checkpoints.newest_checkpoint import NothingToResume, flipped_part, newest_checkpoint


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints, of which the record names the last."""
    for epoch in (2, 9, 10):  # as text, 10 comes before 9
        torch.save(dict(weights=torch.arange(1000.)), tmp_path / f'epoch_{epoch}.pth')
    torch.save({}, tmp_path / 'best_coco_bbox_mAP_epoch_11.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_10.pth'))
    return tmp_path


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr('expalign.checkpoints.newest_checkpoint.print_log',
                        lambda message, *args, **kwargs: lines.append(message))
    return lines


def flip(path):
    """Change one bit of the weights."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        info = max(file.infolist(), key=lambda info: info.file_size)
    content[info.header_offset + 1000] ^= 1
    path.write_bytes(content)


def test_the_one_that_the_record_names(folder, log):
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_9.pth'))
    assert newest_checkpoint(folder) == str(folder / 'epoch_9.pth')
    assert not log


RECORDS = {
    'missing': None, 'empty': b'', 'zeroed': bytes(40), 'no text': b'\xff\xfe\xfd',
    'truncated': b'/work/epoch_1', 'moved': b'/elsewhere/epoch_11.pth'}


@pytest.mark.parametrize('record', RECORDS)
def test_without_a_usable_record_the_newest(folder, log, record):
    path = folder / 'last_checkpoint'
    path.unlink()
    if RECORDS[record] is not None:
        path.write_bytes(RECORDS[record])
    assert newest_checkpoint(folder) == str(folder / 'epoch_10.pth')
    (line,) = log
    assert line.startswith(str(path)) and line.endswith(f'resuming from {folder / "epoch_10.pth"}')


def test_a_folder_that_was_moved_as_a_whole(folder, log):
    (folder / 'last_checkpoint').write_text('/elsewhere/epoch_9.pth')
    assert newest_checkpoint(folder) == str(folder / 'epoch_9.pth')


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'zeroed', 'flipped'])
def test_a_damaged_one_is_passed_over(folder, log, damage):
    path = folder / 'epoch_10.pth'
    content = path.read_bytes()
    if damage == 'flipped':
        flip(path)
    else:
        path.write_bytes(dict(
            truncated=content[:len(content) // 2], empty=b'', zeroed=bytes(len(content)))[damage])
    assert newest_checkpoint(folder) == str(folder / 'epoch_9.pth')
    assert log[0].startswith(f'{path} is damaged (')


def test_nothing_but_damaged_ones_is_an_error(folder):
    for path in folder.glob('epoch_*.pth'):
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(NothingToResume, match='epoch_10.pth is damaged .* has no other checkpoint'):
        newest_checkpoint(folder)


def test_a_record_of_nothing_is_an_error(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_3.pth')
    with pytest.raises(NothingToResume, match='names /elsewhere/epoch_3.pth, which is not there'):
        newest_checkpoint(tmp_path)


def test_a_fresh_folder_has_none(tmp_path):
    torch.save({}, tmp_path / 'pretrained.pth')
    assert newest_checkpoint(tmp_path) is None


def test_the_best_weights_alone_are_nothing_to_go_on_from(tmp_path):
    """They have no optimizer; a run that starts anew in their folder would replace them."""
    torch.save({}, tmp_path / 'best_coco_bbox_mAP_epoch_11.pth')
    with pytest.raises(NothingToResume, match='last_checkpoint is missing, and .* has no other'):
        newest_checkpoint(tmp_path)


def test_torch_does_not_see_a_flipped_bit_and_this_does(folder):
    path = folder / 'epoch_9.pth'
    assert flipped_part(path) is None
    flip(path)
    assert not torch.equal(torch.load(path)['weights'], torch.arange(1000.))
    assert flipped_part(path) == 'epoch_9/data/0'


def test_what_is_no_archive_has_no_sums(folder):
    assert flipped_part(folder / 'last_checkpoint') is None
    assert flipped_part('https://example.org/a.pth') is None
