"""Class counts and box sizes of a report."""

from expalign.data_tools.checks.statistics import BoxStatistics, input_side


def test_counts_and_sizes():
    statistics = BoxStatistics(320)
    statistics.add(['cat', 'cat', 'dog'], [[0, 0, 10, 20], [0, 0, 50, 40], [0, 0, 200, 100]],
                   (480, 640))
    statistics.add(['cat'], [[5, 5, 15, 8]], (480, 640))
    assert statistics.lines() == [
        'box sizes: 2 small (below 32 x 32 pixels), 1 medium, 1 large (96 x 96 and more); median '
        '30 x 30, shortest side 3.0',
        '1 boxes have a side of less than 2 pixels in an input of 320: too small to be found, and '
        'partly left out in training',
        'instances    images class', '        3         2 cat', '        1         1 dog']
    assert BoxStatistics().lines() == []


def test_many_classes_are_cut():
    statistics = BoxStatistics()
    for i in range(40):
        statistics.add([f'class {i}'] * (40 - i), [[0, 0, 9, 9]] * (40 - i), (20, 20))
    lines = statistics.lines()
    assert len(lines) == 1 + 1 + 25 and '      ...       ... 16 more' in lines
    assert lines[2].endswith('class 0') and lines[-1].endswith('class 39')


def test_the_input_of_a_pipeline():
    assert input_side(dict(pipeline=[
        dict(type='LoadImageFromFile'), dict(type='Mosaic', img_scale=(320, 256), pre_transform=[
            dict(type='Resize', scale=(640, 480))])])) == 640
    assert input_side(dict(pipeline=[dict(scale=(0.5, 1.5))])) is None
