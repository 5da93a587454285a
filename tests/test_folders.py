"""Which files of a folder are pictures."""

from aecodec.folders import is_picture, pictures_in


def test_what_is_hidden_or_no_picture_is_left_out(tmp_path):
    for name in ("b.PNG", "a.aec", "in/c.jpg", "d.pdf", "e.txt", "._b.png", ".hidden/f.png", "in/.g.png", "h", "i.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [p.relative_to(tmp_path).as_posix() for p in pictures_in(tmp_path)] == ["a.aec", "b.PNG", "i.gif", "in/c.jpg"]
    assert [p.name for p in pictures_in(tmp_path / ".hidden", is_picture)] == ["f.png"]
