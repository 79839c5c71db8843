"""File names that may lead out of the folder of images."""

import pytest

from expalign.datasets.formats.outside import outside_reason


@pytest.mark.parametrize(('name', 'reason'), [
    ('a.jpg', None), ('train/a b.jpg', None), ('a..b/c...jpg', None), ('./a.jpg', None),
    ('a/./b.jpg', None), ('犬.jpg', None), ('photo 10:30.jpg', None),
    ('../a.jpg', "has '..'"), ('a/../../b.jpg', "has '..'"), ('link/..', "has '..'"),
    (r'..\a.jpg', "has '..'"),
    ('/etc/a.png', 'is an absolute path'), ('~/a.png', 'is an absolute path'),
    (r'C:\a.jpg', 'is an absolute path'), ('C:a.jpg', 'is an absolute path'),
    (r'\\host\share\a.jpg', 'is an absolute path'),
    ('//host/a', 'is an absolute path'),
    ('http://host/a.jpg', 'is an address'), ('s3://bucket/a.jpg', 'is an address'),
    ('cluster:s3://bucket/a.jpg', 'is an address'), ('file:///a.jpg', 'is an address'),
    ('a\0.jpg', 'has a zero byte'),
])
def test_outside_reason(name, reason):
    assert outside_reason(name) == reason
