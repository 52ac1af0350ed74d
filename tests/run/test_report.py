import base64
import re
from html.parser import HTMLParser

from recon_cli.run.charts import chart_svg, charts_of
from recon_cli.run.report import (
    Bars,
    Charts,
    Code,
    Facts,
    Movie,
    Notes,
    Number,
    Page,
    Picture,
    Section,
    Table,
    Tables,
    View3D,
    render_page,
    write_page,
)

VOID = {"meta", "img", "input", "br", "line", "path", "use"}
RECORD = {
    "frames": 3,
    "valuesLabel": "force",
    "valuesTop": 0.25,
    "valuesUnit": "N",
    "values": "AA==",
    "texture": "data:,",
    "x": "</script>",
}


class Balance(HTMLParser):
    """Follows the tags of a page and notes one that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def page() -> Page:
    svg = chart_svg(charts_of({"residual_px": [2.0, 1.0]})[0], salt="t")
    blocks = (
        View3D(RECORD, "turn <it>"),
        Movie("film", "out/overlay.mp4", b"mp4"),
        Movie("long film", "out/long.mp4"),
        Picture(b"\x89PNG..", "a picture & more", "seen"),
        Picture(b"\xff\xd8..", "another", "seen"),
        Charts((svg,)),
        Tables((Table("T [N]", ("a", "b"), [("x", "1 < 2")]),)),
        Facts({"seed": "0"}),
        Notes(("a & b",)),
        Code("recon sft fit --set a<b"),
        Code("key: 1", summary="Recipe"),
    )
    numbers = (Number("Overlap", "98 %", "IoU", "worst <90 %"),)
    return Page("<Title>", "sub & title", numbers, (Section("One", blocks, "lead"),), footer="end", warnings=("look & see",))


def test_page_is_balanced_and_escapes_what_it_is_given():
    text = render_page(page())
    balance = Balance()
    balance.feed(text)
    assert balance.wrong == []
    assert balance.open == []
    for raw in ("<Title>", "turn <it>", "1 < 2", "a & b", "--set a<b", "worst <90"):
        assert raw not in text
    assert "&lt;Title&gt;" in text


def test_page_needs_no_network_and_no_other_file():
    text = render_page(page())
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert sources
    for source in sources:
        assert source.startswith(("data:", "#", "out/")), source
    assert not re.search(r'url\((?!#|")|@import|<link|fetch\(|XMLHttpRequest|import\(', text)
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text


def test_short_films_are_embedded_and_long_ones_linked():
    text = render_page(page())
    assert "data:video/mp4;base64," + base64.b64encode(b"mp4").decode() in text
    assert '<video controls loop muted playsinline preload="auto" src="out/long.mp4">' in text


def test_view_offers_what_it_holds_and_cannot_break_out_of_its_script():
    text = render_page(page())
    assert text.count("</script>") == 2
    assert "force, 0 to 0.25 N" in text
    assert 'max="2"' in text
    bare = View3D({"frames": 1}, "x").html()
    assert "texture" not in re.findall(r"<option[^>]*>([^<]*)", bare)


def test_a_page_without_a_view_has_no_script():
    assert "<script" not in render_page(Page("t", "s", (), ()))


def test_cursor_is_drawn_inside_the_chart():
    text = render_page(page())
    assert re.search(r'<line data-cursor="[\d.]+ [\d.]+ 0 1" [^>]*/></svg>', text)


def test_colours_follow_light_and_dark():
    text = render_page(page())
    style = text[text.index("<style>") : text.index("</style>")]
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for variable in used:
        assert f"{variable}:" in light, variable
        assert f"{variable}:" in dark, variable


def test_page_is_written_whole(tmp_path):
    write_page(tmp_path / "report.html", page())
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_page(page())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_bars_are_as_long_as_their_shares_and_stay_within_their_track():
    text = Bars("kept & seen", {"a<b": 0.25, "over": 1.5, "under": -1.0}, {"a<b": "25 %", "over": "150 %", "under": "-"}).html()
    assert re.findall(r"width:([\d.]+)%", text) == ["25.0", "100.0", "0.0"]
    assert "a&lt;b" in text
    assert "kept &amp; seen" in text


def test_a_single_mesh_has_no_player_and_its_colours_come_first():
    still = View3D({"frames": 1, "colors": "AAAA"}, "a mesh").html()
    assert re.search(r'data-part="play" hidden', still)
    assert still.index('<option value="4">') < still.index('<option value="1">')
    assert " hidden" not in View3D(RECORD, "a sequence").html()
