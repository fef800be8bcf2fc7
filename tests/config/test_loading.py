from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.defaults import defaults_text
from config.errors import SettingsError
from config.loading import RENAMED_VALUES, load

NOWHERE = {"HOME": "/nonexistent"}
KEY = "analysis.on_battery"


def problems(**arguments: object) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(**{"environ": NOWHERE, **arguments})  # type: ignore[arg-type]
    assert caught.value.exit_code == 78
    return caught.value.problems


def written(folder: Path, text: str) -> Path:
    file = folder / "valenced.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_alone_are_valid_and_are_the_source() -> None:
    loaded = load(environ=NOWHERE)
    assert loaded.settings.watch.settle_s == 3.0
    assert set(loaded.sources.values()) == {"default"}


def test_every_default_is_explained_by_a_comment_above_it() -> None:
    lines = defaults_text().splitlines()
    keys = [number for number, line in enumerate(lines) if " = " in line and line[0] not in "# "]
    explained = [
        number for number in keys if lines[number - 1].startswith("#") or " = " in lines[number - 1]
    ]
    assert keys == explained


def test_each_layer_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    file = written(tmp_path, "[watch]\nsettle_s = 4\nreconcile_s = 60\n[tags]\nmode = 'none'\n")
    loaded = load(
        environ=NOWHERE | {"VALENCED_WATCH_RECONCILE_S": "70", "VALENCED_TAGS_MODE": "sidecar"},
        file=file,
        overrides=["tags.mode=in-place"],
    )
    assert loaded.settings.watch.settle_s == 4
    assert loaded.settings.watch.reconcile_s == 70
    assert loaded.settings.tags.mode == "in-place"
    assert loaded.sources["watch.settle_s"] == str(file)
    assert loaded.sources["watch.reconcile_s"] == "VALENCED_WATCH_RECONCILE_S"
    assert loaded.sources["tags.mode"] == "--set"


def test_every_problem_is_reported_at_once_with_key_value_and_source(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[watch]\nsettel_s = 4\nsettle_s = -1\n[[watch.folder]]\npath = 'relative'\n"
        "[tags]\nmode = 'magic'\n",
    )
    told = problems(file=file, overrides=["analysis.nice=twenty", "nonsense"])
    assert any("watch.settel_s" in line and "watch.settle_s" in line for line in told)
    assert any(line.startswith("watch.settle_s = -1") and str(file) in line for line in told)
    assert any(line.startswith("watch.folder[0].path") and "absolute" in line for line in told)
    assert any("'magic'" in line and "'sidecar'" in line for line in told)
    assert any(line.startswith("analysis.nice = 'twenty' (from --set)") for line in told)
    assert any("--set nonsense: KEY=VALUE" in line for line in told)


def test_an_unknown_key_of_a_folder_names_the_nearest(tmp_path: Path) -> None:
    file = written(tmp_path, "[[watch.folder]]\npath = '/srv'\nmodus = 'poll'\n")
    assert any("modus" in line and "mode" in line for line in problems(file=file))


def test_a_cluster_and_its_paths_are_read_or_refused(tmp_path: Path) -> None:
    paths = "[[analysis.cluster_path]]\nhere = '/mnt/a'\nthere = '/srv/b'\n"
    file = written(tmp_path, f"[analysis]\ncluster = 'tls://[::1]:8786'\n{paths}")
    analysis = load(environ=NOWHERE, file=file).settings.analysis
    assert analysis.cluster == "tls://[::1]:8786"
    assert [(str(each.here), str(each.there)) for each in analysis.cluster_path] == [
        ("/mnt/a", "/srv/b")
    ]
    for address in ("scheduler:8786", "http://scheduler:80", "tcp://", "tcp://a", "tcp://a:b"):
        assert '"tcp://host:port"' in problems(overrides=[f"analysis.cluster={address}"])[0]
    told = problems(file=written(tmp_path, paths + "their = '/c'\n"))
    assert any("their" in line and "nearest is there" in line for line in told)
    told = problems(file=written(tmp_path, paths.replace("/srv", "srv")))
    assert any(line.startswith("analysis.cluster_path[0].there") for line in told)


def test_an_unknown_variable_is_an_error_that_names_the_nearest() -> None:
    told = problems(environ=NOWHERE | {"VALENCED_WATCH_SETLE_S": "1"})
    assert "VALENCED_WATCH_SETTLE_S" in told[0]


@pytest.mark.parametrize("text", ["[watch\n", "\x00", "[watch]\nsettle_s = = 3\n", "watch = 3\n"])
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str) -> None:
    assert len(problems(file=written(tmp_path, text))) == 1


def test_a_given_file_must_exist(tmp_path: Path) -> None:
    assert "cannot be read" in problems(file=tmp_path / "absent.toml")[0]


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "valenced.toml"
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in problems(file=file)[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("page.listen", "127.0.0.1:99999"),
        ("page.listen", "8080"),
        ("catalogue.url", "postgresql://localhost/x"),
        ("watch.suffixes", "[]"),
        ("watch.settle_s", "nan"),
        ("watch.settle_s", "inf"),
        ("mood.arousal_threshold", "1.5"),
        ("retrain.min_annotations", "0"),
    ],
)
def test_a_value_out_of_range_is_refused(key: str, value: str) -> None:
    assert problems(overrides=[f"{key}={value}"])[0].startswith(key)


@pytest.mark.parametrize(
    ("assignment", "accepted"),
    [
        ("watch.settle_s=abc", "a number is accepted"),
        ("analysis.memory_mib=many", "a whole number is accepted"),
        ("analysis.memory_mib=1000.5", "a whole number is accepted"),
        ("page.listen=8080", "a text in quotes is accepted"),
        ("watch.suffixes=mp3", "a list in square brackets is accepted"),
        ("watch.suffixes=[]", "at least one value is needed"),
        ("watch.suffixes=[1]", "a text in quotes is accepted"),
        ("watch.folder=[1]", "a table is accepted"),
        ("watch.folder=[{path=3}]", "a path in quotes is accepted"),
        ("watch.folder=[{tags=true}]", "this setting is needed"),
        ("tags.mode=fast", "'replace', 'in-place', 'sidecar' or 'none' is accepted"),
        ("tags.step=0", "1 or more is accepted"),
        ("analysis.nice=100", "19 or less is accepted"),
        ("watch.settle_s=nan", "a finite number is accepted"),
        ("page.listen='8080'", '"host:port" with a port up to 65535 is accepted, or an empty text'),
    ],
)
def test_what_is_accepted_instead_is_said_in_plain_words(assignment: str, accepted: str) -> None:
    (told,) = problems(overrides=[assignment])
    assert told.endswith(f"(from --set): {accepted}")


def spelled_as_before(way: str, folder: Path, value: str = "'go on'") -> dict[str, object]:
    arguments: dict[str, dict[str, object]] = {
        "file": {"file": written(folder, f"[analysis]\non_battery = {value}\n")},
        "environment": {"environ": NOWHERE | {"VALENCED_ANALYSIS_ON_BATTERY": value}},
        "option": {"overrides": [f"analysis.on_battery={value}"]},
    }
    return arguments[way]


WAYS = pytest.mark.parametrize("way", ["file", "environment", "option"])


@WAYS
def test_a_value_of_an_earlier_release_is_accepted_with_one_warning(
    way: str, tmp_path: Path
) -> None:
    loaded = load(**{"environ": NOWHERE, **spelled_as_before(way, tmp_path)})  # type: ignore[arg-type]
    assert loaded.settings.analysis.on_battery == "continue"
    (warning,) = loaded.warnings
    assert warning.startswith(f"analysis.on_battery = 'go on' (from {loaded.sources[KEY]}): ")
    assert "write 'continue'" in warning
    assert loaded.reload().warnings == loaded.warnings


@WAYS
def test_a_present_value_warns_of_nothing(way: str, tmp_path: Path) -> None:
    for value in ("'continue'", "'pause'"):
        arguments = {"environ": NOWHERE, **spelled_as_before(way, tmp_path, value)}
        loaded = load(**arguments)  # type: ignore[arg-type]
        assert loaded.settings.analysis.on_battery == value.strip("'")
        assert not loaded.warnings


def test_an_old_value_that_a_stronger_layer_replaces_warns_of_nothing(tmp_path: Path) -> None:
    file = written(tmp_path, "[analysis]\non_battery = 'go on'\n")
    loaded = load(environ=NOWHERE, file=file, overrides=["analysis.on_battery=pause"])
    assert loaded.settings.analysis.on_battery == "pause"
    assert not loaded.warnings


@WAYS
@pytest.mark.parametrize(
    "value", ["['go on']", "'go  on'", "'GO ON'", '"go on\\n"', '"\\u001b[2J"', "true", "0", "''"]
)
def test_what_only_resembles_an_old_value_is_refused(way: str, value: str, tmp_path: Path) -> None:
    told = problems(**spelled_as_before(way, tmp_path, value))
    (line,) = "\n".join(told).splitlines()
    assert line.startswith(KEY)
    assert "'continue'" in line
    assert "\x1b" not in line


def test_every_old_value_names_a_setting_and_a_value_that_it_accepts() -> None:
    for (key, old), new in RENAMED_VALUES.items():
        assert load(environ=NOWHERE, overrides=[f"{key}={new}"]).warnings == []
        assert len(load(environ=NOWHERE, overrides=[f"{key}={old}"]).warnings) == 1


def test_state_and_settings_files_follow_systemd_then_xdg(tmp_path: Path) -> None:
    home = load(environ={"HOME": "/home/u"}).paths
    assert home.state == Path("/home/u/.local/state/valenced")
    assert home.settings_files[0] == Path("/home/u/.config/valenced/valenced.toml")
    unit = load(
        environ={
            "HOME": "/home/u",
            "XDG_STATE_HOME": "/x",
            "STATE_DIRECTORY": "/var/lib/valenced:/other",
            "CONFIGURATION_DIRECTORY": str(tmp_path),
        }
    ).paths
    assert unit.state == Path("/var/lib/valenced")
    assert unit.settings_files[0] == tmp_path / "valenced.toml"


@given(st.text(max_size=40))
def test_no_text_given_with_set_affects_other_settings(text: str) -> None:
    with suppress(SettingsError):
        assert load(environ=NOWHERE, overrides=[text]).settings.watch.settle_s > 0


HUGE = [
    "watch.settle_s=nan",
    "watch.settle_s=1e999",
    "mood.arousal_threshold=nan",
    "analysis.nice=" + "9" * 5000,
    "watch.folder=" + "[" * 100_000,
    "watch.ignore=[" + "'a'," * 2000 + "]",
    "page.listen='" + "h" * 100_000 + ":1'",
    "page.listen='a:\u0661'",
    'annotations.folder="/a\\u0000b"',
    "annotations.folder='/" + "a" * 5000 + "'",
    "retrain.schedule='" + "1," * 5000 + "1 * * * *'",
    "x" * 100_000 + "=1",
    "x" * 100_000,
    "tags.step=1979-05-27",
    "tags.step=1979-13-27",
]


@pytest.mark.parametrize("override", HUGE, ids=[text[:20] for text in HUGE])
def test_a_value_without_measure_is_one_short_problem(override: str) -> None:
    (problem,) = problems(overrides=[override])
    assert len(problem) < 1000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#" * (300 * 1024), "larger than 256 KiB"),
        ("x = " + "[" * 50_000, "nested too deeply"),
        ("x = " + "9" * 5000, "not valid TOML"),
    ],
)
def test_a_settings_file_without_measure_is_one_short_problem(
    tmp_path: Path, text: str, told: str
) -> None:
    (problem,) = problems(file=written(tmp_path, text))
    assert told in problem
    assert len(problem) < 1000


def test_a_settings_file_that_never_ends_is_refused() -> None:
    (problem,) = problems(file=Path("/dev/zero"))
    assert "larger than" in problem


def test_of_thousands_of_unknown_keys_some_are_listed(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(f"k{number}=1\n" for number in range(20_000)))
    assert len(problems(file=file)) == 50
