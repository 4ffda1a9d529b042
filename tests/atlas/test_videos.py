"""Videos: versions of one action, tables sorted by valence, a marker that starts at random, one-sided scales."""

import os

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.readers import videos
from emonotes.atlas.readers.base import at_hand, find_readers, read_raw, read_singles, read_traces
from emonotes.atlas.rows import harmonise, harmonise_singles, harmonise_traces
from emonotes.atlas.sources import card

real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")


def read(function, folder):
    return harmonise(function(folder, card(function.source)), card(function.source))


def caav(folder, *rows):
    head = "Video_ID,Action_description,POV,Gender,V_M_Tot,V_SD_Tot,A_M_Tot,A_SD_Tot,V_M_Fem"
    legend = [",,,,,,,,", "LEGEND,,,,,,,,", "Video_ID,Code assigned to each video in the database,,,,,,,",
              "V_M_Tot,Valence mean score,,,,,,,"]
    (folder / card("caav").files[0]["name"]).write_bytes("\r\n".join(["\ufeff" + head, *rows, *legend, ""]).encode())
    return read(videos.caav, folder)


def test_caav_legend_blanks_and_four_versions_of_one_text(tmp_path):
    rows = [f"{view}_{sex}_{n},{text},{view},{sex},{mean},2,9,1,1" for n, text, mean in
            (("001", "Splling coffee ", 3), ("002", "Resting", 5)) for view in "13" for sex in "FM"]
    frame = caav(tmp_path, *rows)
    assert videos.caav(tmp_path, card("caav")).height == 8, "no row of the legend"
    assert frame.height == 8 and frame["content"].n_unique() == 8 and frame["group"].n_unique() == 2
    one = frame.filter(stimulus="3_M_001")
    assert one["content"].item() == "Splling coffee (3_M_001)" and one["group"].item() == "video/caav/001"
    assert one.select("valence", "arousal", "valence_sd", "arousal_sd").row(0) == (-0.5, 1, 0.5, 0.25)


def test_caav_damaged_figure_is_an_error_not_a_row_less(tmp_path):
    with pytest.raises(pl.exceptions.PolarsError, match="4;5"):
        caav(tmp_path, "1_F_001,a,1,F,4;5,1,5,1,5", "1_M_001,a,1,M,4,1,5,1,5")


def news(folder, clips):
    """Both spreadsheets from `{name: (valence, arousal, series)}`, rows in the given order, as the study wrote them."""
    from openpyxl import Workbook

    summary, series = Workbook(), Workbook()
    summary.active.append(["Video Number", "Video Name", "Start Time in URL (s)", "Short Label", "Valence Rating Mean",
                           "Valence Rating SD", "Arousal Rating Mean", "Arousal Rating SD"])
    longest = max(len(points) for *_, points in clips.values())
    series.active.append(["Video Number", "Video Name", "Valence Rating Mean", *(i / 2 for i in range(longest))])
    for number, (name, (valence, arousal, points)) in enumerate(clips.items(), 1):
        summary.active.append([number, name, "NA", f"about {name} ", valence, 1, arousal, 2])
        series.active.append([number, name, valence, *points, *["NaN"] * (longest - len(points))])
    summary.save(folder / "Video_Summary_Data.xlsx")
    series.save(folder / "Video_Continuous_Valence_Data.xlsx")
    return read(videos.news, folder)


def test_news_marker_starts_near_neutral_and_ends_with_the_video(tmp_path):
    frame = news(tmp_path, {"sad.mp4": (2, 7, [5] * 10 + [3, 1]), "glad.mp4": (8, 6, [5] * 10 + [7, 8.5, 9])})
    assert frame["valence_raw"].to_list() == [8, 2], "the rating afterwards, not the mean of the series"
    assert frame["valence_sd"].to_list() == [0.25] * 2 and frame["arousal"].to_list() == [0.25, 0.5]
    assert frame["content"].to_list() == ["about glad.mp4 (glad.mp4)", "about sad.mp4 (sad.mp4)"]
    one = card("news_videos_norms")
    raw = videos.news.traces(tmp_path, one)
    assert raw.height == 5, "nothing after the end of a video"
    traces = harmonise_traces(raw, one).sort("stimulus", "seconds")
    assert traces.select("stimulus", "seconds", "valence").rows() == [
        ("glad.mp4", 5.0, 0.5), ("glad.mp4", 5.5, 0.875), ("glad.mp4", 6.0, 1.0), ("sad.mp4", 5.0, -0.5), ("sad.mp4", 5.5, -1.0)]
    assert traces["rater"].is_null().all() and traces["arousal"].is_null().all()


def test_news_split_does_not_follow_the_sorted_rows(tmp_path):
    clips = {f"v{i}.mp4": (1 + i / 6, 5, [5]) for i in range(48)}
    up = dict(news(tmp_path, clips).select("stimulus", "split").iter_rows())
    down = dict(news(tmp_path, dict(reversed(clips.items()))).select("stimulus", "split").iter_rows())
    assert up == down and set(up.values()) == {"train", "val", "test"}


def qri(data, **items):
    """The files of the four experiments; `items` are rows `user,question,pleasant,stimulating` by experiment."""
    folder = data / "qri_tactile_viz"
    folder.mkdir(exist_ok=True)
    one = ["question_id,spatial_waveform,temporal_waveform,stimuli_video", "0,35,4,u/single", "1,50,1,u/slow"]
    two = "question_id,spatial_waveform_1,temporal_waveform_1,spatial_waveform_2,temporal_waveform_2"
    asked = {"e1": one, "e2a": [f"{two},stimuli", "0,35,4,35,4,u/twice", "1,35,4,35,5,u/pair"],
             "e2b_spatial": [f"{two},duration,stimuli", "0,2,2,2,2,00:19,u/same"],
             "e2b_temporal": [f"{two},duration,stimuli", "0,2,2,2,3.25,00:30,u/odd", "2,2,2,2,2,00:19,u/same"]}
    for name, key in zip(videos.WAVES, asked, strict=True):
        (folder / f"{name}_questions.csv").write_bytes("\r\n".join(asked[key]).encode())
        rows = [",".join(map(str, (user, question, pleasant, 9, stimulating, 9)))
                for user, question, pleasant, stimulating in items.get(key, ())]
        head = "user_id,question_id,pleasant,intense,stimulating,complex"
        (folder / f"{name}_items.csv").write_text("\n".join([head, *rows]))
    return read(videos.qri_waves, data / "qri_waves")


def test_qri_waves_have_no_negative_pole_and_numbers_start_anew(tmp_path):
    frame = qri(tmp_path, e1=[(1, 0, 1, 10), (1, 1, 10, 1)], e2a=[(1, 0, 10, 10), (1, 1, 5.5, 1)],
                e2b_spatial=[(1, 0, 10, 1), (2, 0, 4, 1)], e2b_temporal=[(1, 0, 1, 1), (1, 2, 1, 10)])
    place = {row["stimulus"]: row for row in frame.iter_rows(named=True)}
    assert set(place) == {"35x4", "50x1", "35x4 + 35x4", "35x4 + 35x5", "2x2 + 2x2", "2x2 + 2x3.25"}
    assert place["35x4"]["valence"] == 0 and place["50x1"]["valence"] == 1 and place["50x1"]["arousal"] == 0
    assert place["35x4 + 35x5"]["valence"] == 0.5 and place["35x4"]["content"] == "u/single"
    assert place["2x2 + 2x2"]["raters"] == 3 and place["2x2 + 2x2"]["valence_raw"] == 5, "one video, other people"
    assert place["35x4"]["group"] == place["35x4 + 35x4"]["group"] == "video/qri/35x4" != place["35x4 + 35x5"]["group"]
    singles = videos.qri_waves.singles(tmp_path / "qri_waves", card("qri_waves"))
    assert harmonise_singles(singles, card("qri_waves"))["rater"].n_unique() == 5 and singles.height == 8


def test_qri_emotions_are_where_people_felt_them(tmp_path):
    (tmp_path / "qri_tactile_viz").mkdir()
    rows = "1,3,5,1,Anxiety,Depression\n2,3,3,1,Serenity,Depression\n1,3,1,5,Serenity,Excitement\n2,3,3,3,Anxiety,Excitement\n"
    (tmp_path / "qri_tactile_viz/e3_emotions.csv").write_text("user_id,embody,valence,arousal,emotion,depiction\n" + rows)
    frame = read(videos.qri_emotions, tmp_path / "qri_emotions")
    assert frame.select("stimulus", "valence", "arousal", "raters").rows() == [
        ("Depression", 0.5, -1, 2), ("Excitement", -0.5, 0.5, 2)]
    assert np.allclose(frame["valence_sd"], np.sqrt(2) / 2)


def test_imemnet_is_described_and_not_read():
    assert card("imemnet_pairs").basis == card("qri_tactile_viz").basis == "none" and not card("imemnet_pairs").scales
    assert not {"imemnet_pairs", "qri_tactile_viz"} & set(find_readers())


@real_data
@pytest.mark.parametrize("function, rows, groups, singles, points, valence, arousal", [
    (videos.caav, 360, 90, 0, 0, (4.849, 1.567), (4.013, 1.515)),
    (videos.news, 126, 126, 0, 9596, (5.03, 2.04), (3.92, 1.37)),
    (videos.qri_waves, 54, 53, 1204, 0, None, None), (videos.qri_emotions, 4, 4, 200, 0, None, None)])
def test_real_videos(function, rows, groups, singles, points, valence, arousal):
    if at_hand(function) != "data folder":
        pytest.skip(f"{function.source} is not in the data folder")
    frame = read_raw(function)
    assert (frame.height, frame["group"].n_unique()) == (rows, groups)
    assert (read_singles(function).height, read_traces(function).height) == (singles, points)
    for name, stated in {"valence_raw": valence, "arousal_raw": arousal}.items():
        assert stated is None or np.allclose((frame[name].mean(), frame[name].std()), stated, atol=0.006)
    if function is videos.qri_emotions:
        raw = read_singles(function)
        found = [(raw[name].mean(), raw[name].std()) for name in ("valence_raw", "arousal_raw")]
        assert np.allclose(found, [(3.225, 1.123), (3.180, 1.231)], atol=5e-4)
