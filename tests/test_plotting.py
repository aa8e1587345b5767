"""Figures look alike, and a figure of no size is an error."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from companion.lesson.plotting import panels, use_style


@pytest.fixture(autouse=True)
def _leave_no_figure():
    with mpl.rc_context():
        yield
    plt.close("all")


def test_panels_are_as_large_as_asked():
    figure, axes = panels(3, height=2.0, width=6.0, sharey=True)
    assert len(axes) == 3 and figure.get_size_inches().tolist() == [6.0, 2.0]
    assert axes[0].get_shared_y_axes().joined(axes[0], axes[2])
    assert panels()[0].get_size_inches().tolist() == [7.2, 3.2]


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 1.5}, {"count": 13}, {"width": 0}, {"height": np.nan}, {"height": 1e3}]
)
def test_a_figure_of_no_size_is_an_error(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=rf"^panels: {name} = .*; expected "):
        panels(**wrong)


def test_the_style_tells_curves_apart_without_colour():
    use_style()
    dashes = mpl.rcParams["axes.prop_cycle"].by_key()["linestyle"]
    assert len(set(dashes)) == len(dashes) == 4
