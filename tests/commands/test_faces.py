from featviz.cli import main
from featviz.sketches.drawing import rasterize, read_svg


def test_contours_of_a_data_set_are_written_as_drawings(pairs, tmp_path, capsys):
    main(["faces", "contours", "--data", str(pairs.folder), "--out", str(tmp_path)])
    assert capsys.readouterr().out == f"{tmp_path}: {len(pairs)} contours\n"
    assert len(list(tmp_path.iterdir())) == len(pairs)
    for index, name in enumerate(pairs.names):
        drawn = read_svg((tmp_path / name).with_suffix(".svg"))
        assert drawn.parts == pairs.contour(index).parts
        differing = rasterize(drawn) != rasterize(pairs.contour(index))
        assert differing.mean() < 1e-4  # coordinates are rounded to 0.01 px
