"""Word lists of many languages: each trap on a small file in the format of its study, and the published figures on the real data."""

import os

import numpy as np
import polars as pl
import pytest

from emonotes.atlas.readers import happiness, languages
from emonotes.atlas.readers.base import _marked, at_hand, read_raw, read_singles
from emonotes.atlas.rows import harmonise, harmonise_singles
from emonotes.atlas.sources import card

READERS = {**_marked(languages), **_marked(happiness)}
real_data = pytest.mark.skipif(not os.environ.get("EMONOTES_DATA"), reason="needs EMONOTES_DATA")
PARENTS = ("subs2vec_va_norms", "norare_affective", "brm_supplements_va", "psychonomic_archive_va")


def put(folder, name, lines, end="\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())


def read(source, data):
    """The harmonised rows of a source whose parents lie in `data`, by stimulus; it reads what its card has a scale for."""
    one = card(source)
    raw = READERS[source](data / source, one)
    assert {name.split("_")[0] for name in raw.columns if name.endswith("_raw")} == set(one.scales)
    frame = harmonise(raw, one)
    return {row["stimulus"]: row for row in frame.iter_rows(named=True)}


def subs2vec(data, name, *rows, header="word\tvalence\tarousal"):
    put(data, f"subs2vec_va_norms/{name}.tsv", [header, *rows])


def norare(data, name, header, *rows, end="\r\n"):
    """NoRaRe: tab separated, line ends CRLF in most files; LINE_IN_SOURCE is last."""
    lines = ["\t".join(["CONCEPTICON_ID", "CONCEPTICON_GLOSS", *header, "LINE_IN_SOURCE"])]
    put(data, f"norare_affective/{name}.tsv", [*lines, *("\t".join(["1", *row, "7"]) for row in rows)], end)


# what a cell says


@pytest.mark.parametrize("word", ["null", "nan", "NA", "true", "inf", '"', "1984"])
def test_words_that_look_like_missing_figures_stay_words(tmp_path, word):
    subs2vec(tmp_path, "nl-roest-2018", f"{word}\t7.0\t1.0", "x\t1\t4", header="word\tvalence\tarousal")
    rows = read("roest_2018", tmp_path)
    assert (
        rows[word]["valence"] == 1 and rows[word]["arousal"] == -1 and rows[word]["group"] == f"word:nl/{word.lower()}"
    )


@pytest.mark.parametrize("word", ["false", "null", "nan"])
def test_words_that_look_like_values_stay_words_in_comma_files(tmp_path, word):
    put(
        tmp_path,
        "brm_supplements_va/rocklage2018_evaluative_lexicon2.csv",
        [
            "Word,Valence,Extremity,Emotionality,Valence_StdDev,Extremity_StdDev,Emotionality_StdDev",
            f"{word},9,4.5,8,1,1,1",
        ],
    )
    assert read("rocklage_2018", tmp_path)[word]["valence"] == 1


def test_a_missing_figure_is_null_and_other_text_is_an_error(tmp_path):
    header = "word\tconcreteness\tcontext availability\tvalence\tarousal"
    subs2vec(tmp_path, "fr-bonin-2018", "grain\t4\t3\t3.4\t#NULL!", "abeille\t4\t4\t3\t5", header=header)
    norare(
        tmp_path,
        "va/Bonin-2018-Concreteness",
        ["FRENCH", "FRENCH_VALENCE_MEAN", "FRENCH_AROUSAL_MEAN"],
        ["GRAIN", "grain", "3.4", ""],
        ["BEE", "abeille", "3", "5"],
    )
    rows = read("bonin_2018", tmp_path)
    assert (
        rows["grain"]["arousal"] is None
        and rows["grain"]["valence"] == pytest.approx(0.2)
        and rows["abeille"]["arousal"] == 1
    )
    subs2vec(tmp_path, "fr-bonin-2018", "grain\t4\t3\t3,4\t2", header=header)
    with pytest.raises(pl.exceptions.PolarsError):
        read("bonin_2018", tmp_path)


def test_redondo_reads_all_raters_through_blanks_and_unavailable_figures(tmp_path):
    names = "Val-Mn-All,Val-Sd-All,Aro-Mn-All,Aro-Sd-All,Val-Mn-Fem,Val-Mn-Mal"
    put(
        tmp_path,
        "psychonomic_archive_va/redondo2007_spanish_anew.csv",
        [
            f"Number,E-Word,S-Word,{names},GClass,Freq ,Fam ",
            "1,false,falso ,3,2,7,1,9,9,N,UnAv,UnAv",
            "2,x,y,UnAv,UnAv,5,1,9,9,V/A,1,1",
        ],
    )
    rows = read("redondo_2007", tmp_path)
    falso = rows["falso"]
    assert (falso["valence"], falso["valence_sd"], falso["arousal"]) == (-0.5, 0.5, 0.5) and falso[
        "group"
    ] == "word/false"
    assert rows["y"]["valence"] is None and rows["y"]["arousal"] == 0


# letters


def test_finnish_letters_are_mended_and_no_charge_is_read_as_arousal(tmp_path):
    names = [
        f"{lang} {what} {m}"
        for lang in ("English", "Finnish")
        for what in ("Valence", "Emotional Charge")
        for m in ("mean", "SD")
    ]
    put(
        tmp_path,
        "psychonomic_archive_va/eilola2010_english_finnish.csv",
        [
            ",".join(["ID", "English Word", "Finnish Word", *names]),
            "1,acceptance,hyv\x8aksynt\x8a,6,1,5,1,9,1,8,1",
            "2,cancer,sy\x9ap\x8aÊ,1,1,5,1,0,1,8,1",
        ],
    )
    finnish, english = read("eilola_2010_finnish", tmp_path), read("eilola_2010_english", tmp_path)
    assert (
        set(finnish) == {"hyväksyntä", "syöpä"}
        and finnish["syöpä"]["group"] == english["cancer"]["group"] == "word/cancer"
    )
    assert finnish["hyväksyntä"]["valence"] == 1 and english["acceptance"]["valence"] == pytest.approx(1 / 3)
    assert all(row["arousal"] is None for row in (*finnish.values(), *english.values())), (
        "emotional charge is not arousal, and the card has no scale for it"
    )


def test_german_umlauts_and_turkish_i_and_stars(tmp_path):
    subs2vec(
        tmp_path,
        "de-kanske-2010",
        "Gl¸ck\t9\t5\t1",
        "K‰se\t5\t5\t1",
        "Hˆlle\t1\t9\t1",
        header="word\tvalence\tarousal\tconcreteness",
    )
    assert set(read("kanske_2010", tmp_path)) == {"Glück", "Käse", "Hölle"}
    subs2vec(
        tmp_path,
        "de-schauenburg-2015",
        "die Gang*\t1\t1\t1\t5\t9",
        header="word\tpotency\tauthority\tcommunity\tarousal\tvalence",
    )
    gang = read("schauenburg_2015", tmp_path)["die Gang"]
    assert (gang["valence"], gang["arousal"]) == (1, 0)
    norare(
        tmp_path,
        "va/Kapucu-2018-EmotionRatings",
        ["TURKISH", "TURKISH_VALENCE_MEAN", "TURKISH_AROUSAL_MEAN", "TURKISH_ANGER_MEAN"],
        ["GIRL", "KIZ", "9", "5", "80"],
        ["COW", "İNEK", "5", "1", "80"],
        ["DAY (NOT NIGHT)", "GÜNDÜZ", "5", "5", "1"],
    )
    rows = read("kapucu_2018", tmp_path)
    assert (
        list(rows) == ["gündüz", "inek", "kız"]
        and rows["inek"]["group"] == "word/cow"
        and rows["gündüz"]["group"] == "word/day"
    )


# keys and repeats


@pytest.mark.parametrize(
    "written, group",
    [
        ("to enable", "word/enable"),
        ("True", "word/true"),
        ("home/ house", "word/home"),
        ("LET GO OR SET FREE", "word/let go"),
        ("RAIN (PRECIPITATION)", "word/rain"),
        ("LID (COVER, CAP)", "word/lid"),
        ("love ", "word/love"),
        ("order", "word/order"),
        ("total", "word/total"),
        ('Love "', "word/love"),
        ('"Sharing Happiness', "word/sharing happiness"),
        ("None", "word/none"),
        ("", "word:xx/wort"),
        ("الجحيم", "word:xx/wort"),
        ("2011", "word:xx/wort"),
        (None, "word:xx/wort"),
    ],
)
def test_keys_are_one_however_they_are_written(written, group):
    table = pl.DataFrame({"content": ["Wort"], "key": [written]}, schema={"content": pl.String, "key": pl.String})
    assert languages.grouped(table, "xx")["group"][0] == group


def test_an_english_list_keeps_its_own_words_as_keys():
    table = pl.DataFrame({"content": ["To die for", "and/or", ":("]})
    assert languages.grouped(table, "en")["group"].to_list() == ["word/to die for", "word/and/or", "word/:("]


def test_a_repeated_row_is_one_and_a_repeated_word_is_two(tmp_path):
    names = "VAL_Mean,VAL_SD,ARO_Mean_(ANEW),ARO_SD_(ANEW),ARO_Mean_(BAWL),ARO_SD_(BAWL)"
    put(
        tmp_path,
        "brm_supplements_va/schmidtke2014_german_angst.csv",
        [
            f"G-word,E-word,WdNum,{names},N_orth",
            "Gift,poison,319,-2.4,.6,7,1,4,1,0",
            "Gift,poison,319,-2.4,.6,7,1,4,1,3",
            "Übung,exercise,155,0.3,.6,3,1,0.9,1,0",
        ],
    )
    rows, bawl = read("schmidtke_2014", tmp_path), read("schmidtke_2014_bawl", tmp_path)
    assert list(rows) == ["Gift", "Übung"] and list(bawl) == ["Gift"], "a mean of 0.9 on a scale from 1 is left out"
    assert (rows["Gift"]["valence"], rows["Gift"]["arousal"], rows["Gift"]["valence_sd"]) == pytest.approx(
        (-0.8, 0.5, 0.2)
    )
    assert bawl["Gift"]["valence"] is None and bawl["Gift"]["arousal"] == 0.5 and rows["Gift"]["group"] == "word/poison"
    subs2vec(tmp_path, "id-sianipar-2016", "hiu\t3\t5\t1", "hiu\t5\t5\t1", header="word\tvalence\tarousal\tdominance")
    rows = read("sianipar_2016", tmp_path)
    assert [(row["valence"], row["content"], row["group"]) for row in rows.values()] == [
        (-0.5, "hiu", "word:id/hiu"),
        (0, "hiu", "word:id/hiu"),
    ]


def test_the_polish_list_takes_key_and_corrected_figures_from_its_corrigendum(tmp_path):
    subs2vec(
        tmp_path,
        "pl-imbir-2016",
        "podekscytowany\t5\t3\t4",
        "absolwent\t9\t1\t4",
        header="word\tvalence\tarousal\tdominance",
    )
    norare(
        tmp_path,
        "va/Imbir-2021-Ratings",
        ["POLISH", "ENGLISH", "POLISH_VALENCE_MEAN", "POLISH_AROUSAL_MEAN"],
        ["X", "podekscytowany", "excited", "7", "9"],
    )
    rows = read("imbir_2016", tmp_path)
    assert (rows["podekscytowany"]["valence"], rows["podekscytowany"]["arousal"], rows["podekscytowany"]["group"]) == (
        0.5,
        1,
        "word/excited",
    )
    assert (rows["absolwent"]["valence"], rows["absolwent"]["group"]) == (1, "word:pl/absolwent")


# scales


def test_valence_and_arousal_on_two_scales_in_one_study(tmp_path):
    put(
        tmp_path,
        "brm_supplements_va/citron2016_german_idioms.csv",
        [
            "code,german_idiom,literal_translation,meaning,valence_mean,valence_sd,arousal_mean,arousal_sd",
            '001,"wie vom Blitz, getroffen sein ",to be hit,"to be x; y",-3,1.5,7,1.5',
        ],
    )
    (idiom,) = read("citron_2016", tmp_path).values()
    assert (
        idiom["content"] == "wie vom Blitz, getroffen sein"
        and idiom["modality"] == "text"
        and idiom["group"].startswith("word:de/")
    )
    assert (idiom["valence"], idiom["arousal"], idiom["valence_sd"], idiom["arousal_sd"]) == (-1, 1, 0.5, 0.5)
    put(
        tmp_path,
        "brm_supplements_va/riegel2015_polish_nawl.csv",
        [
            "No.,BAWL_word,NAWL_word,N_men,N_all,val_M_men,val_M_all,val_SD_all,aro_M_men,aro_M_all,aro_SD_all",
            "8,abdanken,abdykować,14,27,3,-1.5,1,5,3,1",
        ],
    )
    norare(tmp_path, "va/Riegel-2015-AffectiveRatings", ["POLISH", "POLISH_VALENCE_MEAN", "POLISH_AROUSAL_MEAN"])
    row = read("riegel_2015", tmp_path)["abdykować"]
    assert (row["valence"], row["arousal"], row["raters"], row["group"]) == (-0.5, 0, 27, "word:pl/abdykować"), (
        "all raters; no German key"
    )


def test_emotionality_is_valence_here_and_nothing_of_ours_there(tmp_path):
    names = [f"GERMAN_{what}_MEAN_{who}" for what in ("IMAGEABILITY", "EMOTIONALITY") for who in ("YOUNG", "OLD")]
    norare(
        tmp_path,
        "other/Grandy-2020-EmotionImageability",
        ["GERMAN", *names],
        ["WAR", "Krieg", "80", "90", "-50", "-100"],
        end="\n",
    )
    young, old = (read(f"grandy_2020_{who}", tmp_path)["Krieg"] for who in ("young", "old"))
    assert (young["valence"], old["valence"]) == (-0.5, -1) and young["arousal"] is None
    put(
        tmp_path,
        "brm_supplements_va/rocklage2018_evaluative_lexicon2.csv",
        [
            "Word,Valence,Extremity,Emotionality,Valence_StdDev,Extremity_StdDev,Emotionality_StdDev",
            "awesome,4.5,4,8.5,.9,1,2",
        ],
    )
    row = read("rocklage_2018", tmp_path)["awesome"]
    assert (
        row["valence"] == 0
        and row["arousal"] is None
        and row["arousal_sd"] is None
        and row["valence_sd"] == pytest.approx(0.2)
    )


def test_scales_from_not_at_all_have_no_calm_pole(tmp_path):
    norare(
        tmp_path,
        "other/Binder-2016-AffectiveRatings",
        ["ENGLISH", "ENGLISH_PLEASANT_MEAN", "ENGLISH_UNPLEASANT_MEAN", "ENGLISH_AROUSAL_MEAN"],
        ["X", "joy", "6", "0", "3"],
        ["X", "toe", "1", "1", "0"],
        end="\n",
    )
    rows = read("binder_2016", tmp_path)
    assert (rows["joy"]["valence"], rows["joy"]["arousal"], rows["toe"]["valence"], rows["toe"]["arousal"]) == (
        1,
        0.5,
        0,
        0,
    )
    assert rows["joy"]["basis"] == "proxy"
    norare(
        tmp_path,
        "other/Wang-2022-AffectiveRatings",
        ["CHINESE", "CHINESE_VISUAL_MEAN", "CHINESE_AROUSAL_MEAN"],
        ["STONE", "石", "7", "1"],
        end="\n",
    )
    assert read("wang_2022", tmp_path)["石"]["arousal"] == 0


def test_children_are_read_from_shares_by_age_and_unrated_words_are_dropped(tmp_path):
    names = [
        f"FRENCH_VALENCE_PERCENTAGE_{a}_{age}"
        for age in ("5YEAR", "7YEAR", "9YEAR")
        for a in ("NEGATIVE", "NEUTRAL", "POSITIVE")
    ]
    norare(
        tmp_path,
        "other/Syssau-2009-Valence",
        ["FRENCH", *names],
        ["MUSCLE", "muscle", "", "", "", "0", "50", "50", "25", "50", "25"],
        ["BRICK", "brique", "50", "", "50", "", "", "", "", "", ""],
        ["RAIN (PRECIPITATION)", "pluie", "100", "0", "0", "20", "20", "40", "0", "0", "100"],
    )
    rows = {age: read(f"syssau_2009_age{age}", tmp_path) for age in (5, 7, 9)}
    assert list(rows[5]) == ["pluie"] and rows[5]["pluie"]["valence"] == -1 and rows[5]["pluie"]["valence_sd"] == 0
    assert rows[7]["muscle"]["valence"] == 0.5 and rows[7]["pluie"]["valence"] == pytest.approx(0.25), (
        "shares need not sum to 100"
    )
    assert rows[9]["muscle"]["valence"] == 0 and rows[9]["muscle"]["valence_sd"] == pytest.approx(0.5**0.5)
    assert rows[9]["pluie"]["group"] == "word/rain"


def test_age_groups_stay_apart_and_men_and_women_together(tmp_path):
    put(
        tmp_path,
        "psychonomic_archive_va/gruhn_smith2008_german_adjectives.csv",
        [
            "word,word_en,val_yf,val_ym,val_of,val_om,val_y,val_o,val_t,aro_y,aro_o,aro_t",
            "treu,faithful,1,1,1,1,7,4,1,4,1,7",
        ],
    )
    young, old = (read(f"gruhn_2008_{who}", tmp_path)["treu"] for who in ("young", "old"))
    assert (young["valence"], young["arousal"], old["valence"], old["arousal"]) == (1, 0, 0, -1)
    norare(
        tmp_path,
        "va/Moors-2013-Ratings",
        ["DUTCH", "ENGLISH", "DUTCH_VALENCE_MEAN", "DUTCH_AROUSAL_MEAN", "DUTCH_VALENCE_MALE_MEAN"],
        ["FAITHFUL", "trouw", "to  trust", "7", "4", "1"],
    )
    norare(
        tmp_path,
        "va/Montefinese-2014-AffectiveRatings",
        ["ITALIAN", "ENGLISH", "ITALIAN_VALENCE_ALL_MEAN", "ITALIAN_AROUSAL_ALL_MEAN", "ITALIAN_VALENCE_MALE_MEAN"],
        ["X", "statua", "statue", "7", "5", "1"],
    )
    assert (
        read("moors_2013", tmp_path)["trouw"]["valence"] == 1
        and read("montefinese_2014", tmp_path)["statua"]["valence"] == 0.5
    )


# which copy


def test_no_reader_takes_a_copy_for_a_study():
    files = {words.file for words in languages.LISTS.values()} | {
        words.copy.file for words in languages.LISTS.values() if words.copy
    }
    copies = (
        "pt-soares-2012",
        "es-stadthagen-gonzalez-2018",
        "es-guasch-2016",
        "fi-eilola",
        "Repetto",
        "Redondo-2007-Aff",
        "Guasch-2016-Aff",
        "Schmidtke-2014-Aff",
        "Soares-2012-Aff",
    )
    assert not [file for file in files if any(copy in file for copy in copies)]
    assert languages.LISTS["soares_2012"].file.startswith("soares2012") and card("soares_2012").made_from == (
        "brm_supplements_va",
    )
    listed = {entry["name"] for parent in PARENTS for entry in card(parent).files}
    assert {file.split("/")[-1] for file in files} <= {name.split("/")[-1] for name in listed}, (
        "a parent's card names what is read"
    )


@pytest.mark.parametrize(
    "source",
    [
        "schauenburg_2015",
        "soderholm_2013",
        "speed_2017",
        "verheyen_2019",
        "wang_2022",
        "janschewitz_2008",
        "eilola_2010_english",
        "eilola_2010_finnish",
        "gruhn_2008_young",
        "gruhn_2008_old",
    ],
)
def test_a_guessed_scale_says_so(source):
    one = card(source)
    assert any("inferred" in trap for trap in one.traps) and all(
        "inferred" in scale.name for scale in one.scales.values()
    )


@pytest.mark.parametrize("source", list(READERS))
def test_every_list_is_a_study_of_its_own(source):
    one = card(source)
    assert (
        one.made_from
        and not one.files
        and not one.fit
        and not one.starter
        and one.content == "text"
        and one.language not in ("", "none")
    )
    assert one.basis == ("proxy" if source == "binder_2016" else "rated")


# labMT and VADER


@pytest.mark.parametrize(
    "language, header, line",
    [
        (
            "english",
            "word\trank\thapps\tstddev\ttwitter_rank\tgbooks_rank\tnyt_rank\tlyrics_rank",
            "{}\t1\t{}\t{}\t25\t--\t--\t23",
        ),
        (
            "french",
            "Word\tHappRank\tHavg\tStDev\tGweb_Rank\tTwitterRank\tGbook_Rank\ttranslation",
            "{}\t1\t{}\t{}\t--\t1\t2\t{}",
        ),
        ("arabic", "Word\tHavg\tStDev\tFreqList\ttranslation", "{}\t1\t{}\t{}\t2807\t{}"),
        ("korean", "Word\tHavg\tStDev\tFreqListRank\tTwitterRank\ttranslation", "{}\t1\t{}\t{}\t--\t5\t{}"),
    ],
)
def test_labmt_goes_by_place_not_by_header(tmp_path, language, header, line):
    import gzip

    words = [("nan", "9.00", "1.0", "nan"), ("amo”", "5.01", "0.5", 'Love "'), ("'\"x", "1.00", "0.0", "الجحيم")]
    end = "\r\n" if language == "english" else "\n"
    text = end.join([header, *(line.format(*word) for word in words)]) + end
    (tmp_path / "labmt_hedonometer").mkdir()
    (tmp_path / f"labmt_hedonometer/labMT2{language}.txt.gz").write_bytes(gzip.compress(text.encode()))
    rows = read(f"labmt_{language}", tmp_path)
    assert [(row["valence_raw"], row["valence_sd"], row["raters"]) for row in rows.values()] == [
        (1, 0, 50),
        (5.01, 0.125, None),
        (9, 0.25, 50),
    ]
    assert rows["nan"]["group"] == "word/nan" and all(row["arousal"] is None for row in rows.values())
    assert rows["amo”"]["group"] == ("word/amo”" if language == "english" else "word/love")


def test_vader_believes_its_ten_answers_and_keeps_merged_tokens_apart(tmp_path):
    lines = [
        "( '}{' )\t1.6\t0.66\t[1, 2, 2, 1, 1, 2, 2, 1, 3, 1]",
        "d:\t-2.9\t0.8\t[-3, -3, -3, -3, -2, -4, -1, -3, -3, -4]",
        "d:\t1.2\t0.87\t[1, 1, 1, 2, 1, 1, 2, 2, -1, 2]",
        "lmfao\t9.9\t0.1\t[3, 2, 3, 3, 3, -1, 4, 2, 3, 2]",
        'LOL"\t4\t0\t[4, 4, 4, 4, 4, 4, 4, 4, 4, 4]',
    ]
    put(tmp_path, "vader_sentiment/vader_lexicon.txt", lines)
    rows, one = read("vader_lexicon", tmp_path), card("vader_lexicon")
    assert (
        rows["lmfao"]["valence_raw"] == pytest.approx(2.4)
        and rows['LOL"']["valence"] == 1
        and rows['LOL"']["group"] == 'word/lol"'
    )
    assert rows["lmfao"]["valence_sd"] * 4 == pytest.approx(np.std([3, 2, 3, 3, 3, -1, 4, 2, 3, 2], ddof=1))
    assert (
        rows["d:"]["valence_raw"] == -2.9 and rows["d: (2)"]["valence_raw"] == 1.2 and rows["d: (2)"]["content"] == "d:"
    )
    single = harmonise_singles(happiness.vader_singles(tmp_path / "vader_lexicon", one), one)
    assert single.height == 50 and single["rater"].null_count() == 50 and set(single["stimulus"]) == set(rows)
    assert all(row["raters"] == 10 for row in rows.values())


# the real lists

STATED = {
    "moors_2013": (575, 4.18, 3.94),
    "speed_2024": (792, 3.05, 2.88),
    "kapucu_2018": (268, 5.24, 4.85),
    "montefinese_2014": (564, 5.33, 5.52),
    "martinez_tomas_2026": (52, 5.45, 5.46),
    "yi_2025": (991, 5.21, 4.89),
    "binder_2016": (289, None, None),
    "wang_2022": (233, None, None),
    "grandy_2020_young": (800, None, None),
    "grandy_2020_old": (800, None, None),
    "syssau_2009_age5": (173, None, None),
    "syssau_2009_age7": (428, None, None),
    "syssau_2009_age9": (431, None, None),
    "kanske_2010": (1000, 4.96, 4.15),
    "schauenburg_2015": (858, 4.83, 5.46),
    "stadthagen_gonzalez_2017": (14031, 5.18, 5.34),
    "soderholm_2013": (420, 3.99, 3.97),
    "bonin_2018": (1659, 3.18, 2.63),
    "monnier_2014": (1031, 5.44, 4.28),
    "sianipar_2016": (1490, 4.97, 4.86),
    "roest_2018": (672, 3.66, 3.05),
    "speed_2017": (485, 4.18, 3.81),
    "verheyen_2019": (1000, 4.00, 4.09),
    "imbir_2016": (4905, 5.01, 4.08),
    "soares_2012": (1034, 5.006, 4.886),
    "schmidtke_2014": (1003, 0.042, 5.133),
    "schmidtke_2014_bawl": (1002, None, 2.939),
    "guasch_2016": (1400, 4.877, 5.084),
    "riegel_2015": (2902, 0.169, 2.379),
    "rocklage_2018": (1541, 4.166, None),
    "yee_2017": (292, 3.318, 2.580),
    "citron_2016": (619, -0.585, 3.820),
    "redondo_2007": (1034, 4.740, 5.525),
    "janschewitz_2008": (460, 4.656, 2.671),
    "eilola_2010_english": (210, 3.774, None),
    "eilola_2010_finnish": (210, 3.985, None),
    "gruhn_2008_young": (200, 4.042, 4.079),
    "gruhn_2008_old": (200, 4.173, 4.094),
    "labmt_arabic": (10000, 5.360, None),
    "labmt_chinese": (10000, 5.126, None),
    "labmt_english": (10222, 5.375, None),
    "labmt_french": (10000, 5.420, None),
    "labmt_german": (10000, 5.445, None),
    "labmt_indonesian": (10001, 5.343, None),
    "labmt_korean": (10001, 5.235, None),
    "labmt_portuguese": (10001, 5.686, None),
    "labmt_russian": (10001, 5.358, None),
    "labmt_spanish": (10001, 5.819, None),
    "vader_lexicon": (7520, -0.179, None),
}


def real(source):
    if at_hand(READERS[source]) != "data folder":
        pytest.skip(f"{source} is not in the data folder")
    return read_raw(READERS[source])


@real_data
@pytest.mark.parametrize("source", list(READERS))
def test_real_lists_have_the_rows_and_means_their_authors_state(source):
    rows, (height, valence, arousal) = real(source), STATED[source]
    assert rows.height == height
    for name, mean in (("valence_raw", valence), ("arousal_raw", arousal)):
        assert mean is None or rows[name].mean() == pytest.approx(mean, abs=0.0061)
    odd = rows["content"].str.contains("[\x80-\x9f¸‰ˆƒ*]|^\\s|\\s$") & ~pl.Series(
        [source.startswith(("labmt", "vader"))]
    )
    assert not odd.any(), "letters of a wrong code page, stars or blanks (tweets have them for decoration)"


@real_data
def test_real_portuguese_is_all_raters_and_polish_is_corrected():
    folder = os.environ["EMONOTES_DATA"]
    men = languages.cells(languages.Path(folder) / "subs2vec_va_norms/pt-soares-2012.tsv").select(
        content="word", men=pl.col("valence").cast(pl.Float64)
    )
    both = real("soares_2012").join(men, on="content")
    assert both.height == 1034 and both.select(pl.corr("valence_raw", "men")).item() < 0.999
    polish = dict(real("imbir_2016").select("stimulus", "valence_raw").iter_rows())
    assert polish["podekscytowany"] == 7.16 and polish["bezpieczny"] == 7.4


@real_data
def test_real_vader_has_ten_answers_a_token_and_no_neutral_word():
    rows = real("vader_lexicon")
    single = read_singles(READERS["vader_lexicon"])
    assert single.height == 75200 and rows["valence"].abs().min() > 0 and rows["raters"].unique().to_list() == [10]
    assert (
        single.group_by("stimulus")
        .agg(pl.col("valence").mean())
        .join(rows, on="stimulus")
        .select((pl.col("valence") - pl.col("valence_right")).abs().max())
        .item()
        < 1e-9
    )


@real_data
def test_real_valence_travels_better_than_arousal():
    panel = [
        real(source).filter(pl.len().over("group") == 1)
        for source in ("redondo_2007", "soares_2012", "schmidtke_2014", "montefinese_2014", "moors_2013", "yi_2025")
    ]
    found = []
    for i, one in enumerate(panel):
        for other in panel[i + 1 :]:
            both = one.join(other.filter(pl.col("group").str.starts_with("word/")), on="group", suffix="_b")
            found.append(both.select(v=pl.corr("valence", "valence_b"), a=pl.corr("arousal", "arousal_b")).row(0))
    valence, arousal = np.array(found).T
    assert (
        (valence > 0.75).all()
        and (arousal > 0.4).all()
        and (valence > arousal).all()
        and np.median(valence) - np.median(arousal) > 0.15
    )
