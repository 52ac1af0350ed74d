from pathlib import Path

from recon_cli.run.origin import RunFacts, library_versions, origin_section, title_of


def test_the_section_repeats_the_run():
    section = origin_section(RunFacts("title", "recon mvs run a&b", "views: 3\n", {"seed": "7"}))
    html = "".join(block.html() for block in section.blocks)
    for text in ("recon mvs run a&amp;b", "views: 3", "<dt>seed</dt><dd>7</dd>"):
        assert text in html


def test_a_title_names_the_folder_too():
    assert title_of(Path("/data/clip/frames.mp4")) == "clip / frames"
    assert title_of(Path("/frames")) == "frames"


def test_versions_are_one_line():
    assert library_versions().startswith("recon ")
    assert "torch " in library_versions()
    assert "\n" not in library_versions()
