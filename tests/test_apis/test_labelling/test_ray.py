"""Labelling by Ray Data, on a local Ray of two workers one of which is killed."""

import importlib.util
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

from expalign.apis.labelling.attempts import Attempt
from expalign.apis.labelling.part_files import PartWriter
from expalign.apis.labelling.ray_engine import _Actor, run_on_ray
from expalign.apis.labelling.units import Files, Task
from expalign.apis.labelling.worker import WorkerPlan
from tests.helpers.stub_labeller import (
    DEADLY,
    RAISING,
    StubBuilder,
    label_with_stub,
    write_pictures,
)
from tests.test_apis.test_labelling.test_kills import check_whole, rows_of, wait_for_rows

PROGRAM = '''
import sys
from functools import partial
from expalign.apis.labelling.ray_engine import run_on_ray
from tests.helpers.stub_labeller import label_with_stub
print(label_with_stub(sys.argv[1], sys.argv[2], seconds=float(sys.argv[3]),
                      work=partial(run_on_ray, workers=2)))
'''


@pytest.mark.skipif(importlib.util.find_spec('ray') is not None, reason='Ray is there')
def test_without_ray(tmp_path):
    write_pictures(tmp_path / 'photos', 2)
    with pytest.raises(ValueError, match=r'needs Ray: pip install "expalign\[ray\]"'):
        label_with_stub(tmp_path / 'photos', tmp_path / 'out', work=run_on_ray)


def plan_of(tmp_path: Path) -> WorkerPlan:
    (tmp_path / 'out/parts').mkdir(parents=True)
    return WorkerPlan(StubBuilder(), str(tmp_path / 'out'), 4, 1, 2, rows=4)


def call(actor: _Actor, task: Task) -> tuple[int, int]:
    """What Ray does with a task."""
    import pickle
    result = actor(dict(task=[pickle.dumps(task)]))
    return result['images'][0], result['damaged'][0]


def test_a_task_that_is_repeated_is_not_done_again(tmp_path):
    write_pictures(tmp_path / 'photos', 10)
    task = Task(0, Files(tuple(sorted(map(str, (tmp_path / 'photos').iterdir())))))
    actor = _Actor(plan_of(tmp_path), 'cpu', '0run')
    assert call(actor, task) == call(actor, task) == (10, 0)
    check_whole(tmp_path / 'out', 10)
    assert call(_Actor(actor._plan, 'cpu', '1run'), task) == (10, 0)
    assert len(rows_of(tmp_path / 'out')) == 20


def test_what_earlier_tries_have_left(tmp_path):
    write_pictures(tmp_path / 'photos', 6)
    files = sorted(map(str, (tmp_path / 'photos').iterdir()))
    task, plan = Task(0, Files(tuple(files))), plan_of(tmp_path)
    parts = tmp_path / 'out/parts'
    first = Attempt(parts, task, '0run')  # dies after two rows
    with_rows = PartWriter(parts, first.name)
    for number in (0, 1):
        with_rows.add(dict(image=files[number], error='x'))
    with_rows.flush()
    second = Attempt(parts, task, '0run')  # one at a time, dies at the fourth
    assert (first.number, second.number, second.written()) == (0, 1, set(files[:2]))
    second.at(files[2])
    second.at(files[3])
    assert call(_Actor(plan, 'cpu', '0run'), task) == (6, 1)
    rows = {row['image']: row for row in rows_of(tmp_path / 'out')}
    assert len(rows) == len(rows_of(tmp_path / 'out')) == 6
    assert [key for key, row in rows.items() if 'error' in row] == [*files[:2], files[3]]
    assert rows[files[3]]['error'] == 'it ended two workers'


def test_what_raises_becomes_a_row(tmp_path):
    write_pictures(tmp_path / 'photos', 5)
    bad = str(tmp_path / 'photos/raising.png')
    cv2.imwrite(bad, np.full((9, 9, 3), RAISING, np.uint8))
    task = Task(0, Files(tuple(sorted(map(str, (tmp_path / 'photos').iterdir())))))
    assert call(_Actor(plan_of(tmp_path), 'cpu', '0run'), task) == (6, 1)
    (row,) = [row for row in rows_of(tmp_path / 'out') if 'error' in row]
    assert row == dict(image=bad, error='it failed in two workers: no memory for this one')


def actors_of(group: int) -> list[int]:
    """The processes of Ray's actors among those of a run."""
    found = []
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            title = (folder / 'cmdline').read_bytes()
            environment = (folder / 'environ').read_bytes()
        except OSError:
            continue
        if title.startswith(b'ray::') and b'MapWorker' in title and (
                f'LABEL_TEST={group}'.encode() in environment):
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('ray') is None,
                    reason='needs Ray: pip install "expalign[ray]"')
def test_a_killed_worker(tmp_path):
    write_pictures(tmp_path / 'photos', 400)
    cv2.imwrite(str(tmp_path / 'photos/deadly.png'), np.full((9, 9, 3), DEADLY, np.uint8))
    out = tmp_path / 'out'
    process = subprocess.Popen(
        [sys.executable, '-c', PROGRAM, tmp_path / 'photos', out, '0.05'], text=True,
        env={**os.environ, 'LABEL_TEST': str(os.getpid())}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_for_rows(out, 40)
        end = time.monotonic() + 30
        while not (actors := actors_of(os.getpid())) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(actors[0], signal.SIGKILL)
        printed, errors = process.communicate(timeout=400)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors[-3000:]
    assert 'Summary(images=401, damaged=1, boxes=400' in printed
    rows = rows_of(out)
    assert max(Counter(row['image'] for row in rows).values()) == 1
    (bad,) = [json.loads(line) for line in (out / 'damaged.jsonl').read_text().splitlines()]
    assert bad == dict(image=str(tmp_path / 'photos/deadly.png'), error='it ended two workers')
    assert not (out / 'parts/.tries').exists()
