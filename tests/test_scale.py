"""The functions of the chapter `scale` against oracles that are not the code under test."""

from companion import scale


def test_module_says_what_it_is_for():
    assert scale.__doc__
