"""The table of ODinW against mmdet's configs and against the files it describes."""

from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config

from expalign.datasets.odinw_sets import ODINW, ODINW_LOCAL, ODINW_TABLES
from expalign.structures.prompts import parse_prompts

ROWS = {row.name: row for row in ODINW}
CONFIGS = Path(mmdet.__file__).parent / '.mim/configs/grounding_dino/odinw'


def categories(*names, first=1):
    return [dict(id=i, name=name) for i, name in enumerate(names, first)]


def mmdet_datasets(count):
    path = CONFIGS / f'grounding_dino_swin-t_pretrain_odinw{count}.py'
    if not path.is_file():
        pytest.skip(f'mmdet is installed without its configs ({path})')
    return Config.fromfile(path).datasets


def test_sizes():
    assert {name: len(rows) for name, rows in ODINW_TABLES.items()} == {
        'odinw13': 13, 'odinw35': 35, 'local': 3}
    assert len(ROWS) == 35
    assert sum(len(row.classes) for row in ODINW) == 314


def test_folders_files_and_classes_are_those_of_mmdets_config():
    theirs = mmdet_datasets(35)
    ours = {row.root: row for row in ODINW}
    assert {item.data_root for item in theirs} == {f'data/odinw/{root}' for root in ours}
    for item in theirs:
        row = ours[item.data_root.removeprefix('data/odinw/')]
        assert row.classes == tuple(item.metainfo.classes)
        assert row.images == item.data_prefix.img
        # mmdet reads renamed copies of three files, which a script of its makes.
        assert row.ann_file == item.ann_file.replace('new_annotations', 'annotations')
        assert row.by_position == ('new_annotations' in item.ann_file)


def test_members_of_odinw13_are_those_of_mmdets_config():
    theirs = {item.data_root for item in mmdet_datasets(13)}
    assert theirs == {f'data/odinw/{row.root}' for row in ODINW_TABLES['odinw13']}


def test_prompts_of_the_benchmark():
    assert ROWS['Aquarium'].texts() == [
        'fish', 'jellyfish', 'penguin, which is black and white', 'puffin with orange beaks',
        'shark', 'starfish', 'stingray which is flat and round']
    assert ROWS['EgoHands_generic'].texts() == ['hand of a person']
    assert ROWS['Packages'].texts() == ['there is a package on the porch']
    assert ROWS['pothole'].texts() == ['there are some holes on the road']
    assert ROWS['pothole'].texts(with_prompts=False) == ['pothole']
    overridden = {row.name for row in ODINW if row.prompts}
    assert overridden == {'Aquarium', 'ChessPieces', 'EgoHands_generic', 'Packages', 'pothole'}


@pytest.mark.parametrize('with_prompts', [True, False])
@pytest.mark.parametrize('row', [*ODINW, *ODINW_LOCAL], ids=lambda row: row.name)
def test_every_class_has_a_prompt_that_can_be_searched_for(row, with_prompts):
    assert len(parse_prompts(row.texts(with_prompts))) == len(row.classes)
    assert set(row.prompts) <= set(row.classes)


def test_category_ids_follow_names_whatever_the_order():
    row = ROWS['OxfordPets_by_species']
    assert row.category_ids(categories('dog', 'cat', 'pets'), 'a.json') == [2, 1]


def test_categories_that_the_benchmark_renames_are_found_by_position():
    row = ROWS['NorthAmericaMushrooms']
    assert row.category_ids(categories('CoW', 'chanterelle'), 'a.json') == [1, 2]
    assert row.category_ids(categories('yellow mushroom', 'flat mushroom'), 'b.json') == [2, 1]
    with pytest.raises(ValueError, match='a.json is not the file of the set NorthAmericaMushrooms'):
        row.category_ids(categories('CoW', 'chanterelle', 'fly agaric'), 'a.json')


def test_another_sets_file_is_an_error():
    with pytest.raises(ValueError, match=r"a.json is not the file of the set Raccoon of ODinW: it "
                                         r"has the categories \['package'\], and the set has "
                                         r"\['raccoon'\]"):
        ROWS['Raccoon'].category_ids(categories('package'), 'a.json')


def test_the_documentation_has_every_row(repo_root):
    lines = (repo_root / 'docs/evaluation.md').read_text().splitlines()
    for row in ODINW:
        (line,) = (line for line in lines if f'`{row.root}`' in line)
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        export = row.images == ''
        assert cells[0] == row.name + (' \\*' if export else '')
        assert cells[2:4] == [str(len(row.classes)), 'yes' if row.in_odinw13 else '']
        assert all(f'"{prompt}"' in cells[4] for prompt in row.prompts.values())
