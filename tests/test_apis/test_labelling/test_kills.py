"""Labelling that is killed: no image twice, none lost, whatever dies."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers.stub_labeller import (
    DEADLY,
    RAISING,
    StubBuilder,
    box_of,
    label_with_stub,
    write_pictures,
)

WAIT = 60  # seconds


def rows_of(out: Path) -> list[dict]:
    """The rows of the parts, as they are on the disk."""
    return [json.loads(line) for part in sorted((out / 'parts').glob('[0-9]*.jsonl'))
            for line in part.read_text().splitlines()]


def start(root: Path, seconds: float, *formats: str) -> subprocess.Popen:
    """Label in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'tests.helpers.stub_labeller', root / 'photos', root / 'out', '2',
         str(seconds), *formats], start_new_session=True, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE)


def wait_for_rows(out: Path, count: int) -> None:
    """Until there are so many rows."""
    end = time.monotonic() + WAIT
    while not out.exists() or len(rows_of(out)) < count:
        assert time.monotonic() < end, 'no rows came'
        time.sleep(0.02)


def workers_of(process: int) -> list[int]:
    """The workers of a run, which the system lists as children."""
    children = Path(f'/proc/{process}/task/{process}/children').read_text().split()
    return [int(child) for child in children
            if b'spawn_main' in Path(f'/proc/{child}/cmdline').read_bytes()]


def check_whole(out: Path, count: int) -> None:
    """Each image has one row, with the box that was painted."""
    rows = rows_of(out)
    assert Counter(Path(row['image']).name for row in rows) == Counter(
        f'{number:05d}.png' for number in range(count))
    for row in rows:
        left, top, right, bottom = box_of(int(Path(row['image']).stem))
        (found,) = row['detections']
        assert found['box'] == [left, top, right, bottom] and found['label'] == int(
            right - left > bottom - top)


def killed_twice(root: Path, count: int, seconds: float) -> None:
    """Label with a kill of one worker and a kill of everything, then to the end."""
    write_pictures(root / 'photos', count)
    out = root / 'out'
    first = start(root, seconds, 'jsonl')
    wait_for_rows(out, count // 10)
    os.kill(workers_of(first.pid)[0], signal.SIGKILL)
    wait_for_rows(out, count // 3)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = rows_of(out)
    assert len(before) < count and not (out / 'jsonl').exists()
    second = start(root, seconds, 'jsonl', 'coco')
    wait_for_rows(out, 2 * count // 3)
    os.kill(second.pid, signal.SIGKILL)  # its workers end by themselves
    second.communicate()
    assert len(rows_of(out)) < count
    last = start(root, 0.0, 'jsonl', 'coco')
    printed, errors = last.communicate(timeout=WAIT)
    assert last.returncode == 0, errors
    assert f'Summary(images={count}, damaged=0, boxes={count}' in printed
    check_whole(out, count)
    lines = (out / 'jsonl' / 'labels.jsonl').read_text().splitlines()
    assert [json.loads(line)['name'] for line in lines] == [
        f'{number:05d}.png' for number in range(count)]
    coco = json.loads((out / 'coco' / 'annotations.json').read_text())
    assert len(coco['images']) == len(coco['annotations']) == count
    assert not [path for path in out.rglob('*') if '.partial' in path.name]


def test_kills_of_a_worker_and_of_everything(tmp_path):
    killed_twice(tmp_path, 200, 0.01)


@pytest.mark.slow
def test_kills_among_two_thousand(tmp_path):
    killed_twice(tmp_path, 2000, 0.01)


def test_what_ends_a_worker_becomes_a_row(tmp_path):
    write_pictures(tmp_path / 'photos', 40)
    for name, colour in (('deadly', DEADLY), ('raising', RAISING)):
        cv2.imwrite(str(tmp_path / 'photos' / f'{name}.png'), np.full((9, 9, 3), colour, np.uint8))
    found = label_with_stub(tmp_path / 'photos', tmp_path / 'out', workers=2)
    assert found[:3] == (42, 2, 40)
    reasons = [json.loads(line) for line in (tmp_path / 'out/damaged.jsonl').read_text().split('\n')
               if line]
    assert [(Path(entry['image']).stem, entry['error']) for entry in reasons] == [
        ('deadly', 'it ended 2 workers; the last one: it ended with status 7'),
        ('raising', 'it ended 2 workers; the last one: no memory for this one')]
    assert max(Counter(row['image'] for row in rows_of(tmp_path / 'out')).values()) == 1


def test_workers_that_cannot_start(tmp_path):
    write_pictures(tmp_path / 'photos', 3)
    with pytest.raises(RuntimeError, match='^there are no weights here$'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out',
                        build=StubBuilder(error='there are no weights here'))
    assert rows_of(tmp_path / 'out') == []
    assert label_with_stub(tmp_path / 'photos', tmp_path / 'out').images == 3


def test_ctrl_c_finishes_the_batch_and_goes_on(tmp_path):
    write_pictures(tmp_path / 'photos', 300)
    process = start(tmp_path, 0.05, 'jsonl')
    wait_for_rows(tmp_path / 'out', 64)  # by then all workers have started
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT and 'KeyboardInterrupt' in errors
    done = rows_of(tmp_path / 'out')
    assert 16 <= len(done) < 300 and 'spawn' not in errors
    assert label_with_stub(tmp_path / 'photos', tmp_path / 'out').images == 300
    check_whole(tmp_path / 'out', 300)


def test_two_runs_in_one_folder(tmp_path):
    write_pictures(tmp_path / 'photos', 300)
    process = start(tmp_path, 0.05, 'jsonl')
    try:
        wait_for_rows(tmp_path / 'out', 8)
        with pytest.raises(RuntimeError, match=f'process {process.pid} works in .*another --out'):
            label_with_stub(tmp_path / 'photos', tmp_path / 'out')
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
