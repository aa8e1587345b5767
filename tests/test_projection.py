"""The functions of the chapter `projection` against oracles that are not the code under test."""

from companion import projection


def test_module_says_what_it_is_for():
    assert projection.__doc__
