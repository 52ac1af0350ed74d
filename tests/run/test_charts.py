import re
import xml.etree.ElementTree as ElementTree

import pytest

from recon_cli.run.charts import Chart, chart_svg, charts_of, charts_png, name_and_unit


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("residual_px", ("Residual", "px")),
        ("mean_force_mn", ("Mean force", "mN")),
        ("iterations", ("Iterations", "")),
        ("m", ("M", "")),
        ("stretch_percent", ("Stretch", "%")),
    ],
)
def test_names_carry_their_unit(name, expected):
    assert name_and_unit(name) == expected


def test_svg_is_well_formed_themed_and_free_of_the_stand_in_colours():
    chart = charts_of({"residual_px": [3.0, 2.0, 2.5, 1.0]})[0]
    drawn = chart_svg(chart, salt="a")
    root = ElementTree.fromstring(drawn.svg)
    assert root.attrib["aria-label"] == "Residual over the frames, in px"
    assert "var(--line-1)" in drawn.svg
    assert "#0102" not in drawn.svg
    assert "font-family" not in drawn.svg
    words = {"".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"frame", "px"} <= words


def test_ids_do_not_repeat_between_two_charts():
    charts = charts_of({"a": [1.0, 2.0], "b": [5.0, 1.0]})
    ids = [set(re.findall(r' id="([^"]+)"', chart_svg(chart, salt=str(k)).svg)) for k, chart in enumerate(charts)]
    assert not ids[0] & ids[1]


def test_cursor_place_matches_the_drawn_line():
    """The first and last point of the drawn line lie at ``left`` and ``right``."""
    drawn = chart_svg(Chart("Loss", "", {"loss": [0.0, 1.0, 0.5]}, frames=[10, 11, 12]), salt="x")
    group = re.search(r'<path d="([^"]*)"[^>]*stroke: var\(--line-1\)', drawn.svg)
    assert group is not None
    points = re.findall(r"[ML] ([\d.]+) ([\d.]+)", group.group(1))
    assert float(points[0][0]) == pytest.approx(drawn.left, abs=0.01)
    assert float(points[-1][0]) == pytest.approx(drawn.right, abs=0.01)
    assert all(drawn.top <= float(y) <= drawn.bottom for _, y in points)
    assert (drawn.first_frame, drawn.last_frame) == (10, 12)


def test_charts_are_the_same_bytes_twice_and_survive_one_frame_and_three_charts():
    charts = charts_of({"a_px": [1.0], "b": [2.0], "c_j": [3.0]})
    first = charts_png(charts)
    assert first == charts_png(charts)
    assert first.startswith(b"\x89PNG")
    assert chart_svg(charts[0], salt="s") == chart_svg(charts[0], salt="s")


def test_marked_frames_are_shaded():
    plain, marked = (
        chart_svg(Chart("Spread", "%", {"Spread": [1.0, 2.0, 1.5]}, range(3), marked=frames), salt="s").svg for frames in ((), (1,))
    )
    assert len(marked) > len(plain)
    assert "opacity: 0.18" in marked
    assert "opacity: 0.18" not in plain


def test_a_limit_is_dashed_on_an_axis_that_goes_from_zero_to_it():
    svg = chart_svg(Chart("Residual", "%", {"Residual": [4.1, 4.2]}, range(2), limit=9.0), salt="a").svg
    labels = [float(text) for text in re.findall(r"<text[^>]*>([\d.]+)</text>", svg)]
    assert min(labels) == 0
    assert max(labels) > 7
    assert "stroke-dasharray" in svg
    plain = chart_svg(Chart("Residual", "%", {"Residual": [4.1, 4.2]}, range(2)), salt="a").svg
    assert "stroke-dasharray" not in plain
