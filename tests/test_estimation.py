"""The functions of the chapter `estimation` against oracles that are not the code under test."""

from companion import estimation


def test_module_says_what_it_is_for():
    assert estimation.__doc__
